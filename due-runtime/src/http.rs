//! HTTP/1.1 for operators and their tools: few connections, small requests, deadlines.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Connections at a time; more wait in the system's queue.
const CONNECTIONS: usize = 256;
/// For the head of a request, and how long a connection may be idle between two.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of the head of a request, and of what is read ahead.
const HEAD: usize = 16 * 1024;
/// How long requests at hand may take when the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// After an accept error of the whole process, as too many open files.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A server that runs. Dropping it cuts nothing and accepts nothing more.
pub(crate) struct HttpServer {
    addr: SocketAddr,
    finish: CancellationToken,
    _finish_on_drop: DropGuard,
    tasks: TaskTracker,
}

impl HttpServer {
    /// Opens the listener: connections wait in the system's queue until [`serve`](Self::serve).
    pub(crate) async fn bind(addr: &str) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    }

    pub(crate) fn serve(listener: TcpListener, addr: SocketAddr, router: Router) -> Self {
        let (finish, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(accept_all(listener, router, finish.clone(), tasks.clone()));
        Self { addr, _finish_on_drop: finish.clone().drop_guard(), finish, tasks }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts nothing more and waits for the requests at hand, for five seconds at most.
    pub(crate) async fn stop(self) {
        self.finish.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept_all(listener: TcpListener, router: Router, finish: CancellationToken, tasks: TaskTracker) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let accepted = async || {
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
    };
    while let Some((stream, place)) = finish.run_until_cancelled(accepted()).await {
        let (router, finish) = (router.clone(), finish.clone());
        tasks.spawn(async move {
            serve_one(stream, router, &finish).await;
            drop(place);
        });
    }
}

async fn serve_one(stream: TcpStream, router: Router, finish: &CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = finish.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(DRAIN, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended");
    }
}

//! The gRPC server, with connections that can be cut: tonic alone waits for its calls as long as they take.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::codegen::tokio_stream::StreamExt as _;
use tonic::codegen::tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::service::Router;
use crate::future::BoxFuture;

/// What an HTTP/2 client sends before its first frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A server that stops waits this long for the preface of a connection: until then it has no calls.
const PREFACE_WAIT: Duration = Duration::from_secs(1);

/// A silent client is asked this often whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Serves until `finish`, then until the last call is answered; a connection that never spoke does not hold it up.
/// `cut` ends it at once.
pub(super) async fn serve(listener: TcpListener, router: Router, finish: CancellationToken, cut: CancellationToken) {
    let streams = TcpListenerStream::new(listener).map({
        let (finish, cut) = (finish.clone(), cut.clone());
        move |stream| stream.map(|stream| Connection::new(stream, &finish, &cut))
    });
    let stop = async {
        tokio::select! {
            () = finish.cancelled() => {}
            () = cut.cancelled() => {}
        }
    };
    let server = Server::builder().http2_keepalive_interval(Some(KEEP_ALIVE));
    if let Err(error) = server.serve_with_incoming_shutdown(router, streams, stop).await {
        tracing::error!(error = &error as &dyn std::error::Error, "mesh server ended");
    }
}

struct Connection {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// `None` after the preface.
    mute: Option<Mute>,
}

/// A connection on which the preface has not come.
struct Mute {
    heard: usize,
    overdue: BoxFuture<'static, ()>,
}

impl Connection {
    fn new(stream: TcpStream, finish: &CancellationToken, cut: &CancellationToken) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small answers may be late");
        }
        let finished = finish.clone().cancelled_owned();
        let overdue = Box::pin(async move {
            finished.await;
            sleep(PREFACE_WAIT).await;
        });
        let mute = Some(Mute { heard: 0, overdue });
        Self { stream, cut: Box::pin(cut.clone().cancelled_owned()), mute }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let overdue = this.mute.as_mut().is_some_and(|mute| mute.overdue.as_mut().poll(cx).is_ready());
        if overdue || this.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(mute) = &mut this.mute {
            mute.heard += buf.filled().len() - before;
            this.mute.take_if(|mute| mute.heard >= PREFACE.len());
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

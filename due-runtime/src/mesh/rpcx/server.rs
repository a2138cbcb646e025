//! The server: connections, and the calls of each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::frame::Frame;
use super::limits::{FAREWELL, MAX_AT_WORK, MAX_CONNECTIONS, WRITE_QUEUE};
use super::service::Table;
use super::stream::{FrameReader, StreamError, write_all};
use super::{AUTH, FAREWELL_METHOD, TIMEOUT, metadata, status};
use crate::codec::Codec;
use crate::future::catch_panic;
use crate::mesh::channel::LONGEST;
use crate::mesh::typed::Written;

/// Between two attempts to accept when the system has nothing left for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the connections of one mesh share.
pub(in crate::mesh) struct Server {
    pub(in crate::mesh) table: Table,
    pub(in crate::mesh) token: Option<Arc<str>>,
    /// Stop: no new connections, and each ends when its calls are answered.
    pub(in crate::mesh) finish: CancellationToken,
    /// End at once.
    pub(in crate::mesh) cut: CancellationToken,
}

impl Server {
    /// Serves until `finish`, then until the last call is answered. `cut` ends it at once.
    pub(in crate::mesh) async fn serve(self, listener: TcpListener) {
        let this = Arc::new(self);
        let (places, tasks) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), TaskTracker::new());
        let mut peers = JoinSet::new();
        loop {
            let next = async {
                // The semaphore is never closed.
                let place = Arc::clone(&places).acquire_owned().await.ok();
                (place, listener.accept().await)
            };
            tokio::select! {
                () = this.finish.cancelled() => break,
                () = this.cut.cancelled() => break,
                Some(_) = peers.join_next(), if !peers.is_empty() => {}
                (place, accepted) = next => match accepted {
                    Ok((stream, addr)) => {
                        if let Err(error) = stream.set_nodelay(true) {
                            tracing::debug!(%error, "small answers may be late");
                        }
                        let peer = Peer::new(Arc::clone(&this), tasks.clone(), addr);
                        let span = tracing::info_span!("rpcx", peer = %addr);
                        peers.spawn(async move {
                            peer.serve(stream).await;
                            drop(place);
                        }.instrument(span));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let finished = async {
            while peers.join_next().await.is_some() {}
            tasks.close();
            tasks.wait().await;
        };
        tokio::select! {
            () = finished => {}
            () = this.cut.cancelled() => {}
        }
    }
}

/// One connection.
struct Peer {
    server: Arc<Server>,
    /// Calls that nobody waits for: they outlive the connection.
    oneway: TaskTracker,
    addr: SocketAddr,
}

/// Whether a connection goes on.
enum Next {
    Go,
    End,
}

impl Peer {
    fn new(server: Arc<Server>, oneway: TaskTracker, addr: SocketAddr) -> Self {
        Self { server, oneway, addr }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite) {
        let (read, write) = tokio::io::split(stream);
        let (answers, queue) = mpsc::channel(WRITE_QUEUE);
        let gone = CancellationToken::new();
        let writing = async {
            let written = write_all(write, queue, CancellationToken::new()).await;
            gone.cancel();
            written.map_err(StreamError::from)
        };
        let reading = async {
            tokio::select! {
                () = gone.cancelled() => Ok(()),
                // It holds what queues answers: when it ends, the writer does.
                ended = self.read(FrameReader::new(read), answers) => ended,
            }
        };
        let ended = tokio::select! {
            (read, written) = async { tokio::join!(reading, writing) } => read.and(written),
            () = self.server.cut.cancelled() => Ok(()),
        };
        if let Err(error) = ended {
            tracing::debug!(error = &error as &dyn std::error::Error, "a client's connection ended");
        }
    }

    async fn read(
        &self,
        mut frames: FrameReader<impl AsyncRead + Unpin>,
        answers: mpsc::Sender<Bytes>,
    ) -> Result<(), StreamError> {
        let places = Arc::new(Semaphore::new(MAX_AT_WORK));
        let mut calls = JoinSet::new();
        let mut leaving: Option<Instant> = None;
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await.ok();
                (place, frames.next().await)
            };
            tokio::select! {
                // Panics of handlers are caught below it.
                Some(_) = calls.join_next(), if !calls.is_empty() => {}
                () = self.server.finish.cancelled(), if leaving.is_none() => {
                    leaving = Some(Instant::now() + FAREWELL);
                    let farewell = Frame { is_oneway: true, method: FAREWELL_METHOD.to_owned(), ..Frame::default() };
                    // A peer that is gone needs none.
                    let _ = answers.send(farewell.encode()?).await;
                }
                () = sleep_until(leaving.unwrap_or_else(Instant::now)), if leaving.is_some() && calls.is_empty() => {
                    return Ok(());
                }
                (place, frame) = next, if leaving.is_none_or(|end| Instant::now() < end) => {
                    let Some(frame) = frame? else { return Ok(()) };
                    if let Next::End = self.take(frame, place, &answers, &mut calls).await {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn take(
        &self,
        mut request: Frame,
        place: Option<OwnedSemaphorePermit>,
        answers: &mpsc::Sender<Bytes>,
        calls: &mut JoinSet<()>,
    ) -> Next {
        if request.is_response {
            tracing::debug!(seq = request.seq, "a client answers what nobody has asked");
            return Next::Go;
        }
        if request.is_heartbeat {
            request.is_response = true;
            // A client that is gone needs no answer.
            let Ok(answer) = request.encode() else { return Next::End };
            return if answers.send(answer).await.is_ok() { Next::Go } else { Next::End };
        }
        if !self.is_let_in(&request) {
            tracing::debug!("a client does not know the token");
            let answer =
                answer(&request, Err(Status::unauthenticated("the token of `__AUTH` is not the one of this mesh")));
            let _ = answers.send(answer).await;
            return Next::End;
        }
        let is_oneway = request.is_oneway;
        let call = self.call(request);
        if is_oneway {
            let cut = self.server.cut.clone();
            let task = async move {
                // Of a call that nobody waits for the answer is nobody's, too.
                cut.run_until_cancelled(call).await;
                drop(place);
            };
            self.oneway.spawn(task.in_current_span());
        } else {
            let answers = answers.clone();
            let task = async move {
                // A client that is gone needs no answer.
                let _ = answers.send(call.await).await;
                drop(place);
            };
            calls.spawn(task.in_current_span());
        }
        Next::Go
    }

    fn is_let_in(&self, request: &Frame) -> bool {
        let Some(token) = &self.server.token else { return true };
        let shown = request.meta(AUTH).unwrap_or_default().as_bytes();
        // In the same time wherever they differ.
        let differs = token.bytes().zip(shown).fold(0, |differs, (ours, theirs)| differs | (ours ^ theirs));
        token.len() == shown.len() && differs == 0
    }

    /// The answer's frame.
    fn call(&self, request: Frame) -> impl Future<Output = Bytes> + Send + use<> {
        let found = self.server.table.find(&request.path, &request.method);
        let addr = self.addr;
        async move {
            let result = async {
                let (call, codec) = (found?, codec(request.serialize.0)?);
                let time = request.meta(TIMEOUT).and_then(|time| time.parse().ok());
                let time = time.map(|time| Duration::from_millis(time).min(LONGEST));
                let mut to_handle = Request::new(request.payload.clone());
                *to_handle.metadata_mut() = metadata::read(&request.metadata);
                if let Some(time) = time {
                    to_handle.set_timeout(time);
                }
                to_handle.extensions_mut().insert(Written(codec));
                to_handle
                    .extensions_mut()
                    .insert(tonic::transport::server::TcpConnectInfo { local_addr: None, remote_addr: Some(addr) });
                let handling = catch_panic(async move { call(to_handle).await });
                let handled = match time {
                    Some(time) => timeout(time, handling)
                        .await
                        .map_err(|_| Status::deadline_exceeded(format!("not answered within {time:?}")))?,
                    None => handling.await,
                };
                handled.unwrap_or_else(|_| {
                    tracing::error!(
                        path = request.path,
                        method = request.method,
                        "a mesh handler panicked; its call fails, nothing else does"
                    );
                    Err(Status::internal("internal error"))
                })
            };
            let result = result.await;
            answer(&request, result)
        }
    }
}

/// What bodies of a serialize type are to generated services, and to serde.
fn codec(serialize: u8) -> Result<Codec, Status> {
    match serialize {
        1 => Ok(Codec::Json),
        2 => Ok(Codec::Proto),
        3 => Ok(Codec::GoMsgPack),
        other => {
            let text = format!("serialize type {other} is not taken: JSON (1), protobuf (2) and MessagePack (3) are");
            Err(Status::unimplemented(text))
        }
    }
}

/// Says where and how it was asked, as servers of Go do, and is compressed if the request was.
fn answer(request: &Frame, result: Result<Response<Bytes>, Status>) -> Bytes {
    let response = |metadata, payload, is_error| Frame {
        is_response: true,
        is_error,
        gzip: request.gzip,
        serialize: request.serialize,
        seq: request.seq,
        path: request.path.clone(),
        method: request.method.clone(),
        metadata,
        payload,
        ..Frame::default()
    };
    let failed = |status: &Status| response(status::to_metadata(status), Bytes::new(), true).encode();
    let encoded = match result {
        Ok(answer) => {
            let (headers, payload, _) = answer.into_parts();
            response(metadata::write(&headers), payload, false).encode()
        }
        Err(status) => failed(&status),
    };
    let encoded = encoded.or_else(|error| failed(&Status::out_of_range(format!("the answer cannot be sent: {error}"))));
    encoded.expect("errors are short, and the names of a request within their limits")
}

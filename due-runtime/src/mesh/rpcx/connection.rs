//! A client's connection, which many calls share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::FAREWELL_METHOD;
use super::frame::{Frame, FrameError, Serialize};
use super::limits::{KEEP_ALIVE, MAX_CALLS, WRITE_QUEUE};
use super::stream::{FrameReader, StreamError, write_all};

/// Cheap to clone. Ends when the last clone is dropped.
#[derive(Clone)]
pub(in crate::mesh) struct Connection {
    shared: Arc<Shared>,
    _end: Arc<DropGuard>,
}

struct Shared {
    frames: mpsc::Sender<Bytes>,
    calls: Mutex<Calls>,
    places: Semaphore,
}

struct Calls {
    /// By their seq.
    waiting: HashMap<u64, oneshot::Sender<Frame>>,
    next: u64,
    is_open: bool,
}

/// Why a call has no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Nothing of it has left this process.
    #[error("the connection was closed before the request was sent")]
    NeverSent,
    /// It may have been handled.
    #[error("the connection was lost before the response came")]
    Lost,
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl Connection {
    pub(super) fn over(stream: impl AsyncRead + AsyncWrite + Send + 'static, peer: String) -> Self {
        let (frames, queue) = mpsc::channel(WRITE_QUEUE);
        let calls = Mutex::new(Calls { waiting: HashMap::new(), next: 0, is_open: true });
        let shared = Arc::new(Shared { frames, calls, places: Semaphore::new(MAX_CALLS) });
        let end = CancellationToken::new();
        // Ends with the last of us, whatever the peer does.
        tokio::spawn(run(stream, queue, Arc::clone(&shared), end.clone(), peer));
        Self { shared, _end: Arc::new(end.drop_guard()) }
    }

    /// Whether new calls may use it.
    pub(in crate::mesh) fn is_open(&self) -> bool {
        self.shared.lock().is_open
    }

    /// How many calls wait on it.
    pub(in crate::mesh) fn load(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Waits for a place, then for the response. Dropping it gives the response up.
    pub(super) async fn call(&self, mut request: Frame) -> Result<Frame, CallError> {
        let _place = self.shared.places.acquire().await.map_err(|_| CallError::NeverSent)?;
        let (responder, response) = oneshot::channel();
        let waiting = Waiting::new(&self.shared, responder).ok_or(CallError::NeverSent)?;
        request.seq = waiting.seq;
        let request = request.encode()?;
        self.shared.frames.send(request).await.map_err(|_| CallError::NeverSent)?;
        response.await.map_err(|_| CallError::Lost)
    }

    /// Done when a oneway request is queued.
    pub(super) async fn send(&self, mut request: Frame) -> Result<(), CallError> {
        request.seq = self.shared.lock().seq().ok_or(CallError::NeverSent)?;
        let request = request.encode()?;
        self.shared.frames.send(request).await.map_err(|_| CallError::NeverSent)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A full queue is a server that does not read: it is found silent all the same.
    fn heartbeat(&self) {
        // MessagePack of an i64, as clients of Go have it; what it says does not matter.
        let payload = Bytes::from_static(&[0xd3, 0, 0, 0, 0, 0, 0, 0, 0]);
        let frame = Frame { is_heartbeat: true, serialize: Serialize(3), payload, ..Frame::default() };
        if let Ok(frame) = frame.encode() {
            let _ = self.frames.try_send(frame);
        }
    }

    /// Whether the connection is of use any longer.
    fn take(&self, frame: Frame) -> bool {
        let mut calls = self.lock();
        match () {
            () if frame.is_heartbeat => {}
            () if frame.is_response => {
                // The caller of one that is missing has given it up.
                if let Some(responder) = calls.waiting.remove(&frame.seq) {
                    let _ = responder.send(frame);
                }
            }
            () if frame.method == FAREWELL_METHOD => calls.is_open = false,
            () => {
                tracing::debug!(path = frame.path, method = frame.method, "a server asks us something; nobody answers")
            }
        }
        calls.is_open || !calls.waiting.is_empty()
    }
}

impl Calls {
    fn seq(&mut self) -> Option<u64> {
        let seq = self.next;
        self.next = self.next.wrapping_add(1);
        self.is_open.then_some(seq)
    }
}

/// A call's place among those that wait.
struct Waiting<'a> {
    shared: &'a Shared,
    seq: u64,
}

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared, responder: oneshot::Sender<Frame>) -> Option<Self> {
        let mut calls = shared.lock();
        let seq = calls.seq()?;
        calls.waiting.insert(seq, responder);
        drop(calls);
        Some(Self { shared, seq })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.lock().waiting.remove(&self.seq);
    }
}

async fn run(
    stream: impl AsyncRead + AsyncWrite,
    queue: mpsc::Receiver<Bytes>,
    shared: Arc<Shared>,
    end: CancellationToken,
    peer: String,
) {
    let (read, write) = tokio::io::split(stream);
    let reason = tokio::select! {
        written = write_all(write, queue, end) => written.err().map(StreamError::from),
        ended = read_all(FrameReader::new(read), &shared) => ended.err(),
    };
    if let Some(error) = reason {
        tracing::debug!(peer, error = &error as &dyn std::error::Error, "a connection to a mesh ended");
    }
    let mut calls = shared.lock();
    calls.is_open = false;
    calls.waiting.clear();
    shared.places.close();
}

/// Until the connection ends, is of no use any more, or the server is silent.
async fn read_all(mut frames: FrameReader<impl AsyncRead + Unpin>, shared: &Shared) -> Result<(), StreamError> {
    let (mut look, mut is_asked) = (Instant::now() + KEEP_ALIVE, false);
    loop {
        tokio::select! {
            frame = frames.next() => {
                let Some(frame) = frame? else { return Ok(()) };
                (look, is_asked) = (Instant::now() + KEEP_ALIVE, false);
                if !shared.take(frame) {
                    return Ok(());
                }
            }
            () = sleep_until(look) => {
                look = Instant::now() + KEEP_ALIVE;
                let is_idle = shared.lock().waiting.is_empty();
                if is_idle {
                    is_asked = false;
                } else if is_asked {
                    return Err(StreamError::Silent);
                } else {
                    is_asked = true;
                    shared.heartbeat();
                }
            }
        }
    }
}

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use crate::codec::{Body, Codec, DecodeError};
use crate::crypto::Cipher;
use crate::id::RouteId;

/// What a server pushes on one route, in order. Holds a bounded number; then the oldest are lost, and the
/// listener is told how many.
#[must_use]
pub struct Pushes<T> {
    packets: broadcast::Receiver<Bytes>,
    codec: Codec,
    cipher: Option<Cipher>,
    /// What is handed over as it is on the wire.
    is_plain: bool,
    /// The push whose turn it is, while it is decrypted.
    revealing: Option<JoinHandle<Result<Bytes, DecodeError>>>,
    decode: fn(&Codec, &Bytes) -> Result<T, DecodeError>,
}

impl Pushes<Bytes> {
    pub(crate) fn raw(packets: broadcast::Receiver<Bytes>, cipher: Option<Cipher>) -> Self {
        let decode = |_: &Codec, body: &Bytes| Ok(body.clone());
        Self { packets, codec: Codec::default(), cipher, is_plain: true, revealing: None, decode }
    }

    /// The same pushes with their bodies read.
    pub(crate) fn decoded<T: Body>(self, codec: Codec) -> Pushes<T> {
        let Self { packets, cipher, .. } = self;
        Pushes { packets, codec, cipher, is_plain: T::PLAIN, revealing: None, decode: T::decode_body }
    }
}

impl<T> Pushes<T> {
    /// The next push; `None` when the connection has ended and everything was taken. After an error the next ones
    /// still come.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<T, ReceiveError>> {
        let revealing = match &mut self.revealing {
            Some(revealing) => revealing,
            None => match (self.packets.recv().await, &self.cipher) {
                (Ok(body), Some(cipher)) if !self.is_plain => {
                    let cipher = cipher.clone();
                    self.revealing.insert(tokio::spawn(async move { cipher.decrypt(body).await }))
                }
                (Ok(body), _) => return Some((self.decode)(&self.codec, &body).map_err(ReceiveError::Decode)),
                (Err(RecvError::Lagged(missed)), _) => return Some(Err(ReceiveError::Lagged { missed })),
                (Err(RecvError::Closed), _) => return None,
            },
        };
        let clear = revealing.await.unwrap_or_else(|lost| Err(DecodeError::Decrypt(lost.into())));
        self.revealing = None;
        Some(clear.and_then(|body| (self.decode)(&self.codec, &body)).map_err(ReceiveError::Decode))
    }
}

impl<T> fmt::Debug for Pushes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pushes").field("waiting", &self.packets.len()).finish_non_exhaustive()
    }
}

/// One or more pushes cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The listener was too slow; what follows is the oldest that is still there.
    #[error("{missed} pushes are lost: the listener is too slow")]
    Lagged {
        /// How many are lost.
        missed: u64,
    },
    /// The body is not what was expected.
    #[error("cannot read the push")]
    Decode(#[source] DecodeError),
}

/// Who listens on which route.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// `None` when nothing will come any more.
    routes: Mutex<Option<HashMap<RouteId, broadcast::Sender<Bytes>>>>,
    capacity: usize,
}

impl Listeners {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { routes: Mutex::new(Some(HashMap::new())), capacity: capacity.max(1) }
    }

    pub(crate) fn listen(&self, route: RouteId) -> broadcast::Receiver<Bytes> {
        match &mut *self.routes() {
            Some(routes) => routes.entry(route).or_insert_with(|| broadcast::Sender::new(self.capacity)).subscribe(),
            None => broadcast::Sender::new(1).subscribe(),
        }
    }

    /// `false` when nobody listens.
    pub(crate) fn push(&self, route: RouteId, body: Bytes) -> bool {
        let mut guard = self.routes();
        let Some(routes) = &mut *guard else {
            return false;
        };
        match routes.get(&route).map(|listeners| listeners.send(body)) {
            Some(Ok(_)) => true,
            Some(Err(_)) => {
                routes.remove(&route);
                false
            }
            None => false,
        }
    }

    pub(crate) fn close(&self) {
        *self.routes() = None;
    }

    fn routes(&self) -> MutexGuard<'_, Option<HashMap<RouteId, broadcast::Sender<Bytes>>>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! An encryptor as packets use it.

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::Encryptor;
use crate::codec::{BoxError, DecodeError, EncodeError};

/// Heavy operations at a time, in this process. Who waits has one each: a session of a node, a push, a call of a client.
static HANDS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, std::num::NonZero::get)));

/// Empty bodies stay empty.
#[derive(Clone, Debug)]
pub(crate) struct Cipher(Arc<dyn Encryptor>);

/// One of the two.
type Operation = fn(&dyn Encryptor, &[u8]) -> Result<Vec<u8>, BoxError>;

impl Cipher {
    pub(crate) fn new(encryptor: impl Encryptor) -> Self {
        Self(Arc::new(encryptor))
    }

    /// At once, in this thread.
    pub(crate) fn encrypt_now(&self, body: &[u8]) -> Result<Bytes, EncodeError> {
        if body.is_empty() {
            return Ok(Bytes::new());
        }
        self.0.encrypt(body).map(Bytes::from).map_err(EncodeError::Encrypt)
    }

    /// Away from the threads that serve sockets. Dropped, it still comes to an end.
    pub(crate) async fn encrypt(&self, body: Bytes) -> Result<Bytes, EncodeError> {
        self.run(body, |encryptor, body| encryptor.encrypt(body)).await.map_err(EncodeError::Encrypt)
    }

    /// Likewise.
    pub(crate) async fn decrypt(&self, body: Bytes) -> Result<Bytes, DecodeError> {
        self.run(body, |encryptor, body| encryptor.decrypt(body)).await.map_err(DecodeError::Decrypt)
    }

    async fn run(&self, body: Bytes, operation: Operation) -> Result<Bytes, BoxError> {
        if body.is_empty() {
            return Ok(body);
        }
        if !self.0.is_heavy() {
            return operation(&*self.0, &body).map(Bytes::from);
        }
        let hand = HANDS.acquire().await?;
        let encryptor = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let done = operation(&*encryptor, &body);
            drop(hand);
            done
        });
        // An error here: the encryptor has panicked, or the runtime ends.
        done.await?.map(Bytes::from)
    }
}

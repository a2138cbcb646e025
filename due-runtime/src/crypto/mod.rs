//! Bodies that only clients and servers of the game can read, and signatures: due's `crypto`.
//!
//! With an [`Encryptor`] a node encrypts the bodies that go to clients and decrypts those that come from them, and a
//! [`Client`](crate::Client) the other way round. Routes and seqs are never encrypted, and a gate has no key: it sees
//! who talks about what, and no text.
//!
//! | body | is encrypted |
//! |---|---|
//! | of a request or a message, client to node | yes, of [`RawBody`](crate::codec::RawBody) as well |
//! | of a response or a push, server to client | yes, but of `RawBody` not: raw bytes go as they are, as in due |
//! | of a [`Status`](crate::Status) (route -1) | no: gates write them too, and have no key. Mark a field of the response with `due.code` where the text of an error is nobody's business |
//! | empty | no: it stays empty |
//! | between servers | no: `tls` and the secret of the link are for that |
//!
//! What does not decrypt is answered like any other body that cannot be read, so that nobody learns which of the two it was.
//! Encryption hides what is said. It does not say who says it: whoever has the public key can write to a server.
//!
//! ```
//! # #[cfg(feature = "ecc")] {
//! use due::crypto::{EccCurve, EccEncryptor, EccPrivateKey};
//! use due::{Backends, Client};
//!
//! // Usually files: `EccPrivateKey::load("server.pem")`.
//! let (server, client) = (EccPrivateKey::generate(EccCurve::P256)?, EccPrivateKey::generate(EccCurve::P256)?);
//! // Each end encrypts with the other's public key and decrypts with a private one of its own.
//! let backends = Backends::memory().encryptor(EccEncryptor::builder(client.public_key(), server.clone()).build()?);
//! let player = Client::builder().encryptor(EccEncryptor::builder(server.public_key(), client).build()?);
//! # let _ = (backends, player); }
//! # Ok::<(), due::crypto::CryptoError>(())
//! ```
//!
//! | on one core, in ms | encrypt | decrypt |
//! |---|---|---|
//! | RSA of 2048 bits, per block | 0.12 | 1.2 |
//! | ECIES on P256, per body | 0.2 | 0.1 |
//! | ECIES on P384, per body | 0.8 | 0.4 |
//!
//! [`Encryptor::is_heavy`] says where that happens. A node decrypts one body per session at a time, in order, and none of a
//! message that it refuses anyway.

mod cipher;
#[cfg(feature = "ecc")]
mod ecc;
#[cfg(any(feature = "rsa", feature = "ecc"))]
mod hash;
#[cfg(any(feature = "rsa", feature = "ecc"))]
mod pem;
#[cfg(feature = "rsa")]
mod rsa;

use std::fmt::Debug;
use std::path::PathBuf;

pub(crate) use self::cipher::Cipher;
#[cfg(feature = "ecc")]
pub use self::ecc::{
    EccCurve, EccEncryptor, EccEncryptorBuilder, EccPrivateKey, EccPublicKey, EccSigner, EccSignerBuilder,
};
#[cfg(any(feature = "rsa", feature = "ecc"))]
pub use self::hash::Hash;
#[cfg(feature = "rsa")]
pub use self::rsa::{
    RsaEncryptor, RsaEncryptorBuilder, RsaPadding, RsaPrivateKey, RsaPublicKey, RsaSigner, RsaSignerBuilder, RsaSigning,
};
use crate::codec::BoxError;

/// Encrypts what goes to the other end, decrypts what comes from it. Both ends have one.
pub trait Encryptor: Send + Sync + Debug + 'static {
    /// What people call it, as `rsa`.
    fn name(&self) -> &str;

    /// Encrypts a body, which is not empty.
    fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError>;

    /// Decrypts a body, which is not empty and may be anything: a peer sent it.
    fn decrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError>;

    /// Whether an operation takes so long (50 µs and more) that it is done beside the threads that serve sockets, by as many
    /// blocking threads as there are processors. Default: yes. Where a body is written in a function that does not wait
    /// ([`Context::push`](crate::Context::push), [`Cluster::packet`](crate::Cluster::packet)) it is done at once in any case.
    fn is_heavy(&self) -> bool {
        true
    }
}

/// One that is chosen while the program runs.
impl<E: Encryptor + ?Sized> Encryptor for std::sync::Arc<E> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        (**self).encrypt(data)
    }

    fn decrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        (**self).decrypt(data)
    }

    fn is_heavy(&self) -> bool {
        (**self).is_heavy()
    }
}

/// Says who wrote something, and that nobody has changed it.
pub trait Signer: Send + Sync + Debug + 'static {
    /// What people call it, as `ecc`.
    fn name(&self) -> &str;

    /// The signature of `data`.
    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, BoxError>;

    /// An error unless `signature` is of this `data` and key.
    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), BoxError>;
}

/// A key or a setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The file of a key cannot be read or written.
    #[error("the key file {}", path.display())]
    File {
        /// As it was given.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No key of the wanted kind.
    #[error("{0}")]
    Key(String),
    /// Settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// The text is not encrypted for this key, or is damaged. Says no more on purpose.
#[cfg(any(feature = "rsa", feature = "ecc"))]
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is not encrypted for this key, or is damaged")]
pub(crate) struct NotForUs;

/// The signature is of other data or another key, or is none.
#[cfg(any(feature = "rsa", feature = "ecc"))]
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the signature is not of this data and key")]
pub(crate) struct NotSigned;

#[cfg(all(test, any(feature = "rsa", feature = "ecc")))]
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

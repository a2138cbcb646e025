//! How two processes prove to each other that they know the secret of the link, before the first request.
//!
//! Four frames, shaped like all others and with the opcode of a handshake, so that a process without the secret answers
//! at once and is known by its answer:
//! ```text
//! hello      dialer   -> listener   seq 1   | 00 | "due-secret/1" | nonce: 32 | kind: 1 | id |
//! challenge  listener -> dialer     seq 1   | 00 | "due-secret/1" | nonce: 32 | kind: 1 | id |
//! proof      dialer   -> listener   seq 2   | 32 |
//! proof      listener -> dialer     seq 2   | 32 |
//! ```
//! Kind and id are those of the sender, as in a handshake. A proof is the HMAC-SHA-256, keyed with the secret, of
//! ```text
//! | "dialer" 00 00, or "listener": who proves | hello | challenge | 32 bytes of this TLS connection, if it is one |
//! ```
//! where both frames are whole. The last field is exported keying material (RFC 8446, 7.5) under the label
//! `EXPORTER-due-secret`, with an empty context. Both nonces are fresh, so nothing serves twice; the roles differ, so
//! nothing can be sent back to where it came from. The dialer proves itself first: whoever only knocks gets nothing to
//! try secrets on. It also knows whom it wants to meet, and proves nothing to another.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::BufMut;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::frame::{self, op};
use super::request::{kind, kind_byte};
use crate::registry::Kind;

/// Bytes of the shortest secret.
pub(super) const SHORTEST: usize = 16;
/// What a TLS connection exports for the proofs.
#[cfg(feature = "tls")]
pub(super) const EXPORT: &[u8] = b"EXPORTER-due-secret";

const TAG: &[u8; 12] = b"due-secret/1";
/// A kind that no server has: whoever takes a hello for a handshake believes nothing of it.
const NO_KIND: u8 = 0;
/// The longest frame that is read, in bytes after its size field, and what an id may have of it.
const LONGEST: usize = 1024;
const LONGEST_ID: usize = LONGEST - 64;

/// A nonce that nobody has seen before.
pub(super) type Nonce = [u8; 32];
type Proof = [u8; 32];

/// Only its traces in a MAC are kept.
#[derive(Clone)]
pub(super) struct Secret(Hmac<Sha256>);

/// Who somebody says to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub(super) kind: Kind,
    pub(super) id: Arc<str>,
}

#[derive(Clone, Copy)]
enum Role {
    Dialer,
    Listener,
}

/// What both have said: the whole of it is proven.
struct Transcript<'a> {
    hello: &'a [u8],
    challenge: &'a [u8],
    /// Empty without TLS.
    binding: &'a [u8],
}

/// A secret of less than 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a secret of {bytes} bytes can be guessed: it needs at least {SHORTEST}, at random")]
pub struct ShortSecret {
    /// How many bytes it has.
    pub bytes: usize,
}

/// Why the other side is not believed, and what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unproven {
    #[error("it has no secret: give it the one of this link (`TcpLink::secret`); Go processes cannot have one")]
    NoSecret,
    #[error("its secret is another one: give all the same (`TcpLink::secret`)")]
    Other,
    #[error("it does not believe this process: give all the same secret (`TcpLink::secret`)")]
    Refused,
    #[error("it is {found}, not {expected}")]
    Stranger { found: Identity, expected: Identity },
    #[error("it has closed before it had proven anything")]
    Gone,
    #[error("it speaks neither drpc nor of a secret")]
    Noise,
    #[error("the id of this server has {0} bytes, at most {LONGEST_ID} are allowed with a secret")]
    LongId(usize),
    #[error(transparent)]
    Io(io::Error),
}

impl Secret {
    pub(super) fn new(secret: &[u8]) -> Result<Self, ShortSecret> {
        if secret.len() < SHORTEST {
            return Err(ShortSecret { bytes: secret.len() });
        }
        Ok(Self(Hmac::new_from_slice(secret).expect("keys of a HMAC have any length")))
    }

    /// The part of the side that dialled; it expects to find `other`.
    pub(super) async fn dial(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        own: &Identity,
        other: &Identity,
        binding: &[u8],
        nonce: &Nonce,
    ) -> Result<(), Unproven> {
        let hello = own.hello(nonce)?;
        write(stream, &hello).await?;
        let challenge = read(stream).await?;
        let found = Identity::of(&challenge).ok_or(Unproven::NoSecret)?;
        if found != *other {
            return Err(Unproven::Stranger { found, expected: other.clone() });
        }
        let said = Transcript { hello: &hello, challenge: &challenge, binding };
        write(stream, &frame_of(&self.prove(Role::Dialer, &said))).await?;
        let proof = read(stream).await.map_err(|unproven| match unproven {
            Unproven::Gone => Unproven::Refused,
            unproven => unproven,
        })?;
        self.check(Role::Listener, &said, &proof)
    }

    /// The part of the side that was dialled; says who did.
    pub(super) async fn listen(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        own: &Identity,
        binding: &[u8],
        nonce: &Nonce,
    ) -> Result<Identity, Unproven> {
        let hello = read(stream).await?;
        let caller = Identity::of(&hello).ok_or(Unproven::NoSecret)?;
        let challenge = own.hello(nonce)?;
        write(stream, &challenge).await?;
        let said = Transcript { hello: &hello, challenge: &challenge, binding };
        let proof = read(stream).await?;
        self.check(Role::Dialer, &said, &proof)?;
        write(stream, &frame_of(&self.prove(Role::Listener, &said))).await?;
        Ok(caller)
    }

    fn prove(&self, role: Role, said: &Transcript<'_>) -> Proof {
        self.mac(role, said).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    fn check(&self, role: Role, said: &Transcript<'_>, frame: &[u8]) -> Result<(), Unproven> {
        let frame = frame::parse(frame).filter(|frame| (frame.op, frame.seq) == (op::HANDSHAKE, 2));
        let proof = frame.ok_or(Unproven::Noise)?.payload;
        self.mac(role, said).verify_slice(proof).map_err(|_| Unproven::Other)
    }

    fn mac(&self, role: Role, said: &Transcript<'_>) -> Hmac<Sha256> {
        let role = match role {
            Role::Dialer => b"dialer\0\0",
            Role::Listener => b"listener",
        };
        // Both frames say how long they are.
        self.0
            .clone()
            .chain_update(role)
            .chain_update(said.hello)
            .chain_update(said.challenge)
            .chain_update(said.binding)
    }
}

impl Identity {
    fn hello(&self, nonce: &Nonce) -> Result<Vec<u8>, Unproven> {
        if self.id.len() > LONGEST_ID {
            return Err(Unproven::LongId(self.id.len()));
        }
        let mut hello = Vec::new();
        frame::put(&mut hello, op::HANDSHAKE, 1, false, |buf| {
            buf.put_u8(NO_KIND);
            buf.put_slice(TAG);
            buf.put_slice(nonce);
            buf.put_u8(kind_byte(self.kind));
            buf.put_slice(self.id.as_bytes());
        });
        Ok(hello)
    }

    /// Who sent a hello or a challenge; `None` if the frame is neither.
    fn of(frame: &[u8]) -> Option<Self> {
        let frame = frame::parse(frame).filter(|frame| (frame.op, frame.seq) == (op::HANDSHAKE, 1))?;
        let rest = frame.payload.strip_prefix(&[NO_KIND])?.strip_prefix(TAG)?;
        let (_, [kind_byte, id @ ..]) = rest.split_first_chunk::<{ size_of::<Nonce>() }>()? else { return None };
        Some(Self { kind: kind(*kind_byte)?, id: std::str::from_utf8(id).ok()?.into() })
    }
}

/// A nonce for one exchange.
pub(super) fn nonce() -> io::Result<Nonce> {
    let mut nonce = Nonce::default();
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    Ok(nonce)
}

fn frame_of(proof: &Proof) -> Vec<u8> {
    let mut frame = Vec::new();
    frame::put(&mut frame, op::HANDSHAKE, 2, false, |buf| buf.put_slice(proof));
    frame
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Result<(), Unproven> {
    stream.write_all(frame).await.map_err(ended)?;
    stream.flush().await.map_err(ended)
}

/// One frame and not a byte of what follows: that is for whoever comes next.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Unproven> {
    let mut size = [0; 4];
    stream.read_exact(&mut size).await.map_err(ended)?;
    let bytes = u32::from_be_bytes(size) as usize;
    if !(frame::HEAD - size.len()..=LONGEST).contains(&bytes) {
        return Err(Unproven::Noise);
    }
    let mut frame = size.to_vec();
    frame.resize(size.len() + bytes, 0);
    stream.read_exact(&mut frame[size.len()..]).await.map_err(ended)?;
    Ok(frame)
}

fn ended(error: io::Error) -> Unproven {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Unproven::Gone,
        _ => Unproven::Io(error),
    }
}

/// What holds for every frame, for the fuzzer: a hello that is read is written as it was.
///
/// # Panics
/// When it does not.
pub(super) fn claims(frame: &[u8]) {
    let Some(sender) = Identity::of(frame).filter(|sender| sender.id.len() <= LONGEST_ID) else { return };
    let at = frame::HEAD + 1 + TAG.len();
    let nonce = frame[at..].first_chunk().expect("a hello has a nonce");
    let again = sender.hello(nonce).expect("an id that is not too long");
    assert_eq!(again[frame::HEAD..], frame[frame::HEAD..], "a hello is written as it was read");
}

impl From<Unproven> for io::Error {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Io(error) => error,
            unproven => Self::new(io::ErrorKind::PermissionDenied, unproven),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

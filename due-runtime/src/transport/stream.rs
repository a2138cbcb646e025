//! The byte stream under tcp, ws and the link between servers: plain, or TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
#[cfg(feature = "tls")]
use tokio_rustls::TlsStream;

/// A connected socket, with TLS or without.
#[derive(Debug)]
pub struct Stream(Whole);

/// The half of a [`Stream`] that reads.
#[derive(Debug)]
pub struct StreamRead(ReadHalf);

/// The half of a [`Stream`] that writes.
#[derive(Debug)]
pub struct StreamWrite(WriteHalf);

#[derive(Debug)]
enum Whole {
    Plain(TcpStream),
    /// Boxed, so that plain connections do not have its size.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

#[derive(Debug)]
enum ReadHalf {
    Plain(OwnedReadHalf),
    #[cfg(feature = "tls")]
    Tls(tokio::io::ReadHalf<Box<TlsStream<TcpStream>>>),
}

#[derive(Debug)]
enum WriteHalf {
    Plain(OwnedWriteHalf),
    #[cfg(feature = "tls")]
    Tls(tokio::io::WriteHalf<Box<TlsStream<TcpStream>>>),
}

impl Stream {
    /// Both halves; a plain stream needs no lock for it.
    pub fn into_split(self) -> (StreamRead, StreamWrite) {
        match self.0 {
            Whole::Plain(stream) => {
                let (read, write) = stream.into_split();
                (StreamRead(ReadHalf::Plain(read)), StreamWrite(WriteHalf::Plain(write)))
            }
            #[cfg(feature = "tls")]
            Whole::Tls(stream) => {
                let (read, write) = tokio::io::split(stream);
                (StreamRead(ReadHalf::Tls(read)), StreamWrite(WriteHalf::Tls(write)))
            }
        }
    }
}

#[cfg(all(feature = "tls", feature = "link"))]
impl Stream {
    /// 32 bytes that only the two ends of this TLS connection know (RFC 8446, 7.5); none of a plain one.
    pub(crate) fn export(&self, label: &[u8]) -> io::Result<Vec<u8>> {
        let Whole::Tls(stream) = &self.0 else { return Ok(Vec::new()) };
        let exported = match &**stream {
            TlsStream::Client(stream) => stream.get_ref().1.export_keying_material([0; 32], label, None),
            TlsStream::Server(stream) => stream.get_ref().1.export_keying_material([0; 32], label, None),
        };
        Ok(exported.map_err(io::Error::other)?.to_vec())
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(Whole::Plain(stream))
    }
}

#[cfg(feature = "tls")]
impl From<TlsStream<TcpStream>> for Stream {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self(Whole::Tls(Box::new(stream)))
    }
}

/// A TLS peer that goes without saying so has gone all the same: packets and ws frames have lengths of their own, so that
/// nothing can be cut off unnoticed.
fn without_goodbye(read: io::Result<()>) -> io::Result<()> {
    match read {
        Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        read => read,
    }
}

/// Passes every call on to what the type holds.
macro_rules! passes_on {
    ($type:ident, $kind:ident: $($trait:ident)*) => {
        $(passes_on!(@ $trait $type $kind);)*
    };
    (@ AsyncRead $type:ident $kind:ident) => {
        impl AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                passes_on!(@call self, $kind, poll_read(cx, buf)).map(without_goodbye)
            }
        }
    };
    (@ AsyncWrite $type:ident $kind:ident) => {
        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                passes_on!(@call self, $kind, poll_write(cx, buf))
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                passes_on!(@call self, $kind, poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                passes_on!(@call self, $kind, poll_shutdown(cx))
            }
        }
    };
    (@call $self:ident, $kind:ident, $method:ident($($arg:ident),*)) => {
        match &mut $self.get_mut().0 {
            $kind::Plain(stream) => Pin::new(stream).$method($($arg),*),
            #[cfg(feature = "tls")]
            $kind::Tls(stream) => Pin::new(stream).$method($($arg),*),
        }
    };
}

passes_on!(Stream, Whole: AsyncRead AsyncWrite);
passes_on!(StreamRead, ReadHalf: AsyncRead);
passes_on!(StreamWrite, WriteHalf: AsyncWrite);

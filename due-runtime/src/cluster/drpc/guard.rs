//! What a connection has to pass before its first request: TLS, then the secret.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use super::address::Address;
use super::secret::{self, Identity, Secret};
use crate::transport::Stream;
#[cfg(feature = "tls")]
use crate::transport::{tls::TlsPeer, without_brackets};

/// How long others may take to prove who they are.
pub(super) const PROOF_WAIT: Duration = Duration::from_secs(3);

/// The same for all connections of a link, in both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    pub(super) secret: Option<Secret>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsPeer>,
}

impl Guard {
    /// Whether everybody is let in.
    pub(super) fn is_open(&self) -> bool {
        self.secret.is_none() && !self.has_tls()
    }

    pub(super) fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Lets a caller in, who is known if there is a secret.
    pub(super) async fn admit(&self, stream: TcpStream, own: &Identity) -> io::Result<(Stream, Option<Identity>)> {
        #[cfg(feature = "tls")]
        let mut stream = match &self.tls {
            Some(tls) => tls.accept(stream).await.map_err(no_tls)?,
            None => stream.into(),
        };
        #[cfg(not(feature = "tls"))]
        let mut stream = Stream::from(stream);
        let Some(secret) = &self.secret else { return Ok((stream, None)) };
        let binding = binding(&stream)?;
        let caller = secret.listen(&mut stream, own, &binding, &secret::nonce()?).await?;
        Ok((stream, Some(caller)))
    }

    /// Passes the guard of `other`, who was dialled at `addr`, and makes it pass this one.
    pub(super) async fn approach(
        &self,
        stream: TcpStream,
        #[cfg_attr(not(feature = "tls"), expect(unused_variables))] addr: &Address,
        own: &Identity,
        other: &Identity,
    ) -> io::Result<Stream> {
        #[cfg(feature = "tls")]
        let mut stream = match &self.tls {
            Some(tls) => tls.connect(without_brackets(addr.host()), stream).await.map_err(no_tls)?,
            None => stream.into(),
        };
        #[cfg(not(feature = "tls"))]
        let mut stream = Stream::from(stream);
        if let Some(secret) = &self.secret {
            let binding = binding(&stream)?;
            secret.dial(&mut stream, own, other, &binding, &secret::nonce()?).await?;
        }
        Ok(stream)
    }
}

#[cfg(feature = "tls")]
fn no_tls(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("no TLS with it (`TcpLink::tls`): {error}"))
}

/// What only the two ends of a TLS connection know; nothing without TLS.
#[cfg(feature = "tls")]
fn binding(stream: &Stream) -> io::Result<Vec<u8>> {
    stream.export(secret::EXPORT)
}

#[cfg(not(feature = "tls"))]
fn binding(_: &Stream) -> io::Result<Vec<u8>> {
    Ok(Vec::new())
}

//! TLS under tcp, ws and the link between servers, by rustls with ring: versions 1.2 and 1.3, between servers 1.3 alone.
//!
//! ```no_run
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! use due::transport::tcp::Tcp;
//! use due::transport::tls::{TlsClient, TlsServer};
//! use due::{Client, Gate};
//!
//! let tls = TlsServer::from_pem_files("chain.pem", "key.pem")?;
//! let gate = Gate::builder().transport(Tcp::bind("0.0.0.0:3553").await?.tls(tls)).build();
//!
//! let roots = TlsClient::from_pem_file("ca.pem")?;
//! let client = Client::builder().tls(roots).connect("tls://game.example:3553").await?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use rustls;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::stream::Stream;

/// How a listener proves who it is. Cheap to clone.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
}

/// Whom a client believes. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

/// How the processes of a cluster prove to each other who they are, whichever of them dials: for `TcpLink::tls`. Cheap to
/// clone.
///
/// Each has a certificate and a key of its own, or all have the same, signed by an authority of the cluster. A process that
/// dials wants the certificate to bear the host under which the other one is registered (an address mostly, which the
/// certificate then needs as such), or [`server_name`](Self::server_name); a process that is dialled only asks for the
/// signature. Certificates that list what they are for must list both servers and clients. Sessions are never resumed: each
/// connection is checked.
#[derive(Clone, Debug)]
pub struct TlsPeer {
    server: TlsServer,
    client: TlsClient,
}

/// Certificates, keys or names that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read, or holds no PEM of the expected kind.
    #[error("cannot read {what} as PEM")]
    Pem {
        /// Which part was read.
        what: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The chain and the key do not belong together, or a certificate is unusable.
    #[error("the certificates cannot be used")]
    Unusable(#[from] rustls::Error),
    /// Neither a host name nor an address.
    #[error("no name of a server: {name}")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        source: InvalidDnsNameError,
    },
}

impl TlsServer {
    /// A chain of certificates in PEM, the server's own first, and its private key (PKCS #8, PKCS #1 or SEC 1). Clients
    /// need no certificate.
    ///
    /// # Errors
    /// When either cannot be read, or the key is not the one of the first certificate.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsError::Pem { what: "the key", source })?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates(chain)?, key)?;
        Ok(Self::from_config(Arc::new(config)))
    }

    /// As [`from_pem`](Self::from_pem), out of two files that are read now.
    ///
    /// # Errors
    /// Also when a file cannot be read.
    pub fn from_pem_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::from_pem(&read("the certificates", chain.as_ref())?, &read("the key", key.as_ref())?)
    }

    /// A configuration of your own, as for client certificates, or keys that change while the server runs.
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self { config }
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        let stream = TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await?;
        Ok(tokio_rustls::TlsStream::Server(stream).into())
    }
}

impl TlsClient {
    /// Believes servers whose chain ends in one of these certificates in PEM, and nobody else: the system's are not asked.
    ///
    /// # Errors
    /// When there is none, or one cannot be used.
    pub fn from_pem(roots: &[u8]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for root in certificates(roots)? {
            store.add(root)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self::from_config(Arc::new(config)))
    }

    /// As [`from_pem`](Self::from_pem), out of a file that is read now.
    ///
    /// # Errors
    /// Also when the file cannot be read.
    pub fn from_pem_file(roots: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::from_pem(&read("the certificates", roots.as_ref())?)
    }

    /// A configuration of your own, as for the system's roots or a client certificate.
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config, server_name: None }
    }

    /// The name that the server's certificate must bear. Default: the host of the URL.
    ///
    /// # Errors
    /// When it is neither a host name nor an address.
    pub fn server_name(mut self, name: &str) -> Result<Self, TlsError> {
        self.server_name = Some(server_name(name)?);
        Ok(self)
    }

    pub(super) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<Stream> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => server_name(host).map_err(|err| io::Error::new(io::ErrorKind::InvalidInput, err))?,
        };
        let stream = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await?;
        Ok(tokio_rustls::TlsStream::Client(stream).into())
    }
}

impl TlsPeer {
    /// The chain of certificates of this process in PEM, its own first, its private key (PKCS #8, PKCS #1 or SEC 1), and
    /// the certificates of which one must have signed those of the others. Nobody else is believed.
    ///
    /// # Errors
    /// When any of them cannot be read or used, or the key is not the one of the first certificate.
    pub fn from_pem(chain: &[u8], key: &[u8], authorities: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsError::Pem { what: "the key", source })?;
        let mut store = RootCertStore::empty();
        for authority in certificates(authorities)? {
            store.add(authority)?;
        }
        let (store, provider) = (Arc::new(store), Arc::new(ring::default_provider()));
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&store), Arc::clone(&provider))
            .build()
            .expect("there is an authority, and no list of revocations");
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())?;
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(store)
            .with_client_auth_cert(chain, key)?;
        client.resumption = Resumption::disabled();
        Ok(Self { server: TlsServer::from_config(Arc::new(server)), client: TlsClient::from_config(Arc::new(client)) })
    }

    /// As [`from_pem`](Self::from_pem), out of files that are read now.
    ///
    /// # Errors
    /// Also when a file cannot be read.
    pub fn from_pem_files(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
        authorities: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let [chain, authorities] = [chain.as_ref(), authorities.as_ref()].map(|path| read("the certificates", path));
        Self::from_pem(&chain?, &read("the key", key.as_ref())?, &authorities?)
    }

    /// The name that the certificate of every other process must bear, wherever it runs. Default: the host that is
    /// dialled.
    ///
    /// # Errors
    /// When it is neither a host name nor an address.
    pub fn server_name(mut self, name: &str) -> Result<Self, TlsError> {
        self.client = self.client.server_name(name)?;
        Ok(self)
    }

    #[cfg(feature = "link")]
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        self.server.accept(stream).await
    }

    #[cfg(feature = "link")]
    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<Stream> {
        self.client.connect(host, stream).await
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|source| TlsError::Name { name: name.to_owned(), source })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Pem { what: "the certificates", source };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(unreadable)?;
    if certificates.is_empty() { Err(unreadable(pem::Error::NoItemsFound)) } else { Ok(certificates) }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|err| TlsError::Pem { what, source: pem::Error::Io(err) })
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

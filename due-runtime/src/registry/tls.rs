use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// How a registry is reached over TLS 1.2 or 1.3: whom to believe, and who we are. Cheap to clone.
#[derive(Clone)]
#[cfg_attr(
    not(all(feature = "etcd", feature = "consul")),
    allow(dead_code, reason = "etcd takes PEM, consul takes this")
)]
pub struct RegistryTls {
    roots: Arc<[u8]>,
    identity: Option<Arc<(Vec<u8>, Vec<u8>)>>,
    config: Arc<ClientConfig>,
}

/// Certificates or keys that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryTlsError {
    /// No PEM of the expected kind.
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
}

impl RegistryTls {
    /// Believes servers whose chain ends in one of these certificates in PEM, and nobody else: the system's are not asked.
    /// The certificate must name the host of the address.
    ///
    /// # Errors
    /// When there is none, or one cannot be used.
    pub fn from_pem(roots: &[u8]) -> Result<Self, RegistryTlsError> {
        let config = Arc::new(configure(roots, None)?);
        Ok(Self { roots: roots.into(), identity: None, config })
    }

    /// The chain and the private key (PKCS #8, PKCS #1 or SEC 1) in PEM that are shown to a server that asks for a
    /// certificate of its clients.
    ///
    /// # Errors
    /// When either cannot be read, or the key is not the one of the first certificate.
    pub fn identity(self, chain: &[u8], key: &[u8]) -> Result<Self, RegistryTlsError> {
        let config = Arc::new(configure(&self.roots, Some((chain, key)))?);
        Ok(Self { identity: Some(Arc::new((chain.to_vec(), key.to_vec()))), config, ..self })
    }

    #[cfg(feature = "etcd")]
    pub(super) fn roots(&self) -> &[u8] {
        &self.roots
    }

    #[cfg(feature = "etcd")]
    pub(super) fn identity_pem(&self) -> Option<(&[u8], &[u8])> {
        self.identity.as_ref().map(|identity| (&*identity.0, &*identity.1))
    }

    #[cfg(feature = "consul")]
    pub(super) fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }
}

impl fmt::Debug for RegistryTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryTls").field("has_identity", &self.identity.is_some()).finish_non_exhaustive()
    }
}

/// Believes nobody: for plain HTTP, where a client insists on a configuration.
#[cfg(feature = "consul")]
pub(crate) fn nobody() -> Result<ClientConfig, rustls::Error> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn configure(roots: &[u8], identity: Option<(&[u8], &[u8])>) -> Result<ClientConfig, RegistryTlsError> {
    let mut store = RootCertStore::empty();
    for root in certificates("the roots", roots)? {
        store.add(root)?;
    }
    let builder = builder()?.with_root_certificates(store);
    let Some((chain, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| RegistryTlsError::Pem { what: "the key", source })?;
    Ok(builder.with_client_auth_cert(certificates("the chain", chain)?, key)?)
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, RegistryTlsError> {
    let pem_error = |source| RegistryTlsError::Pem { what, source };
    let list = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(pem_error)?;
    if list.is_empty() {
        return Err(pem_error(pem::Error::NoItemsFound));
    }
    Ok(list)
}

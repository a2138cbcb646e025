//! Which servers are believed when TLS is spoken.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use due::transport::tls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use due::transport::tls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use due::transport::tls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use due::transport::tls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use due::transport::tls::{TlsClient, TlsError};

use crate::failure::Failure;

/// Options for `wss://` and `tls://`.
#[derive(Args)]
pub(crate) struct Trust {
    /// Believe servers whose chain ends in one of these certificates (PEM), instead of the public authorities.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", help_heading = "TLS")]
    ca: Option<PathBuf>,
    /// Believe any certificate. Whoever is in between can read and change everything.
    #[arg(long, help_heading = "TLS")]
    insecure: bool,
    /// The name that the server's certificate must bear, instead of the URL's host.
    #[arg(long, value_name = "NAME", help_heading = "TLS")]
    server_name: Option<String>,
}

impl Trust {
    pub(crate) fn client(&self) -> Result<TlsClient, Failure> {
        let client = match &self.ca {
            Some(path) => {
                let pem = fs::read(path).map_err(|err| Failure::new(&format!("--ca {}", path.display()), err))?;
                TlsClient::from_pem(&pem).map_err(unusable)?
            }
            None if self.insecure => TlsClient::from_config(Arc::new(gullible()?)),
            None => TlsClient::from_config(Arc::new(public()?)),
        };
        match &self.server_name {
            Some(name) => client.server_name(name).map_err(unusable),
            None => Ok(client),
        }
    }
}

fn unusable(error: TlsError) -> Failure {
    Failure::Other(Box::new(error))
}

fn failed(error: Error) -> Failure {
    Failure::Other(Box::new(error))
}

/// Believes the authorities that Mozilla believes.
fn public() -> Result<ClientConfig, Failure> {
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn gullible() -> Result<ClientConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    Ok(ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth())
}

/// Whoever answers is believed; signatures of the handshake are checked as always.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

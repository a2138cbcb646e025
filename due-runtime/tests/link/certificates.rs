//! Authorities, and what they sign.

use std::sync::OnceLock;

use due::transport::tls::{TlsClient, TlsPeer};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A chain and its key, in PEM.
pub(crate) struct Certificate {
    chain: String,
    key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn sign(&self, name: &str) -> Certificate {
        self.sign_with(CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// What was valid once.
    pub(crate) fn expired(&self, name: &str) -> Certificate {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
        self.sign_with(params)
    }

    fn sign_with(&self, params: CertificateParams) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Certificate { chain, key: key.serialize_pem() }
    }

    /// Whoever believes this authority, and has no certificate to show.
    pub(crate) fn nobody(&self) -> TlsClient {
        TlsClient::from_pem(self.pem.as_bytes()).unwrap()
    }
}

impl Certificate {
    /// Whoever has this, and believes what `authority` has signed.
    pub(crate) fn believing(&self, authority: &Authority) -> TlsPeer {
        TlsPeer::from_pem(self.chain.as_bytes(), self.key.as_bytes(), authority.pem.as_bytes()).unwrap()
    }
}

pub(crate) fn of_the_suite() -> TlsPeer {
    static PEER: OnceLock<TlsPeer> = OnceLock::new();
    let make = || {
        let authority = Authority::new("suite");
        authority.sign("127.0.0.1").believing(&authority)
    };
    PEER.get_or_init(make).clone()
}

//! TLS on both sides.

use std::fs;
use std::path::PathBuf;

use due::registry::{ConsulRegistry, EtcdRegistry, Kind, Registry, RegistryError, RegistryTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::support::{Consul, Etcd};
use crate::{SOON, chain, ids, instance, until};

/// An authority, a server for 127.0.0.1 and a client, as files.
struct Papers {
    folder: TempDir,
}

impl Papers {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        write("root.pem", root.pem());
        for name in ["server", "client"] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
            write(&format!("{name}.pem"), params.signed_by(&key, &root).unwrap().pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn stranger(&self) -> RegistryTls {
        RegistryTls::from_pem(&self.read("root.pem")).unwrap()
    }

    fn client(&self) -> RegistryTls {
        self.stranger().identity(&self.read("client.pem"), &self.read("client.key")).unwrap()
    }
}

async fn works(registry: &impl Registry) {
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 1).await), ["n1"]);
}

async fn fails(registry: &impl Registry) {
    let error = registry.list(Kind::Node).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable(_)), "{}", chain(&error));
}

#[tokio::test]
async fn etcd_over_tls() {
    let papers = Papers::new();
    let server = Etcd::start_with_tls(papers.path("server.pem"), papers.path("server.key"), papers.path("root.pem"));
    // The server may not be ready: who has no certificate cannot ask it.
    let patient = EtcdRegistry::new().timeout(SOON);
    let registry = EtcdRegistry::new().addrs([server.addr()]);
    works(&patient.clone().addrs([server.addr()]).tls(papers.client())).await;
    works(&patient.addrs([format!("https://{}", server.addr())]).tls(papers.client())).await;
    fails(&registry.clone().tls(papers.stranger())).await;
    fails(&registry.clone().tls(Papers::new().client())).await;
    fails(&registry).await;
}

#[tokio::test]
async fn consul_over_tls() {
    let papers = Papers::new();
    let server =
        Consul::start_with_tls(&papers.path("server.pem"), &papers.path("server.key"), &papers.path("root.pem"));
    let registry = ConsulRegistry::new().addr(server.addr()).health_check(false);
    // The server may not be ready: who has no certificate cannot ask it.
    works(&registry.clone().timeout(SOON).tls(papers.client())).await;
    fails(&registry.clone().tls(papers.stranger())).await;
    fails(&registry.clone().tls(Papers::new().client())).await;
    // Plain HTTP is answered with a 400.
    let error = registry.list(Kind::Node).await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused(_)), "{}", chain(&error));
}

#[test]
fn papers_that_are_none_are_an_error() {
    let papers = Papers::new();
    let none = RegistryTls::from_pem(b"").unwrap_err();
    assert_eq!(none.to_string(), "cannot read the roots as PEM");
    let (chain, other) = (papers.read("client.pem"), papers.read("server.key"));
    let wrong = papers.stranger().identity(&chain, &other).unwrap_err();
    assert_eq!(wrong.to_string(), "the certificates cannot be used");
    let none = papers.stranger().identity(&chain, b"?").unwrap_err();
    assert_eq!(none.to_string(), "cannot read the key as PEM");
    assert_eq!(format!("{:?}", papers.client()), "RegistryTls { has_identity: true, .. }");
}

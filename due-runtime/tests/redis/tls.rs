//! The same inside TLS.

use std::fs;
use std::path::PathBuf;

use due::Gid;
use due::locator::{Change, LocateError, Locator, RedisLocator};
use due::redis::{Redis, RedisBuilder};

use crate::support::free_port;
use crate::support::redis::{Server, until};
use crate::{LI, chain, next};

struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        fs::write(folder.path().join("cert.pem"), signed.cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }

    fn cert(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn server(&self, clients: &str, more: &[&str]) -> Server {
        let (cert, key) = (self.cert(), self.key());
        let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
        let files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert];
        Server::start_tls(&[&files[..], &["--tls-auth-clients", clients], more].concat())
    }
}

async fn works(redis: RedisBuilder) {
    let locator = RedisLocator::new(&redis.build().unwrap());
    let mut changes = locator.changes().unwrap();
    assert_eq!(next(&mut changes).await, Change::Unknown);
    locator.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::GateBound { uid: LI, gid: Gid::from("g1") });
    assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(Gid::from("g1")));
}

async fn fails(redis: RedisBuilder) -> String {
    let locator = RedisLocator::new(&redis.build().unwrap());
    let error = locator.locate_gate(LI).await.unwrap_err();
    assert!(matches!(error, LocateError::Unreachable(_)), "{}", chain(&error));
    chain(&error)
}

#[tokio::test]
async fn a_server_is_believed_whose_certificate_is_known() {
    let certificate = Certificate::new("127.0.0.1");
    let server = certificate.server("no", &[]);
    works(Redis::builder().addr(server.addr()).ca_file(certificate.cert())).await;
    let stranger = Certificate::new("127.0.0.1");
    for redis in [Redis::builder().ca_file(stranger.cert()), Redis::builder().tls()] {
        let error = fails(redis.addr(server.addr())).await;
        assert!(error.contains("certificate"), "{error}");
    }
    let elsewhere = Certificate::new("redis.example");
    let server = elsewhere.server("no", &[]);
    let error = fails(Redis::builder().addr(server.addr()).ca_file(elsewhere.cert())).await;
    assert!(error.contains("certificate not valid for name"), "{error}");
    fails(Redis::builder().addr(server.addr())).await;
}

#[tokio::test]
async fn a_server_may_ask_for_a_certificate() {
    let certificate = Certificate::new("127.0.0.1");
    let server = certificate.server("yes", &[]);
    let redis = Redis::builder().addr(server.addr()).ca_file(certificate.cert());
    works(redis.clone().cert_files(certificate.cert(), certificate.key())).await;
    fails(redis).await;
}

#[tokio::test]
async fn a_cluster_is_spoken_to_inside_tls() {
    let certificate = Certificate::new("127.0.0.1");
    let bus = free_port().to_string();
    let args = [
        "--cluster-enabled",
        "yes",
        "--tls-cluster",
        "yes",
        "--cluster-announce-ip",
        "127.0.0.1",
        "--cluster-port",
        &bus,
    ];
    let server = certificate.server("no", &args);
    let mut raw = raw(&server, &certificate).await;
    let () = redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16_383).query_async(&mut raw).await.unwrap();
    until(async || {
        let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut raw.clone()).await.unwrap();
        info.contains("cluster_state:ok")
    })
    .await;
    // Two addresses are a cluster, even if they are the same.
    works(Redis::builder().addrs([server.addr(), server.addr()]).ca_file(certificate.cert())).await;
}

async fn raw(server: &Server, certificate: &Certificate) -> redis::aio::MultiplexedConnection {
    let root_cert = Some(fs::read(certificate.cert()).unwrap());
    let certificates = redis::TlsCertificates { client_tls: None, root_cert };
    let client = redis::Client::build_with_tls(format!("rediss://{}", server.addr()), certificates).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

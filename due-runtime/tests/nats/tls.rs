//! The same inside TLS.

use std::fs;
use std::path::Path;

use due::event::{EventBus, EventError, NatsBuilder, NatsBus};

use crate::support::Nats;
use crate::{chain, payload};

fn certificate(folder: &Path, name: &str) {
    let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), signed.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
}

fn server(folder: &Path, verify: bool) -> Nats {
    let file = |name: &str| folder.join(name).display().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    Nats::with(&format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\", ca_file: \"{cert}\", verify: {verify} }}"))
}

fn builder(server: &Nats, folder: &Path) -> NatsBuilder {
    NatsBus::builder().url(format!("tls://{}", server.addr())).ca_file(folder.join("cert.pem"))
}

async fn works(builder: NatsBuilder) {
    let bus = builder.build().unwrap();
    let mut events = bus.subscribe("login").await.unwrap();
    bus.publish("login", "1").await.unwrap();
    assert_eq!(payload(&mut events).await, "1");
}

async fn fails(builder: NatsBuilder) -> String {
    let error = builder.build().unwrap().publish("login", "1").await.unwrap_err();
    assert!(matches!(error, EventError::Unreachable(_)), "{}", chain(&error));
    chain(&error)
}

#[tokio::test]
async fn a_server_is_believed_whose_certificate_is_known() {
    let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificate(ours.path(), "127.0.0.1");
    certificate(other.path(), "127.0.0.1");
    let server = server(ours.path(), false);
    works(builder(&server, ours.path())).await;
    let error = fails(builder(&server, other.path())).await;
    assert!(error.contains("certificate"), "{error}");
    // One that wants it gets it unasked.
    works(server.builder().ca_file(ours.path().join("cert.pem"))).await;
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "127.0.0.1");
    let error = fails(builder(&Nats::start(), folder.path())).await;
    assert!(error.contains("nats at 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn a_server_sees_our_certificate() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "127.0.0.1");
    let server = server(folder.path(), true);
    works(builder(&server, folder.path()).cert_files(folder.path().join("cert.pem"), folder.path().join("key.pem")))
        .await;
    fails(builder(&server, folder.path())).await;
}

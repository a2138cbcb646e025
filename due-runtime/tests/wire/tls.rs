//! The same wire inside TLS.

use std::time::Duration;

use bytes::Bytes;
use due::codec::RawBody;
use due::packet::Format;
use due::transport::tcp::Tcp;
use due::transport::tls::{TlsClient, TlsError, TlsServer, rustls};
use due::transport::ws::Ws;
use due::{App, Backends, Client, Codec, Disconnect, Gate, Node, RouteId, RunningApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw::{echo, hex, sized, url};

struct Certificate {
    chain: String,
    key: String,
}

fn certificate(name: &str) -> Certificate {
    let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    Certificate { chain: signed.cert.pem(), key: signed.signing_key.serialize_pem() }
}

impl Certificate {
    fn server(&self) -> TlsServer {
        TlsServer::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    fn client(&self) -> TlsClient {
        TlsClient::from_pem(self.chain.as_bytes()).unwrap()
    }
}

async fn app(server: &TlsServer) -> RunningApp {
    let tls = Tcp::bind("127.0.0.1:0").await.unwrap().tls(server.clone());
    let wss = Ws::bind("127.0.0.1:0").await.unwrap().path("/game").tls(server.clone());
    App::new()
        .backends(Backends::memory().codec(Codec::Json))
        .gate(Gate::builder().tcp("127.0.0.1:0").transport(tls).transport(wss).build())
        .node(Node::builder().serve(due::routes![echo]).build().unwrap())
        .start()
        .await
        .unwrap()
}

async fn echoes(client: &Client, len: usize) {
    let body = RawBody(Bytes::from(vec![7; len]));
    let answer: RawBody = client.request(RouteId(1), &body).await.unwrap();
    assert_eq!(answer, body);
}

#[tokio::test]
async fn clients_speak_through_tls_on_tcp_and_ws() {
    let certificate = certificate("127.0.0.1");
    let app = app(&certificate.server()).await;
    let mut clients = Vec::new();
    for scheme in ["tls://", "wss://"] {
        let client = Client::builder().codec(Codec::Json).tls(certificate.client());
        let client = client.connect(&url(&app, scheme)).await.unwrap();
        for len in [0, 1, 5000] {
            echoes(&client, len).await;
        }
        clients.push(client);
    }
    app.stop().await;
    for client in clients {
        assert!(matches!(client.closed().await, Disconnect::GoingAway(_)), "{:?}", client.closed().await);
    }
}

#[tokio::test]
async fn the_name_may_differ_from_the_host_and_must_be_right() {
    let certificate = certificate("game.example");
    let app = app(&certificate.server()).await;
    let connect = async |tls: TlsClient| {
        let client = Client::builder().codec(Codec::Json).tls(tls);
        client.connect(&url(&app, "tls://")).await
    };
    echoes(&connect(certificate.client().server_name("game.example").unwrap()).await.unwrap(), 10).await;
    for tls in [certificate.client(), certificate.client().server_name("other.example").unwrap()] {
        let error = connect(tls).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("certificate not valid for name"), "{cause}");
    }
    let stranger = self::certificate("game.example").client().server_name("game.example").unwrap();
    assert!(connect(stranger).await.is_err(), "signed by nobody whom the client believes");
    app.stop().await;
}

#[tokio::test]
async fn urls_without_roots_say_what_is_missing() {
    for (url, text) in [
        (
            "tls://127.0.0.1:1",
            "cannot connect to tls://127.0.0.1:1: say with `ClientBuilder::tls` which servers are believed",
        ),
        (
            "wss://127.0.0.1:1",
            "cannot connect to wss://127.0.0.1:1: say with `ClientBuilder::tls` which servers are believed",
        ),
    ] {
        assert_eq!(Client::connect(url).await.unwrap_err().to_string(), text);
    }
}

#[test]
fn unusable_certificates_are_named() {
    let (one, other) = (certificate("one"), certificate("other"));
    let text = |result: Result<TlsServer, TlsError>| result.unwrap_err().to_string();
    assert_eq!(text(TlsServer::from_pem(b"", one.key.as_bytes())), "cannot read the certificates as PEM");
    assert_eq!(text(TlsServer::from_pem(one.chain.as_bytes(), b"")), "cannot read the key as PEM");
    let mixed = TlsServer::from_pem(one.chain.as_bytes(), other.key.as_bytes());
    assert_eq!(text(mixed), "the certificates cannot be used");
    assert_eq!(text(TlsServer::from_pem_files("/nowhere.pem", "/nowhere.pem")), "cannot read the certificates as PEM");
    assert_eq!(one.client().server_name("not a name").unwrap_err().to_string(), "no name of a server: not a name");
}

#[tokio::test]
async fn files_and_configurations_of_ones_own_serve_as_well() {
    let certificate = certificate("127.0.0.1");
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
    std::fs::write(&chain, &certificate.chain).unwrap();
    std::fs::write(&key, &certificate.key).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS12]);
    let old = builder.unwrap().with_no_client_auth();
    let [certificates, keys] = [&certificate.chain, &certificate.key].map(|pem| pem.as_bytes());
    use rustls::pki_types::pem::PemObject;
    let chain_der = rustls::pki_types::CertificateDer::pem_slice_iter(certificates).collect::<Result<_, _>>().unwrap();
    let key_der = rustls::pki_types::PrivateKeyDer::from_pem_slice(keys).unwrap();
    let old = TlsServer::from_config(std::sync::Arc::new(old.with_single_cert(chain_der, key_der).unwrap()));
    for server in [TlsServer::from_pem_files(&chain, &key).unwrap(), old] {
        let app = app(&server).await;
        let client = Client::builder().codec(Codec::Json).tls(TlsClient::from_pem_file(&chain).unwrap());
        echoes(&client.connect(&url(&app, "tls://")).await.unwrap(), 10).await;
        app.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_noise_in_place_of_a_handshake_end_and_delay_nobody() {
    let certificate = certificate("127.0.0.1");
    let app = app(&certificate.server()).await;
    let mut raw = Vec::new();
    for scheme in ["tls://", "wss://"] {
        let url = url(&app, scheme);
        let addr = url.strip_prefix(scheme).unwrap().split('/').next().unwrap();
        let silent = TcpStream::connect(addr).await.unwrap();
        let mut half = TcpStream::connect(addr).await.unwrap();
        half.write_all(&hex("16 0301 0200 01")).await.unwrap();
        let mut noise = TcpStream::connect(addr).await.unwrap();
        noise.write_all(&sized(&Format::new(), 1, 1, b"no TLS here")).await.unwrap();
        let mut answer = Vec::new();
        // An alert, or a reset.
        let _ = noise.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
        raw.extend([silent, half]);
    }
    let client = Client::builder().codec(Codec::Json).tls(certificate.client());
    let client = client.connect(&url(&app, "tls://")).await.unwrap();
    echoes(&client, 10).await;
    let begun = tokio::time::Instant::now();
    for mut stalled in raw {
        let _ = stalled.read_to_end(&mut Vec::new()).await;
    }
    assert!(begun.elapsed() <= Duration::from_secs(11), "{:?}", begun.elapsed());
    app.stop().await;
}

use due::codec::SerdeBody;
use due::crypto::{EccCurve, EccEncryptor, EccPrivateKey, Encryptor as _};
use due::{App, Backends, CallError, Client, Codec, Context, Gate, Node, RouteId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::{Note, note};

#[due::route(12)]
async fn echo(_: &mut Context, request: Note) -> due::Result<Note> {
    Ok(request)
}

fn key() -> EccPrivateKey {
    EccPrivateKey::generate(EccCurve::P256).unwrap()
}

fn encryptor(other: &EccPrivateKey, own: &EccPrivateKey) -> EccEncryptor {
    EccEncryptor::builder(other.public_key(), own.clone()).build().unwrap()
}

/// Where a gate would be, which writes down what comes and goes.
async fn tapped(gate: &str) -> (String, mpsc::UnboundedReceiver<(bool, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = format!("tcp://{}", listener.local_addr().unwrap());
    let gate = gate.strip_prefix("tcp://").unwrap().to_owned();
    let (tap, seen) = mpsc::unbounded_channel();
    // Ends with the connection.
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut gate = TcpStream::connect(gate).await.unwrap();
        let (mut from_client, mut from_gate) = ([0; 4096], [0; 4096]);
        loop {
            let (is_up, count) = tokio::select! {
                count = client.read(&mut from_client) => (true, count.unwrap_or(0)),
                count = gate.read(&mut from_gate) => (false, count.unwrap_or(0)),
            };
            if count == 0 {
                return;
            }
            let (bytes, to) = if is_up { (&from_client, &mut gate) } else { (&from_gate, &mut client) };
            to.write_all(&bytes[..count]).await.unwrap();
            // A test that has seen enough does not listen any more.
            let _ = tap.send((is_up, bytes[..count].to_vec()));
        }
    });
    (addr, seen)
}

#[tokio::test]
async fn a_gate_sees_routes_and_seqs_and_no_text() {
    let (server, client) = (key(), key());
    let node = Node::builder().serve(due::routes![echo]).encryptor(encryptor(&client, &server)).build().unwrap();
    let app = App::new().backends(Backends::memory().codec(Codec::Json));
    let app = app.gate(Gate::builder().tcp("127.0.0.1:0").build()).node(node).start().await.unwrap();
    let (url, mut seen) = tapped(app.addresses().next().unwrap()).await;
    let player = Client::builder().codec(Codec::Json).encryptor(encryptor(&server, &client));
    let player = player.connect(&url).await.unwrap();
    let sent = SerdeBody(note("attack at dawn"));
    for seq in 1..=3u8 {
        let SerdeBody(answer) = player.request::<_, SerdeBody<Note>>(RouteId(12), &sent).await.unwrap();
        assert_eq!(answer, sent.0);
        // 25 bytes of JSON, a point, an IV and a tag.
        let length = 25 + 65 + 16 + 32;
        for (is_up, key) in [(true, encryptor(&client, &server)), (false, encryptor(&server, &client))] {
            let (direction, bytes) = seen.recv().await.unwrap();
            assert_eq!(direction, is_up);
            assert_eq!(bytes[..9], [0, 0, 0, 5 + length, 0, 0, 12, 0, seq]);
            assert!(!bytes.windows(6).any(|window| window == b"attack"));
            assert_eq!(key.decrypt(&bytes[9..]).unwrap(), br#"{"text":"attack at dawn"}"#);
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn another_key_is_told_so() {
    let (server, client, stranger) = (key(), key(), key());
    let backends = Backends::memory().codec(Codec::Json).encryptor(encryptor(&client, &server));
    let node = Node::builder().serve(due::routes![echo]).build().unwrap();
    let app = App::new().backends(backends).gate(Gate::builder().tcp("127.0.0.1:0").build()).node(node);
    let app = app.start().await.unwrap();
    let connect = async |encryptor: EccEncryptor| {
        let client = Client::builder().codec(Codec::Json).encryptor(encryptor);
        client.connect(app.addresses().next().unwrap()).await.unwrap()
    };
    let ask = async |client: Client| client.request::<_, SerdeBody<Note>>(RouteId(12), &SerdeBody(note("hi"))).await;
    // It writes for somebody else, or reads what is written for somebody else.
    let writes = ask(connect(encryptor(&stranger, &client)).await).await.unwrap_err();
    assert_eq!(writes.to_string(), "the server answers internal error: undecodable body");
    let reads = ask(connect(encryptor(&server, &stranger)).await).await.unwrap_err();
    let CallError::Decode(reads) = reads else { panic!("{reads}") };
    assert_eq!(reads.to_string(), "cannot decrypt the body");
    app.stop().await;
}

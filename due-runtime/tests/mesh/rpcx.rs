//! What rpcx has besides: its bytes, methods without a schema, tokens, and what a peer must not do.

use std::sync::Arc;
use std::time::Duration;

use due::mesh::{Channel, Code, Mesh, MeshError, Request, RunningMesh, Status, Transporter, rpcx};
use due::registry::{Kind, MemoryRegistry, Registry};
use due::{Backends, Codec};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::wallet::{WalletClient, WalletServer};
use crate::{Named, client, gold, met, names, start, who};

#[derive(Clone, Serialize, Deserialize)]
struct Give {
    #[serde(rename = "UID")]
    uid: i64,
    #[serde(rename = "Note")]
    note: String,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Given {
    #[serde(rename = "Note")]
    note: String,
}

/// `Give` answers with the note; `Wait` until it is let; `Fail` and `Panic` say what they do.
fn bank(arrived: &Arc<Semaphore>, gate: &Arc<Semaphore>) -> rpcx::Service {
    let (arrived, gate) = (Arc::clone(arrived), Arc::clone(gate));
    rpcx::Service::new("bank", "Bank")
        .method("Give", |request: Request<Give>| async move {
            let Give { uid, note } = request.into_inner();
            Ok(Given { note: format!("{uid} has {note}") })
        })
        .method("Wait", move |_: Request<Give>| {
            let (arrived, gate) = (Arc::clone(&arrived), Arc::clone(&gate));
            async move {
                arrived.add_permits(1);
                gate.acquire().await.map_err(|_| Status::aborted("nobody opens"))?.forget();
                Ok(())
            }
        })
        .method("Fail", |_: Request<Give>| async move {
            let failed: due::Result<()> = Err(due::Error::new(due::Code::NOT_FOUND, "no such account"));
            Ok(failed?)
        })
        .method("Panic", |request: Request<Give>| async move {
            assert_eq!(request.into_inner().uid, 0, "uid above zero");
            Ok(())
        })
}

fn give(note: impl Into<String>) -> Give {
    Give { uid: 7, note: note.into() }
}

async fn open(backends: &Backends) -> (RunningMesh, Arc<Semaphore>, Arc<Semaphore>) {
    let (arrived, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let mesh = Mesh::builder().id("b1").serve_rpcx(bank(&arrived, &gate)).build().start(backends).await.unwrap();
    (mesh, arrived, gate)
}

async fn teller(backends: &Backends, target: &str) -> rpcx::Client {
    rpcx::Client::connect(backends, target, "Bank").await.unwrap()
}

#[tokio::test]
async fn a_mesh_of_rpcx_says_so_in_the_registry() {
    let registry = MemoryRegistry::new();
    let backends = Backends::memory().registry(registry.clone());
    let mesh = start(Transporter::Rpcx, &backends, "m1").await;
    let list = registry.list(Kind::Mesh).await.unwrap();
    assert_eq!(list[0].endpoint, format!("rpcx://{}?is_secure=false", mesh.addr()));
    assert_eq!(list[0].services, ["wallet"]);
    mesh.stop().await;
    assert!(registry.list(Kind::Mesh).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_client_calls_instances_of_both_kinds() {
    let backends = Backends::memory();
    let one = start(Transporter::Grpc, &backends, "m1").await;
    let two = start(Transporter::Rpcx, &backends, "m2").await;
    let client = client(&backends, "discovery://wallet").await;
    assert_eq!(met(&client, 4).await, names(["m1", "m2"]));
    // Streams are those of gRPC alone.
    for total in 1..4 {
        let mut answers = client.watch(gold(1)).await.unwrap().into_inner();
        assert_eq!(answers.message().await.unwrap().unwrap().by, "m1", "{total}");
    }
    one.stop().await;
    let error = client.watch(gold(1)).await.unwrap_err();
    let text = "discovery://wallet is not served over grpc, which this call needs";
    assert_eq!((error.code(), error.message()), (Code::Unimplemented, text));
    let sum = rpcx::Client::connect(&backends, "discovery://wallet", "Wallet").await.unwrap();
    let error = sum.call::<Given>("Sum", &give("")).await.unwrap_err();
    assert_eq!(error.message(), "/wallet.v1.Wallet/Sum is a stream, which rpcx does not have; gRPC does");
    two.stop().await;
}

#[tokio::test]
async fn bodies_are_what_the_client_chooses() {
    let backends = Backends::memory();
    let mesh = start(Transporter::Rpcx, &backends, "m1").await;
    for codec in [Codec::GoMsgPack, Codec::Proto, Codec::Json] {
        let channel = Channel::connect(&backends, "discovery://wallet").await.unwrap().codec(codec.clone());
        assert_eq!(who(&WalletClient::new(channel)).await, "m1", "{codec:?}");
    }
    mesh.stop().await;
}

#[tokio::test]
async fn services_without_a_schema_are_served_and_called() {
    let backends = Backends::memory();
    let (mesh, arrived, gate) = open(&backends).await;
    let addr = mesh.addr();
    for target in
        ["discovery://bank".to_owned(), "direct://b1".to_owned(), format!("direct://{addr}"), addr.to_string()]
    {
        let teller = teller(&backends, &target).await;
        // Below what is compressed, above it, and of a megabyte.
        for note in ["gold".to_owned(), "x".repeat(1100), "y".repeat(1 << 20)] {
            let given: Given = teller.call("Give", &give(note.clone())).await.unwrap();
            assert_eq!(given.note, format!("7 has {note}"), "{target}");
        }
    }
    let teller = teller(&backends, "discovery://bank").await;
    let in_json: Given = teller.clone().codec(Codec::Json).call("Give", &give("silver")).await.unwrap();
    assert_eq!(in_json.note, "7 has silver");
    let failed = async |method| {
        let status = teller.call::<()>(method, &give("")).await.unwrap_err();
        (status.code(), status.message().to_owned())
    };
    assert_eq!(failed("Fail").await, (Code::NotFound, "no such account".to_owned()));
    assert_eq!(failed("Panic").await, (Code::Internal, "internal error".to_owned()));
    assert_eq!(failed("Rob").await, (Code::Unimplemented, "rpcx: can't find method Rob".to_owned()));
    let nobody = rpcx::Client::connect(&backends, "discovery://bank", "Shop").await.unwrap();
    let status = nobody.call::<()>("Give", &give("")).await.unwrap_err();
    assert_eq!(status.message(), "rpcx: can't find service Shop");
    let status = teller.call::<Given>("Give", &"no map").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);

    // Nobody answers a oneway call, and it is handled all the same.
    teller.send("Wait", &give("")).await.unwrap();
    arrived.acquire().await.unwrap().forget();
    gate.add_permits(1);
    let too_long = teller.call::<Given>("Give", &give("x".repeat(5 << 20))).await.unwrap_err();
    assert_eq!(too_long.code(), Code::OutOfRange);
    assert_eq!(who_is(&teller).await, "7 has gold", "it is not worse off");
    mesh.stop().await;
}

async fn who_is(teller: &rpcx::Client) -> String {
    teller.call::<Given>("Give", &give("gold")).await.unwrap().note
}

#[tokio::test]
async fn many_calls_share_few_connections() {
    let backends = Backends::memory();
    let (mesh, arrived, gate) = open(&backends).await;
    let teller = teller(&backends, "discovery://bank").await;
    let calls: Vec<_> = (0..600)
        .map(|_| {
            let teller = teller.clone();
            tokio::spawn(async move { teller.call::<()>("Wait", &give("")).await })
        })
        .collect();
    // Four connections, 128 calls at a time on each; the others wait for a place.
    arrived.acquire_many(512).await.unwrap().forget();
    gate.add_permits(600);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    mesh.stop().await;
}

/// Says when it is dropped.
struct Leaves(Arc<Semaphore>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

#[tokio::test]
async fn a_server_gives_up_with_its_client() {
    let backends = Backends::memory();
    let (arrived, left) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (arrives, leaves) = (Arc::clone(&arrived), Arc::clone(&left));
    let endless = rpcx::Service::new("bank", "Bank").method("Wait", move |_: Request<Give>| {
        arrives.add_permits(1);
        let leaves = Leaves(Arc::clone(&leaves));
        async move {
            let _leaves = leaves;
            std::future::pending::<Result<(), Status>>().await
        }
    });
    let mesh = Mesh::builder().serve_rpcx(endless).start_on(&backends).await;
    let hasty = teller(&backends, "discovery://bank").await.timeout(Duration::from_millis(50));
    let status = hasty.call::<()>("Wait", &give("")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    left.acquire().await.unwrap().forget();

    // The connection ends with its last user.
    let patient = teller(&backends, "discovery://bank").await;
    arrived.acquire().await.unwrap().forget();
    let call = tokio::spawn(async move { patient.call::<()>("Wait", &give("")).await });
    arrived.acquire().await.unwrap().forget();
    call.abort();
    left.acquire().await.unwrap().forget();
    mesh.stop().await;
}

#[tokio::test]
async fn who_does_not_know_the_token_is_sent_away() {
    let backends = Backends::memory();
    let (arrived, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let mesh = Mesh::builder().token("open sesame").serve_rpcx(bank(&arrived, &gate)).start_on(&backends).await;
    let teller = teller(&backends, "discovery://bank").await;
    for token in [None, Some("open sesam"), Some("open sesamf"), Some("")] {
        let thief = token.map_or_else(|| teller.clone(), |token| teller.clone().token(token));
        let status = thief.call::<Given>("Give", &give("gold")).await.unwrap_err();
        let text = "the token of `__AUTH` is not the one of this mesh";
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, text), "{token:?}");
    }
    assert_eq!(who_is(&teller.token("open sesame")).await, "7 has gold");
    mesh.stop().await;
}

trait StartOn {
    async fn start_on(self, backends: &Backends) -> RunningMesh;
}

impl StartOn for due::mesh::MeshBuilder {
    async fn start_on(self, backends: &Backends) -> RunningMesh {
        self.build().start(backends).await.unwrap()
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_an_error() {
    let backends = Backends::memory();
    let fails = async |mesh: due::mesh::MeshBuilder| mesh.build().start(&backends).await.unwrap_err();
    let bank = || bank(&Arc::new(Semaphore::new(0)), &Arc::new(Semaphore::new(0)));
    let error = fails(Mesh::builder().serve_rpcx(bank()).serve_rpcx(bank())).await;
    assert!(matches!(error, MeshError::ServedTwice("Bank")), "{error}");
    let twice = bank().method("Give", |_: Request<Give>| async { Ok(()) });
    let error = fails(Mesh::builder().serve_rpcx(twice)).await;
    assert!(matches!(error, MeshError::ServedTwice("Give")), "{error}");
    let error = fails(Mesh::builder().serve_rpcx(bank()).transporter(Transporter::Grpc)).await;
    assert_eq!(error.to_string(), "the service \"bank\" can be served over rpcx alone: choose that transporter");
    let both = Mesh::builder().serve_rpcx(bank()).serve(WalletServer::new(Named::new("m1"))).start_on(&backends).await;
    assert_eq!(who(&client(&backends, "discovery://wallet").await).await, "m1");
    both.stop().await;
}

fn frame(flags: u8, seq: u8, method: &str, metadata: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    for part in [&b"Bank"[..], method.as_bytes(), metadata, payload] {
        rest.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        rest.extend_from_slice(part);
    }
    let mut frame = vec![8, 0, flags, 0x30, 0, 0, 0, 0, 0, 0, 0, seq];
    frame.extend_from_slice(&u32::try_from(rest.len()).unwrap().to_be_bytes());
    frame.extend(rest);
    frame
}

/// `{"UID": 7, "Note": "hi"}`
const HI: &[u8] = b"\x82\xa3UID\x07\xa4Note\xa2hi";

async fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut frame = vec![0; 16];
    stream.read_exact(&mut frame).await.unwrap();
    let size = u32::from_be_bytes(frame[12..].try_into().unwrap()) as usize;
    frame.resize(16 + size, 0);
    stream.read_exact(&mut frame[16..]).await.unwrap();
    frame
}

#[tokio::test]
async fn answers_are_these_bytes() {
    let (mesh, ..) = open(&Backends::memory()).await;
    let mut raw = TcpStream::connect(mesh.addr()).await.unwrap();
    raw.write_all(&frame(0, 9, "Give", b"", HI)).await.unwrap();
    assert_eq!(read_frame(&mut raw).await, frame(0x80, 9, "Give", b"", b"\x81\xa4Note\xa87 has hi"));
    // A heartbeat comes back as it is, as a response.
    raw.write_all(&frame(0x40, 10, "", b"", b"\xd3\0\0\0\0\0\0\0\x01")).await.unwrap();
    assert_eq!(read_frame(&mut raw).await, frame(0xc0, 10, "", b"", b"\xd3\0\0\0\0\0\0\0\x01"));
    raw.write_all(&frame(0, 11, "Fail", b"", HI)).await.unwrap();
    let error = b"\0\0\0\x0e__rpcx_error__\0\0\0\x0fno such account\0\0\0\x08due-code\0\0\0\x015";
    assert_eq!(read_frame(&mut raw).await, frame(0x81, 11, "Fail", error, b""));
    // A serialize type that nobody has.
    let mut thrift = frame(0, 12, "Give", b"", HI);
    thrift[3] = 0x40;
    raw.write_all(&thrift).await.unwrap();
    let answer = read_frame(&mut raw).await;
    assert_eq!((answer[2], answer[3], answer[11]), (0x81, 0x40, 12));
    assert!(String::from_utf8_lossy(&answer).contains("serialize type 4 is not taken"));
    // Time until the end of all days.
    let forever = b"\0\0\0\x0f__ServerTimeout\0\0\0\x1418446744073709551615";
    raw.write_all(&frame(0, 15, "Give", forever, HI)).await.unwrap();
    assert_eq!(read_frame(&mut raw).await, frame(0x80, 15, "Give", b"", b"\x81\xa4Note\xa87 has hi"));
    // An answer that nobody has asked for is no fault.
    raw.write_all(&frame(0x80, 13, "Give", b"", b"")).await.unwrap();
    raw.write_all(&frame(0, 14, "Give", b"", HI)).await.unwrap();
    assert_eq!(read_frame(&mut raw).await[11], 14);
    mesh.stop().await;
}

#[tokio::test]
async fn what_is_no_rpcx_is_disconnected() {
    let backends = Backends::memory();
    let (mesh, ..) = open(&backends).await;
    let huge = [8, 0, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
    let damaged = frame(0x04, 1, "Give", b"", b"no gzip");
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &huge, &damaged] {
        let mut raw = TcpStream::connect(mesh.addr()).await.unwrap();
        raw.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        // With what it has not read a closed connection may be a reset one.
        let _ = timeout(Duration::from_secs(5), raw.read_to_end(&mut rest)).await.expect("it is closed");
        assert_eq!(rest, b"");
    }
    assert_eq!(who_is(&teller(&backends, "discovery://bank").await).await, "7 has gold");
    mesh.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_go_holds_up_a_stop_for_a_second() {
    let (mesh, ..) = open(&Backends::memory()).await;
    let mut raw = TcpStream::connect(mesh.addr()).await.unwrap();
    raw.write_all(&frame(0, 9, "Give", b"", HI)).await.unwrap();
    read_frame(&mut raw).await;
    let began = Instant::now();
    mesh.stop().await;
    assert_eq!(began.elapsed().as_secs(), 1);
    let farewell = read_frame(&mut raw).await;
    assert_eq!((farewell[2], &farewell[24..39]), (0x20, &b"__due_farewell\0"[..15]));
    assert_eq!(raw.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let teller = rpcx::Client::new(Channel::rpcx(silent.local_addr().unwrap().to_string()), "Bank");
    let teller = teller.timeout(Duration::from_secs(60));
    let began = Instant::now();
    let call = tokio::spawn(async move { teller.call::<Given>("Give", &give("gold")).await });
    let (mut raw, _) = silent.accept().await.unwrap();
    assert_eq!(read_frame(&mut raw).await[2], 0, "the request");
    assert_eq!(read_frame(&mut raw).await[2], 0x40, "a heartbeat");
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "Bank.Give: the connection was lost before the response came");
    assert_eq!(began.elapsed().as_secs(), 20);
}

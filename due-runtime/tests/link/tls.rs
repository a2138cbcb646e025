//! Links inside TLS: who is believed.

use std::time::Duration;

use due::TcpLink;
use due::packet::Format;
use due::registry::{Kind, Registry};
use due::transport::tcp::connect_tls;
use due::transport::tls::{TlsError, TlsPeer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::certificates::Authority;
use crate::log::Log;
use crate::raw::hex;
use crate::secret::{is_refused, said, stop};
use crate::suite::{ask, game};
use crate::world::{World, client};

const HOST: &str = "127.0.0.1";
const REFUSED: &str = "a process was not let into the link";
const UNREACHED: &str = "not reached; dialling goes on";

fn link(tls: &TlsPeer) -> TcpLink {
    TcpLink::new().tls(tls.clone())
}

/// Whether a gate with the one serves requests by a node with the other; and what the log says.
async fn served(gate: TcpLink, node: TcpLink) -> Result<(), Log> {
    let log = Log::new();
    let world = World::tcp();
    let (node, gate) = (world.node_with("n1", game(), node).await, world.gate_with("g1", gate).await);
    let client = client(&gate).await;
    // The gate warns when it has given up.
    let answered = tokio::select! {
        answer = ask(&client, 2, "1001") => {
            assert_eq!(answer, "1");
            true
        }
        _ = said(&log, UNREACHED, "") => false,
    };
    if !answered {
        is_refused(&client).await;
    }
    stop([gate, node]).await;
    if answered { Ok(()) } else { Err(log) }
}

#[tokio::test]
async fn both_sides_show_a_certificate_of_the_authority() {
    let authority = Authority::new("ours");
    let [gate, node] = [(); 2].map(|()| authority.sign(HOST).believing(&authority));
    assert!(served(link(&gate), link(&node)).await.is_ok());
    let secret = |tls| link(tls).secret("sixteen bytes or more").unwrap();
    assert!(served(secret(&gate), secret(&node)).await.is_ok());
    let other = link(&node).secret("sixteen bytes of another").unwrap();
    let log = served(secret(&gate), other).await.unwrap_err();
    assert_eq!(said(&log, REFUSED, "its secret is another one").await, 1);
}

#[tokio::test]
async fn certificates_of_strangers_are_refused_by_both_sides() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let good = ours.sign(HOST).believing(&ours);
    let log = served(link(&good), link(&theirs.sign(HOST).believing(&ours))).await.unwrap_err();
    let text = "no TLS with it (`TcpLink::tls`): invalid peer certificate: UnknownIssuer";
    assert_eq!(said(&log, UNREACHED, text).await, 1, "the gate does not believe the node");
    let log = served(link(&theirs.sign(HOST).believing(&ours)), link(&good)).await.unwrap_err();
    assert_eq!(said(&log, REFUSED, text).await, 1, "the node does not believe the gate");
    assert_eq!(said(&log, UNREACHED, "received fatal alert").await, 1);
}

#[tokio::test]
async fn expired_certificates_are_refused_by_both_sides() {
    let authority = Authority::new("ours");
    let good = authority.sign(HOST).believing(&authority);
    let expired = authority.expired(HOST).believing(&authority);
    let log = served(link(&good), link(&expired)).await.unwrap_err();
    assert_eq!(said(&log, UNREACHED, "certificate expired").await, 1);
    let log = served(link(&expired), link(&good)).await.unwrap_err();
    assert_eq!(said(&log, REFUSED, "certificate expired").await, 1);
}

#[tokio::test]
async fn servers_bear_the_name_that_is_dialled_or_the_one_that_was_agreed() {
    let authority = Authority::new("ours");
    let peer = authority.sign("due.cluster").believing(&authority);
    let log = served(link(&peer), link(&peer)).await.unwrap_err();
    assert_eq!(said(&log, UNREACHED, "certificate not valid for name \"127.0.0.1\"").await, 1);
    let named = peer.clone().server_name("due.cluster").unwrap();
    assert!(served(link(&named), link(&named)).await.is_ok());
    assert!(matches!(peer.server_name("not a name"), Err(TlsError::Name { .. })));
}

#[tokio::test]
async fn without_a_certificate_or_tls_nobody_is_let_in() {
    let log = Log::new();
    let authority = Authority::new("ours");
    let world = World::tcp();
    let gate = world.gate_with("g1", link(&authority.sign(HOST).believing(&authority))).await;
    let instance = world.registry.list(Kind::Gate).await.unwrap()[0].clone();
    assert!(instance.endpoint.ends_with("?is_secure=true"), "{}", instance.endpoint);
    let addr = instance.address().unwrap();
    // Its own part of the handshake ends before the other side has asked.
    let _ = connect_tls(addr, &authority.nobody(), Format::new().into()).await;
    assert_eq!(said(&log, REFUSED, "peer sent no certificates").await, 1);

    let mut plain = TcpStream::connect(addr).await.unwrap();
    plain.write_all(&hex("0000000d 00 01 0000000000000001 01 4731")).await.unwrap();
    let mut answer = Vec::new();
    // An alert, or a reset.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
    gate.stop().await;
}

#[tokio::test(start_paused = true)]
async fn silence_in_place_of_a_handshake_ends() {
    let log = Log::new();
    let world = World::tcp();
    let gate = world.gate_with("g1", link(&crate::certificates::of_the_suite())).await;
    let addr = world.registry.list(Kind::Gate).await.unwrap()[0].address().unwrap().to_owned();
    let mut silent = TcpStream::connect(&addr).await.unwrap();
    let mut half = TcpStream::connect(&addr).await.unwrap();
    half.write_all(&hex("16 0301 0200 01")).await.unwrap();
    let begun = Instant::now();
    for stream in [&mut silent, &mut half] {
        assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
    assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(said(&log, REFUSED, "it did not prove in time that it belongs here").await, 1);
    gate.stop().await;
}

#[tokio::test]
async fn tls_on_one_side_alone_is_named_before_anything_is_dialled() {
    let peer = crate::certificates::of_the_suite();
    let log = served(TcpLink::new(), link(&peer)).await.unwrap_err();
    assert_eq!(said(&log, UNREACHED, "it speaks TLS, and this link does not (`TcpLink::tls`)").await, 1);
    let log = served(link(&peer), TcpLink::new()).await.unwrap_err();
    assert_eq!(said(&log, UNREACHED, "it speaks no TLS, and this link does (`TcpLink::tls`)").await, 1);
}

#[test]
fn unusable_parts_are_named() {
    let text = |result: Result<TlsPeer, TlsError>| result.unwrap_err().to_string();
    assert_eq!(text(TlsPeer::from_pem(b"", b"", b"")), "cannot read the certificates as PEM");
    assert_eq!(
        text(TlsPeer::from_pem_files("/nowhere", "/nowhere", "/nowhere")),
        "cannot read the certificates as PEM"
    );
    let shown = format!("{:?}", crate::certificates::of_the_suite());
    assert_eq!(shown, "TlsPeer { server: TlsServer { .. }, client: TlsClient { server_name: None, .. } }");
}

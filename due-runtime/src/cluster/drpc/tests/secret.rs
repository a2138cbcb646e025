//! The exchange of proofs, against peers that do not mean well.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::hex;
use crate::cluster::drpc::frame::{self, HEAD};
use crate::cluster::drpc::secret::{Identity, Nonce, Secret, ShortSecret, Unproven, nonce};
use crate::registry::Kind;

const SECRET: &[u8] = b"correct horse battery staple";
/// Gate G1, whose nonce is 00 to 1f.
const HELLO: &str = "0000003a 00 01 0000000000000001 00 6475652d7365637265742f31
    000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 01 4731";
/// Node N1, whose nonce is 20 to 3f.
const CHALLENGE: &str = "0000003a 00 01 0000000000000001 00 6475652d7365637265742f31
    202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f 02 4e31";
const PROOF_OF_DIALER: &str =
    "0000002a 00 01 0000000000000002 982f8d325e6ff1f707c1d2031432a16576763defdb480df802716d18c08b672a";
const PROOF_OF_LISTENER: &str =
    "0000002a 00 01 0000000000000002 3736215f67831f070471b7c734f638c306f043ae98d66abd5a2671475e483845";
/// The same where the TLS connection has exported 32 times `bb`.
const PROOF_OF_DIALER_IN_TLS: &str =
    "0000002a 00 01 0000000000000002 52472989e802f6fab6f6175ea6e9add15ce490e766d5a07107df265a657137b1";
const PROOF_OF_LISTENER_IN_TLS: &str =
    "0000002a 00 01 0000000000000002 3f8765c49d7b173b334c1232de77b252dae4f0a46cbb1bda093b02cda4e5f5c2";
const BINDING: [u8; 32] = [0xbb; 32];

fn secret() -> Secret {
    Secret::new(SECRET).unwrap()
}

fn gate() -> Identity {
    Identity { kind: Kind::Gate, id: "G1".into() }
}

fn node() -> Identity {
    Identity { kind: Kind::Node, id: "N1".into() }
}

/// 32 numbers in a row.
fn count(first: u8) -> Nonce {
    std::array::from_fn(|i| first + i as u8)
}

/// G1 dials, and reads what is given here.
async fn dialled(binding: &[u8], answers: &[&[u8]]) -> (Result<(), Unproven>, Vec<u8>) {
    let (mut near, far) = duplex(4096);
    let dial = async move { secret().dial(&mut near, &gate(), &node(), binding, &count(0)).await };
    tokio::join!(dial, scripted(far, answers))
}

/// N1 is dialled, and reads what is given here.
async fn called(binding: &[u8], requests: &[&[u8]]) -> (Result<Identity, Unproven>, Vec<u8>) {
    let (mut near, far) = duplex(4096);
    let listen = async move { secret().listen(&mut near, &node(), binding, &count(0x20)).await };
    tokio::join!(listen, scripted(far, requests))
}

/// Writes everything, has nothing more to say, and gives what it was told.
async fn scripted(mut stream: DuplexStream, said: &[&[u8]]) -> Vec<u8> {
    for said in said {
        // The other side may have heard enough.
        let _ = stream.write_all(said).await;
    }
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    heard
}

/// Both sides as they are.
async fn exchange(dialer: &Secret, listener: &Secret, bindings: [&[u8]; 2]) -> [String; 2] {
    let (mut near, mut far) = duplex(4096);
    let dial = async move { dialer.dial(&mut near, &gate(), &node(), bindings[0], &nonce().unwrap()).await };
    let listen = async move { listener.listen(&mut far, &node(), bindings[1], &nonce().unwrap()).await };
    let (dialled, called) = tokio::join!(dial, listen);
    [format!("{dialled:?}"), format!("{called:?}")]
}

#[tokio::test]
async fn the_bytes_are_these() {
    for (binding, proofs) in [
        (&[][..], [PROOF_OF_DIALER, PROOF_OF_LISTENER]),
        (&BINDING, [PROOF_OF_DIALER_IN_TLS, PROOF_OF_LISTENER_IN_TLS]),
    ] {
        let [dialer, listener] = proofs.map(hex);
        let (dialled, said) = dialled(binding, &[&hex(CHALLENGE), &listener]).await;
        assert!(dialled.is_ok(), "{dialled:?}");
        assert_eq!(said, [hex(HELLO), dialer.clone()].concat());

        let (called, said) = called(binding, &[&hex(HELLO), &dialer]).await;
        assert_eq!(called.unwrap(), gate());
        assert_eq!(said, [hex(CHALLENGE), listener].concat());
    }
}

#[tokio::test]
async fn the_same_secret_is_believed_and_no_other() {
    let other = Secret::new(b"correct horse battery stable").unwrap();
    let believed = exchange(&secret(), &secret(), [&[], &[]]).await;
    assert_eq!(believed, ["Ok(())", "Ok(Identity { kind: Gate, id: \"G1\" })"]);
    assert_eq!(exchange(&secret(), &other, [&[], &[]]).await, ["Err(Refused)", "Err(Other)"]);
    assert_eq!(exchange(&other, &secret(), [&[], &[]]).await, ["Err(Refused)", "Err(Other)"]);
    // Somebody in between speaks TLS with both.
    assert_eq!(exchange(&secret(), &secret(), [&BINDING, &[0xbc; 32]]).await, ["Err(Refused)", "Err(Other)"]);
}

#[tokio::test]
async fn what_was_recorded_proves_nothing_later() {
    let (mut near, mut far) = duplex(4096);
    let listen = async { secret().listen(&mut near, &node(), &[], &nonce().unwrap()).await };
    let replay = async {
        far.write_all(&[hex(HELLO), hex(PROOF_OF_DIALER)].concat()).await.unwrap();
        let mut challenge = vec![0; hex(CHALLENGE).len()];
        far.read_exact(&mut challenge).await.unwrap();
    };
    assert!(matches!(tokio::join!(listen, replay).0, Err(Unproven::Other)));

    let (mut near, mut far) = duplex(4096);
    let dial = async { secret().dial(&mut near, &gate(), &node(), &[], &nonce().unwrap()).await };
    let replay = async { far.write_all(&[hex(CHALLENGE), hex(PROOF_OF_LISTENER)].concat()).await.unwrap() };
    assert!(matches!(tokio::join!(dial, replay).0, Err(Unproven::Other)));
    assert_ne!(nonce().unwrap(), nonce().unwrap());
}

#[tokio::test]
async fn what_is_sent_back_proves_nothing() {
    let (dialled, said) = dialled(&[], &[&hex(HELLO)]).await;
    assert!(matches!(dialled, Err(Unproven::Stranger { found, expected }) if found == gate() && expected == node()));
    assert_eq!(said, hex(HELLO), "nothing is proven to a stranger");

    // Its own nonce under the name of the other, then its own proof.
    let mut forged = hex(CHALLENGE);
    forged[27..59].copy_from_slice(&count(0));
    let (mut near, mut far) = duplex(4096);
    let dial = async { secret().dial(&mut near, &gate(), &node(), &[], &count(0)).await };
    let reflect = async {
        far.write_all(&forged).await.unwrap();
        let mut said = vec![0; hex(HELLO).len() + hex(PROOF_OF_DIALER).len()];
        far.read_exact(&mut said).await.unwrap();
        far.write_all(&said[forged.len()..]).await.unwrap();
    };
    assert!(matches!(tokio::join!(dial, reflect).0, Err(Unproven::Other)));
    let (called, _) = called(&[], &[&hex(HELLO), &hex(PROOF_OF_LISTENER)]).await;
    assert!(matches!(called, Err(Unproven::Other)), "the proof of a listener is none of a dialer");
}

#[tokio::test]
async fn peers_without_a_secret_are_known_by_their_first_frame() {
    let greeting = hex("0000000c 00 01 0000000000000001 0000");
    let (dialled, said) = dialled(&[], &[&greeting]).await;
    assert!(matches!(dialled, Err(Unproven::NoSecret)), "{dialled:?}");
    // What a server of due makes of it: a handshake of no kind, in a frame that cannot harm.
    assert_eq!(frame::measure(&said, 1 << 24), Ok(Some(said.len())));
    let handshake = super::super::request::handshake(&frame::parse(&said).unwrap()).unwrap();
    assert_eq!(handshake.kind, None);

    let handshake = hex("0000000d 00 01 0000000000000001 01 4731");
    let (called, said) = called(&[], &[&handshake]).await;
    assert!(matches!(called, Err(Unproven::NoSecret)), "{called:?}");
    assert_eq!(said, b"");
}

#[tokio::test]
async fn every_changed_byte_is_noticed() {
    for (at, part) in [(0, HELLO), (1, PROOF_OF_DIALER)] {
        for byte in 0..hex(part).len() {
            let mut frames = [hex(HELLO), hex(PROOF_OF_DIALER)];
            frames[at][byte] ^= 0x20;
            let (called, _) = called(&[], &[&frames[0], &frames[1]]).await;
            // Bytes of the header that mean nothing are covered as well.
            assert!(called.is_err() || (at, byte) == (1, 4), "byte {byte} of {part}");
        }
    }
    for (at, part) in [(0, CHALLENGE), (1, PROOF_OF_LISTENER)] {
        for byte in 0..hex(part).len() {
            let mut frames = [hex(CHALLENGE), hex(PROOF_OF_LISTENER)];
            frames[at][byte] ^= 0x20;
            let (dialled, _) = dialled(&[], &[&frames[0], &frames[1]]).await;
            assert!(dialled.is_err() || (at, byte) == (1, 4), "byte {byte} of {part}");
        }
    }
}

#[tokio::test]
async fn every_beginning_is_too_little() {
    let (requests, answers) =
        ([hex(HELLO), hex(PROOF_OF_DIALER)].concat(), [hex(CHALLENGE), hex(PROOF_OF_LISTENER)].concat());
    for len in 0..requests.len() {
        let (called, _) = called(&[], &[&requests[..len]]).await;
        assert!(matches!(called, Err(Unproven::Gone)), "{len}: {called:?}");
    }
    for len in 0..answers.len() {
        let (dialled, _) = dialled(&[], &[&answers[..len]]).await;
        match dialled {
            Err(Unproven::Gone) => assert!(len < hex(CHALLENGE).len()),
            Err(Unproven::Refused) => assert!(len >= hex(CHALLENGE).len()),
            other => panic!("{len}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn sizes_are_believed_only_if_they_are_possible() {
    for size in [0_u32, 1, 9, 1025, 0x1603_0100, 0x4745_5420, 0xffff_fffc, u32::MAX] {
        let noise = [&size.to_be_bytes()[..], &[0; 64]].concat();
        let (called, said) = called(&[], &[&noise]).await;
        assert!(matches!(called, Err(Unproven::Noise)), "{size:x}: {called:?}");
        assert_eq!(said, b"");
        let (dialled, _) = dialled(&[], &[&noise]).await;
        assert!(matches!(dialled, Err(Unproven::Noise)), "{size:x}: {dialled:?}");
    }
}

#[tokio::test]
async fn what_follows_is_left_for_others() {
    let (mut near, mut far) = duplex(4096);
    far.write_all(&[hex(HELLO), hex(PROOF_OF_DIALER), b"rest".to_vec()].concat()).await.unwrap();
    far.shutdown().await.unwrap();
    secret().listen(&mut near, &node(), &[], &count(0x20)).await.unwrap();
    let mut rest = String::new();
    near.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "rest");
}

#[tokio::test]
async fn ids_have_a_longest_length() {
    let long = Identity { kind: Kind::Node, id: "n".repeat(1000).into() };
    let (mut near, _far) = duplex(4096);
    let dialled = secret().dial(&mut near, &long, &node(), &[], &count(0)).await;
    assert_eq!(
        dialled.unwrap_err().to_string(),
        "the id of this server has 1000 bytes, at most 960 are allowed with a secret"
    );
    assert!(hex(HELLO).len() < HEAD + 64);
}

#[test]
fn secrets_are_long_and_stay_secret() {
    assert_eq!(Secret::new(&[7; 15]).unwrap_err(), ShortSecret { bytes: 15 });
    let text = ShortSecret { bytes: 15 }.to_string();
    assert_eq!(text, "a secret of 15 bytes can be guessed: it needs at least 16, at random");
    assert_eq!(format!("{:?}", Secret::new(&[7; 16]).unwrap()), "Secret(..)");
}

//! Keys of both ends, as each language takes them, and letters that no gate reads.

use std::sync::Arc;

use due::crypto::{EccCurve, EccEncryptor, EccPrivateKey, Encryptor, RsaEncryptor, RsaPadding, RsaPrivateKey};
use due::{Codec, RouteId};
use serde_json::{Value, json};

use crate::go::Go;
use crate::letters::{Cell, in_codec, letter_of};
use crate::on_both;
use crate::player::Player;
use crate::world::{Fleet, GO_GATE, Place, RUST_GATE, Setup};

on_both!(
    by_rsa_over_tcp,
    by_rsa_with_oaep_over_ws,
    by_ecc_of_256_bits_over_ws,
    by_ecc_of_384_bits_over_tcp,
    who_has_another_key_is_told_so_by_the_node_of_rust,
);

/// Whose keys.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    Server,
    Client,
}

/// A pair of keys for each end: who encrypts takes the public one of the other.
#[derive(Clone)]
pub(crate) enum Secrets {
    Rsa { padding: RsaPadding, keys: Box<(RsaPrivateKey, RsaPrivateKey)> },
    Ecc { server: EccPrivateKey, client: EccPrivateKey },
}

impl Secrets {
    pub(crate) fn rsa(padding: RsaPadding) -> Self {
        let key = || RsaPrivateKey::generate(1024).unwrap();
        Self::Rsa { padding, keys: Box::new((key(), key())) }
    }

    pub(crate) fn ecc(curve: EccCurve) -> Self {
        let key = || EccPrivateKey::generate(curve).unwrap();
        Self::Ecc { server: key(), client: key() }
    }

    pub(crate) fn encryptor(&self, end: End) -> Arc<dyn Encryptor> {
        match self {
            Self::Rsa { padding, keys } => {
                let (own, other) = own_and_other(end, &keys.0, &keys.1);
                let rsa = RsaEncryptor::builder(other.public_key(), own.clone());
                Arc::new(rsa.padding(*padding).label("due").build().unwrap())
            }
            Self::Ecc { server, client } => {
                let (own, other) = own_and_other(end, server, client);
                let ecc = EccEncryptor::builder(other.public_key(), own.clone());
                Arc::new(ecc.s1("s1").s2("s2").build().unwrap())
            }
        }
    }

    pub(crate) fn of_go(&self, end: End) -> Value {
        let (kind, private, public) = match self {
            Self::Rsa { padding, keys } => {
                let (own, other) = own_and_other(end, &keys.0, &keys.1);
                let kind = if *padding == RsaPadding::Oaep { "rsa-oaep" } else { "rsa" };
                (kind, own.to_pem().unwrap(), other.public_key().to_pem().unwrap())
            }
            Self::Ecc { server, client } => {
                let (own, other) = own_and_other(end, server, client);
                ("ecc", own.to_pem().unwrap(), other.public_key().to_pem().unwrap())
            }
        };
        json!({ "kind": kind, "privateKey": private, "publicKey": public, "label": "due", "s1": "s1", "s2": "s2" })
    }
}

fn own_and_other<'a, K>(end: End, server: &'a K, client: &'a K) -> (&'a K, &'a K) {
    if end == End::Server { (server, client) } else { (client, server) }
}

async fn by_rsa_over_tcp(place: Place) {
    let secrets = Some(Secrets::rsa(RsaPadding::Normal));
    in_codec(Cell { secrets, ..Cell::new(Codec::Json) }, place).await;
}

async fn by_rsa_with_oaep_over_ws(place: Place) {
    let secrets = Some(Secrets::rsa(RsaPadding::Oaep));
    in_codec(Cell { secrets, network: "ws", codec: Codec::Proto }, place).await;
}

async fn by_ecc_of_256_bits_over_ws(place: Place) {
    let secrets = Some(Secrets::ecc(EccCurve::P256));
    in_codec(Cell { secrets, network: "ws", codec: Codec::MsgPack }, place).await;
}

async fn by_ecc_of_384_bits_over_tcp(place: Place) {
    let secrets = Some(Secrets::ecc(EccCurve::P384));
    in_codec(Cell { secrets, ..Cell::new(Codec::Proto) }, place).await;
}

/// What a client of due sees of a status: its body in plain, which its own `Parse` takes for a text that does not decrypt.
async fn who_has_another_key_is_told_so_by_the_node_of_rust(place: Place) {
    let fleet = Fleet::with(Setup { secrets: Some(Secrets::ecc(EccCurve::P256)), ..Setup::default() }, place).await;
    let stranger = Secrets::ecc(EccCurve::P256).of_go(End::Client);
    let client = json!({ "role": "client", "id": "stranger", "network": "tcp", "codec": "json", "heartbeatMs": 1000, "encryptor": stranger });
    let client = Arc::new(Go::start(&client, "").await);
    for gid in [RUST_GATE, GO_GATE] {
        let player = Player::go(&client, fleet.url(gid)).await;
        // One of them goes to the node of Go, which says nothing.
        for seq in 1..=2 {
            player.send_letter(31, seq, &letter_of(&Codec::Json)).await;
        }
        let status = player.message(RouteId::STATUS).await;
        let body: Value = serde_json::from_slice(&crate::ears::bytes64(&status["body"])).unwrap();
        assert_eq!(body, json!({ "route": 31, "seq": status["seq"], "code": 6, "message": "undecodable body" }));
        assert_ne!(status["error"], Value::Null);
        let failed = fleet.nodes[1].ears.hear_a("failed").await;
        assert_eq!(failed["error"], "ecies: invalid message");
    }
}

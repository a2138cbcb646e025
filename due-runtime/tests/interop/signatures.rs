//! What one language has signed, the other verifies.

use due::crypto::{EccCurve, EccPrivateKey, EccSigner, RsaPrivateKey, RsaSigner, RsaSigning, Signer};
use serde_json::{Value, json};

use crate::ears::{bytes64, text64};
use crate::go::Go;

#[tokio::test]
async fn by_rsa() {
    let go = signer_of_go().await;
    let key = RsaPrivateKey::generate(1024).unwrap();
    for (kind, padding) in [("rsa-pss", RsaSigning::Pss), ("rsa-pkcs", RsaSigning::Pkcs1v15)] {
        let ours = RsaSigner::builder(key.public_key(), key.clone()).padding(padding).build().unwrap();
        agree(&go, kind, (&key.to_pem().unwrap(), &key.public_key().to_pem().unwrap()), &ours).await;
    }
}

#[tokio::test]
async fn by_ecc() {
    let go = signer_of_go().await;
    for curve in [EccCurve::P224, EccCurve::P256, EccCurve::P384, EccCurve::P521] {
        let key = EccPrivateKey::generate(curve).unwrap();
        let ours = EccSigner::builder(key.public_key(), key.clone()).build().unwrap();
        agree(&go, "ecc", (&key.to_pem().unwrap(), &key.public_key().to_pem().unwrap()), &ours).await;
    }
}

async fn signer_of_go() -> Go {
    Go::start(&json!({ "role": "client", "id": "signer", "network": "tcp" }), "").await
}

async fn agree(go: &Go, kind: &str, (private, public): (&str, &str), ours: &dyn Signer) {
    let signer = json!({ "kind": kind, "privateKey": private, "publicKey": public });
    let ask = async |command: Value| {
        let mut command = command;
        command["signer"] = signer.clone();
        go.ask(command).await
    };
    for data in ["", "hello due"] {
        let theirs = ask(json!({ "do": "sign", "body": text64(data.as_bytes()) })).await.unwrap();
        ours.verify(data.as_bytes(), &bytes64(&theirs)).unwrap();
        let signature = text64(&ours.sign(data.as_bytes()).unwrap());
        ask(json!({ "do": "verify", "body": text64(data.as_bytes()), "signature": signature })).await.unwrap();
        let other = ask(json!({ "do": "verify", "body": text64(b"another"), "signature": signature })).await;
        assert_eq!(other.unwrap_err(), "crypto/rsa: verification error");
    }
}

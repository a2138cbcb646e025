//! What due's own code has made of a throw-away key, and what becomes of everything else.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::crypto::{Encryptor as _, Hash, Signer as _, hex, pem};

const SCALAR: &str = "f90f2b03c49a5cb2b235a94e8e257fd27b6b6a1de199c6ebc346f37db100b467";
/// `hello due`, on P256, with `s1` and `s2`.
const TEXT: &str = "044e6a2dcb6c80e2fe50d3e5d1786dd3f183481c54e02a55c14c7775b0c776b2093d3b4a46d237ce2ad73923358f3c3b\
     53fcf6ba168674533e5fe322066e6426d81c7d573cea67c743508630a26348f6e1ffd166040e06c92c171a486c39afd1\
     f285d6de4a6ff437dde13d06a0641fb5be79d700ac24d52f2d8c";
/// Of `hello due` by the same key, with SHA-256.
const SIGNATURE: &str = "48168696079172162124301999028376830414580321010870523444364666196059057802610 \
    93041904096846901317629717222949685509870826582179635943665619228042825248892";

/// Of OpenSSL, on P384.
const SEC1: &str = include_str!("testdata/sec1.pem");
const PKCS8: &str = include_str!("testdata/pkcs8.pem");
const PKIX: &str = include_str!("testdata/pkix.pub.pem");

const CURVES: [EccCurve; 4] = [EccCurve::P224, EccCurve::P256, EccCurve::P384, EccCurve::P521];

static KEY: LazyLock<EccPrivateKey> =
    LazyLock::new(|| EccPrivateKey::from_scalar(EccCurve::P256, &hex(SCALAR)).unwrap());

fn encryptor(key: &EccPrivateKey) -> EccEncryptor {
    EccEncryptor::builder(key.public_key(), key.clone()).s1("s1").s2("s2").build().unwrap()
}

fn signer(key: &EccPrivateKey, hash: Hash) -> EccSigner {
    EccSigner::builder(key.public_key(), key.clone()).hash(hash).build().unwrap()
}

#[test]
fn a_text_of_due_is_read() {
    assert_eq!(encryptor(&KEY).decrypt(&hex(TEXT)).unwrap(), b"hello due");
}

#[test]
fn a_signature_of_due_is_verified() {
    signer(&KEY, Hash::Sha256).verify(b"hello due", SIGNATURE.as_bytes()).unwrap();
}

#[test]
fn a_text_is_longer_by_a_point_an_iv_and_a_tag() {
    for (curve, length) in [(EccCurve::P256, 65 + 16 + 9 + 32), (EccCurve::P384, 97 + 16 + 9 + 48)] {
        let encryptor = encryptor(&EccPrivateKey::generate(curve).unwrap());
        let text = encryptor.encrypt(b"hello due").unwrap();
        assert_eq!((text.len(), text[0]), (length, 4), "{curve}");
        assert_ne!(encryptor.encrypt(b"hello due").unwrap(), text, "each has a key of its own");
        assert_eq!(encryptor.decrypt(&text).unwrap(), b"hello due");
    }
}

#[test]
fn what_is_not_for_this_key_or_damaged_is_refused_alike() {
    let text = hex(TEXT);
    let ours = encryptor(&KEY);
    let refused = |encryptor: &EccEncryptor, text: &[u8]| {
        let error = encryptor.decrypt(text).unwrap_err();
        assert_eq!(error.to_string(), "it is not encrypted for this key, or is damaged");
    };
    for at in 0..text.len() {
        let mut bent = text.clone();
        bent[at] ^= 1;
        refused(&ours, &bent);
        refused(&ours, &text[..at]);
    }
    refused(&ours, &[&text[..], &[0]].concat());
    refused(&encryptor(&EccPrivateKey::generate(EccCurve::P256).unwrap()), &text);
    refused(&encryptor(&EccPrivateKey::generate(EccCurve::P384).unwrap()), &text);
    let builder = || EccEncryptor::builder(KEY.public_key(), KEY.clone());
    refused(&builder().s2("s2").build().unwrap(), &text);
    refused(&builder().s1("s1").build().unwrap(), &text);
    // A compressed point and the point at infinity are none of go-ethereum's.
    refused(&ours, &[&[2], &text[1..]].concat());
    refused(&ours, &[&[0], &text[1..]].concat());
}

#[test]
fn other_curves_sign_only() {
    for curve in [EccCurve::P224, EccCurve::P521] {
        let key = EccPrivateKey::generate(curve).unwrap();
        let error = EccEncryptor::builder(key.public_key(), key).build().unwrap_err();
        assert_eq!(error.to_string(), format!("a key of {curve} cannot encrypt; use P256 or P384"));
    }
}

#[test]
fn every_curve_signs_every_hash() {
    use Hash::*;
    for key in CURVES.map(|curve| EccPrivateKey::generate(curve).unwrap()) {
        for hash in [Sha1, Sha224, Sha256, Sha384, Sha512] {
            let signer = signer(&key, hash);
            let signature = signer.sign(b"hello due").unwrap();
            signer.verify(b"hello due", &signature).unwrap();
            signer.verify(b"hello dua", &signature).unwrap_err();
        }
    }
}

#[test]
fn no_signature_is_an_error() {
    let signer = signer(&KEY, Hash::Sha256);
    let (r, s) = SIGNATURE.split_once(' ').unwrap();
    let zeros = "0".repeat(200);
    for text in [
        "",
        " ",
        "1",
        "1 ",
        " 1",
        "1 1",
        "0 1",
        "1 0",
        "a b",
        &format!("{r}{s}"),
        &format!("{s} {r}"),
        &format!("{r} {s} "),
        &format!("{r}  {s}"),
        &format!("{r} -{s}"),
        &format!("{zeros}{r} {s}"),
    ] {
        let error = signer.verify(b"hello due", text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "the signature is not of this data and key", "{text}");
    }
    signer.verify(b"hello due", &[0xff, b' ', 0xff]).unwrap_err();
}

#[test]
fn a_delimiter_stands_between_the_numbers() {
    let with = |delimiter: &str| EccSigner::builder(KEY.public_key(), KEY.clone()).delimiter(delimiter).build();
    let signature = with("::").unwrap().sign(b"hello due").unwrap();
    assert_eq!(String::from_utf8(signature.clone()).unwrap().matches("::").count(), 1);
    with("::").unwrap().verify(b"hello due", &signature).unwrap();
    for bad in ["", "0", "a1b"] {
        assert_eq!(with(bad).unwrap_err().to_string(), format!("{bad:?} cannot stand between two numbers"));
    }
}

#[test]
fn keys_are_read_in_each_form_and_written_in_one() {
    let key = EccPrivateKey::from_pem(SEC1).unwrap();
    assert!(EccPrivateKey::from_pem(PKCS8).unwrap() == key);
    assert_eq!(EccPublicKey::from_pem(PKIX).unwrap(), key.public_key());
    assert_eq!(key.public_key().curve(), EccCurve::P384);
    assert_eq!(key.to_pem().unwrap(), SEC1.replace("EC PRIVATE", "ECDSA PRIVATE"));
    assert_eq!(key.public_key().to_pem().unwrap(), PKIX.replace("PUBLIC", "ECDSA PUBLIC"));
    for key in CURVES.map(|curve| EccPrivateKey::generate(curve).unwrap()) {
        assert!(EccPrivateKey::from_pem(&key.to_pem().unwrap()).unwrap() == key);
        assert_eq!(EccPublicKey::from_pem(&key.public_key().to_pem().unwrap()).unwrap(), key.public_key());
    }
}

#[test]
fn a_pair_is_saved_as_due_names_it() {
    let dir = tempfile::tempdir().unwrap();
    KEY.save(dir.path().join("server.pem")).unwrap();
    let name = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    assert!(EccPrivateKey::load(&name("server.pem")).unwrap() == *KEY);
    assert_eq!(EccPublicKey::load(&name("server.pub.pem")).unwrap(), KEY.public_key());
}

#[test]
fn no_key_says_why() {
    let said = |text: &str| EccPrivateKey::load(text).unwrap_err().to_string();
    assert_eq!(said(PKIX), "no private key of a curve P224, P256, P384 or P521 in SEC1 or PKCS#8");
    // The parameters say secp256k1.
    let der = pem::decode(SEC1).unwrap();
    let foreign = der.windows(5).position(|bytes| bytes == [0x2b, 0x81, 0x04, 0x00, 0x22]).unwrap();
    let mut other = der.to_vec();
    other[foreign + 4] = 0x0a;
    assert_eq!(said(&pem::encode("EC PRIVATE KEY", &other)), said(PKIX));
    assert_eq!(said(&pem::encode("EC PRIVATE KEY", &[0x30; 2000])), "2000 bytes are no key of an elliptic curve");
    let zero = EccPrivateKey::from_scalar(EccCurve::P256, &[0; 32]).unwrap_err();
    assert_eq!(zero.to_string(), "the private key is no number of P256");
    let mut off = pem::decode(PKIX).unwrap();
    *off.last_mut().unwrap() ^= 1;
    let off = EccPublicKey::from_pem(&pem::encode("PUBLIC KEY", &off)).unwrap_err();
    assert_eq!(off.to_string(), "the point of the public key is not on its curve");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_body_comes_back(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let encryptor = encryptor(&KEY);
        prop_assert_eq!(encryptor.decrypt(&encryptor.encrypt(&body).unwrap()).unwrap(), body);
    }

    #[test]
    fn nothing_panics(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(encryptor(&KEY).decrypt(&text).is_err());
        prop_assert!(encryptor(&KEY).decrypt(&[&hex(TEXT)[..65], &text].concat()).is_err());
        prop_assert!(signer(&KEY, Hash::Sha256).verify(b"", &text).is_err());
        let _ = EccPrivateKey::from_pem(&pem::encode("", &text));
        let _ = EccPublicKey::from_pem(&pem::encode("", &text));
    }

    #[test]
    fn no_digits_panic(r in "[0-9]{0,90}", s in "[0-9]{0,90}") {
        let signature = format!("{r} {s}");
        prop_assert!(signer(&KEY, Hash::Sha256).verify(b"", signature.as_bytes()).is_err());
    }
}

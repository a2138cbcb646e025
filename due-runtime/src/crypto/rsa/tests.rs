//! What OpenSSL has made of a throw-away key, and what becomes of everything else.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::crypto::{CryptoError, Encryptor as _, Hash, Signer as _, hex};

const PKCS1: &str = include_str!("testdata/pkcs1.pem");
const PKCS8: &str = include_str!("testdata/pkcs8.pem");
const PUBLIC_PKCS1: &str = include_str!("testdata/pkcs1.pub.pem");
const PUBLIC_PKIX: &str = include_str!("testdata/pkix.pub.pem");

/// `openssl pkeyutl -encrypt`, padding pkcs1.
const NORMAL: &str = "bc85ecf4ff4f26a699128e18137a5864a7a90d9dce493586c7591af726fdba7c022fbd7a0a0c2a60ffcd5a945b3ba2ee\
     1f1084a9078871a38d56031ff29a637d1b3e16da6d32c56a7df1b6561949627246b2da1e9040526e80e3d4637e63c3a4\
     38345e598d40e8393d5b9301a67f0bd50a44a40ec243a77b06549a381ff26c4e";
/// Padding oaep with sha256 and the label `due`.
const OAEP: &str = "417384055a71d01025af574c9192e360d07be0c033d5060ca51dc7ef5cfacfc37221cdf12c0aa2b761f5278c85c9ca7d\
     f264bc14fb9cb4f5c2434301166d063da4eb688375327f3c50154e2cb10542a86e182187b315ebae1450f9b658e72024\
     ee305a4d9a03a6cdc615c1db71772e6528a2b7d28c9f38546f94085b2724d105";
/// `openssl dgst -sha256 -sign`, padding pss, salt 32.
const PSS: &str = "201795f9445a5624339a7cf52aff53d1f4ee0d2d4cfc805d10b56da0033c80538aae33c1ce2a1ea77464bd022c0ecfc9\
     25f48b8c6724efd1244d2430192fb3abd4512217b21dfc73432cf8b9c573cc4f960a3b697de026ca83553500db3f376a\
     4d76fb288cff14882a1f24710e0b2672b727f851a3628f495d4cc17d306a283b";
/// Padding pkcs1.
const PKCS: &str = "85914634909c8019114aa8a5605097c5f898d3c5a1d504fdb67501704d97fd5e4fe42e8216909c07009a3b7cd55cf0f6\
     db3a1703c648815ec31330e5943e5dcd1eba068d028c25250bf30c6068af92a902c5458b4215c680a273aa726093671c\
     a74bfd9170f9c9ca1d0ec8a06a8f8e777ae426a3f1e217402d3d865fed1967a2";

static KEY: LazyLock<RsaPrivateKey> = LazyLock::new(|| RsaPrivateKey::from_pem(PKCS1).unwrap());

fn encryptor(padding: RsaPadding) -> RsaEncryptor {
    RsaEncryptor::builder(KEY.public_key(), KEY.clone()).padding(padding).label("due").build().unwrap()
}

fn signer(padding: RsaSigning) -> RsaSigner {
    RsaSigner::builder(KEY.public_key(), KEY.clone()).padding(padding).build().unwrap()
}

#[test]
fn keys_are_read_in_each_form_and_written_in_one() {
    assert!(RsaPrivateKey::from_pem(PKCS8).unwrap() == *KEY);
    for text in [PUBLIC_PKCS1, PUBLIC_PKIX] {
        assert_eq!(RsaPublicKey::from_pem(text).unwrap(), KEY.public_key());
    }
    assert_eq!(KEY.to_pem().unwrap(), PKCS1);
    assert_eq!(KEY.public_key().to_pem().unwrap(), PUBLIC_PKCS1);
    // due writes this.
    let called_otherwise = PKCS8.replace("PRIVATE KEY", "RSA PRIVATE KEY");
    assert!(RsaPrivateKey::from_pem(&called_otherwise).unwrap() == *KEY);
}

#[test]
fn a_pair_is_saved_as_due_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.pem");
    KEY.save(&path).unwrap();
    let name = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    assert!(RsaPrivateKey::load(&name("server.pem")).unwrap() == *KEY);
    assert_eq!(RsaPublicKey::load(&name("server.pub.pem")).unwrap(), KEY.public_key());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(matches!(KEY.save(&path), Err(CryptoError::File { .. })), "no key is written over");
}

#[test]
fn no_key_says_why() {
    let said = |text: &str| RsaPrivateKey::load(text).unwrap_err().to_string();
    assert_eq!(said("/no/such/key.pem"), "the key file /no/such/key.pem");
    assert_eq!(said(PUBLIC_PKIX), "no private key of RSA: neither PKCS#8 nor PKCS#1, of two primes");
    assert_eq!(said(&PKCS1[..200]), "no key in PEM: no line `-----END RSA PRIVATE KEY-----`");
    assert_eq!(said("-----BEGIN X-----\n-----END X-----"), said(PUBLIC_PKIX));
    assert!(said("-----BEGIN X-----\n&\n-----END X-----").starts_with("no key in PEM: Invalid symbol 38"));
    let locked = PKCS8.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert!(said(&locked).contains("store it without a passphrase"));
    let long = crate::crypto::pem::encode("RSA PRIVATE KEY", &[0x30; 5000]);
    assert_eq!(said(&long), "5000 bytes are no key of RSA with at most 4096 bits");
    let bits = RsaPrivateKey::generate(512).unwrap_err().to_string();
    assert_eq!(bits, "a key of RSA has 1024 to 4096 bits, not 512");
}

#[test]
fn a_file_without_end_is_no_key() {
    let error = RsaPublicKey::load("/dev/zero").unwrap_err();
    let CryptoError::File { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.to_string(), "it is larger than 64 KiB, and no key");
}

#[test]
fn texts_of_openssl_are_read() {
    for (padding, text) in [(RsaPadding::Normal, NORMAL), (RsaPadding::Oaep, OAEP)] {
        assert_eq!(encryptor(padding).decrypt(&hex(text)).unwrap(), b"hello due", "{padding:?}");
    }
}

#[test]
fn signatures_of_openssl_are_verified() {
    for (padding, signature) in [(RsaSigning::Pss, PSS), (RsaSigning::Pkcs1v15, PKCS)] {
        signer(padding).verify(b"hello due", &hex(signature)).unwrap();
        signer(padding).verify(b"hello dua", &hex(signature)).unwrap_err();
    }
    assert_eq!(signer(RsaSigning::Pkcs1v15).sign(b"hello due").unwrap(), hex(PKCS));
}

/// The figures of due: a key of 1024 bits, 300 bytes.
#[test]
fn long_bodies_are_cut_into_blocks() {
    let body = [7; 300];
    for (padding, blocks) in [(RsaPadding::Normal, 3), (RsaPadding::Oaep, 5)] {
        let encryptor = encryptor(padding);
        let text = encryptor.encrypt(&body).unwrap();
        assert_eq!(text.len(), blocks * 128, "{padding:?}");
        assert_eq!(encryptor.decrypt(&text).unwrap(), body);
    }
    let small = RsaEncryptor::builder(KEY.public_key(), KEY.clone()).block_size(100).build().unwrap();
    assert_eq!(small.encrypt(&[7; 301]).unwrap().len(), 4 * 128);
}

#[test]
fn settings_that_do_not_fit_the_key_are_refused() {
    let builder = || RsaEncryptor::builder(KEY.public_key(), KEY.clone());
    let said = |builder: RsaEncryptorBuilder| builder.build().unwrap_err().to_string();
    assert_eq!(said(builder().block_size(118)), "a block of 118 bytes: 117 fit with this key and padding");
    let oaep = || builder().padding(RsaPadding::Oaep);
    assert_eq!(said(oaep().block_size(63)), "a block of 63 bytes: 62 fit with this key and padding");
    assert_eq!(said(oaep().hash(Hash::Sha512)), "OAEP with sha512 needs a key of more than 1040 bits");
    let pss = RsaSigner::builder(KEY.public_key(), KEY.clone()).hash(Hash::Sha512).build().unwrap_err();
    assert_eq!(pss.to_string(), "PSS with sha512 needs keys of at least 1040 bits");
}

#[test]
fn what_is_of_another_key_or_damaged_is_refused_alike() {
    let other = RsaPrivateKey::generate(1024).unwrap();
    for padding in [RsaPadding::Normal, RsaPadding::Oaep] {
        let ours = encryptor(padding);
        let text = ours.encrypt(b"hello due").unwrap();
        let theirs =
            RsaEncryptor::builder(KEY.public_key(), other.clone()).padding(padding).label("due").build().unwrap();
        let mut bent = text.clone();
        bent[64] ^= 1;
        let longer = [&text[..], &[0]].concat();
        for (encryptor, text) in [
            (&theirs, &text[..]),
            (&ours, &bent[..]),
            (&ours, &text[..127]),
            (&ours, &longer),
            (&ours, &[255; 128]),
            (&ours, &[0; 128]),
        ] {
            // By v1.5, a wrong text may look right by chance, once in 64000 times; never does one by OAEP.
            match encryptor.decrypt(text) {
                Err(error) => assert_eq!(error.to_string(), "it is not encrypted for this key, or is damaged"),
                Ok(body) => assert!(padding == RsaPadding::Normal && body != b"hello due"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_body_comes_back(body in proptest::collection::vec(any::<u8>(), 0..400), padding in 0..2usize) {
        let encryptor = encryptor([RsaPadding::Normal, RsaPadding::Oaep][padding]);
        prop_assert_eq!(encryptor.decrypt(&encryptor.encrypt(&body).unwrap()).unwrap(), body);
    }

    #[test]
    fn a_signature_is_of_its_data(data in proptest::collection::vec(any::<u8>(), 0..99), hash in 0..5usize, pss in any::<bool>()) {
        use Hash::*;
        let hash = [Sha1, Sha224, Sha256, Sha384, Sha512][hash];
        let padding = if pss && hash != Sha512 { RsaSigning::Pss } else { RsaSigning::Pkcs1v15 };
        let signer = RsaSigner::builder(KEY.public_key(), KEY.clone()).padding(padding).hash(hash).build().unwrap();
        let mut signature = signer.sign(&data).unwrap();
        prop_assert!(signer.verify(&data, &signature).is_ok());
        signature[0] ^= 1;
        prop_assert!(signer.verify(&data, &signature).is_err());
    }

    #[test]
    fn nothing_panics(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = encryptor(RsaPadding::Normal).decrypt(&text);
        let _ = encryptor(RsaPadding::Oaep).decrypt(&text);
        prop_assert!(signer(RsaSigning::Pss).verify(b"", &text).is_err());
        prop_assert!(signer(RsaSigning::Pkcs1v15).verify(b"", &text).is_err());
        let _ = RsaPrivateKey::from_pem(&crate::crypto::pem::encode("", &text));
        let _ = RsaPublicKey::from_pem(&crate::crypto::pem::encode("", &text));
    }
}

//! Keys out of a directory.

use due::codec::RawBody;
use due::crypto::{
    EccCurve, EccEncryptor, EccPrivateKey, Encryptor, RsaEncryptor, RsaPadding, RsaPrivateKey, RsaSigner, RsaSigning,
    Signer as _,
};
use due::testing::Harness;
use due::{Client, Context, RouteId};

use super::{directory, load, text};

#[due::route(40)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

/// Whether a node of the directory's reads what a client with this encryptor writes.
async fn agree(etc: &str, encryptor: impl Encryptor) {
    let dir = directory(&[("etc.toml", etc)]);
    let backends = load(dir.path()).unwrap().backends().unwrap();
    let harness = Harness::builder().backends(backends).serve(due::routes![echo]).start().await.unwrap();
    let client = harness.client_with(Client::builder().encryptor(encryptor)).await.unwrap();
    let RawBody(answer) = client.request(RouteId(40), &RawBody("hello".into())).await.unwrap();
    assert_eq!(answer, "hello");
    harness.stop().await;
}

#[tokio::test]
async fn the_encryptor_of_a_directory_is_that_of_its_servers() {
    let (server, client) = (RsaPrivateKey::generate(1024).unwrap(), RsaPrivateKey::generate(1024).unwrap());
    let keys = tempfile::tempdir().unwrap();
    server.save(keys.path().join("server.pem")).unwrap();
    // One key is a file, the other a text.
    let etc = format!(
        "crypto.encryptor = 'rsa'\n[crypto.rsa.encryptor]\npadding = 'OAEP'\nhash = 'sha1'\nlabel = 'due'\n\
         blockSize = 20\nprivateKey = '{}'\npublicKey = '''{}'''\n",
        keys.path().join("server.pem").display(),
        client.public_key().to_pem().unwrap()
    );
    let rsa = RsaEncryptor::builder(server.public_key(), client).padding(RsaPadding::Oaep).label("due");
    agree(&etc, rsa.hash("sha1".parse().unwrap()).build().unwrap()).await;

    let key = EccPrivateKey::generate(EccCurve::P384).unwrap();
    let etc = format!(
        "crypto.encryptor = 'ecc'\n[crypto.ecc.encryptor]\ns1 = 'a'\ns2 = 'b'\nprivateKey = '''{}'''\n",
        key.to_pem().unwrap()
    );
    let ecc = EccEncryptor::builder(key.public_key(), key).s1("a").s2("b");
    agree(&etc, ecc.build().unwrap()).await;
}

#[test]
fn without_a_name_there_are_keys_and_no_encryption() {
    let key = EccPrivateKey::generate(EccCurve::P256).unwrap();
    let etc = format!("[crypto.ecc.encryptor]\nprivateKey = '''{}'''\n", key.to_pem().unwrap());
    let dir = directory(&[("etc.toml", &etc)]);
    let etc = load(dir.path()).unwrap();
    assert!(format!("{:?}", etc.backends().unwrap()).contains("cipher: None"));
    let text = EccEncryptor::builder(key.public_key(), key).build().unwrap().encrypt(b"hello").unwrap();
    assert_eq!(etc.ecc_encryptor().unwrap().decrypt(&text).unwrap(), b"hello");
    assert_eq!(etc.warnings(), []);
}

#[test]
fn signers_are_where_due_looks_for_them() {
    let key = RsaPrivateKey::generate(1024).unwrap();
    let etc = format!("[crypto.rsa.signer]\npadding = 'PKCS'\nprivateKey = '''{}'''\n", key.to_pem().unwrap());
    let dir = directory(&[("etc.toml", &etc)]);
    let signature = load(dir.path()).unwrap().rsa_signer().unwrap().sign(b"data").unwrap();
    let verifier = RsaSigner::builder(key.public_key(), key).padding(RsaSigning::Pkcs1v15).build().unwrap();
    verifier.verify(b"data", &signature).unwrap();

    // One of ecc looks into the section of rsa, unless it has its own.
    let key = EccPrivateKey::generate(EccCurve::P521).unwrap().to_pem().unwrap();
    for section in ["rsa", "ecc"] {
        let etc = format!("[crypto.{section}.signer]\ndelimiter = '-'\nhash = 'sha512'\nprivateKey = '''{key}'''\n");
        let dir = directory(&[("etc.toml", &etc)]);
        let signer = load(dir.path()).unwrap().ecc_signer().unwrap();
        let signature = signer.sign(b"data").unwrap();
        assert!(signature.contains(&b'-'));
        signer.verify(b"data", &signature).unwrap();
    }
}

#[test]
fn an_error_names_no_key() {
    let etc = "[crypto.rsa.signer]\nprivateKey = '-----BEGIN X----- c2VjcmV0 -----END X-----'\n";
    let dir = directory(&[("etc.toml", etc)]);
    let etc = load(dir.path()).unwrap();
    assert_eq!(
        text(&etc.rsa_signer().unwrap_err(), dir.path()),
        "the configuration cannot be used\n\
         etc.toml:2: `etc.crypto.rsa.signer.privateKey`: no private key of RSA: neither PKCS#8 nor PKCS#1, of two primes"
    );
    assert!(!format!("{etc:?}").contains("c2VjcmV0"));
}

use std::fmt;
use std::path::Path;

use rsa::pkcs1::{
    DecodeRsaPrivateKey as _, DecodeRsaPublicKey as _, EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _,
};
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts as _;

use crate::crypto::{CryptoError, pem};

/// Bits of a modulus that are taken: less is no protection, more is not checked in a reasonable time.
const BITS: std::ops::RangeInclusive<usize> = 1024..=4096;
/// A private key of 4096 bits has 2400 bytes. What is longer is not even looked at.
const MAX_DER: usize = 4096;

/// What others encrypt for its owner and verify his signatures with. 1024 to 4096 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey(pub(super) rsa::RsaPublicKey);

/// Decrypts and signs. 1024 to 4096 bits; wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPrivateKey(pub(super) rsa::RsaPrivateKey);

impl RsaPublicKey {
    /// PEM text, or the name of a file with such a text; PKCS#1 or PKIX.
    pub fn load(source: &str) -> Result<Self, CryptoError> {
        Self::from_pem(&pem::read(source)?)
    }

    /// PKCS#1 or PKIX, whatever the first line calls it.
    pub fn from_pem(text: &str) -> Result<Self, CryptoError> {
        let der = bounded(pem::decode(text)?)?;
        let key =
            rsa::RsaPublicKey::from_pkcs1_der(&der).or_else(|_| rsa::RsaPublicKey::from_public_key_der(&der)).map_err(
                |_| CryptoError::Key("no public key of RSA: neither PKCS#1 nor PKIX, of 1024 to 4096 bits".into()),
            )?;
        let bits = key.n().bits();
        if BITS.contains(&bits) { Ok(Self(key)) } else { Err(size(bits)) }
    }

    /// PKCS#1, as `RSA PUBLIC KEY`.
    pub fn to_pem(&self) -> Result<String, CryptoError> {
        let der = self.0.to_pkcs1_der().map_err(unwritable)?;
        Ok(pem::encode("RSA PUBLIC KEY", der.as_bytes()).to_string())
    }

    /// Bytes of an encrypted block, and of a signature.
    pub fn size(&self) -> usize {
        self.0.size()
    }
}

impl RsaPrivateKey {
    /// A new one of `bits`: 2048 or more, unless for a test. Takes a second or several.
    pub fn generate(bits: usize) -> Result<Self, CryptoError> {
        if !BITS.contains(&bits) {
            return Err(size(bits));
        }
        rsa::RsaPrivateKey::new(&mut OsRng, bits).map(Self).map_err(|error| CryptoError::Random(error.to_string()))
    }

    /// PEM text, or the name of a file with such a text; PKCS#8 or PKCS#1, not encrypted.
    pub fn load(source: &str) -> Result<Self, CryptoError> {
        Self::from_pem(&pem::read(source)?)
    }

    /// PKCS#8 or PKCS#1, whatever the first line calls it.
    pub fn from_pem(text: &str) -> Result<Self, CryptoError> {
        let der = bounded(pem::decode(text)?)?;
        let key = rsa::RsaPrivateKey::from_pkcs8_der(&der)
            .or_else(|_| rsa::RsaPrivateKey::from_pkcs1_der(&der))
            .map_err(|_| CryptoError::Key("no private key of RSA: neither PKCS#8 nor PKCS#1, of two primes".into()))?;
        let bits = key.n().bits();
        if BITS.contains(&bits) { Ok(Self(key)) } else { Err(size(bits)) }
    }

    /// PKCS#1, as `RSA PRIVATE KEY`.
    pub fn to_pem(&self) -> Result<String, CryptoError> {
        let der = self.0.to_pkcs1_der().map_err(unwritable)?;
        Ok(pem::encode("RSA PRIVATE KEY", der.as_bytes()).to_string())
    }

    /// Writes `name.pem`, which its owner alone can read, and the public key beside it as `name.pub.pem`. Neither may be
    /// there already.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CryptoError> {
        pem::save(path.as_ref(), &self.to_pem()?, &self.public_key().to_pem()?)
    }

    /// Its other half.
    pub fn public_key(&self) -> RsaPublicKey {
        RsaPublicKey(self.0.to_public_key())
    }
}

fn bounded(der: zeroize::Zeroizing<Vec<u8>>) -> Result<zeroize::Zeroizing<Vec<u8>>, CryptoError> {
    match der.len() {
        0..=MAX_DER => Ok(der),
        length => Err(CryptoError::Key(format!("{length} bytes are no key of RSA with at most 4096 bits"))),
    }
}

fn size(bits: usize) -> CryptoError {
    CryptoError::Key(format!("a key of RSA has 1024 to 4096 bits, not {bits}"))
}

fn unwritable(error: impl fmt::Display) -> CryptoError {
    CryptoError::Key(format!("the key of RSA cannot be written: {error}"))
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({} bits)", self.0.n().bits())
    }
}

/// Tells its size alone.
impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPrivateKey({} bits)", self.0.n().bits())
    }
}

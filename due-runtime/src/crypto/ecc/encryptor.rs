use super::keys::{Private, Public};
use super::{EccPrivateKey, EccPublicKey, ecies};
use crate::codec::BoxError;
use crate::crypto::{CryptoError, Encryptor};

/// Bodies encrypted by ECIES as go-ethereum does it, on P256 (AES-128, SHA-256) or P384 (AES-192, SHA-384). A text is 113 or
/// 161 bytes longer than its body.
#[derive(Clone, Debug)]
pub struct EccEncryptor(EccEncryptorBuilder);

/// The settings of an [`EccEncryptor`]; the same at both ends.
#[derive(Clone)]
#[must_use]
pub struct EccEncryptorBuilder {
    public: EccPublicKey,
    private: EccPrivateKey,
    s1: Vec<u8>,
    s2: Vec<u8>,
}

impl EccEncryptor {
    /// Encrypts with `public`, the other end's key, and decrypts with `private`. They may be one pair, as where both ends of
    /// a due game have the same settings.
    pub fn builder(public: EccPublicKey, private: EccPrivateKey) -> EccEncryptorBuilder {
        EccEncryptorBuilder { public, private, s1: Vec::new(), s2: Vec::new() }
    }
}

impl EccEncryptorBuilder {
    /// What both ends know and the keys of a body are made from as well. Default: nothing.
    pub fn s1(mut self, s1: impl Into<Vec<u8>>) -> Self {
        self.s1 = s1.into();
        self
    }

    /// What both ends know and goes into the tag of a body. Default: nothing.
    pub fn s2(mut self, s2: impl Into<Vec<u8>>) -> Self {
        self.s2 = s2.into();
        self
    }

    /// # Errors
    /// When a key is neither of P256 nor of P384.
    pub fn build(self) -> Result<EccEncryptor, CryptoError> {
        for curve in [self.public.curve(), self.private.public_key().curve()] {
            use super::EccCurve::{P256, P384};
            if !matches!(curve, P256 | P384) {
                return Err(CryptoError::Setting(format!("a key of {curve} cannot encrypt; use P256 or P384")));
            }
        }
        Ok(EccEncryptor(self))
    }
}

impl Encryptor for EccEncryptor {
    fn name(&self) -> &str {
        "ecc"
    }

    fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        let EccEncryptorBuilder { public, s1, s2, .. } = &self.0;
        match &public.0 {
            Public::P256(key) => ecies::encrypt(key, s1, s2, data),
            Public::P384(key) => ecies::encrypt(key, s1, s2, data),
            Public::P224(_) | Public::P521(_) => Err("this curve cannot encrypt".into()),
        }
    }

    fn decrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        let EccEncryptorBuilder { private, s1, s2, .. } = &self.0;
        match &private.0 {
            Private::P256(key) => ecies::decrypt(key, s1, s2, data),
            Private::P384(key) => ecies::decrypt(key, s1, s2, data),
            Private::P224(_) | Private::P521(_) => Err("this curve cannot decrypt".into()),
        }
    }
}

/// `s1` and `s2` may be secrets.
impl std::fmt::Debug for EccEncryptorBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EccEncryptorBuilder")
            .field("public", &self.public)
            .field("private", &self.private)
            .finish_non_exhaustive()
    }
}

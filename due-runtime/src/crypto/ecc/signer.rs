use p256::ecdsa::signature::hazmat::{PrehashVerifier as _, RandomizedPrehashSigner as _};
use p256::elliptic_curve::rand_core::OsRng;

use super::keys::{Private, Public};
use super::{EccPrivateKey, EccPublicKey, decimal};
use crate::codec::BoxError;
use crate::crypto::{CryptoError, Hash, NotSigned, Signer};

/// Signatures of ECDSA in due's form: two numbers in decimal with a delimiter between them, as text.
#[derive(Clone, Debug)]
pub struct EccSigner(EccSignerBuilder);

/// The settings of an [`EccSigner`]; the same at both ends.
#[derive(Clone, Debug)]
#[must_use]
pub struct EccSignerBuilder {
    public: EccPublicKey,
    private: EccPrivateKey,
    hash: Hash,
    delimiter: String,
}

impl EccSigner {
    /// Signs with `private`, and verifies what the owner of `public` has signed.
    pub fn builder(public: EccPublicKey, private: EccPrivateKey) -> EccSignerBuilder {
        EccSignerBuilder { public, private, hash: Hash::default(), delimiter: " ".to_owned() }
    }
}

impl EccSignerBuilder {
    /// Default: [`Hash::Sha256`].
    pub fn hash(mut self, hash: Hash) -> Self {
        self.hash = hash;
        self
    }

    /// What stands between the numbers. Default: one space.
    pub fn delimiter(mut self, delimiter: impl Into<String>) -> Self {
        self.delimiter = delimiter.into();
        self
    }

    /// # Errors
    /// When the delimiter is empty or has digits, so that nobody knew where a number ends.
    pub fn build(self) -> Result<EccSigner, CryptoError> {
        if self.delimiter.is_empty() || self.delimiter.contains(|char: char| char.is_ascii_digit()) {
            let delimiter = self.delimiter;
            return Err(CryptoError::Setting(format!("{delimiter:?} cannot stand between two numbers")));
        }
        Ok(EccSigner(self))
    }
}

/// A hash as a number of the curve: shorter ones are filled up, longer ones lose their end.
fn prehash(hash: Hash, data: &[u8], size: usize) -> Vec<u8> {
    let hash = hash.of(data);
    let mut number = vec![0; size.saturating_sub(hash.len())];
    number.extend_from_slice(&hash[..hash.len().min(size)]);
    number
}

impl Signer for EccSigner {
    fn name(&self) -> &str {
        "ecc"
    }

    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        let EccSignerBuilder { private, hash, delimiter, .. } = &self.0;
        macro_rules! sign {
            ($curve:ident, $key:ident) => {{
                let bytes = $key.to_bytes();
                let number = prehash(*hash, data, bytes.len());
                let key = $curve::ecdsa::SigningKey::from_slice(&bytes)?;
                let signature: $curve::ecdsa::Signature = key.sign_prehash_with_rng(&mut OsRng, &number)?;
                let (r, s) = signature.split_bytes();
                format!("{}{delimiter}{}", decimal::write(&r), decimal::write(&s)).into_bytes()
            }};
        }
        Ok(match &private.0 {
            Private::P224(key) => sign!(p224, key),
            Private::P256(key) => sign!(p256, key),
            Private::P384(key) => sign!(p384, key),
            Private::P521(key) => sign!(p521, key),
        })
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), BoxError> {
        let EccSignerBuilder { public, hash, delimiter, .. } = &self.0;
        let signature = std::str::from_utf8(signature).map_err(|_| NotSigned)?;
        let (r, s) = signature.split_once(delimiter.as_str()).ok_or(NotSigned)?;
        macro_rules! verify {
            ($curve:ident, $key:ident, $size:literal) => {{
                let number = |text| decimal::read(text, $size).ok_or(NotSigned);
                let field = |text| number(text).map($curve::FieldBytes::from_exact_iter);
                let (r, s) = (field(r)?.ok_or(NotSigned)?, field(s)?.ok_or(NotSigned)?);
                let signature = $curve::ecdsa::Signature::from_scalars(r, s).map_err(|_| NotSigned)?;
                let key = $curve::ecdsa::VerifyingKey::from_affine(*$key.as_affine())?;
                key.verify_prehash(&prehash(*hash, data, $size), &signature).map_err(|_| NotSigned)?
            }};
        }
        match &public.0 {
            Public::P224(key) => verify!(p224, key, 28),
            Public::P256(key) => verify!(p256, key, 32),
            Public::P384(key) => verify!(p384, key, 48),
            Public::P521(key) => verify!(p521, key, 66),
        }
        Ok(())
    }
}

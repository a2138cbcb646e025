use rsa::rand_core::OsRng;
use rsa::{Pkcs1v15Sign, Pss};

use super::{RsaPrivateKey, RsaPublicKey};
use crate::codec::BoxError;
use crate::crypto::hash::with_hash;
use crate::crypto::{CryptoError, Hash, NotSigned, Signer};

/// How a hash is filled up before it is signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RsaSigning {
    /// PSS with a salt as long as the hash.
    #[default]
    Pss,
    /// PKCS#1 v1.5, called `PKCS` in due.
    Pkcs1v15,
}

/// Signatures of RSA, as long as the key.
#[derive(Clone, Debug)]
pub struct RsaSigner(RsaSignerBuilder);

/// The settings of an [`RsaSigner`]; the same at both ends.
#[derive(Clone, Debug)]
#[must_use]
pub struct RsaSignerBuilder {
    public: RsaPublicKey,
    private: RsaPrivateKey,
    padding: RsaSigning,
    hash: Hash,
}

impl RsaSigner {
    /// Signs with `private`, and verifies what the owner of `public` has signed.
    pub fn builder(public: RsaPublicKey, private: RsaPrivateKey) -> RsaSignerBuilder {
        RsaSignerBuilder { public, private, padding: RsaSigning::default(), hash: Hash::default() }
    }
}

impl RsaSignerBuilder {
    /// Default: [`RsaSigning::Pss`].
    pub fn padding(mut self, padding: RsaSigning) -> Self {
        self.padding = padding;
        self
    }

    /// Default: [`Hash::Sha256`].
    pub fn hash(mut self, hash: Hash) -> Self {
        self.hash = hash;
        self
    }

    /// # Errors
    /// When a key is too short for PSS with this hash.
    pub fn build(self) -> Result<RsaSigner, CryptoError> {
        let least = 2 * self.hash.size() + 2;
        let shortest = self.public.size().min(self.private.public_key().size());
        if self.padding == RsaSigning::Pss && shortest < least {
            let hash = self.hash;
            return Err(CryptoError::Setting(format!("PSS with {hash} needs keys of at least {} bits", least * 8)));
        }
        Ok(RsaSigner(self))
    }
}

impl Signer for RsaSigner {
    fn name(&self) -> &str {
        "rsa"
    }

    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        let RsaSignerBuilder { private: RsaPrivateKey(key), padding, hash, .. } = &self.0;
        let hashed = hash.of(data);
        let signature = match padding {
            RsaSigning::Pss => {
                let pss = with_hash!(hash, D => Pss::new_with_salt::<D>(hash.size()));
                key.sign_with_rng(&mut OsRng, pss, &hashed)
            }
            RsaSigning::Pkcs1v15 => {
                let pkcs = with_hash!(hash, D => Pkcs1v15Sign::new::<D>());
                key.sign_with_rng(&mut OsRng, pkcs, &hashed)
            }
        };
        Ok(signature?)
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), BoxError> {
        let RsaSignerBuilder { public: RsaPublicKey(key), padding, hash, .. } = &self.0;
        let hashed = hash.of(data);
        let verified = match padding {
            RsaSigning::Pss => {
                let pss = with_hash!(hash, D => Pss::new_with_salt::<D>(hash.size()));
                key.verify(pss, &hashed, signature)
            }
            RsaSigning::Pkcs1v15 => {
                let pkcs = with_hash!(hash, D => Pkcs1v15Sign::new::<D>());
                key.verify(pkcs, &hashed, signature)
            }
        };
        verified.map_err(|_| NotSigned.into())
    }
}

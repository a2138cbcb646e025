use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts as _;
use rsa::{Oaep, Pkcs1v15Encrypt};

use super::{RsaPrivateKey, RsaPublicKey};
use crate::codec::BoxError;
use crate::crypto::hash::with_hash;
use crate::crypto::{CryptoError, Encryptor, Hash, NotForUs};

/// How a block is filled up before it is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RsaPadding {
    /// PKCS#1 v1.5, due's default, and called `NORMAL` there. Up to 11 bytes less than the key fit in a block. Who can send
    /// many texts and see which are accepted can decrypt one that he has recorded: choose [`Oaep`](Self::Oaep) for a new
    /// game.
    #[default]
    Normal,
    /// OAEP: two hashes and 2 bytes less than the key fit in a block.
    Oaep,
}

/// Bodies encrypted by RSA, block by block. Each block of text has the size of the key, so that a body of 1 KiB and a key of
/// 2048 bits make 1280 bytes, which take 6 ms to decrypt: [`EccEncryptor`](crate::crypto) is faster and shorter.
///
/// The arithmetic is blinded, but not of constant time (RUSTSEC-2023-0071).
#[derive(Clone, Debug)]
pub struct RsaEncryptor {
    settings: RsaEncryptorBuilder,
    /// How much goes in a block.
    block: usize,
}

/// The settings of an [`RsaEncryptor`]; the same at both ends.
#[derive(Clone, Debug)]
#[must_use]
pub struct RsaEncryptorBuilder {
    public: RsaPublicKey,
    private: RsaPrivateKey,
    padding: RsaPadding,
    hash: Hash,
    label: String,
    block_size: usize,
}

impl RsaEncryptor {
    /// Encrypts with `public`, the other end's key, and decrypts with `private`. They may be one pair, as where both ends of
    /// a due game have the same settings.
    pub fn builder(public: RsaPublicKey, private: RsaPrivateKey) -> RsaEncryptorBuilder {
        RsaEncryptorBuilder {
            public,
            private,
            padding: RsaPadding::default(),
            hash: Hash::default(),
            label: String::new(),
            block_size: 0,
        }
    }

    fn oaep(&self) -> Oaep {
        with_hash!(self.settings.hash, D => Oaep::new_with_label::<D, _>(&self.settings.label))
    }
}

impl RsaEncryptorBuilder {
    /// Default: [`RsaPadding::Normal`].
    pub fn padding(mut self, padding: RsaPadding) -> Self {
        self.padding = padding;
        self
    }

    /// The hash of OAEP. Default: [`Hash::Sha256`].
    pub fn hash(mut self, hash: Hash) -> Self {
        self.hash = hash;
        self
    }

    /// The label of OAEP. Default: none.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Bytes of a body that go in one block. Default: 0, as many as fit.
    pub fn block_size(mut self, bytes: usize) -> Self {
        self.block_size = bytes;
        self
    }

    /// # Errors
    /// When nothing, or less than [`block_size`](Self::block_size), fits in a block of this key and padding.
    pub fn build(self) -> Result<RsaEncryptor, CryptoError> {
        let key = self.public.size();
        let taken = match self.padding {
            RsaPadding::Normal => 11,
            RsaPadding::Oaep => 2 * self.hash.size() + 2,
        };
        let most = key.saturating_sub(taken);
        if most == 0 {
            let hash = self.hash;
            return Err(CryptoError::Setting(format!("OAEP with {hash} needs a key of more than {} bits", taken * 8)));
        }
        if self.block_size > most {
            let asked = self.block_size;
            return Err(CryptoError::Setting(format!(
                "a block of {asked} bytes: {most} fit with this key and padding"
            )));
        }
        let block = if self.block_size == 0 { most } else { self.block_size };
        Ok(RsaEncryptor { settings: self, block })
    }
}

impl Encryptor for RsaEncryptor {
    fn name(&self) -> &str {
        "rsa"
    }

    fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        let key = &self.settings.public.0;
        let mut text = Vec::with_capacity(data.len().div_ceil(self.block) * key.size());
        for block in data.chunks(self.block) {
            text.extend(match self.settings.padding {
                RsaPadding::Normal => key.encrypt(&mut OsRng, Pkcs1v15Encrypt, block)?,
                RsaPadding::Oaep => key.encrypt(&mut OsRng, self.oaep(), block)?,
            });
        }
        Ok(text)
    }

    fn decrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        let key = &self.settings.private.0;
        if !data.len().is_multiple_of(key.size()) {
            return Err(NotForUs.into());
        }
        let mut body = Vec::with_capacity(data.len());
        for block in data.chunks_exact(key.size()) {
            let clear = match self.settings.padding {
                RsaPadding::Normal => key.decrypt_blinded(&mut OsRng, Pkcs1v15Encrypt, block),
                RsaPadding::Oaep => key.decrypt_blinded(&mut OsRng, self.oaep(), block),
            };
            body.extend(clear.map_err(|_| NotForUs)?);
        }
        Ok(body)
    }
}

//! RSA as due has it: long bodies are cut into blocks, whose texts are joined.

mod encryptor;
mod keys;
mod signer;
#[cfg(test)]
mod tests;

pub use encryptor::{RsaEncryptor, RsaEncryptorBuilder, RsaPadding};
pub use keys::{RsaPrivateKey, RsaPublicKey};
pub use signer::{RsaSigner, RsaSignerBuilder, RsaSigning};

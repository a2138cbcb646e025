//! Elliptic curves as due has them: ECIES of go-ethereum, and ECDSA whose signatures are two numbers in decimal.

mod decimal;
mod ecies;
mod encryptor;
mod keys;
mod signer;
#[cfg(test)]
mod tests;

pub use encryptor::{EccEncryptor, EccEncryptorBuilder};
pub use keys::{EccCurve, EccPrivateKey, EccPublicKey};
pub use signer::{EccSigner, EccSignerBuilder};

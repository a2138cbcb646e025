use std::fmt;
use std::str::FromStr;

use sha2_v10::Digest;

use super::CryptoError;

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Hash {
    /// 20 bytes. Broken for signatures; for what was set up with it.
    Sha1,
    /// 28 bytes.
    Sha224,
    /// 32 bytes.
    #[default]
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

/// `with_hash!(hash, D => expression)`: the expression for the type of the function.
macro_rules! with_hash {
    ($hash:expr, $D:ident => $body:expr) => {
        match $hash {
            $crate::crypto::Hash::Sha1 => {
                type $D = sha1_v10::Sha1;
                $body
            }
            $crate::crypto::Hash::Sha224 => {
                type $D = sha2_v10::Sha224;
                $body
            }
            $crate::crypto::Hash::Sha256 => {
                type $D = sha2_v10::Sha256;
                $body
            }
            $crate::crypto::Hash::Sha384 => {
                type $D = sha2_v10::Sha384;
                $body
            }
            $crate::crypto::Hash::Sha512 => {
                type $D = sha2_v10::Sha512;
                $body
            }
        }
    };
}
#[cfg(feature = "rsa")]
pub(super) use with_hash;

impl Hash {
    /// Its length in bytes.
    #[cfg(feature = "rsa")]
    pub(super) fn size(self) -> usize {
        with_hash!(self, D => <D as Digest>::output_size())
    }

    pub(super) fn of(self, data: &[u8]) -> Vec<u8> {
        with_hash!(self, D => D::digest(data).to_vec())
    }
}

impl FromStr for Hash {
    type Err = CryptoError;

    fn from_str(name: &str) -> Result<Self, CryptoError> {
        Ok(match name {
            "sha1" => Self::Sha1,
            "sha224" => Self::Sha224,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => {
                return Err(CryptoError::Setting(format!(
                    "no hash is named {name:?}: sha1, sha224, sha256, sha384, sha512"
                )));
            }
        })
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        })
    }
}

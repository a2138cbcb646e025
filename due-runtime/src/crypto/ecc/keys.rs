use std::fmt;
use std::path::Path;
use std::str::FromStr;

use sec1::der::asn1::ObjectIdentifier;
use sec1::der::{Decode as _, Encode as _};
use sec1::pkcs8::spki::SubjectPublicKeyInfoRef;
use sec1::pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfo};
use sec1::{EcParameters, EcPrivateKey};
use zeroize::Zeroizing;

use crate::crypto::{CryptoError, pem};

/// `id-ecPublicKey` of RFC 5480.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// The longest there is has 250 bytes.
const MAX_DER: usize = 1024;

/// A curve of NIST. Bodies are encrypted on [`P256`](Self::P256) and [`P384`](Self::P384) only; all can sign.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EccCurve {
    /// 224 bits.
    P224,
    /// 256 bits.
    #[default]
    P256,
    /// 384 bits.
    P384,
    /// 521 bits.
    P521,
}

/// What others encrypt for its owner and verify his signatures with.
#[derive(Clone, PartialEq, Eq)]
pub struct EccPublicKey(pub(super) Public);

/// Decrypts and signs. Wiped from memory when it is dropped.
#[derive(Clone, PartialEq)]
pub struct EccPrivateKey(pub(super) Private);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Public {
    P224(p224::PublicKey),
    P256(p256::PublicKey),
    P384(p384::PublicKey),
    P521(p521::PublicKey),
}

#[derive(Clone, PartialEq)]
pub(super) enum Private {
    P224(p224::SecretKey),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
}

/// `on_curve!(Enum, key, key => expression)`: the expression for the key's own type.
macro_rules! on_curve {
    ($of:ident, $value:expr, $key:ident => $body:expr) => {
        match $value {
            $of::P224($key) => $body,
            $of::P256($key) => $body,
            $of::P384($key) => $body,
            $of::P521($key) => $body,
        }
    };
}

impl EccCurve {
    fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::P224 => "1.3.132.0.33",
            Self::P256 => "1.2.840.10045.3.1.7",
            Self::P384 => "1.3.132.0.34",
            Self::P521 => "1.3.132.0.35",
        })
    }

    fn of(oid: ObjectIdentifier) -> Option<Self> {
        [Self::P224, Self::P256, Self::P384, Self::P521].into_iter().find(|curve| curve.oid() == oid)
    }
}

impl EccPublicKey {
    /// PEM text, or the name of a file with such a text; PKIX.
    pub fn load(source: &str) -> Result<Self, CryptoError> {
        Self::from_pem(&pem::read(source)?)
    }

    /// PKIX, whatever the first line calls it.
    pub fn from_pem(text: &str) -> Result<Self, CryptoError> {
        let der = bounded(pem::decode(text)?)?;
        let bad = || CryptoError::Key("no public key of a curve P224, P256, P384 or P521 in PKIX".into());
        let info = SubjectPublicKeyInfoRef::from_der(&der).map_err(|_| bad())?;
        let point = info.subject_public_key.as_bytes().ok_or_else(bad)?;
        let key = match curve_in(&info.algorithm).ok_or_else(bad)? {
            EccCurve::P224 => p224::PublicKey::from_sec1_bytes(point).map(Public::P224),
            EccCurve::P256 => p256::PublicKey::from_sec1_bytes(point).map(Public::P256),
            EccCurve::P384 => p384::PublicKey::from_sec1_bytes(point).map(Public::P384),
            EccCurve::P521 => p521::PublicKey::from_sec1_bytes(point).map(Public::P521),
        };
        key.map(Self).map_err(|_| CryptoError::Key("the point of the public key is not on its curve".into()))
    }

    /// PKIX, as `ECDSA PUBLIC KEY`, which due calls it.
    pub fn to_pem(&self) -> Result<String, CryptoError> {
        let (curve, point) = (self.curve().oid(), self.point());
        let algorithm = AlgorithmIdentifierRef { oid: EC, parameters: Some((&curve).into()) };
        let bits = sec1::der::asn1::BitStringRef::from_bytes(&point).map_err(unwritable)?;
        let der = SubjectPublicKeyInfoRef { algorithm, subject_public_key: bits }.to_der().map_err(unwritable)?;
        Ok(pem::encode("ECDSA PUBLIC KEY", &der).to_string())
    }

    /// Its curve.
    pub fn curve(&self) -> EccCurve {
        match self.0 {
            Public::P224(_) => EccCurve::P224,
            Public::P256(_) => EccCurve::P256,
            Public::P384(_) => EccCurve::P384,
            Public::P521(_) => EccCurve::P521,
        }
    }

    /// 4, x, y.
    fn point(&self) -> Vec<u8> {
        use p256::elliptic_curve::sec1::ToEncodedPoint as _;

        on_curve!(Public, &self.0, key => key.to_encoded_point(false).as_bytes().to_vec())
    }
}

impl EccPrivateKey {
    /// A new one.
    pub fn generate(curve: EccCurve) -> Result<Self, CryptoError> {
        use p256::elliptic_curve::rand_core::{OsRng, RngCore as _};

        // Said here, for the generators themselves would panic.
        OsRng.try_fill_bytes(&mut [0]).map_err(|error| CryptoError::Random(error.to_string()))?;
        Ok(Self(match curve {
            EccCurve::P224 => Private::P224(p224::SecretKey::random(&mut OsRng)),
            EccCurve::P256 => Private::P256(p256::SecretKey::random(&mut OsRng)),
            EccCurve::P384 => Private::P384(p384::SecretKey::random(&mut OsRng)),
            EccCurve::P521 => Private::P521(p521::SecretKey::random(&mut OsRng)),
        }))
    }

    /// PEM text, or the name of a file with such a text; SEC1 or PKCS#8, not encrypted.
    pub fn load(source: &str) -> Result<Self, CryptoError> {
        Self::from_pem(&pem::read(source)?)
    }

    /// SEC1 or PKCS#8, whatever the first line calls it.
    pub fn from_pem(text: &str) -> Result<Self, CryptoError> {
        let der = bounded(pem::decode(text)?)?;
        let bad = || CryptoError::Key("no private key of a curve P224, P256, P384 or P521 in SEC1 or PKCS#8".into());
        let (curve, key) = match PrivateKeyInfo::try_from(&der[..]) {
            Ok(info) => (curve_in(&info.algorithm), EcPrivateKey::from_der(info.private_key).map_err(|_| bad())?),
            Err(_) => {
                let key = EcPrivateKey::from_der(&der).map_err(|_| bad())?;
                (key.parameters.and_then(EcParameters::named_curve).and_then(EccCurve::of), key)
            }
        };
        Self::from_scalar(curve.ok_or_else(bad)?, key.private_key)
    }

    /// A big-endian number, at most as long as the curve's.
    pub fn from_scalar(curve: EccCurve, scalar: &[u8]) -> Result<Self, CryptoError> {
        let key = match curve {
            EccCurve::P224 => p224::SecretKey::from_slice(scalar).map(Private::P224),
            EccCurve::P256 => p256::SecretKey::from_slice(scalar).map(Private::P256),
            EccCurve::P384 => p384::SecretKey::from_slice(scalar).map(Private::P384),
            EccCurve::P521 => p521::SecretKey::from_slice(scalar).map(Private::P521),
        };
        key.map(Self).map_err(|_| CryptoError::Key(format!("the private key is no number of {curve}")))
    }

    /// SEC1, as `ECDSA PRIVATE KEY`, which due calls it; other tools write `EC PRIVATE KEY` around the same.
    pub fn to_pem(&self) -> Result<String, CryptoError> {
        let public = self.public_key();
        let scalar = Zeroizing::new(on_curve!(Private, &self.0, key => key.to_bytes().to_vec()));
        let point = public.point();
        let key = EcPrivateKey {
            private_key: &scalar,
            parameters: Some(EcParameters::NamedCurve(public.curve().oid())),
            public_key: Some(&point),
        };
        let der = Zeroizing::new(key.to_der().map_err(unwritable)?);
        Ok(pem::encode("ECDSA PRIVATE KEY", &der).to_string())
    }

    /// Writes `name.pem`, which its owner alone can read, and the public key beside it as `name.pub.pem`. Neither may be
    /// there already.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CryptoError> {
        pem::save(path.as_ref(), &self.to_pem()?, &self.public_key().to_pem()?)
    }

    /// Its other half.
    pub fn public_key(&self) -> EccPublicKey {
        EccPublicKey(match &self.0 {
            Private::P224(key) => Public::P224(key.public_key()),
            Private::P256(key) => Public::P256(key.public_key()),
            Private::P384(key) => Public::P384(key.public_key()),
            Private::P521(key) => Public::P521(key.public_key()),
        })
    }
}

fn curve_in(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<EccCurve> {
    let oid = algorithm.parameters_oid().ok().filter(|_| algorithm.oid == EC)?;
    EccCurve::of(oid)
}

fn bounded(der: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    match der.len() {
        0..=MAX_DER => Ok(der),
        length => Err(CryptoError::Key(format!("{length} bytes are no key of an elliptic curve"))),
    }
}

fn unwritable(error: impl fmt::Display) -> CryptoError {
    CryptoError::Key(format!("the key cannot be written: {error}"))
}

impl FromStr for EccCurve {
    type Err = CryptoError;

    fn from_str(name: &str) -> Result<Self, CryptoError> {
        let curves = [Self::P224, Self::P256, Self::P384, Self::P521];
        let named = curves.into_iter().find(|curve| curve.to_string() == name);
        named.ok_or_else(|| CryptoError::Setting(format!("no curve is named {name:?}: P224, P256, P384, P521")))
    }
}

impl fmt::Display for EccCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for EccPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EccPublicKey({})", self.curve())
    }
}

/// Tells its curve alone.
impl fmt::Debug for EccPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EccPrivateKey({})", self.public_key().curve())
    }
}

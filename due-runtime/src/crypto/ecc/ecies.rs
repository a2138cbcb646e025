//! ECIES as go-ethereum (v1.12, `crypto/ecies`) writes it:
//! ```text
//! | 4, x, y of a key made for this body | IV: 16 | AES-CTR text | HMAC over IV, text, s2 |
//! ```
//! The shared x, a counter and s1 are hashed into the key of AES and, hashed once more, that of the HMAC.

use aes::cipher::{KeyIvInit, StreamCipher};
use hmac_v12::{Hmac, Mac};
use p256::elliptic_curve::ecdh::diffie_hellman;
use p256::elliptic_curve::rand_core::{OsRng, RngCore as _};
use p256::elliptic_curve::sec1::{FromEncodedPoint, ModulusSize, ToEncodedPoint};
use p256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, NonZeroScalar, PublicKey, SecretKey};
use sha2_v10::{Digest, Sha256, Sha384};
use zeroize::Zeroizing;

use crate::codec::BoxError;
use crate::crypto::NotForUs;

const IV: usize = 16;
/// What an encoded point that is not compressed begins with.
const UNCOMPRESSED: u8 = 4;

/// What goes with a curve.
pub(super) trait Suite: CurveArithmetic {
    /// Bytes of the key of AES.
    const KEY: usize;
    /// Bytes of a point, and of a hash.
    const POINT: usize;
    const TAG: usize;

    /// Hashes the parts one after the other.
    fn hash(parts: &[&[u8]]) -> Zeroizing<Vec<u8>>;
    fn mac(key: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, BoxError>;
    /// Whether the parts have this tag; takes as long whatever it is.
    fn is_mac(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool;
    /// Encrypts or decrypts in place.
    fn aes(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), BoxError>;
}

macro_rules! suite {
    ($curve:ty, $hash:ty, $aes:ty, $key:literal, $point:literal, $tag:literal) => {
        impl Suite for $curve {
            const KEY: usize = $key;
            const POINT: usize = $point;
            const TAG: usize = $tag;

            fn hash(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
                let hash = parts.iter().fold(<$hash>::new(), |hash, part| hash.chain_update(part));
                Zeroizing::new(hash.finalize().to_vec())
            }

            fn mac(key: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, BoxError> {
                let mac = <Hmac<$hash> as Mac>::new_from_slice(key)?;
                Ok(parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes().to_vec())
            }

            fn is_mac(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
                let mac = <Hmac<$hash> as Mac>::new_from_slice(key);
                let mac = mac.map(|mac| parts.iter().fold(mac, |mac, part| mac.chain_update(part)));
                mac.is_ok_and(|mac| mac.verify_slice(tag).is_ok())
            }

            fn aes(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), BoxError> {
                let mut aes = ctr::Ctr128BE::<$aes>::new_from_slices(key, iv)?;
                Ok(aes.try_apply_keystream(data).map_err(|error| error.to_string())?)
            }
        }
    };
}
suite!(p256::NistP256, Sha256, aes::Aes128, 16, 65, 32);
suite!(p384::NistP384, Sha384, aes::Aes192, 24, 97, 48);

/// The keys of AES and of the HMAC.
struct Keys {
    aes: Zeroizing<Vec<u8>>,
    mac: Zeroizing<Vec<u8>>,
}

/// Encrypts for the owner of `key`.
pub(super) fn encrypt<C: Suite>(key: &PublicKey<C>, s1: &[u8], s2: &[u8], data: &[u8]) -> Result<Vec<u8>, BoxError>
where
    AffinePoint<C>: FromEncodedPoint<C> + ToEncodedPoint<C>,
    FieldBytesSize<C>: ModulusSize,
{
    // Said here, for the generator itself would panic.
    let mut iv = [0; IV];
    OsRng.try_fill_bytes(&mut iv)?;
    let once = NonZeroScalar::<C>::random(&mut OsRng);
    let shared = diffie_hellman(once, key.as_affine());
    let keys = Keys::of::<C>(shared.raw_secret_bytes(), s1);
    let point = PublicKey::<C>::from_secret_scalar(&once).to_encoded_point(false);

    let mut text = Vec::with_capacity(C::POINT + IV + data.len() + C::TAG);
    text.extend_from_slice(point.as_bytes());
    text.extend_from_slice(&iv);
    text.extend_from_slice(data);
    C::aes(&keys.aes, &iv, &mut text[C::POINT + IV..])?;
    let tag = C::mac(&keys.mac, &[&text[C::POINT..], s2])?;
    text.extend(tag);
    Ok(text)
}

/// Decrypts what was encrypted for `key`.
pub(super) fn decrypt<C: Suite>(key: &SecretKey<C>, s1: &[u8], s2: &[u8], text: &[u8]) -> Result<Vec<u8>, BoxError>
where
    AffinePoint<C>: FromEncodedPoint<C> + ToEncodedPoint<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let (point, rest) = text.split_at_checked(C::POINT).ok_or(NotForUs)?;
    let (sealed, tag) = rest.len().checked_sub(C::TAG).map(|tag| rest.split_at(tag)).ok_or(NotForUs)?;
    let (iv, data) = sealed.split_at_checked(IV).ok_or(NotForUs)?;
    if point.first() != Some(&UNCOMPRESSED) {
        return Err(NotForUs.into());
    }
    let point = PublicKey::<C>::from_sec1_bytes(point).map_err(|_| NotForUs)?;
    let shared = diffie_hellman(key.to_nonzero_scalar(), point.as_affine());
    let keys = Keys::of::<C>(shared.raw_secret_bytes(), s1);
    if !C::is_mac(&keys.mac, &[sealed, s2], tag) {
        return Err(NotForUs.into());
    }
    let mut data = data.to_vec();
    C::aes(&keys.aes, iv, &mut data)?;
    Ok(data)
}

impl Keys {
    fn of<C: Suite>(shared: &[u8], s1: &[u8]) -> Self {
        let mut stream = Zeroizing::new(Vec::with_capacity(2 * C::KEY + C::TAG));
        for counter in 1u32.. {
            if stream.len() >= 2 * C::KEY {
                break;
            }
            stream.extend_from_slice(&C::hash(&[&counter.to_be_bytes(), shared, s1]));
        }
        let (aes, mac) = stream[..2 * C::KEY].split_at(C::KEY);
        Self { aes: Zeroizing::new(aes.to_vec()), mac: C::hash(&[mac]) }
    }
}

//! Compressed payloads.

use std::io::{self, Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

#[derive(Debug, thiserror::Error)]
pub(super) enum GzipError {
    #[error("what is compressed is damaged")]
    Io(#[from] io::Error),
    #[error("it decompresses to more than {0} bytes")]
    TooLong(usize),
}

pub(super) fn zip(payload: &[u8]) -> Result<Bytes, GzipError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(payload)?;
    Ok(encoder.finish()?.into())
}

/// Never holds more than `limit` bytes and one, whatever the payload promises.
pub(super) fn unzip(payload: &[u8], limit: usize) -> Result<Bytes, GzipError> {
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(payload).take(most).read_to_end(&mut plain)?;
    if plain.len() > limit {
        return Err(GzipError::TooLong(limit));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_put_out() {
        let bomb = zip(&vec![0; 100_000]).unwrap();
        assert!(bomb.len() < 1000, "{}", bomb.len());
        assert_eq!(unzip(&bomb, 100_000).unwrap().len(), 100_000);
        assert!(matches!(unzip(&bomb, 99_999), Err(GzipError::TooLong(99_999))));
        assert!(matches!(unzip(&bomb[..bomb.len() - 9], 100_000), Err(GzipError::Io(_))));
        assert!(matches!(unzip(b"no gzip", 100_000), Err(GzipError::Io(_))));
    }
}

//! Keys as text: what stands between two lines, whatever they call it. due writes `RSA PRIVATE KEY` around PKCS#8 as well,
//! and `ECDSA PRIVATE KEY` around SEC1, so that only the bytes say what a key is.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::CryptoError;

/// The text of a key of 4096 bits has 3300 bytes.
const MAX_FILE: u64 = 64 * 1024;
const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
const LINE: usize = 64;

/// The first block of a text, decoded.
pub(super) fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let bad = |reason: &str| CryptoError::Key(format!("no key in PEM: {reason}"));
    let (_, rest) = text.split_once(BEGIN).ok_or_else(|| bad("no line `-----BEGIN ...-----`"))?;
    let (label, rest) = rest.split_once(DASHES).ok_or_else(|| bad("its first line has no end"))?;
    let end = format!("-----END {label}-----");
    let (body, _) = rest.split_once(&end).ok_or_else(|| bad(&format!("no line `{end}`")))?;
    if label.contains("ENCRYPTED") || body.contains("Proc-Type:") {
        return Err(bad("the key itself is encrypted; store it without a passphrase, readable to the server alone"));
    }
    let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    let der = BASE64_STANDARD.decode(body.as_bytes()).map_err(|error| bad(&error.to_string()))?;
    Ok(Zeroizing::new(der))
}

pub(super) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64_STANDARD.encode(der));
    let mut text = Zeroizing::new(format!("{BEGIN}{label}{DASHES}\n"));
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// The text of a key: `source` itself, or what is in the file of that name.
pub(super) fn read(source: &str) -> Result<Zeroizing<String>, CryptoError> {
    if source.contains(BEGIN) {
        return Ok(Zeroizing::new(source.to_owned()));
    }
    let failed = |source_error| CryptoError::File { path: PathBuf::from(source), source: source_error };
    let mut text = Zeroizing::new(String::new());
    let file = fs::File::open(source).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is larger than 64 KiB, and no key")));
    }
    Ok(text)
}

/// `name.ext`, which its owner alone can read, and `name.pub.ext`. Neither may be there.
pub(super) fn save(path: &Path, private: &str, public: &str) -> Result<(), CryptoError> {
    let write = |path: &Path, text: &str, is_secret: bool| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if is_secret {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        #[cfg(not(unix))]
        let _ = is_secret;
        let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|source| CryptoError::File { path: path.to_owned(), source })
    };
    write(&public_path(path), public, false)?;
    write(path, private, true)
}

fn public_path(path: &Path) -> PathBuf {
    match path.extension() {
        Some(extension) => {
            let mut name = std::ffi::OsString::from("pub.");
            name.push(extension);
            path.with_extension(name)
        }
        None => path.with_extension("pub"),
    }
}

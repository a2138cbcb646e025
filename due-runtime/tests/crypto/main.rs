//! Bodies that are encrypted between clients and nodes: what is on the wire, who waits, and what a real cipher makes of it.

mod bodies;
#[cfg(all(feature = "ecc", feature = "tcp"))]
mod sniffed;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use due::codec::BoxError;
use due::crypto::Encryptor;
use serde::{Deserialize, Serialize};

/// Turns a body around and marks it: easy to check.
#[derive(Clone, Debug, Default)]
struct Mirror {
    decrypted: Arc<AtomicUsize>,
}

impl Encryptor for Mirror {
    fn name(&self) -> &str {
        "mirror"
    }

    fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(mirrored(data))
    }

    fn decrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        self.decrypted.fetch_add(1, Ordering::Relaxed);
        let body = data.strip_prefix(b"#").ok_or("not mirrored")?;
        Ok(body.iter().rev().copied().collect())
    }
}

fn mirrored(data: &[u8]) -> Vec<u8> {
    b"#".iter().chain(data.iter().rev()).copied().collect()
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    text: String,
}

fn note(text: &str) -> Note {
    Note { text: text.to_owned() }
}

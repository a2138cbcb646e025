//! Checksums of texts and of lists of them.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::output::compared;

/// SHA-256: whoever may change an input must not be able to make two that look alike.
pub(crate) type Sum = [u8; 32];

/// Of several parts, which do not run into each other.
#[derive(Default)]
pub(super) struct Parts(Sha256);

impl Parts {
    pub(super) fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    pub(super) fn add_path(&mut self, path: &Path) {
        self.add(path.as_os_str().as_encoded_bytes());
    }

    pub(super) fn sum(self) -> Sum {
        self.0.finalize().into()
    }
}

pub(super) fn sum(text: impl AsRef<[u8]>) -> Sum {
    Sha256::digest(text).into()
}

/// As outputs are compared, here as in [`Builder::stage`](crate::Builder::stage).
pub(crate) fn sum_of_output(text: &str) -> Sum {
    sum(compared(text).as_bytes())
}

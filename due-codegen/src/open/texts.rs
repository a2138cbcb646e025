//! Where templates come from: files, this crate, and what they include.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::target::{CARRIED, TemplateFile};

/// The texts that a run has read, by the names that errors have; minijinja's loader reads as well.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts(Arc<Mutex<BTreeMap<String, String>>>);

impl Texts {
    pub(super) fn of(file: &TemplateFile) -> io::Result<String> {
        match file {
            TemplateFile::Path(path) => fs::read_to_string(path),
            TemplateFile::Carried(name) => {
                let text = CARRIED.iter().find(|(found, _)| found == name).map(|(_, text)| (*text).to_owned());
                text.ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }

    pub(super) fn keep(&self, name: &str, text: &str) {
        // A panic leaves nothing half done in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), text.to_owned());
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

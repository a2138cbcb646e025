//! Where templates come from: files, this crate, and what they include.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::target::{CARRIED, TemplateFile};

/// The texts that a run has read; minijinja's loader reads as well.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts(Arc<Mutex<Known>>);

/// A file on disk that decides about the output, and what was in it; `None` if it was not there.
pub(crate) type Asked = (PathBuf, Option<String>);

#[derive(Debug, Default)]
struct Known {
    /// By the names that errors have.
    by_name: BTreeMap<String, String>,
    asked: Vec<Asked>,
}

impl Texts {
    /// Reads the template itself.
    pub(super) fn of(&self, file: &TemplateFile, name: &str) -> io::Result<()> {
        let text = match file {
            TemplateFile::Path(path) => {
                let text = fs::read_to_string(path)?;
                self.known().asked.push((path.clone(), Some(text.clone())));
                text
            }
            TemplateFile::Carried(carried) => {
                let text = CARRIED.iter().find(|(found, _)| found == carried).map(|(_, text)| (*text).to_owned());
                text.ok_or(io::ErrorKind::NotFound)?
            }
        };
        self.known().by_name.insert(name.to_owned(), text);
        Ok(())
    }

    /// Reads what a template includes or imports; `None` if it is not there.
    pub(super) fn included(&self, name: &str, path: PathBuf) -> io::Result<Option<String>> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(err) if err.kind() == io::ErrorKind::NotFound => None,
            Err(err) => return Err(err),
        };
        let mut known = self.known();
        known.asked.push((path, text.clone()));
        if let Some(text) = &text {
            known.by_name.insert(name.to_owned(), text.clone());
        }
        Ok(text)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.known().by_name.get(name).cloned()
    }

    /// What was looked for on disk so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.known().asked.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic leaves nothing half done in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Texts in a file that has no name: whatever ends the process, nothing is left of it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Takes texts on several threads, and gives them back.
#[derive(Debug)]
pub(super) struct Spool {
    /// Where the disk is that has to take the texts anyway.
    folder: Option<PathBuf>,
    /// Made for the first text.
    file: Mutex<Option<File>>,
}

/// Where in the file a text is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    start: u64,
    bytes: usize,
}

impl Spool {
    /// Texts go where one of the `folders` is or will be. The folder for temporary files is often memory.
    pub(super) fn new<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Self {
        let here = |folder: &Path| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
        let folder = folders.into_iter().flat_map(Path::ancestors).map(here).find(|folder| folder.is_dir());
        Self { folder, file: Mutex::default() }
    }

    pub(super) fn put(&self, text: &str) -> io::Result<Text> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(self.open()?),
        };
        let start = file.seek(SeekFrom::End(0))?;
        file.write_all(text.as_bytes())?;
        Ok(Text { start, bytes: text.len() })
    }

    pub(super) fn get(&self, text: Text) -> io::Result<String> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &mut *file else { return Err(io::ErrorKind::NotFound.into()) };
        file.seek(SeekFrom::Start(text.start))?;
        let mut bytes = vec![0; text.bytes];
        file.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }

    /// A project that is only to be checked may be one that cannot be written to.
    fn open(&self) -> io::Result<File> {
        match self.folder.as_ref().map(tempfile::tempfile_in) {
            Some(Ok(file)) => Ok(file),
            _ => tempfile::tempfile(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_have_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new([folder.path().join("not/yet").as_path()]);
        let texts = ["one", "", "zwei \u{2713}"].map(|text| spool.put(text).unwrap());
        assert_eq!(texts.map(|text| spool.get(text).unwrap()), ["one", "", "zwei \u{2713}"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

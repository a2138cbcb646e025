//! Where the files of templates may be, and how long they may get.

use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// Bytes of one output file. What is longer comes of a loop that does not end where its author thought.
pub(super) const LARGEST: usize = 16 << 20;

/// A path below `folder` that consists of names alone.
pub(super) fn inside(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| folder.join(path))
}

/// Why an output may not be there.
pub(crate) fn check_path(folder: &Path, path: &str) -> Result<(), &'static str> {
    let parts: Vec<Component<'_>> = Path::new(path).components().collect();
    if path.trim().is_empty() || parts.is_empty() {
        return Err("has no name");
    }
    if path.ends_with(['/', '\\']) {
        return Err("is a folder, not a file");
    }
    if path.chars().any(char::is_control) {
        return Err("has a control character in its name");
    }
    if !parts.iter().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) || path.contains('\\') {
        return Err("leaves the project");
    }
    // A link may lead out of it as well.
    let root = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let whole = root.join(path);
    let real = whole.ancestors().find_map(|up| fs::canonicalize(up).ok());
    match (fs::canonicalize(root), real) {
        (Ok(root), Some(real)) if !real.starts_with(&root) => Err("leaves the project through a link"),
        _ => Ok(()),
    }
}

/// Takes so much and no more.
#[derive(Default)]
pub(super) struct Limited {
    pub(super) bytes: Vec<u8>,
    pub(super) full: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > LARGEST {
            self.full = true;
            return Err(io::Error::other("the text is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Files that are written whole or not at all, whatever ends the process meanwhile.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;

/// Puts `text` beside the file and renames it onto it. A link stays a link, permissions stay what they are.
///
/// # Errors
/// When the folder is not there or cannot be written to; then the file is what it was.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    Beside::write(path, text)?.rename()
}

/// A text beside the file that it is for. It goes with the value unless it was renamed.
pub(crate) struct Beside {
    temporary: PathBuf,
    target: PathBuf,
}

impl Beside {
    pub(crate) fn write(path: &Path, text: &str) -> io::Result<Self> {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        // Renaming would be too late to find out.
        if target.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}.tmp", process::id()));
        let temporary = target.with_file_name(name);
        let mut file = File::create(&temporary)?;
        // From here on it is removed whatever happens.
        let beside = Self { temporary, target };
        file.write_all(text.as_bytes())?;
        if let Ok(meta) = fs::metadata(&beside.target) {
            file.set_permissions(meta.permissions())?;
        }
        Ok(beside)
    }

    pub(crate) fn rename(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)?;
        self.temporary = PathBuf::new();
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.temporary.as_os_str().is_empty() {
            // The first error says more than that this one is left over.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_whole(&path, "one").unwrap();
        write_whole(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_in_the_way_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a.txt/b")).unwrap();
        write_whole(&folder.path().join("a.txt"), "one").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "one").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real", &link).unwrap();
        write_whole(&link, "two").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    }
}

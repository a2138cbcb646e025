//! Where `generate` keeps what it remembers of a project: a file in the user's cache folder. Without one, or with one that
//! is not right, everything is done anew.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tempfile::NamedTempFile;

/// The file of one project.
pub(crate) struct Remembered {
    path: PathBuf,
    /// Begins the file: another build of this program may generate something else.
    build: String,
}

impl Remembered {
    /// `None` if there is no place for it.
    pub(crate) fn of(config: &Path) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        fs::canonicalize(config).ok()?.hash(&mut hasher);
        let path = cache()?.join("cargo-due").join(format!("{:016x}", hasher.finish()));
        let program = fs::metadata(env::current_exe().ok()?).ok()?;
        let made = program.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        let build = format!("cargo-due {} {} {made}\n", env!("CARGO_PKG_VERSION"), program.len());
        Some(Self { path, build })
    }

    /// What this build has remembered; nothing otherwise.
    pub(crate) fn load(&self) -> String {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        text.strip_prefix(&self.build).map(str::to_owned).unwrap_or_default()
    }

    /// Writes it whole or not at all. Without it the next run takes longer, and that is all.
    pub(crate) fn save(&self, memo: &str) {
        let _ = self.try_save(memo);
    }

    fn try_save(&self, memo: &str) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(self.build.as_bytes())?;
        file.write_all(memo.as_bytes())?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// Where programs keep what they can make again.
fn cache() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = |below: &str| Some(folder("HOME")?.join(below));
    folder("XDG_CACHE_HOME").or_else(|| {
        if cfg!(windows) {
            folder("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            home("Library/Caches")
        } else {
            home(".cache")
        }
    })
}

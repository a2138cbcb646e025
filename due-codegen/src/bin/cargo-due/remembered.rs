//! Where `generate` keeps what it remembers of a project: a file in the user's cache folder. Without one, or with one that
//! is not right, everything is done anew.

use std::env;
use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
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
    /// `None` if there is no place for it. One project has a file for each path that its configuration is named by, since
    /// findings begin with it.
    pub(crate) fn of(config: &Path) -> Option<Self> {
        let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut hasher = DefaultHasher::new();
        (fs::canonicalize(folder).ok()?, config).hash(&mut hasher);
        let path = cache()?.join("cargo-due").join(format!("{:016x}", hasher.finish()));
        Some(Self { path, build: build()? })
    }

    /// What this build has remembered; nothing otherwise.
    pub(crate) fn load(&self) -> Vec<u8> {
        let bytes = self.try_load().unwrap_or_default();
        bytes.strip_prefix(self.build.as_bytes()).map(<[u8]>::to_vec).unwrap_or_default()
    }

    fn try_load(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // A pipe in its place would be waited for.
        if fs::symlink_metadata(&self.path)?.is_file() {
            let mut file = File::open(&self.path)?;
            if is_own(&file.metadata()?) {
                file.read_to_end(&mut bytes)?;
            }
        }
        Ok(bytes)
    }

    /// Writes it whole or not at all. Without it the next run takes longer, and that is all.
    pub(crate) fn save(&self, memo: &[u8]) {
        let _ = self.try_save(memo);
    }

    fn try_save(&self, memo: &[u8]) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(self.build.as_bytes())?;
        file.write_all(memo)?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// This program, as no other file is it: a package may give every build one time and, by chance, one size.
fn build() -> Option<String> {
    let program = fs::metadata(env::current_exe().ok()?).ok()?;
    let made = program.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    Some(format!("cargo-due {} {} {made} {}\n", env!("CARGO_PKG_VERSION"), program.len(), identity(&program)))
}

#[cfg(unix)]
fn identity(program: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt as _;

    // Nobody sets the time of the last change, as `touch` sets the other.
    format!("{} {} {}.{}", program.dev(), program.ino(), program.ctime(), program.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> String {
    String::new()
}

/// Whether nobody but this user, and who may do everything, has written it.
#[cfg(unix)]
fn is_own(file: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    const WRITTEN_BY_OTHERS: u32 = 0o022;
    file.uid() == rustix::process::geteuid().as_raw() && file.mode() & WRITTEN_BY_OTHERS == 0
}

/// The cache folder is the user's.
#[cfg(not(unix))]
fn is_own(_: &Metadata) -> bool {
    true
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

//! Where a project has due from.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Crates of this repository are released together.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where a project has due from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The registry.
    Release,
    /// A folder of this machine, as an absolute path.
    Checkout(PathBuf),
}

impl Origin {
    /// The checkout that this binary was built in, if there is one and it is still there.
    pub(crate) fn of_this_binary() -> Self {
        let built = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Cargo's own checkouts of git dependencies come and go.
        let cargos = built
            .components()
            .zip(built.components().skip(1))
            .any(|(outer, inner)| outer.as_os_str() == "git" && inner.as_os_str() == "checkouts");
        let checkout = built.parent().filter(|_| !cargos).and_then(|folder| Self::checkout(folder).ok());
        checkout.unwrap_or(Self::Release)
    }

    /// This folder.
    pub(crate) fn checkout(folder: &Path) -> Result<Self, Failure> {
        let missing = || {
            Failure::text(format!(
                "`{}` is no checkout of due: it has no `due-runtime/Cargo.toml`; --path names the folder of the repository",
                folder.display()
            ))
        };
        let whole = plain(fs::canonicalize(folder).map_err(|_| missing())?);
        if !whole.join("due-runtime/Cargo.toml").is_file() {
            return Err(missing());
        }
        match whole.to_str() {
            Some(text) if !text.contains(['"', '\\', '\n']) || cfg!(windows) => Ok(Self::Checkout(whole)),
            _ => Err(Failure::text(format!(
                "`{}` cannot be written into Cargo.toml: --path takes a folder with plain characters",
                whole.display()
            ))),
        }
    }

    /// What stands in Cargo.toml, between the braces.
    pub(crate) fn dependency(&self) -> String {
        match self {
            Self::Release => format!("version = {VERSION:?}"),
            Self::Checkout(folder) => format!("path = {:?}", folder.join("due-runtime")),
        }
    }
}

/// Without what Windows puts before a path that it has looked up, and Cargo does not expect.
fn plain(path: PathBuf) -> PathBuf {
    let bare = path.to_str().and_then(|text| text.strip_prefix(r"\\?\")).filter(|text| !text.starts_with("UNC"));
    bare.map(PathBuf::from).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_a_checkout_and_others_are_none() {
        let root = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
        assert_eq!(Origin::of_this_binary(), Origin::Checkout(root.clone()));
        assert_eq!(Origin::of_this_binary().dependency(), format!("path = {:?}", root.join("due-runtime")));
        assert_eq!(Origin::Release.dependency(), format!("version = \"{VERSION}\""));
        let Err(Failure::Other(error)) = Origin::checkout(&root.join("proto")) else { panic!("proto is a checkout") };
        assert!(error.to_string().contains("is no checkout of due"), "{error}");
    }
}

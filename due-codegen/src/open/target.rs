//! One `[[template]]` of `due.toml`.

use std::path::{Path, PathBuf};

use crate::diagnostic::Place;

/// A template, and the files that it is rendered to: one `[[template]]` of `due.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateOptions {
    /// `template`: a file, or one that this crate carries: `due:go`, `due:csharp`, `due:gdscript`. Has no default.
    pub template: TemplateFile,
    /// `out`: the output file, relative to the folder of `due.toml` and below it; a template itself. Has no default.
    pub out: String,
    /// `per`: what it is rendered once for. Default: project.
    pub per: Per,
    /// `[template.vars]`: what the template finds as `vars`.
    pub vars: Vec<(String, Var)>,
    /// The folder of `due.toml`.
    pub(crate) folder: PathBuf,
    /// Of `template` and of `out`, in `due.toml`.
    pub(crate) places: (Place, Place),
}

/// Where the text of a template is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateFile {
    /// On disk.
    Path(PathBuf),
    /// In this crate, by its name without `due:`.
    Carried(&'static str),
}

/// What a template is rendered once for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Per {
    /// Once.
    #[default]
    Project,
    /// Each package, as `package`.
    Package,
    /// Each service with `due.node` or `due.mesh`, as `service`.
    Service,
    /// Each message, nested ones too, as `message`.
    Message,
    /// Each enum, nested ones too, as `enum`.
    Enum,
}

/// A value of `[template.vars]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Var {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// True or false.
    Flag(bool),
}

/// Texts of the templates that this crate carries.
pub(super) const CARRIED: &[(&str, &str)] = &[
    ("go", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/open/routes.go.j2"))),
    ("csharp", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/open/Routes.cs.j2"))),
    ("gdscript", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/open/routes.gd.j2"))),
];

impl TemplateFile {
    /// Names of the templates that this crate carries, with `due:`.
    pub(crate) fn carried() -> Vec<String> {
        CARRIED.iter().map(|(name, _)| format!("due:{name}")).collect()
    }

    /// What `template` means; `None` if it begins with `due:` and is not carried.
    pub(crate) fn parse(text: &str, join: impl Fn(&str) -> PathBuf) -> Option<Self> {
        match text.strip_prefix("due:") {
            Some(name) => CARRIED.iter().find(|(found, _)| *found == name).map(|(name, _)| Self::Carried(name)),
            None => Some(Self::Path(join(text))),
        }
    }

    /// The folder whose files it may include.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => path.parent(),
            Self::Carried(_) => None,
        }
    }
}

impl Per {
    pub(crate) const WORDS: &'static [&'static str] = &["project", "package", "service", "message", "enum"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Project, Self::Package, Self::Service, Self::Message, Self::Enum]
            .into_iter()
            .zip(Self::WORDS)
            .find_map(|(per, known)| (*known == word).then_some(per))
    }
}

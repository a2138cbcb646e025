//! `cargo due new`.

mod files;
mod name;
mod origin;
mod place;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::Outcome;
use crate::failure::Failure;
use crate::output::tell;
use crate::unbroken::Unbroken;
use crate::underway::underway;
use files::Scaffold;
use name::Name;
use origin::Origin;
use place::{Place, Repository};

/// Make a project that builds, runs and passes its own tests: a schema, a gate and a node, a TypeScript client.
///
/// The folder is made whole or not at all. A binary that was built in a checkout of due names the crates there by their
/// paths; others name the versions of their own release.
#[derive(Args)]
pub(crate) struct New {
    /// Folder to make; its last part names the project.
    #[arg(value_name = "NAME")]
    path: PathBuf,
    /// What to begin with.
    #[arg(long, value_enum, default_value_t, value_name = "TEMPLATE")]
    template: Template,
    /// A checkout of due, whose crates the project is to use.
    #[arg(long = "path", value_name = "DIR")]
    checkout: Option<PathBuf>,
    /// What the project is kept in. Inside of a repository nothing is made.
    #[arg(long, value_enum, default_value_t, value_name = "VCS")]
    vcs: Vcs,
}

/// What a project begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// A request with a response, and a push.
    #[default]
    Hello,
    /// A login, rooms with a state of their own, pushes; in one process or as a fleet.
    Rooms,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Vcs {
    /// A repository, if git is there.
    #[default]
    Git,
    None,
}

impl New {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let name = Name::of(&self.path)?;
        let origin = match &self.checkout {
            Some(folder) => Origin::checkout(folder)?,
            None => Origin::of_this_binary(),
        };
        let place = Place::find(&self.path)?;
        let scaffold = Scaffold { name, template: self.template, origin, nested: place.is_in_workspace() };
        let files = scaffold.files()?;
        let unbroken = Unbroken::begin()?;
        let repository = underway("making the project", || {
            let project = place.begin(&unbroken)?;
            for (path, text) in files {
                project.write(&path, &text)?;
            }
            scaffold.generate(project.folder())?;
            let repository = match self.vcs {
                Vcs::Git => project.init_git()?,
                Vcs::None => Repository::None,
            };
            project.finish()?;
            Ok::<_, Failure>(repository)
        })?;
        drop(unbroken);
        if repository == Repository::NoGit {
            say!("there is no git: no repository is made");
        }
        self.say(&scaffold, repository == Repository::New)
    }

    fn say(&self, scaffold: &Scaffold, repository: bool) -> Result<Outcome, Failure> {
        let folder = quoted(&self.path);
        tell(|out| {
            let template = self.template.to_possible_value();
            let template = template.as_ref().map_or("", |value| value.get_name());
            let kept = if repository { ", in a git repository" } else { "" };
            writeln!(out, "new {folder}: template {template}{kept}")?;
            if let Origin::Checkout(checkout) = &scaffold.origin {
                writeln!(out, "due-runtime is the one of {}", checkout.display())?;
            }
            writeln!(out, "\n    cd {folder}")?;
            writeln!(out, "    cargo test")?;
            writeln!(out, "    cargo run                             # serves on ws://127.0.0.1:3553")?;
            writeln!(out, "    cd client && npm ci && npm run dev    # a page that talks to it")
        })?;
        Ok(Outcome::Fine)
    }
}

/// As a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@\\".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

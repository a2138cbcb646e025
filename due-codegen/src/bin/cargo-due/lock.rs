//! `cargo due lock`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use due_codegen::{Builder, LOCK_NAME, Lock};
use similar::TextDiff;

use crate::Outcome;
use crate::failure::Failure;
use crate::findings::Format;
use crate::output::{count, show, tell};
use crate::project::ConfigArg;
use crate::unbroken::Unbroken;
use crate::underway::underway;

/// Record in `due.lock` what ships: every route, push, event, field and enum value.
///
/// The file stands beside due.toml and is checked in. What is no longer in the schema stays in it as `removed`, so that no
/// id and no number gets a second meaning. What would break old clients is shown instead of written.
#[derive(Args)]
pub(crate) struct LockVerb {
    /// Write nothing; show what would change, and exit with 1 if anything would.
    #[arg(long)]
    check: bool,
    /// Record breaking changes, too: old clients are gone, or are to be.
    #[arg(long, conflicts_with = "check")]
    accept: bool,
    #[command(flatten)]
    config: ConfigArg,
}

impl LockVerb {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let project = self.config.load()?;
        let path = project.lock_path();
        let ignored = project.config.breaking_ignore.clone();
        let old = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(err) if err.kind() == io::ErrorKind::NotFound => None,
            Err(err) => return Err(Failure::new(&format!("`{}` cannot be read", path.display()), err)),
        };
        let before = match &old {
            Some(text) => Lock::parse(path.display().to_string(), text.clone())?,
            None => Lock::default(),
        };
        let (schema, now, breaks) = underway("reading the schema", || {
            let schema = Builder::from(project.config).schema()?;
            let now = schema.lock();
            let breaks = before.breaks(&now, &ignored);
            Ok::<_, Failure>((schema, now, breaks))
        })?;
        show(schema.warnings());
        if breaks.has_errors() && !self.accept {
            Format::Text.write(&breaks)?;
            say!("`{}` is as it was: undo what breaks, or record it with `cargo due lock --accept`", path.display());
            return Ok(Outcome::Findings);
        }
        let next = before.followed_by(&now);
        let text = next.to_string();
        let same = old.as_ref().is_some_and(|old| old.replace("\r\n", "\n") == text);
        if same {
            tell(|out| writeln!(out, "up to date: {}", path.display()))?;
        } else if self.check {
            tell(|out| diff(out, &path, old.as_deref().unwrap_or_default(), &text))?;
            say!("`{}` is out of date: run `cargo due lock` and check it in", path.display());
            return Ok(Outcome::Findings);
        } else {
            let unbroken = Unbroken::begin()?;
            next.write(&path)?;
            drop(unbroken);
            let changes = before.changes(&next);
            let word = if old.is_some() { "changed" } else { "new" };
            let lines = count(changes.added, "line");
            let (changed, removed) = (changes.changed, changes.removed);
            tell(|out| match old {
                Some(_) => {
                    writeln!(out, "{word} {}: {lines} added, {changed} changed, {removed} removed", path.display())
                }
                None => writeln!(out, "{word} {}: {lines}", path.display()),
            })?;
        }
        Ok(Outcome::Fine)
    }
}

fn diff(out: &mut impl Write, path: &Path, old: &str, new: &str) -> io::Result<()> {
    let old = old.replace("\r\n", "\n");
    write!(
        out,
        "{}",
        TextDiff::from_lines(old.as_str(), new).unified_diff().header(&path.display().to_string(), LOCK_NAME)
    )
}

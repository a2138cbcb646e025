//! `cargo due generate`.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use due_codegen::{Builder, ChangeKind, Memo, Staged};
use similar::TextDiff;

use crate::Outcome;
use crate::failure::Failure;
use crate::output::{count, show, tell};
use crate::project::{ConfigArg, Project};
use crate::remembered::Remembered;
use crate::unbroken::Unbroken;
use crate::underway::underway;
use crate::watch::watch;

/// Generate the code that `due.toml` describes.
///
/// Writes only files that changed, all of them or none, and removes files that no longer belong to the output if they
/// were generated.
#[derive(Args)]
pub(crate) struct Generate {
    /// Write nothing; show what is new, changed or stale, and exit with 1 if anything is.
    #[arg(long)]
    check: bool,
    /// Generate again after every change of a .proto, of a template or of due.toml, also after mistakes, until Ctrl-C.
    #[arg(long, conflicts_with = "check")]
    watch: bool,
    #[command(flatten)]
    config: ConfigArg,
}

impl Generate {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        if self.watch {
            watch(&self.config.path()?, || self.once().map(|_| ()))?;
        }
        self.once()
    }

    fn once(&self) -> Result<Outcome, Failure> {
        let Project { path, config } = self.config.load()?;
        let nothing = config.rust.is_none() && config.typescript.is_none() && config.templates.is_empty();
        let memo = Memo::begin(&path, &config);
        let builder = Builder::from(config);
        if nothing {
            show(&underway("checking the schema", || builder.check())?);
            say!("nothing is generated: `{}` has no section [rust], [typescript] or [[template]]", path.display());
            return Ok(Outcome::Fine);
        }
        // A check may ask it as well: it compares what a check compares.
        let remembered = Remembered::of(&path);
        if let Some(same) = remembered.as_ref().and_then(|remembered| memo.up_to_date(&remembered.load())) {
            show(&same.warnings);
            tell(|out| up_to_date(out, same.files))?;
            return Ok(Outcome::Fine);
        }
        let staged = underway("generating", || builder.stage())?;
        show(staged.warnings());
        if !self.check {
            // Once begun, all of it is written.
            let _unbroken = Unbroken::begin()?;
            staged.commit()?;
        }
        let fine = !self.check || staged.changes().is_empty();
        if let Some((remembered, memo)) = remembered.filter(|_| fine).zip(memo.finish(&staged)) {
            remembered.save(&memo);
        }
        self.list(&staged)?;
        Ok(if fine { Outcome::Fine } else { Outcome::Findings })
    }

    /// What was done, or has to be.
    fn list(&self, staged: &Staged) -> Result<(), Failure> {
        for change in staged.changes() {
            let word = match (change.kind, self.check) {
                (ChangeKind::New, _) => "new",
                (ChangeKind::Stale, true) => "stale",
                (ChangeKind::Stale, false) => "removed",
                _ => "changed",
            };
            let path = shown(&change.path);
            let (old, new) = if self.check { staged.texts(change)? } else { Default::default() };
            tell(|out| {
                writeln!(out, "{word} {path}")?;
                if self.check {
                    write!(out, "{}", TextDiff::from_lines(&old, &new).unified_diff().header(&path, "generated"))?;
                }
                Ok(())
            })?;
        }
        if staged.changes().is_empty() {
            tell(|out| up_to_date(out, staged.files()))?;
        }
        Ok(())
    }
}

fn up_to_date(out: &mut impl Write, files: usize) -> io::Result<()> {
    writeln!(out, "up to date: {}", count(files, "file"))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

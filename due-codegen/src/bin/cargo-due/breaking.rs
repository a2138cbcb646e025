//! `cargo due breaking`.

use std::io::Write as _;

use clap::Args;
use due_codegen::{Builder, Diagnostics, breaking_rules};

use crate::Outcome;
use crate::against::Against;
use crate::failure::Failure;
use crate::findings::{Format, explain, list};
use crate::output::{show, tell};
use crate::project::ConfigArg;
use crate::underway::underway;

/// Show what old clients, or servers of the old version, would not survive.
///
/// Compares with `due.lock` beside due.toml, or with what --against names. What was only added passes. `[breaking] ignore`
/// of due.toml takes ids and categories of rules that do not count.
#[derive(Args)]
pub(crate) struct Breaking {
    /// A lock file, a folder with an older checkout, or a ref that git knows. What exists as a path is no ref.
    #[arg(long, value_name = "FILE|FOLDER|REF")]
    against: Option<String>,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Say why there is a rule and what to do about it.
    #[arg(long, value_name = "RULE", exclusive = true)]
    explain: Option<String>,
    /// List all rules.
    #[arg(long, exclusive = true)]
    rules: bool,
    #[command(flatten)]
    config: ConfigArg,
}

impl Breaking {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        if let Some(id) = &self.explain {
            return explain(breaking_rules(), id);
        }
        if self.rules {
            return list(breaking_rules());
        }
        match self.findings() {
            Ok((findings, against)) => {
                let outcome = self.format.write(&findings)?;
                if self.format == Format::Text && findings.is_empty() {
                    tell(|out| writeln!(out, "nothing breaks since {against}"))?;
                }
                Ok(outcome)
            }
            Err(failure) => self.format.fail(failure),
        }
    }

    /// What breaks, and since what.
    fn findings(&self) -> Result<(Diagnostics, String), Failure> {
        let project = self.config.load()?;
        let against = Against::choose(self.against.as_deref(), &project)?;
        let ignored = project.config.breaking_ignore.clone();
        let (schema, breaks) = underway("comparing the schemas", || {
            let before = against.lock(&project)?;
            let schema = Builder::from(project.config).schema()?;
            let breaks = before.breaks(&schema.lock(), &ignored);
            Ok::<_, Failure>((schema, breaks))
        })?;
        show(schema.warnings());
        Ok((breaks, against.to_string()))
    }
}

//! `cargo due lint`.

use std::io::Write as _;

use clap::Args;
use due_codegen::{Builder, Diagnostics, lint_rules};

use crate::Outcome;
use crate::failure::Failure;
use crate::findings::{Format, explain, list};
use crate::output::{show, tell};
use crate::project::ConfigArg;
use crate::underway::underway;

/// Check names and layout of the schema.
///
/// `[lint]` of due.toml says which rules hold: `only`, `also` and `ignore` take ids and categories, and `[lint.except]`
/// takes patterns of files: "legacy/**" = ["naming"]. In a .proto, `// due:lint-ignore RULE reason` above an element hides
/// what the rule says about it and all that is inside.
#[derive(Args)]
pub(crate) struct Lint {
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

impl Lint {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        if let Some(id) = &self.explain {
            return explain(lint_rules(), id);
        }
        if self.rules {
            return list(lint_rules());
        }
        match self.findings() {
            Ok(findings) => {
                let outcome = self.format.write(&findings)?;
                if self.format == Format::Text && findings.is_empty() {
                    tell(|out| writeln!(out, "nothing to find fault with"))?;
                }
                Ok(outcome)
            }
            Err(failure) => self.format.fail(failure),
        }
    }

    fn findings(&self) -> Result<Diagnostics, Failure> {
        let config = self.config.load()?.config;
        let options = config.lint.clone();
        let (schema, findings) = underway("checking the schema", || {
            let schema = Builder::from(config).schema()?;
            let findings = schema.lint(&options);
            Ok::<_, Failure>((schema, findings))
        })?;
        show(schema.warnings());
        Ok(findings)
    }
}

//! `cargo due model`.

use std::io::Write as _;

use clap::Args;
use due_codegen::Builder;

use crate::Outcome;
use crate::failure::Failure;
use crate::output::{json, show, tell};
use crate::project::ConfigArg;
use crate::underway::underway;

/// Show what the schema declares, as the templates of due.toml see it.
///
/// With --json: one document, {"version": 1, "packet", "packages": [..], "routes": [..]}. Every field is described in
/// `templates/open/README.md`, or by --fields. Within a version fields are added, never removed or given another meaning.
#[derive(Args)]
pub(crate) struct Model {
    /// The whole model as one JSON document.
    #[arg(long)]
    json: bool,
    /// What every field means, and what templates have besides, instead of a schema.
    #[arg(long, conflicts_with = "json")]
    fields: bool,
    #[command(flatten)]
    config: ConfigArg,
}

const FIELDS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/open/README.md"));

impl Model {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        if self.fields {
            tell(|out| out.write_all(FIELDS.as_bytes()))?;
            return Ok(Outcome::Fine);
        }
        let builder = Builder::from(self.config.load()?.config);
        let (schema, model) = underway("reading the schema", || {
            let schema = builder.schema()?;
            let model = schema.model();
            Ok::<_, Failure>((schema, model))
        })?;
        show(schema.warnings());
        if self.json {
            json(&model)?;
        } else {
            tell(|out| write!(out, "{}", model.summary()))?;
        }
        Ok(Outcome::Fine)
    }
}

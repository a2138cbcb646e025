//! `cargo due routes`.

use clap::Args;
use due_codegen::{Builder, RouteInfo};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{json, show, tell};
use crate::project::ConfigArg;
use crate::underway::underway;
use crate::{Outcome, table};

/// Show every route, push, event and mesh rpc: id, flags, types, and where it is declared.
///
/// With --json: {"version": 1, "routes": [{"id": number or null, "kind": "route" | "push" | "event" | "mesh", "name",
/// "service", "method", "target", "flags": [..], "request", "response", "file", "line", "column"}]}. `target` is the name
/// of the node or mesh, or the topic. Later versions may add keys.
#[derive(Args)]
pub(crate) struct Routes {
    /// The table as one JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Serialize)]
struct Document {
    version: u32,
    routes: Vec<RouteInfo>,
}

const TITLES: &[&str] = &["ID", "KIND", "TARGET", "NAME", "FLAGS", "REQUEST", "RESPONSE", "WHERE"];

impl Routes {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let builder = Builder::from(self.config.load()?.config);
        let schema = underway("reading the schema", || builder.schema())?;
        show(schema.warnings());
        let routes = schema.routes();
        if self.json {
            json(&Document { version: 1, routes })?;
        } else if routes.is_empty() {
            say!("there are no routes, pushes, events or mesh services");
        } else {
            let rows: Vec<Vec<String>> = routes.iter().map(row).collect();
            tell(|out| table::write(out, TITLES, &rows))?;
        }
        Ok(Outcome::Fine)
    }
}

fn row(route: &RouteInfo) -> Vec<String> {
    let package = route.name.rsplit_once('.').map_or("", |(owner, _)| owner);
    let package = if route.service.is_empty() { package } else { package.rsplit_once('.').map_or("", |(up, _)| up) };
    // Types of the same package are as short as the schema has them.
    let short = |name: &str| match name.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')) {
        Some(rest) if !package.is_empty() => rest.to_owned(),
        _ => name.to_owned(),
    };
    vec![
        route.id.map_or_else(String::new, |id| id.to_string()),
        route.kind.word().to_owned(),
        route.target.clone(),
        route.name.clone(),
        route.flags.join(" "),
        short(&route.request),
        // A message is its own name.
        if route.service.is_empty() { String::new() } else { short(&route.response) },
        format!("{}:{}", route.file, route.line),
    ]
}

//! TypeScript: messages as protoc-gen-es writes them, stubs over routes and pushes, and the runtime under the stubs.

mod pb;
mod runtime;
mod stubs;

use minijinja::context;
use minijinja::value::{Serde, Value};

use crate::config::{PacketOptions, TypeScriptOptions};
use crate::diagnostic::Report;
use crate::model::Model;
use crate::output::{GeneratedFile, HEADER};
use crate::render::{RenderError, environment, templates};
use crate::shape::Shape;
use crate::source::Sources;
#[cfg(feature = "cli")]
pub(crate) use pb::names;

const STUBS: &str = "typescript/due.ts.j2";
const TEMPLATES: &[(&str, &str)] =
    templates!["typescript/due.ts.j2", "typescript/defaults.ts.j2", "typescript/schema.ts.j2"];

/// Reports what only TypeScript cannot express.
pub(crate) fn check(sources: &Sources, model: &Model, options: &TypeScriptOptions, report: &mut Report) {
    if options.parts.stubs {
        stubs::check(sources, model, report);
    }
}

/// All files of one run.
pub(crate) fn render(
    sources: &Sources,
    model: &Model,
    shape: &Shape,
    options: &TypeScriptOptions,
    packet: &PacketOptions,
) -> Result<Vec<GeneratedFile>, RenderError> {
    let mut env = environment(TEMPLATES)?;
    // The template ends the line.
    env.add_filter("jsdoc", |lines: Vec<String>, indent: &str| {
        pb::block(&lines.join("\n"), indent).trim_end().to_owned()
    });
    let messages = pb::Messages::new(sources, options.view);
    let mut files = if options.parts.messages { messages.print(&options.import_extension) } else { Vec::new() };
    if options.parts.stubs {
        for stubs in stubs::files(sources, model, &messages, options) {
            let path = format!("{}_due.ts", pb::stem(&stubs.source));
            let source = format!("{HEADER}\n// source: {}\n", stubs.source);
            let values = Value::from(Serde(&stubs));
            let text = env.get_template(STUBS).and_then(|template| template.render(context! { ..values }));
            let text = text.map_err(|source| RenderError::Template { template: STUBS, source })?;
            files.push(GeneratedFile::new(path, source + &text));
        }
    }
    if options.parts.runtime {
        files.extend(runtime::files(&env, shape, options, packet)?);
    }
    Ok(files)
}

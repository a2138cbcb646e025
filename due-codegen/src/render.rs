//! Model to text: messages by prost-build, the rest by templates, and the module tree around them.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior, context};
use prost_reflect::FileDescriptor;

use crate::config::RustOptions;
use crate::doc::sanitize;
use crate::lower::types::Types;
use crate::model::{Model, Package};
use crate::output::GeneratedFile;
use crate::pretty::pretty;
use crate::shape::Shape;
use crate::source::Sources;
use crate::structs::Structs;
use crate::{mesh, messages};

/// Names of templates with their texts.
macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $name)))),*]
    };
}
pub(crate) use templates;

const TEMPLATES: &[(&str, &str)] = templates![
    "messages.rs.j2",
    "push.rs.j2",
    "event.rs.j2",
    "node/routes.rs.j2",
    "node/client.rs.j2",
    "node/peer.rs.j2",
    "node/mock.rs.j2",
    "mesh/service.rs.j2",
];

/// A model without text. Each is a defect of due-codegen or of a template, or a schema that prost cannot express.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The template asks for what the model does not have.
    #[error("template {template} does not fit the model")]
    Template {
        /// Path below `templates/`.
        template: &'static str,
        /// What is missing, and where.
        source: minijinja::Error,
    },
    /// The text is not Rust.
    #[error("the text of {file} is not Rust")]
    NotRust {
        /// The output file.
        file: String,
        /// Where it ends to be Rust.
        source: syn::Error,
    },
    /// prost-build refuses the messages.
    #[error("prost-build cannot generate the messages")]
    Prost(#[source] std::io::Error),
}

/// The Rust of one run: a file per package, each made on its own, and `mod.rs`.
pub(crate) struct Rust<'a> {
    model: &'a Model,
    sources: &'a Sources,
    shape: &'a Shape,
    structs: Structs<'a>,
    renderer: Renderer,
    types: Types,
    /// Formatting costs as much as all the rest, so what only the compiler reads does without.
    format: bool,
}

impl<'a> Rust<'a> {
    pub(crate) fn new(
        model: &'a Model,
        (sources, shape): (&'a Sources, &'a Shape),
        options: &'a RustOptions,
        format: bool,
    ) -> Result<Self, RenderError> {
        let types = Types::new(&options.extern_paths, &options.runtime);
        let (structs, renderer) = (Structs::new(sources, options), Renderer::new(options)?);
        Ok(Self { model, sources, shape, structs, renderer, types, format })
    }

    /// What there is a file for, unless there is nothing to say.
    pub(crate) fn packages(&self) -> &'a [Package] {
        &self.model.packages
    }

    /// The file of a package; none if there is nothing in it.
    pub(crate) fn package(&self, package: &Package) -> Result<Option<GeneratedFile>, RenderError> {
        let mut text: String = package.files.iter().map(|file| format!("// source: {file}\n")).collect();
        text.push('\n');
        let empty = text.len();
        for file in self.files(package) {
            self.add(&package.file_name, &self.structs.of(&file)?, &mut text)?;
        }
        for block in messages::of_package(package, &self.sources.pool, &self.types).blocks() {
            self.add(&package.file_name, &self.renderer.messages(&block)?, &mut text)?;
        }
        self.add(&package.file_name, &self.renderer.package(package)?, &mut text)?;
        Ok((text.len() > empty).then(|| GeneratedFile::new(&package.file_name, text)))
    }

    /// Bytes of what it is made from.
    pub(crate) fn weight(&self, package: &Package) -> usize {
        self.files(package).filter_map(|file| self.sources.source(&file)).map(|source| source.text.len()).sum()
    }

    fn files(&self, package: &Package) -> impl Iterator<Item = FileDescriptor> {
        package.files.iter().filter_map(|name| self.sources.pool.get_file_by_name(name))
    }

    /// The tree of modules, of those packages that have a file.
    pub(crate) fn modules(&self, packages: &[&Package]) -> Result<GeneratedFile, RenderError> {
        const FILE: &str = "mod.rs";
        let mut tree = Tree::default();
        packages.iter().for_each(|package| tree.insert(package));
        let mut text = String::new();
        self.add(FILE, &(schema(self.shape, &self.renderer.runtime) + &tree.text()), &mut text)?;
        Ok(GeneratedFile::new(FILE, text))
    }

    fn add(&self, file: &str, text: &str, out: &mut String) -> Result<(), RenderError> {
        if self.format {
            out.push_str(&pretty(text).map_err(|source| RenderError::NotRust { file: file.to_owned(), source })?);
        } else {
            out.push_str(text);
        }
        Ok(())
    }
}

/// What a gate and its clients compare; a run without routes has nothing.
fn schema(shape: &Shape, runtime: &str) -> String {
    if shape.is_empty() {
        return String::new();
    }
    let Shape { hash, bytes, .. } = shape;
    let (bytes, names) = (bytes.escape_ascii(), shape.names());
    format!(
        "/// What this schema is to the wire: for `GateBuilder::schema` and `ClientBuilder::schema`.\n\
         {ALLOW}\
         pub const DUE_SCHEMA: {runtime}::codegen::Schema = {runtime}::codegen::Schema::generated({hash:#018x}, b\"{bytes}\", {names:?});\n"
    )
}

/// Templates that refuse what is undefined; a block's line leaves no trace.
pub(crate) fn environment(
    templates: &'static [(&'static str, &'static str)],
) -> Result<Environment<'static>, RenderError> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.add_filter("literal", |text: &str| format!("{text:?}"));
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    env.set_syntax(syntax.map_err(|source| RenderError::Template { template: "syntax", source })?);
    for (template, text) in templates {
        env.add_template(template, text).map_err(|source| RenderError::Template { template, source })?;
    }
    Ok(env)
}

struct Renderer {
    env: Environment<'static>,
    runtime: String,
    due: String,
    mocks: bool,
}

impl Renderer {
    fn new(options: &RustOptions) -> Result<Self, RenderError> {
        let mut env = environment(TEMPLATES)?;
        env.add_filter("doc", doc);
        let (runtime, due) = (options.runtime.clone(), format!("{}::codegen", options.runtime));
        Ok(Self { env, runtime, due, mocks: options.mocks })
    }

    fn messages(&self, block: &messages::Messages) -> Result<String, RenderError> {
        self.render("messages.rs.j2", Value::from(Serde(block)))
    }

    /// All but the messages.
    fn package(&self, package: &Package) -> Result<String, RenderError> {
        let text = &mut String::new();
        for push in &package.pushes {
            let push = Value::from(Serde(push));
            self.add("push.rs.j2", context! { push }, text)?;
        }
        for event in &package.events {
            let event = Value::from(Serde(event));
            self.add("event.rs.j2", context! { event }, text)?;
        }
        for service in &package.nodes {
            let service = Value::from(Serde(service));
            self.add("node/routes.rs.j2", context! { service => &service }, text)?;
            self.add("node/client.rs.j2", context! { service => &service }, text)?;
            self.add("node/peer.rs.j2", context! { service => &service }, text)?;
            if self.mocks {
                self.add("node/mock.rs.j2", context! { service }, text)?;
            }
        }
        for service in &package.meshes {
            let tonic = mesh::server(service, &self.due)?;
            let kinds = Value::from(Serde(mesh::Kind::of(service)));
            let service = Value::from(Serde(service));
            self.add("mesh/service.rs.j2", context! { service, tonic, kinds, mocks => self.mocks }, text)?;
        }
        Ok(std::mem::take(text))
    }

    fn add(&self, template: &'static str, values: Value, text: &mut String) -> Result<(), RenderError> {
        text.push_str(&self.render(template, values)?);
        Ok(())
    }

    fn render(&self, template: &'static str, values: Value) -> Result<String, RenderError> {
        let due = &self.due;
        let rendered = self.env.get_template(template).and_then(|found| found.render(context! { due, ..values }));
        Ok(rendered.map_err(|source| RenderError::Template { template, source })? + "\n")
    }
}

/// The comment of an item as rustdoc, or `otherwise` if it has none; and the attribute if it is deprecated.
fn doc(item: Value, otherwise: String) -> Result<String, minijinja::Error> {
    let lines: Vec<String> = item.get_attr("doc")?.try_iter()?.map(|line| line.to_string()).collect();
    let mut lines = sanitize(&lines);
    if lines.iter().all(|line| line.is_empty()) {
        lines = vec![otherwise];
    }
    let mut text = String::new();
    for line in lines {
        text.push_str("///");
        if !line.is_empty() {
            text.extend([" ", &line]);
        }
        text.push('\n');
    }
    if item.get_attr("deprecated")?.is_true() {
        text.push_str("#[deprecated]\n");
    }
    Ok(text)
}

/// The modules of all packages: a package with modules of its own, or one that only leads to others.
#[derive(Debug, Default)]
struct Tree {
    /// The file of the package, if it has one.
    file: Option<String>,
    children: BTreeMap<String, Tree>,
}

/// Generated text is not for users to tidy up; prost's and tonic's own follows no lint but the compiler's.
const ALLOW: &str = "#[rustfmt::skip]\n#[allow(dead_code, deprecated, missing_debug_implementations, missing_docs, unreachable_pub, \
    unused_imports, unused_qualifications, unused_results, variant_size_differences, clippy::all, clippy::nursery, \
    clippy::pedantic, clippy::restriction, rustdoc::all)]\n";

impl Tree {
    fn insert(&mut self, package: &Package) {
        let leaf = package.modules.iter().fold(self, |tree, name| tree.children.entry(name.clone()).or_default());
        leaf.file = Some(package.file_name.clone());
    }

    fn write(&self, text: &mut String) {
        if let Some(file) = &self.file {
            text.push_str(&format!("include!({file:?});\n"));
        }
        for (name, child) in &self.children {
            text.push_str(&format!("pub mod {name} {{\n"));
            child.write(text);
            text.push_str("}\n");
        }
    }

    /// What `mod.rs` says. Without a package there is no module to hang the lints on, so it gets one that is not seen.
    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(file) = &self.file {
            let root = format!("mod __due_root {{\nuse super::*;\ninclude!({file:?});\n}}\npub use __due_root::*;\n");
            text.extend([ALLOW, &root]);
        }
        for (name, child) in &self.children {
            text.push_str(&format!("{ALLOW}pub mod {name} {{\n"));
            child.write(&mut text);
            text.push_str("}\n");
        }
        text
    }
}

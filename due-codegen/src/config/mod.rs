//! `due.toml`: one table of keys and defaults; every mistake in it is reported with its line.

mod toml;

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::breaking::breaking_rules;
use crate::diagnostic::{Diagnostic, Diagnostics, Report, Source};
use crate::lint::lint_rules;
use crate::model::RouteWidth;
use crate::naming::snake;
use crate::open::{Per, TemplateFile, TemplateOptions};
use toml::{Reader, Section};

/// Name of the file that `cargo due` looks for in the current folder and above.
pub const FILE_NAME: &str = "due.toml";

/// A `due.toml`, or its defaults. Paths are joined with the folder of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// `[proto] roots`: import roots. Default: `proto`.
    pub roots: Vec<PathBuf>,
    /// `[proto] files`: patterns relative to the roots. Default: `**/*.proto`.
    pub files: Vec<String>,
    /// `[packet]`.
    pub packet: PacketOptions,
    /// `[rust]`; without the section no Rust is generated.
    pub rust: Option<RustOptions>,
    /// `[typescript]`; without the section no TypeScript is generated.
    pub typescript: Option<TypeScriptOptions>,
    /// `[breaking] ignore`: ids or categories of [`breaking_rules`](crate::breaking_rules) that do not count. Default: none.
    pub breaking_ignore: Vec<String>,
    /// `[lint]`.
    pub lint: LintOptions,
    /// `[[template]]`: templates of users. Default: none.
    pub templates: Vec<TemplateOptions>,
    /// What all this was read from; empty for what was made in code.
    pub(crate) text: String,
}

/// Which rules of [`lint_rules`](crate::lint_rules) hold: the `[lint]` section. Words are ids or categories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LintOptions {
    /// `only`: these rules, instead of those that hold by default.
    pub only: Option<Vec<String>>,
    /// `also`: these rules as well.
    pub also: Vec<String>,
    /// `ignore`: but not these.
    pub ignore: Vec<String>,
    /// `[lint.except]`: not these either in files that a pattern, relative to the roots, matches: `"legacy/**" = ["naming"]`.
    pub except: Vec<(String, Vec<String>)>,
}

/// What the checks and the clients assume of the packets: the `[packet]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketOptions {
    /// `route_bytes`: 1, 2 or 4. Default: 2.
    pub route_bytes: u8,
    /// `seq_bytes`: 0, 1, 2 or 4. Default: 2.
    pub seq_bytes: u8,
    /// `byte_order`: `"big"` or `"little"`. Default: big.
    pub big_endian: bool,
    /// `dialect`: how `cargo due call` and `bench` frame ws messages, `"sized"` or `"bare"`. Default: sized.
    pub bare: bool,
}

/// How Rust is generated: the `[rust]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RustOptions {
    /// `out`: the output folder. Default: `src/gen`.
    pub out: PathBuf,
    /// `extern_paths`: proto path with a leading dot, and the Rust path that replaces it: `.shared.v1`, `::shared::v1`.
    pub extern_paths: Vec<(String, String)>,
    /// `runtime`: path of the runtime in generated text. Default: `::due`.
    pub runtime: String,
    /// `mocks`: whether mocks are generated. Default: true.
    pub mocks: bool,
}

/// How TypeScript is generated: the `[typescript]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeScriptOptions {
    /// `out`: the output folder. Default: `web/src/gen`.
    pub out: PathBuf,
    /// `import_extension`: what the imports between generated files end in: `""`, `".js"` or `".ts"`. Default: `""`.
    pub import_extension: String,
    /// `view`: `"client"` or `"full"`. Default: client.
    pub view: View,
    /// `parts`: some of `"messages"`, `"stubs"`, `"runtime"`. Default: all.
    pub parts: Parts,
    /// `codec`: what a session speaks unless it is told otherwise: `"proto"` or `"json"`. Default: proto.
    pub codec: ClientCodec,
}

/// How much of a schema its TypeScript shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum View {
    /// What a client may know: no internal routes, no mesh services, no `due.*` options.
    #[default]
    Client,
    /// Everything, byte for byte what protoc-gen-es writes.
    Full,
}

/// Which kinds of TypeScript files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parts {
    /// `*_pb.ts`: the messages.
    pub messages: bool,
    /// `*_due.ts`: a class per node service, a listener per push.
    pub stubs: bool,
    /// `due/*.ts`: what the stubs stand on.
    pub runtime: bool,
}

/// The codec that a TypeScript session speaks by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCodec {
    /// protobuf's binary form.
    #[default]
    Proto,
    /// protobuf's JSON.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            roots: vec![PathBuf::from("proto")],
            files: vec!["**/*.proto".to_owned()],
            packet: PacketOptions::default(),
            rust: None,
            typescript: None,
            breaking_ignore: Vec::new(),
            lint: LintOptions::default(),
            templates: Vec::new(),
            text: String::new(),
        }
    }
}

impl Default for PacketOptions {
    fn default() -> Self {
        Self { route_bytes: 2, seq_bytes: 2, big_endian: true, bare: false }
    }
}

impl Default for RustOptions {
    fn default() -> Self {
        Self { out: PathBuf::from("src/gen"), extern_paths: Vec::new(), runtime: "::due".to_owned(), mocks: true }
    }
}

impl Default for TypeScriptOptions {
    fn default() -> Self {
        Self {
            out: PathBuf::from("web/src/gen"),
            import_extension: String::new(),
            view: View::default(),
            parts: Parts::default(),
            codec: ClientCodec::default(),
        }
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self { messages: true, stubs: true, runtime: true }
    }
}

impl Config {
    /// Reads a `due.toml`. Warnings come beside the configuration, everything else instead of it.
    pub fn load(path: impl AsRef<Path>) -> Result<(Self, Diagnostics), Diagnostics> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|err| Diagnostic::unreadable(format!("`{}` cannot be read: {err}", path.display())))?;
        let source = Arc::new(Source::new(path.display().to_string(), text));
        let mut report = Report::default();
        let config = Self::read(&source, path.parent().unwrap_or(Path::new("")), &mut report);
        let errors = report.has_errors();
        let diagnostics = report.finish();
        if errors { Err(diagnostics) } else { Ok((config, diagnostics)) }
    }

    /// The `due.toml` in the folder or the nearest one above it, as a path that begins with `../` for each step.
    pub fn find(from: impl AsRef<Path>) -> Option<PathBuf> {
        let mut up = PathBuf::new();
        for folder in from.as_ref().ancestors() {
            if folder.join(FILE_NAME).is_file() {
                return Some(up.join(FILE_NAME));
            }
            up.push("..");
        }
        None
    }

    fn read(source: &Arc<Source>, folder: &Path, report: &mut Report) -> Self {
        let text = source.text.clone();
        let mut config = Self { roots: vec![join(folder, "proto")], text, ..Self::default() };
        let (document, errors) = ::toml::de::DeTable::parse_recoverable(&source.text);
        // The later ones mostly come of the first.
        for error in errors.into_iter().take(1) {
            let span = error.span().unwrap_or(0..0);
            report.push(Diagnostic::error(error.message().trim()).at(&source.place(span), ""));
        }
        if report.has_errors() {
            return config;
        }
        let mut reader = Reader::new(source, report);
        let root = Section::root(document.get_ref());
        reader.known(&root, &["proto", "packet", "rust", "typescript", "template", "lint", "breaking"]);
        if let Some(proto) = reader.section(&root, "proto") {
            reader.known(&proto, &["roots", "files"]);
            if let Some(roots) = reader.strings(&proto, "roots") {
                config.roots = roots.iter().map(|(root, _)| join(folder, root)).collect();
            }
            if let Some(files) = reader.strings(&proto, "files") {
                config.files = files.into_iter().map(|(pattern, _)| pattern).collect();
            }
        }
        if let Some(packet) = reader.section(&root, "packet") {
            reader.known(&packet, &["route_bytes", "seq_bytes", "byte_order", "dialect"]);
            let options = &mut config.packet;
            reader.set(&mut options.route_bytes, |reader| reader.one_of(&packet, "route_bytes", &[1, 2, 4]));
            reader.set(&mut options.seq_bytes, |reader| reader.one_of(&packet, "seq_bytes", &[0, 1, 2, 4]));
            let order = reader.word(&packet, "byte_order", &["big", "little"]);
            reader.set(&mut options.big_endian, |_| order.map(|order| order == "big"));
            let dialect = reader.word(&packet, "dialect", &["sized", "bare"]);
            reader.set(&mut options.bare, |_| dialect.map(|dialect| dialect == "bare"));
        }
        if let Some(rust) = reader.section(&root, "rust") {
            config.rust = Some(RustOptions::read(&rust, folder, &mut reader));
        }
        if let Some(typescript) = reader.section(&root, "typescript") {
            config.typescript = Some(TypeScriptOptions::read(&typescript, folder, &mut reader));
        }
        for template in reader.sections(&root, "template") {
            config.templates.extend(TemplateOptions::read(&template, folder, &mut reader));
        }
        if let Some(lint) = reader.section(&root, "lint") {
            config.lint = LintOptions::read(&lint, &mut reader);
        }
        if let Some(breaking) = reader.section(&root, "breaking") {
            reader.known(&breaking, &["ignore"]);
            config.breaking_ignore = reader.rules(&breaking, "ignore", breaking_rules()).unwrap_or_default();
        }
        config
    }
}

impl PacketOptions {
    pub(crate) fn route_width(&self) -> Option<RouteWidth> {
        RouteWidth::from_bytes(i64::from(self.route_bytes))
    }
}

impl LintOptions {
    fn read(section: &Section<'_, '_>, reader: &mut Reader<'_>) -> Self {
        reader.known(section, &["only", "also", "ignore", "except"]);
        let only = reader.rules(section, "only", lint_rules());
        let also = reader.rules(section, "also", lint_rules()).unwrap_or_default();
        let ignore = reader.rules(section, "ignore", lint_rules()).unwrap_or_default();
        let mut except = Vec::new();
        if let Some(files) = reader.section(section, "except") {
            for (pattern, _) in files.keys() {
                let words = reader.rules(&files, pattern, lint_rules()).unwrap_or_default();
                except.push((pattern.to_owned(), words));
            }
        }
        Self { only, also, ignore, except }
    }
}

impl RustOptions {
    fn read(section: &Section<'_, '_>, folder: &Path, reader: &mut Reader<'_>) -> Self {
        let mut options = Self::default();
        reader.known(section, &["out", "extern_paths", "runtime", "mocks"]);
        if let Some((out, _)) = reader.string(section, "out") {
            options.out = PathBuf::from(out);
        }
        options.out = join(folder, &options.out);
        reader.set(&mut options.mocks, |reader| reader.flag(section, "mocks"));
        if let Some((runtime, span)) = reader.string(section, "runtime") {
            reader.check(check_runtime(&runtime), span);
            options.runtime = runtime;
        }
        if let Some(paths) = reader.section(section, "extern_paths") {
            for (proto, span) in paths.keys() {
                reader.check(check_proto_path(proto), span);
                if let Some((rust, span)) = reader.string(&paths, proto) {
                    reader.check(check_rust_path(&rust), span);
                    options.extern_paths.push((proto.to_owned(), rust));
                }
            }
        }
        options
    }

    /// The same checks for options that were set in code.
    pub(crate) fn check(&self, report: &mut Report) {
        let mut seen = std::collections::BTreeSet::new();
        let mut problems = vec![check_runtime(&self.runtime)];
        for (proto, rust) in &self.extern_paths {
            problems.push(check_proto_path(proto));
            problems.push(check_rust_path(rust));
            let twice = !seen.insert(proto);
            problems.push(if twice { Err(format!("extern path `{proto}` is given twice")) } else { Ok(()) });
        }
        for problem in problems.into_iter().filter_map(Result::err) {
            report.push(Diagnostic::error(problem));
        }
    }
}

impl TypeScriptOptions {
    fn read(section: &Section<'_, '_>, folder: &Path, reader: &mut Reader<'_>) -> Self {
        let mut options = Self::default();
        reader.known(section, &["out", "import_extension", "view", "parts", "codec"]);
        if let Some((out, _)) = reader.string(section, "out") {
            options.out = PathBuf::from(out);
        }
        options.out = join(folder, &options.out);
        reader
            .set(&mut options.import_extension, |reader| reader.word(section, "import_extension", &["", ".js", ".ts"]));
        if reader.word(section, "view", &["client", "full"]).is_some_and(|view| view == "full") {
            options.view = View::Full;
        }
        if reader.word(section, "codec", &["proto", "json"]).is_some_and(|codec| codec == "json") {
            options.codec = ClientCodec::Json;
        }
        if let Some(parts) = reader.words(section, "parts", &["messages", "stubs", "runtime"]) {
            let has = |part: &str| parts.iter().any(|word| word == part);
            options.parts = Parts { messages: has("messages"), stubs: has("stubs"), runtime: has("runtime") };
        }
        options
    }
}

impl TemplateOptions {
    fn read(section: &Section<'_, '_>, folder: &Path, reader: &mut Reader<'_>) -> Option<Self> {
        reader.known(section, &["template", "out", "per", "vars"]);
        let template = reader.needed(section, "template", "the file to render, or one of due's own: \"due:go\"");
        let out = reader.needed(section, "out", "the output file, such as \"web/routes.ts\"");
        let per = reader.word(section, "per", Per::WORDS).and_then(|word| Per::from_word(&word)).unwrap_or_default();
        let mut vars = Vec::new();
        if let Some(section) = reader.section(section, "vars") {
            for (name, _) in section.keys() {
                vars.extend(reader.var(&section, name).map(|value| (name.to_owned(), value)));
            }
        }
        let ((template, template_span), (out, out_span)) = template.zip(out)?;
        let places = (reader.place(template_span.clone()), reader.place(out_span));
        let Some(template) = TemplateFile::parse(&template, |path| join(folder, path)) else {
            reader.unknown_template(&template, template_span);
            return None;
        };
        Some(Self { template, out, per, vars, folder: join(folder, ""), places })
    }
}

/// Without the `.` parts that would stand in every message.
fn join(folder: &Path, path: impl AsRef<Path>) -> PathBuf {
    let path: PathBuf = folder.join(path).components().filter(|part| *part != Component::CurDir).collect();
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path }
}

fn check_runtime(path: &str) -> Result<(), String> {
    match syn::parse_str::<syn::Path>(path) {
        Ok(_) if is_absolute(path) => Ok(()),
        _ => Err(format!("runtime `{path}` is no absolute Rust path such as `::due`")),
    }
}

fn check_proto_path(path: &str) -> Result<(), String> {
    let parts = path.strip_prefix('.').unwrap_or("");
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !parts.split('.').all(word) {
        return Err(format!("extern path `{path}` is no proto path such as `.shared.v1`"));
    }
    if parts == "google.protobuf" || parts.starts_with("google.protobuf.") {
        return Err(format!("extern path `{path}`: the types of google.protobuf have their place already"));
    }
    Ok(())
}

/// prost-build takes a path apart and spells its modules its own way, which must lead to the same place.
fn check_rust_path(path: &str) -> Result<(), String> {
    let good = syn::parse_str::<syn::Type>(path).is_ok() && is_absolute(path);
    if !good {
        return Err(format!("extern path to `{path}`: this is no absolute Rust path such as `::shared::v1`"));
    }
    // The last part may be a type.
    let parts: Vec<&str> = path.split("::").collect();
    for module in parts.iter().take(parts.len() - 1).skip(1) {
        let bare = module.strip_prefix("r#").unwrap_or(module);
        if snake(bare).trim_start_matches("r#") != bare {
            return Err(format!("extern path to `{path}`: `{module}` is no module name in snake case"));
        }
    }
    Ok(())
}

fn is_absolute(path: &str) -> bool {
    path.starts_with("::") || path == "crate" || path.starts_with("crate::")
}

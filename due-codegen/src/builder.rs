//! Options, and the recipe: load, lower, check, render.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::check::names::Names;
use crate::config::{Config, PacketOptions, RustOptions, TypeScriptOptions};
use crate::diagnostic::{Diagnostic, Diagnostics, Report, Source};
use crate::languages::Languages;
use crate::lower::lower;
use crate::lower::types::Types;
use crate::model::{Model, RouteWidth};
use crate::open::{self, Asked};
use crate::options::Options;
use crate::output::{Folder, GeneratedFile, InMemory, Keep, Language, Tree, WriteError};
use crate::parallel::AtOnce;
use crate::render::{RenderError, Rust};
use crate::shape::Shape;
use crate::source::roots::Roots;
use crate::source::{self, OPTIONS_PROTO, Sources};
use crate::typescript::{self, TypeScript};

/// Generates code from `.proto` files: Rust for build scripts, and whatever `due.toml` asks for in `cargo due generate`.
///
/// ```no_run
/// // build.rs
/// fn main() -> Result<(), due_codegen::Error> {
///     due_codegen::Builder::new().files(["proto/hello.proto"]).includes(["proto"]).generate()
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    files: Vec<PathBuf>,
    config: Config,
    /// `None` if there is only something else to generate.
    rust: Option<RustOptions>,
    out: Option<PathBuf>,
    config_path: Option<PathBuf>,
    shown: Option<(PathBuf, String)>,
    warnings: Diagnostics,
}

impl Default for Builder {
    fn default() -> Self {
        Self::from(Config::default())
    }
}

impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        let nothing = config.rust.is_none() && config.typescript.is_none() && config.templates.is_empty();
        Self {
            files: Vec::new(),
            rust: if nothing { Some(RustOptions::default()) } else { config.rust.clone() },
            config,
            out: None,
            config_path: None,
            shown: None,
            warnings: Diagnostics::default(),
        }
    }
}

impl Builder {
    /// All `.proto` files below `proto`, with the defaults of `due.toml`.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a `due.toml` says. Its folders serve `cargo due generate` and [`render`](Self::render): in a build script
    /// Rust goes to `OUT_DIR` all the same, unless [`out_dir`](Self::out_dir) is called, and nothing else is generated.
    ///
    /// # Errors
    /// [`Error::Schema`] with what is wrong in the file.
    pub fn from_config(path: impl AsRef<Path>) -> Result<Self, Error> {
        let (config, warnings) = Config::load(&path)?;
        Ok(Self { warnings, config_path: Some(path.as_ref().to_owned()), ..Self::from(config) })
    }

    /// Files to generate from, as paths or as import names. Without any, every `.proto` below the roots.
    pub fn files<P: Into<PathBuf>>(mut self, files: impl IntoIterator<Item = P>) -> Self {
        self.files.extend(files.into_iter().map(Into::into));
        self
    }

    /// Import roots, instead of `proto`. `due/options.proto` and `google/protobuf/*.proto` need none.
    pub fn includes<P: Into<PathBuf>>(mut self, roots: impl IntoIterator<Item = P>) -> Self {
        self.config.roots = roots.into_iter().map(Into::into).collect();
        self
    }

    /// In findings, `text` stands for the path of `folder`: `main:` for a folder that has what git knows as `main`.
    pub fn show_as(mut self, folder: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.shown = Some((folder.into(), text.into()));
        self
    }

    /// Output folder of Rust, instead of `OUT_DIR`.
    pub fn out_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out = Some(folder.into());
        self
    }

    /// Types below a proto path (`.shared.v1`) are not generated, but taken from a Rust path (`::shared::v1`).
    pub fn extern_path(mut self, proto: impl Into<String>, rust: impl Into<String>) -> Self {
        self.rust().extern_paths.push((proto.into(), rust.into()));
        self
    }

    /// Bytes of the packet's route field, which ids must fit: 1, 2 or 4. Default: 2.
    pub fn route_bytes(mut self, bytes: u8) -> Self {
        self.config.packet.route_bytes = bytes;
        self
    }

    /// Whether mocks are generated. Default: true.
    pub fn mocks(mut self, mocks: bool) -> Self {
        self.rust().mocks = mocks;
        self
    }

    /// Path of the runtime in generated text. Default: `::due`.
    pub fn runtime(mut self, path: impl Into<String>) -> Self {
        self.rust().runtime = path.into();
        self
    }

    /// TypeScript beside Rust. Paths are relative to the current folder.
    pub fn typescript(mut self, options: TypeScriptOptions) -> Self {
        self.config.typescript = Some(options);
        self
    }

    /// Generates Rust and writes what changed. Tells cargo what to watch and what there is to warn of.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn generate(mut self) -> Result<(), Error> {
        let folder = match self.out.clone() {
            Some(folder) => folder,
            None => env::var_os("OUT_DIR").map(PathBuf::from).ok_or(Error::NoOutDir)?,
        };
        self.rust().out = folder;
        self.config.typescript = None;
        self.config.templates.clear();
        // What only the compiler reads is not formatted.
        let staged = self.staged(self.out.is_some())?;
        staged.commit()?;
        staged.output.tell_cargo(&mut io::stdout().lock()).map_err(Error::Stdout)
    }

    /// Checks the schema and gives the warnings, without generating anything.
    ///
    /// # Errors
    /// [`Error::Schema`] with every mistake.
    pub fn check(&self) -> Result<Diagnostics, Error> {
        let mut report = Report::default();
        report.extend(&self.warnings);
        self.lower(&mut report);
        if report.has_errors() { Err(Error::Schema(report.finish())) } else { Ok(report.finish()) }
    }

    /// Generates in memory.
    ///
    /// # Errors
    /// [`Error::Schema`] with every mistake, or [`Error::Render`].
    pub fn render(&self) -> Result<Output, Error> {
        self.output(true, &InMemory)
    }

    /// Generates everything, and hands each file to `keep` as soon as it is made.
    pub(crate) fn output<K: Keep>(&self, format: bool, keep: &K) -> Result<Output<K::Kept>, Error> {
        let mut report = Report::default();
        report.extend(&self.warnings);
        let Lowered { sources, rust, typescript, .. } = self.lower(&mut report);
        if report.has_errors() {
            return Err(Error::Schema(report.finish()));
        }
        let shape = Shape::of(&sources);
        let rust = self.rust.as_ref().zip(rust.as_ref());
        let rust = rust.map(|(options, model)| Rust::new(model, (&sources, &shape), options, format)).transpose()?;
        let typescript = self
            .config
            .typescript
            .as_ref()
            .zip(typescript.as_ref())
            .map(|(options, model)| TypeScript::new(&sources, model, &shape, options, &self.config.packet));
        let languages = Languages { rust, typescript: typescript.transpose()?, texts: AtOnce::default() };
        let mut trees = languages.make(self.language_folders().collect(), keep)?;
        let mut watch: BTreeSet<PathBuf> = sources.paths().cloned().collect();
        let mut asked = Vec::new();
        if !self.config.templates.is_empty() {
            let model = open::read(&sources, &Options::new(&sources.pool), &self.config.packet);
            for options in &self.config.templates {
                let (tree, read) = open::render(options, &model, keep, &mut report);
                trees.push(tree);
                asked.extend(read);
            }
            open::collisions(&trees, &self.config.templates, &mut report);
            if report.has_errors() {
                return Err(Error::Schema(report.finish()));
            }
        }
        watch.extend(self.config_path.clone());
        if self.files.is_empty() {
            // A new file in a root belongs to the output.
            watch.extend(self.config.roots.iter().cloned());
        }
        let watch = watch.into_iter().filter(|path| path.exists()).collect();
        let read = sources.read().map(|(name, source)| (name.clone(), Arc::clone(source))).collect();
        let texts_at_once = languages.texts.most();
        Ok(Output { trees, warnings: report.finish(), watch, read, asked, texts_at_once })
    }

    /// Where output goes, in the order of the trees.
    pub(crate) fn folders(&self) -> Vec<Folder> {
        let templates = self.config.templates.iter().map(open::folder);
        self.language_folders().chain(templates).collect()
    }

    fn language_folders(&self) -> impl Iterator<Item = Folder> {
        let rust = self.rust.iter().map(|options| Folder::new(Language::Rust, &options.out));
        let typescript = self.config.typescript.iter();
        rust.chain(typescript.map(|options| Folder::new(Language::TypeScript, &options.out)))
    }

    /// Everything up to the models; what is wrong is in the report.
    fn lower(&self, report: &mut Report) -> Lowered {
        let (sources, width) = self.read(report);
        let rust = self.rust.as_ref().map(|rust| {
            rust.check(report);
            let types = Types::new(&rust.extern_paths, &rust.runtime);
            types.warn_unused(&sources.pool, report);
            lower(&sources, &types, width, Names::check(&sources, &types, report), report)
        });
        let typescript = self.config.typescript.as_ref().map(|options| {
            // Packages of other crates have no TypeScript there.
            let model = lower(&sources, &Types::default(), width, Names::unchecked(), report);
            typescript::check(&sources, &model, options, report);
            model
        });
        if rust.is_none() && typescript.is_none() {
            // Templates have a model of their own; the rules hold for them, too.
            lower(&sources, &Types::default(), width, Names::unchecked(), report);
        }
        Lowered { sources, width, rust, typescript }
    }

    /// Only what the `.proto` files say, whether due can use it or not.
    pub(crate) fn read(&self, report: &mut Report) -> (Sources, RouteWidth) {
        let width = self.config.packet.route_width().unwrap_or_else(|| {
            report.push(Diagnostic::error("route_bytes must be one of 1, 2, 4"));
            RouteWidth::default()
        });
        let roots = Roots::new(self.config.roots.clone(), report).shown_as(self.shown.clone());
        let inputs = self.inputs(&roots, report);
        (source::load(inputs, &roots, report), width)
    }

    /// The same with all that due forbids reported.
    pub(crate) fn checked(&self, report: &mut Report) -> (Sources, RouteWidth) {
        report.extend(&self.warnings);
        let Lowered { sources, width, .. } = self.lower(report);
        (sources, width)
    }

    pub(crate) fn packet(&self) -> &PacketOptions {
        &self.config.packet
    }

    fn rust(&mut self) -> &mut RustOptions {
        self.rust.get_or_insert_default()
    }

    fn inputs(&self, roots: &Roots, report: &mut Report) -> BTreeSet<String> {
        let mut inputs = BTreeSet::new();
        if self.files.is_empty() {
            let (found, empty) = roots.matching(&self.config.files, report);
            inputs = found;
            for pattern in empty {
                let searched: Vec<String> = roots.iter().map(|root| format!("`{}`", root.display())).collect();
                report.push(
                    Diagnostic::error(format!("no file matches `{pattern}`"))
                        .help(format!("searched {}", searched.join(", "))),
                );
            }
        }
        for file in &self.files {
            match roots.import_name(file) {
                Some(name) => {
                    inputs.insert(name);
                }
                None => {
                    let known: Vec<String> = roots.iter().map(|root| format!("`{}`", root.display())).collect();
                    report.push(
                        Diagnostic::error(format!("`{}` is not below an import root", file.display()))
                            .help(format!("the roots are {}", known.join(", "))),
                    );
                }
            }
        }
        inputs.retain(|name| name != OPTIONS_PROTO && !name.starts_with("google/protobuf/"));
        inputs
    }
}

/// What a run has understood of a schema: a model for each language that is asked for.
struct Lowered {
    sources: Sources,
    width: RouteWidth,
    rust: Option<Model>,
    typescript: Option<Model>,
}

/// The files of a run, not yet written.
#[derive(Clone, Debug)]
pub struct Output<F = GeneratedFile> {
    pub(crate) trees: Vec<Tree<F>>,
    warnings: Diagnostics,
    watch: Vec<PathBuf>,
    /// By import name.
    read: Vec<(String, Arc<Source>)>,
    /// By templates.
    asked: Vec<Asked>,
    /// Not more than this many were made at the same time.
    pub(crate) texts_at_once: usize,
}

impl<F> Output<F> {
    /// What goes into which folder: one entry per language.
    pub fn trees(&self) -> &[Tree<F>] {
        &self.trees
    }

    /// The generated files of all folders.
    pub fn files(&self) -> impl Iterator<Item = &F> {
        self.trees.iter().flat_map(Tree::files)
    }

    /// What there is to say about the schema although it could be used.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// Import names and texts of all files that were read from disk.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&str, &Arc<Source>)> {
        self.read.iter().map(|(name, source)| (name.as_str(), source))
    }

    /// What templates have asked for on disk.
    pub(crate) fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Every file that was read, imports too, and the roots if they decide what is read. All of them exist: cargo
    /// takes a missing path for one that always changes.
    pub(crate) fn tell_cargo(&self, out: &mut impl Write) -> io::Result<()> {
        for path in &self.watch {
            writeln!(out, "cargo:rerun-if-changed={}", path.display())?;
        }
        for warning in &self.warnings {
            for line in warning.compact().to_string().lines() {
                writeln!(out, "cargo:warning={line}")?;
            }
        }
        Ok(())
    }
}

/// Why nothing was generated. `Debug` reads as `Display` with all causes, since build scripts print it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The schema or the configuration has mistakes; all of them are here.
    #[error("{0}")]
    Schema(Diagnostics),
    /// The model is right, but its text is not: a mistake of this crate.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The output folder.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Not run by cargo, and no folder was given.
    #[error("OUT_DIR is not set: run this from a build script, or call `out_dir`")]
    NoOutDir,
    /// Cargo does not listen.
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
}

impl From<Diagnostics> for Error {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Schema(diagnostics)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            write!(f, ": {source}")?;
            cause = source.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn cargo_watches_what_was_read_and_nothing_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("lib")).unwrap();
        fs::write(root.join("a.proto"), "syntax = \"proto3\"; import \"lib/b.proto\"; import \"due/options.proto\";")
            .unwrap();
        fs::write(
            root.join("lib/b.proto"),
            "syntax = \"proto3\"; import \"google/protobuf/empty.proto\"; service S {}",
        )
        .unwrap();
        fs::write(root.join("unused.proto"), "syntax = \"proto3\";").unwrap();
        let told = |builder: &Builder| {
            let mut out = Vec::new();
            builder.render().unwrap().tell_cargo(&mut out).unwrap();
            String::from_utf8(out).unwrap().replace(&root.display().to_string(), "ROOT")
        };
        let one = Builder::new().includes([root]).files([root.join("a.proto")]);
        assert_eq!(told(&one), "cargo:rerun-if-changed=ROOT/a.proto\ncargo:rerun-if-changed=ROOT/lib/b.proto\n");
        let all = told(&Builder::new().includes([root]));
        assert!(all.starts_with("cargo:rerun-if-changed=ROOT\n"), "{all}");
        assert!(all.contains("cargo:warning=ROOT/lib/b.proto:1:66: warning: nothing is generated"), "{all}");
    }

    #[test]
    fn files_may_be_paths_or_import_names() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.proto"), "syntax = \"proto3\"; package a; message A {}").unwrap();
        let names = |builder: Builder| -> Vec<String> {
            let output = builder.includes([folder.path()]).render().unwrap();
            output.files().map(|file| file.path.display().to_string()).collect()
        };
        assert_eq!(names(Builder::new().files(["a.proto"])), ["a.rs", "mod.rs"]);
        assert_eq!(names(Builder::new().files([folder.path().join("./a.proto")])), ["a.rs", "mod.rs"]);
        fs::create_dir(folder.path().join("sub")).unwrap();
        assert_eq!(names(Builder::new().files([folder.path().join("sub/../a.proto")])), ["a.rs", "mod.rs"]);
        let error = Builder::new().includes([folder.path()]).files(["/b.proto"]).render().unwrap_err();
        assert!(format!("{error:?}").starts_with("error: `/b.proto` is not below an import root"), "{error:?}");
        let (here, absolute) = (PathBuf::from("tests/names"), fs::canonicalize("tests/names").unwrap());
        for (root, file) in [(&absolute, here.join("kw.proto")), (&here, absolute.join("kw.proto"))] {
            let output = Builder::new().includes([root]).files([file]).render().unwrap();
            assert!(output.files().any(|file| file.contents.contains("\n// source: kw.proto\n")));
        }
    }

    #[test]
    fn wrong_options_in_code_are_findings() {
        let folder = tempfile::tempdir().unwrap();
        let builder = Builder::new().includes([folder.path()]).route_bytes(3).runtime("due").extern_path("a", "b");
        let text = builder.render().unwrap_err().to_string();
        for part in ["route_bytes must be", "runtime `due`", "extern path `a`", "no file matches"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

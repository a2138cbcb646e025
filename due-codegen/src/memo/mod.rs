//! What a run has read and made, so that the next one can tell in a blink that there is nothing to do.

mod stored;
mod sum;
mod warnings;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::builder::Output;
use crate::config::Config;
use crate::diagnostic::{Diagnostics, Report, Source};
use crate::open::{Rendered, TemplateOptions, check_path};
use crate::output::{GeneratedFile, Language, Tree};
use crate::source::roots::Roots;
use stored::{Stored, StoredFile, StoredTree};
use sum::{Parts, Sum, sum, sum_of_output};

/// The state of a project before a run of [`Builder::render`](crate::Builder::render): its configuration, and which files
/// there are.
///
/// ```no_run
/// # fn main() -> Result<(), due_codegen::Error> {
/// use due_codegen::{Builder, Config, Memo};
///
/// let (config, _) = Config::load("due.toml")?;
/// let memo = Memo::begin("due.toml", &config);
/// let stored = std::fs::read("memo").unwrap_or_default();
/// if let Some(same) = memo.up_to_date(&stored) {
///     eprint!("{}", same.warnings);
/// } else {
///     let output = Builder::from(config).render()?;
///     eprint!("{}", output.warnings());
///     for tree in output.trees() {
///         tree.compare()?.write()?;
///     }
///     if let Some(bytes) = memo.finish(&output) {
///         let _ = std::fs::write("memo", bytes);
///     }
/// }
/// # Ok(()) }
/// ```
///
/// Contents are compared, by their SHA-256, and never times: what holds is what another run would find. A memo is of one build
/// of this crate. Whoever stores memos tells builds apart, and does not take memos from strangers, who could make up warnings.
#[derive(Debug)]
pub struct Memo {
    roots: Roots,
    outputs: Vec<Place>,
    /// Of the configuration, and of the names and places of all files below the roots. Taken before the run: what changes meanwhile
    /// is seen by the next one.
    before: Sum,
}

/// What another run would say, which has nothing to write.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpToDate {
    /// How many files the output has.
    pub files: usize,
    /// What there is to say about the schema although it could be used.
    pub warnings: Diagnostics,
}

/// Where the files of one output belong.
#[derive(Debug)]
enum Place {
    Of(Language, PathBuf),
    OfTemplate(Box<TemplateOptions>),
}

impl Memo {
    /// Looks at a project. `config` is what `path` says.
    pub fn begin(path: impl AsRef<Path>, config: &Config) -> Self {
        let roots = Roots::new(config.roots.clone(), &mut Report::default());
        let rust = config.rust.iter().map(|options| Place::Of(Language::Rust, options.out.clone()));
        let typescript = config.typescript.iter().map(|options| Place::Of(Language::TypeScript, options.out.clone()));
        let templates = config.templates.iter().map(|options| Place::OfTemplate(Box::new(options.clone())));
        let before = before(path.as_ref(), config, &roots);
        Self { outputs: rust.chain(typescript).chain(templates).collect(), roots, before }
    }

    /// What there is to say if all that the run with this memo has read and written is as it was, and nothing is where output
    /// belongs that another run would remove.
    pub fn up_to_date(&self, stored: &[u8]) -> Option<UpToDate> {
        let stored = Stored::read(stored).filter(|stored| stored.before == self.before)?;
        let sources = stored.sources.iter().map(|file| self.source(file)).collect::<Option<Vec<_>>>()?;
        if !stored.asked.iter().all(is_as_it_was) || stored.trees.len() != self.outputs.len() {
            return None;
        }
        let trees: Vec<Tree> =
            self.outputs.iter().zip(&stored.trees).map(|(place, tree)| place.tree(tree)).collect::<Option<_>>()?;
        let all = trees.iter().flat_map(|tree| tree.files().iter().map(|file| tree.folder().join(&file.path)));
        let all: BTreeSet<PathBuf> = all.collect();
        if !trees.iter().all(|tree| tree.stale(&all).is_ok_and(|stale| stale.is_empty())) {
            return None;
        }
        let files = trees.iter().map(|tree| tree.files().len()).sum();
        Some(UpToDate { files, warnings: warnings::restore(stored.warnings, &sources)? })
    }

    /// What to store after the output was written, or found to be written. `None` if a path is not UTF-8, or there is a warning
    /// about what is no source.
    pub fn finish(self, output: &Output) -> Option<Vec<u8>> {
        let mut stored = Stored::new(self.before);
        let (names, sources): (Vec<&str>, Vec<&Arc<Source>>) = output.read().unzip();
        for (name, source) in names.iter().zip(&sources) {
            let path = self.roots.resolve(name)?;
            stored.sources.push(StoredFile::new(&path, Some(sum(&source.text)))?.imported_as(name));
        }
        for (path, text) in output.asked() {
            stored.asked.push(StoredFile::new(path, text.as_ref().map(sum))?);
        }
        for tree in output.trees() {
            let file = |file: &GeneratedFile| StoredFile::new(&file.path, Some(sum_of_output(&file.contents)));
            stored.trees.push(StoredTree { files: tree.files().iter().map(file).collect::<Option<_>>()? });
        }
        stored.warnings = warnings::store(output.warnings(), &sources)?;
        Some(stored.bytes())
    }

    /// A source that is where it was and as it was.
    fn source(&self, file: &StoredFile) -> Option<Arc<Source>> {
        let path = self.roots.resolve(&file.import_name).filter(|path| *path == Path::new(&file.path))?;
        let text = read(&path).ok()?;
        // As the parser sees it.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        file.has(sum(&text)).then(|| Arc::new(Source::new(self.roots.shown(&path), text)))
    }
}

impl Place {
    /// The output as it was, without its texts; `None` if it is no more.
    fn tree(&self, stored: &StoredTree) -> Option<Tree> {
        let files = stored.files.iter().map(|file| GeneratedFile::new(&file.path, "")).collect();
        let tree = match self {
            Self::Of(language, folder) => Tree::new(*language, folder, files),
            Self::OfTemplate(options) => {
                let stays = |file: &StoredFile| check_path(&options.folder, &file.path).is_ok();
                if !stored.files.iter().all(stays) {
                    return None;
                }
                Tree::of_template(&options.folder, Rendered { files, ..Rendered::begin(options) })
            }
        };
        let is_same =
            |file: &StoredFile| read(tree.folder().join(&file.path)).is_ok_and(|text| file.has(sum_of_output(&text)));
        stored.files.iter().all(is_same).then_some(tree)
    }
}

fn before(path: &Path, config: &Config, roots: &Roots) -> Sum {
    let mut parts = Parts::default();
    // Paths in warnings begin as that of the configuration does.
    parts.add_path(path);
    parts.add(&config.text);
    let walk = roots.walk(&mut Report::default());
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_default();
    let roots = roots.iter().map(|root| (root.to_owned(), real(root)));
    // A file may come to hide one of another root, or to be another one by its link.
    let files = walk.files.into_iter().map(|(name, path)| (PathBuf::from(name), path));
    let unnamed = walk.unnamed.into_iter().map(|path| (path, PathBuf::new()));
    let links = walk.links.into_iter().map(|(path, real)| (path, real.unwrap_or_default()));
    let lists: [Vec<(PathBuf, PathBuf)>; 4] = [roots.collect(), files.collect(), unnamed.collect(), links.collect()];
    for list in lists {
        parts.add(list.len().to_string());
        for (first, second) in list {
            parts.add_path(&first);
            parts.add_path(&second);
        }
    }
    parts.sum()
}

/// A pipe, which has come into a file's place, would be waited for.
fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref();
    if fs::metadata(path)?.is_file() { fs::read_to_string(path) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

fn is_as_it_was(file: &StoredFile) -> bool {
    match read(&file.path) {
        Ok(text) => file.has(sum(text)),
        Err(err) => err.kind() == io::ErrorKind::NotFound && file.sum.is_none(),
    }
}

impl StoredFile {
    fn new(path: &Path, sum: Option<Sum>) -> Option<Self> {
        let sum = sum.map(|sum| sum.to_vec());
        Some(Self { path: path.to_str()?.to_owned(), sum, import_name: String::new() })
    }

    fn imported_as(self, name: &str) -> Self {
        Self { import_name: name.to_owned(), ..self }
    }

    fn has(&self, sum: Sum) -> bool {
        self.sum.as_deref() == Some(&sum)
    }
}

#[cfg(test)]
mod tests;

//! What a run has read and made, so that the next one can tell in a blink that there is nothing to do.

mod stored;
mod sum;
mod warnings;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::builder::Builder;
use crate::config::Config;
use crate::diagnostic::{Diagnostics, Report, Source};
use crate::open::check_path;
use crate::output::{Folder, Kept, Language, Tree, bytes, paths};
use crate::source::roots::Roots;
use crate::stage::{Staged, StagedFile};
use stored::{Stored, StoredFile, StoredTree};
use sum::{Parts, sum};
pub(crate) use sum::{Sum, sum_of_output};

/// The state of a project before a run of [`Builder::stage`]: its configuration, and which files
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
///     let staged = Builder::from(config).stage()?;
///     eprint!("{}", staged.warnings());
///     staged.commit()?;
///     if let Some(bytes) = memo.finish(&staged) {
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
    outputs: Vec<Folder>,
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

impl Memo {
    /// Looks at a project. `config` is what `path` says.
    pub fn begin(path: impl AsRef<Path>, config: &Config) -> Self {
        let roots = Roots::new(config.roots.clone(), &mut Report::default());
        let before = before(path.as_ref(), config, &roots);
        Self { outputs: Builder::from(config.clone()).folders(), roots, before }
    }

    /// What there is to say if all that the run with this memo has read and written is as it was, and nothing is where output
    /// belongs that another run would remove.
    pub fn up_to_date(&self, stored: &[u8]) -> Option<UpToDate> {
        let stored = Stored::read(stored).filter(|stored| stored.before == self.before)?;
        let sources = stored.sources.iter().map(|file| self.source(file)).collect::<Option<Vec<_>>>()?;
        if !stored.asked.iter().all(is_as_it_was) || stored.trees.len() != self.outputs.len() {
            return None;
        }
        let outputs = self.outputs.iter().cloned();
        let trees: Vec<_> = outputs.zip(stored.trees).map(|(folder, tree)| Tree::new(folder, tree.files)).collect();
        let all = paths(&trees);
        let is_same = |tree: &Tree<StoredFile>| {
            tree.files().iter().all(|file| is_written(&tree.folder, file))
                && tree.stale(&all).is_ok_and(|stale| stale.is_empty())
        };
        if !trees.iter().all(is_same) {
            return None;
        }
        let files = trees.iter().map(|tree| tree.files().len()).sum();
        Some(UpToDate { files, warnings: warnings::restore(stored.warnings, &sources)? })
    }

    /// What to store after the output was committed, or found to differ in nothing. `None` if a path is not UTF-8, or there is a warning
    /// about what is no source.
    pub fn finish(self, staged: &Staged) -> Option<Vec<u8>> {
        let output = &staged.output;
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
            let file = |file: &StagedFile| StoredFile::new(file.path(), Some(file.sum));
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

fn is_written(folder: &Folder, file: &StoredFile) -> bool {
    // A folder may have become a link meanwhile.
    let stays = folder.language != Language::Template || check_path(&folder.path, &file.path).is_ok();
    stays && read(folder.path.join(&file.path)).is_ok_and(|text| file.has(sum_of_output(&text)))
}

fn read(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(bytes(path.as_ref())?).map_err(|_| io::ErrorKind::InvalidData.into())
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

impl Kept for StoredFile {
    fn path(&self) -> &Path {
        Path::new(&self.path)
    }
}

#[cfg(test)]
mod tests;

//! The way of texts into their folders: compared as they are made, those that differ wait on disk, and at the end all of
//! them are put in place or none is.

mod spool;

use std::fs;
use std::path::{Path, PathBuf};

use self::spool::{Spool, Text};
use crate::builder::{Builder, Error, Output};
use crate::diagnostic::Diagnostics;
use crate::memo::{Sum, sum_of_output};
use crate::output::{Folder, GeneratedFile, Keep, Kept, WriteError, compared, paths, read};
use crate::write::Beside;

impl Builder {
    /// Generates everything and compares it with what is there, writing nothing yet. Texts do not stay in memory: no more
    /// of them are at once than there are processors.
    ///
    /// # Errors
    /// [`Error::Schema`] with every mistake, [`Error::Render`], or [`Error::Write`]: with [`WriteError::NotOurs`] if a
    /// person's file is in the way.
    pub fn stage(&self) -> Result<Staged, Error> {
        self.staged(true)
    }

    pub(crate) fn staged(&self, format: bool) -> Result<Staged, Error> {
        let stage = Stage { spool: Spool::new(self.folders().iter().map(|folder| folder.path.as_path())) };
        let output = self.output(format, &stage)?;
        Staged::new(output, stage.spool)
    }
}

/// Compares files as they come.
struct Stage {
    spool: Spool,
}

/// A file whose text is no longer in memory.
pub(crate) struct StagedFile {
    path: PathBuf,
    /// What the next run compares.
    pub(crate) sum: Sum,
    fate: Result<Fate, WriteError>,
}

enum Fate {
    Unchanged,
    Differs(ChangeKind, Text),
}

impl Keep for Stage {
    type Kept = StagedFile;

    fn keep(&self, folder: &Folder, file: GeneratedFile) -> StagedFile {
        let (sum, fate) = (sum_of_output(&file.contents), self.fate(folder, &file));
        StagedFile { path: file.path, sum, fate }
    }
}

impl Stage {
    fn fate(&self, folder: &Folder, file: &GeneratedFile) -> Result<Fate, WriteError> {
        let path = folder.path.join(&file.path);
        let kind = match read(&path)? {
            Some(old) if !folder.is_ours(&old) => return Err(WriteError::NotOurs(path)),
            Some(old) if compared(&old) == compared(&file.contents) => return Ok(Fate::Unchanged),
            Some(_) => ChangeKind::Changed,
            None => ChangeKind::New,
        };
        let text = self.spool.put(&file.contents);
        Ok(Fate::Differs(kind, text.map_err(|source| WriteError::Io { action: "write", path, source })?))
    }
}

impl Kept for StagedFile {
    fn path(&self) -> &Path {
        &self.path
    }
}

/// What a run has made, not yet in its folders. Dropped, it leaves no trace, however the process ends.
///
/// ```no_run
/// # fn main() -> Result<(), due_codegen::Error> {
/// let staged = due_codegen::Builder::from_config("due.toml")?.stage()?;
/// for change in staged.changes() {
///     println!("{}", change.path.display());
/// }
/// staged.commit()?;
/// # Ok(()) }
/// ```
pub struct Staged {
    pub(crate) output: Output<StagedFile>,
    changes: Vec<Change>,
    spool: Spool,
}

/// One file that differs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Change {
    /// The file, with its folder.
    pub path: PathBuf,
    /// In what it differs.
    pub kind: ChangeKind,
    /// What it has to be; none if it has to go.
    text: Option<Text>,
    /// The output folder.
    folder: PathBuf,
}

/// How a file differs from what a run has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It is not there.
    New,
    /// It has another text. Line ends are no difference.
    Changed,
    /// It was generated, and no longer belongs to the output.
    Stale,
}

impl Staged {
    fn new(mut output: Output<StagedFile>, spool: Spool) -> Result<Self, Error> {
        let mut changes = Vec::new();
        let all = paths(&output.trees);
        for tree in &mut output.trees {
            let folder = &tree.folder;
            let change = |path, kind, text| Change { path, kind, text, folder: folder.path.clone() };
            for file in &mut tree.files {
                if let Fate::Differs(kind, text) = std::mem::replace(&mut file.fate, Ok(Fate::Unchanged))? {
                    changes.push(change(folder.path.join(&file.path), kind, Some(text)));
                }
            }
            changes.extend(tree.stale(&all)?.into_iter().map(|path| change(path, ChangeKind::Stale, None)));
        }
        Ok(Self { output, changes, spool })
    }

    /// What there is to say about the schema although it could be used.
    pub fn warnings(&self) -> &Diagnostics {
        self.output.warnings()
    }

    /// How the folders, which need not exist, differ from what was made: folder by folder the files of the output in the
    /// order of their names, then those that no longer belong to it.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// How many files belong to the output.
    pub fn files(&self) -> usize {
        self.output.trees.iter().map(|tree| tree.files.len()).sum()
    }

    /// How many texts were in memory at once at most: not more than there are processors.
    pub fn texts_at_once(&self) -> usize {
        self.output.texts_at_once
    }

    /// What the file is, and what it has to be; empty where there is or shall be none.
    ///
    /// # Errors
    /// [`WriteError::Io`] if one of them cannot be read.
    pub fn texts(&self, change: &Change) -> Result<(String, String), WriteError> {
        let new =
            change.text.map(|text| self.spool.get(text)).transpose().map_err(|source| change.io("read", source))?;
        Ok((read(&change.path)?.unwrap_or_default(), new.unwrap_or_default()))
    }

    /// Makes the folders what they have to be. What can fail is done beside the files before the first is touched: every
    /// text is on disk when they are renamed into place. Folders that become empty go too.
    ///
    /// # Errors
    /// [`WriteError::Io`]. Nothing has changed then, unless it is the renaming or removing itself that fails.
    pub fn commit(&self) -> Result<(), WriteError> {
        let mut folders = NewFolders::default();
        let mut ready = Vec::new();
        for (change, text) in self.changes.iter().filter_map(|change| Some((change, change.text?))) {
            let io = |source| change.io("write", source);
            if let Some(folder) = change.path.parent().filter(|_| change.kind == ChangeKind::New) {
                folders.make(folder).map_err(io)?;
            }
            let text = self.spool.get(text).map_err(io)?;
            ready.push((change, Beside::write(&change.path, &text).map_err(io)?));
        }
        folders.keep();
        for (change, beside) in ready {
            beside.rename().map_err(|source| change.io("write", source))?;
        }
        for change in self.changes.iter().filter(|change| change.kind == ChangeKind::Stale) {
            fs::remove_file(&change.path).map_err(|source| change.io("remove", source))?;
            change.remove_empty_parents();
        }
        Ok(())
    }
}

impl Change {
    fn io(&self, action: &'static str, source: std::io::Error) -> WriteError {
        WriteError::Io { action, path: self.path.clone(), source }
    }

    fn remove_empty_parents(&self) {
        let below = |folder: &&Path| *folder != self.folder && folder.starts_with(&self.folder);
        for folder in self.path.ancestors().skip(1).take_while(below) {
            // It is not empty: others keep what is theirs.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

/// Folders that were made, and go again unless they are kept.
#[derive(Default)]
struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    fn make(&mut self, folder: &Path) -> std::io::Result<()> {
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
        self.0.extend(missing.into_iter().rev().map(Path::to_owned));
        fs::create_dir_all(folder)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // Somebody else has put something there meanwhile.
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use tempfile::TempDir;

    use super::*;
    use crate::config::Config;
    use crate::parallel;

    const FILES: usize = 40;

    struct Project(TempDir);

    impl Project {
        fn new() -> Self {
            let project = Self(tempfile::tempdir().unwrap());
            project
                .write("due.toml", "[rust]\nout = \"gen\"\n[typescript]\nout = \"web/gen\"\nparts = [\"messages\"]\n");
            for file in 0..FILES {
                let mut text = format!("syntax = \"proto3\";\npackage p{file};\n");
                (0..20).for_each(|i| writeln!(text, "message M{i} {{ string a = 1; repeated M{i} b = 2; }}").unwrap());
                project.write(&format!("proto/f{file}.proto"), &text);
            }
            project
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn stage(&self) -> Staged {
            let (config, _) = Config::load(self.0.path().join("due.toml")).unwrap();
            Builder::from(config).stage().unwrap()
        }

        /// All files with their texts.
        fn all(&self) -> BTreeSet<(PathBuf, String)> {
            let mut found = BTreeSet::new();
            let mut folders = vec![self.0.path().to_owned()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                    match entry.is_dir() {
                        true => folders.push(entry),
                        false => _ = found.insert((entry.clone(), fs::read_to_string(entry).unwrap())),
                    }
                }
            }
            found
        }
    }

    #[test]
    fn no_more_texts_are_in_memory_than_there_are_processors() {
        let staged = Project::new().stage();
        assert_eq!((staged.files(), staged.changes().len()), (2 * FILES + 1, 2 * FILES + 1));
        assert!((1..=parallel::threads()).contains(&staged.texts_at_once()), "{}", staged.texts_at_once());
    }

    #[test]
    fn what_is_not_committed_leaves_no_trace() {
        let project = Project::new();
        project.stage().commit().unwrap();
        project.write("proto/f7.proto", "syntax = \"proto3\";\npackage p7;\nmessage Other {}\n");
        fs::remove_file(project.0.path().join("proto/f8.proto")).unwrap();
        let before = project.all();
        let staged = project.stage();
        let root = project.0.path();
        let changes: Vec<_> = staged
            .changes()
            .iter()
            .map(|it| (it.path.strip_prefix(root).unwrap().to_str().unwrap(), it.kind))
            .collect();
        let expected = [
            ("gen/mod.rs", ChangeKind::Changed),
            ("gen/p7.rs", ChangeKind::Changed),
            ("gen/p8.rs", ChangeKind::Stale),
            ("web/gen/f7_pb.ts", ChangeKind::Changed),
            ("web/gen/f8_pb.ts", ChangeKind::Stale),
        ];
        assert_eq!(changes, expected);
        let (old, new) = staged.texts(&staged.changes()[1]).unwrap();
        assert!(old.contains("struct M0") && new.contains("struct Other"), "{old} {new}");
        drop(staged);
        assert_eq!(project.all(), before);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_place_of_a_file_is_not_waited_for() {
        let project = Project::new();
        let pipe = project.0.path().join("gen/mod.rs");
        fs::create_dir(project.0.path().join("gen")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (config, _) = Config::load(project.0.path().join("due.toml")).unwrap();
        let error = Builder::from(config).stage().err().unwrap().to_string();
        assert_eq!(error, format!("cannot read `{}`", pipe.display()));
    }

    #[test]
    fn a_failure_while_files_are_written_leaves_the_old_ones() {
        let project = Project::new();
        project.write("proto/deep/x.proto", "syntax = \"proto3\";\npackage a;\nmessage X {}\n");
        let staged = project.stage();
        // In the way of the last file: all others are ready by then.
        project.write("web/gen/f9_pb.ts/mine", "");
        let before = project.all();
        let error = staged.commit().unwrap_err().to_string();
        assert!(error.starts_with("cannot write `"), "{error}");
        assert_eq!(project.all(), before);
        assert!(!project.0.path().join("gen").exists() && !project.0.path().join("web/gen/deep").exists());
    }
}

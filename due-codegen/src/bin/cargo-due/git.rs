//! The schema as git has it under a ref, put into a folder of its own. Nothing is fetched, and the checkout is not touched.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use due_codegen::{Builder, Config, FILE_NAME};
use tempfile::TempDir;

use crate::failure::Failure;
use crate::project::Project;

/// An older schema, for as long as this lives.
pub(crate) struct Checkout {
    folder: TempDir,
    config: PathBuf,
    name: String,
}

impl Checkout {
    pub(crate) fn builder(&self) -> Result<Builder, Failure> {
        let (config, _) = Config::load(&self.config)?;
        Ok(Builder::from(config).show_as(self.folder.path(), format!("{}:", self.name)))
    }
}

/// `due.toml` of that time, or of now if there was none, and the `.proto` files below its roots.
pub(crate) fn checkout(name: &str, project: &Project) -> Result<Checkout, Failure> {
    let here = match project.path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let git = Git::open(here)?;
    let commit = git.commit(name)?;
    let inside = git.inside(here)?;
    let folder = tempfile::tempdir().map_err(|err| Failure::new("no folder for the older schema", err))?;
    let file_name = project.path.file_name().unwrap_or(OsStr::new(FILE_NAME));
    let config = folder.path().join(&inside).join(file_name);
    let then = git.file(&commit, &inside.join(file_name))?;
    let text = match then {
        Some(text) => text,
        None => fs::read(&project.path).map_err(|err| Failure::new("due.toml cannot be read", err))?,
    };
    write(&config, &text)?;
    let (read, _) = Config::load(&config)?;
    for root in &read.roots {
        // An absolute root is no part of the repository, and is taken as it is.
        let Some(inside) = normal(root).strip_prefix(normal(folder.path())).ok().map(Path::to_owned) else {
            if root.starts_with(folder.path()) {
                return Err(Failure::text(format!("an import root of `{name}` lies outside of the repository")));
            }
            continue;
        };
        fs::create_dir_all(folder.path().join(&inside)).map_err(|err| Failure::new("no folder for a root", err))?;
        for (path, text) in git.protos(&commit, &inside)? {
            write(&folder.path().join(path), &text)?;
        }
    }
    Ok(Checkout { folder, config, name: name.to_owned() })
}

struct Git {
    top: PathBuf,
}

impl Git {
    fn open(folder: &Path) -> Result<Self, Failure> {
        let out = run(folder, &["rev-parse", "--show-toplevel"], b"")?;
        if !out.status.success() {
            return Err(Failure::text(format!(
                "git finds no repository here, so --against can only name a file or a folder: {}",
                said(&out)
            )));
        }
        Ok(Self { top: PathBuf::from(text(&out.stdout)) })
    }

    fn commit(&self, name: &str) -> Result<String, Failure> {
        let unknown = || {
            Failure::text(format!(
                "`{name}` is neither a file nor a folder, and git knows no such ref (a branch that CI has not fetched? `git fetch origin {name}`)"
            ))
        };
        if name.starts_with('-') || name.is_empty() {
            return Err(unknown());
        }
        let out = run(&self.top, &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")], b"")?;
        if out.status.success() { Ok(text(&out.stdout)) } else { Err(unknown()) }
    }

    /// The folder, relative to the top of the repository.
    fn inside(&self, folder: &Path) -> Result<PathBuf, Failure> {
        let real = |path: &Path| fs::canonicalize(path).map_err(|err| Failure::new("a folder cannot be read", err));
        let (folder, top) = (real(folder)?, real(&self.top)?);
        let inside = folder.strip_prefix(&top).map_err(|_| Failure::text("due.toml lies outside of the repository"))?;
        Ok(inside.to_owned())
    }

    fn file(&self, commit: &str, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        let out = run(&self.top, &["cat-file", "blob", &format!("{commit}:{}", slashed(path))], b"")?;
        Ok(out.status.success().then_some(out.stdout))
    }

    /// Path and text of every `.proto` below a folder.
    fn protos(&self, commit: &str, folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
        let folder = slashed(folder);
        let mut args = vec!["--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", commit];
        if !folder.is_empty() {
            args.extend(["--", &folder]);
        }
        let listed = self.good(&args, b"")?;
        let mut files = Vec::new();
        let mut ids = String::new();
        for entry in listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            // `100644 blob 5f3c..\tproto/a.proto`; links and submodules are no files.
            let entry = String::from_utf8_lossy(entry);
            let Some((meta, path)) = entry.split_once('\t') else { continue };
            let mut meta = meta.split(' ');
            let (Some(mode), Some("blob"), Some(id)) = (meta.next(), meta.next(), meta.next()) else { continue };
            if mode.starts_with("100") && path.ends_with(".proto") {
                files.push(PathBuf::from(path));
                ids.push_str(id);
                ids.push('\n');
            }
        }
        let texts = if files.is_empty() { Vec::new() } else { self.good(&["cat-file", "--batch"], ids.as_bytes())? };
        let texts = blobs(&texts, files.len()).ok_or_else(|| Failure::text("git cat-file has answered half"))?;
        Ok(files.into_iter().zip(texts).collect())
    }

    fn good(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, Failure> {
        let out = run(&self.top, args, input)?;
        if out.status.success() {
            Ok(out.stdout)
        } else {
            Err(Failure::text(format!("git {}: {}", args[0], said(&out))))
        }
    }
}

/// `<id> blob <size>\n<bytes>\n`, as often as was asked.
fn blobs(mut rest: &[u8], count: usize) -> Option<Vec<Vec<u8>>> {
    let mut blobs = Vec::new();
    for _ in 0..count {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let size: usize = std::str::from_utf8(&rest[..end]).ok()?.rsplit(' ').next()?.parse().ok()?;
        blobs.push(rest.get(end + 1..end + 1 + size)?.to_vec());
        rest = rest.get(end + 2 + size..)?;
    }
    Some(blobs)
}

fn run(folder: &Path, args: &[&str], input: &[u8]) -> Result<Output, Failure> {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .args(args)
        .env("LC_ALL", "C")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_OPTIONAL_LOCKS", "0");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |err: io::Error| match err.kind() {
        io::ErrorKind::NotFound => {
            Failure::text("git is not to be found: install it, or give --against a file or a folder")
        }
        _ => Failure::new("git does not start", err),
    };
    let mut child = command.spawn().map_err(failed)?;
    let stdin = child.stdin.take();
    thread::scope(|scope| {
        // Beside the reading: both pipes are bounded.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output().map_err(|err| Failure::new("git cannot be read", err))
    })
}

fn write(path: &Path, text: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder.and_then(|()| fs::write(path, text)).map_err(|err| Failure::new("the older schema cannot be written", err))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// The first line of what git has to complain about.
fn said(out: &Output) -> String {
    let text = text(&out.stderr);
    text.lines().next().unwrap_or("no reason given").trim_start_matches("fatal: ").to_owned()
}

fn slashed(path: &Path) -> String {
    let parts = path.components().map(|part| part.as_os_str().to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// Without `..` and `.`, by the text alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

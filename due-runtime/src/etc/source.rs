//! Where the configuration is: the directory, its files, and the variables that go before them.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::Format;
use super::nearest::nearest;
use super::report::{Place, Report, Text};
use super::schema::{KEYS, Kind, PREFIX};
use super::tree::{Node, Table, Value};

/// Of a file, in bytes.
const MAX_FILE: u64 = 256 * 1024;
/// Folders in each other.
const MAX_FOLDERS: usize = 8;
const VARIABLES: &str = "DUE_ETC_";

/// The directory: of the variable `DUE_ETC`, else of the last flag, else `./etc`, which need not exist.
pub(super) fn directory(variable: Option<OsString>, arguments: impl IntoIterator<Item = OsString>) -> (PathBuf, bool) {
    if let Some(named) = variable.filter(|named| !named.is_empty()) {
        return (named.into(), true);
    }
    let mut named = None;
    let mut arguments = arguments.into_iter().skip(1);
    while let Some(argument) = arguments.next() {
        let argument = argument.to_string_lossy();
        let flag = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
        match flag.and_then(|flag| flag.strip_prefix(PREFIX)) {
            Some("") => named = arguments.next().or(named),
            Some(rest) if rest.starts_with('=') => named = Some(rest[1..].into()),
            _ => {}
        }
    }
    named.map_or_else(|| ("./etc".into(), false), |named| (named.into(), true))
}

/// The variables of this process. Those that are no text are none of ours.
pub(super) fn variables() -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    env::vars_os().filter_map(text).collect()
}

/// What all files together say below [`PREFIX`].
pub(super) fn read(dir: &Path, must_exist: bool, report: &mut Report) -> Table {
    let mut files = Vec::new();
    match list(dir, 0, &mut files, report) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => {}
        Err(error) => report.error(&place(dir), format!("cannot read the directory: {error}")),
        Ok(()) => {}
    }
    // Longer names win, so they come later.
    files.sort_by(|a, b| (a.name.len(), &a.name, &a.path).cmp(&(b.name.len(), &b.name, &b.path)));
    let mut whole = Table::default();
    for (index, file) in files.iter().enumerate() {
        if let Some(twin) = index.checked_sub(1).map(|before| &files[before]).filter(|before| before.name == file.name)
        {
            let text = format!("has the same name as {}, so that neither goes before the other", twin.path.display());
            report.error(&place(&file.path), text);
        }
        let table = read_file(file, report);
        match file.name.split_once('.') {
            None => whole.overlay(table),
            Some((_, mount)) => {
                let node = Node { at: place(&file.path), value: Value::Table(table) };
                whole.overlay(Table::of(mount.split('.'), node));
            }
        }
    }
    whole
}

struct Found {
    /// Without its extension: `etc`, `etc.network`.
    name: String,
    path: PathBuf,
    format: Format,
}

/// The files that are named `etc` or `etc.*`, in this folder and those in it.
fn list(dir: &Path, depth: usize, files: &mut Vec<Found>, report: &mut Report) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // Kubernetes keeps the files of a volume a second time in a folder with a dot.
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_FOLDERS
                && !path.is_symlink()
                && let Err(error) = list(&path, depth + 1, files, report)
            {
                report.error(&place(&path), format!("cannot read the directory: {error}"));
            }
            continue;
        }
        let Some((name, extension)) = name.rsplit_once('.') else { continue };
        let is_ours = name == PREFIX || name.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('.'));
        if let Some(format) = Format::of_extension(extension).filter(|_| is_ours) {
            files.push(Found { name: name.to_owned(), format, path });
        }
    }
    Ok(())
}

fn read_file(file: &Found, report: &mut Report) -> Table {
    let whole = place(&file.path);
    let bytes = match read_bytes(&file.path) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.error(&whole, format!("cannot be read: {error}"));
            return Table::default();
        }
    };
    if bytes.len() as u64 > MAX_FILE {
        report.error(&whole, format!("is longer than {} KiB", MAX_FILE / 1024));
        return Table::default();
    }
    let source: Arc<str> = file.path.to_string_lossy().into();
    match std::str::from_utf8(&bytes) {
        Ok(text) => file.format.read(&Text::new(source, text.strip_prefix('\u{feff}').unwrap_or(text)), report),
        Err(error) => {
            let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            report.error(&Text::new(source, valid).at(valid.len()), "is no UTF-8");
            Table::default()
        }
    }
}

/// One byte more than is allowed, at most.
pub(super) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn place(path: &Path) -> Place {
    Place::whole(path.to_string_lossy())
}

/// Puts the variables `DUE_ETC_*` over the files. Neither case nor further underscores count.
pub(super) fn overlay(whole: &mut Table, mut variables: Vec<(String, String)>, report: &mut Report) {
    variables.sort();
    let mut taken: Vec<(&str, String)> = Vec::new();
    for (name, value) in variables {
        let Some(rest) = name.get(..VARIABLES.len()).filter(|head| head.eq_ignore_ascii_case(VARIABLES)) else {
            continue;
        };
        let at = Place::whole(format!("environment variable {name}"));
        let wanted = flat(&name[rest.len()..]);
        let mut keys = KEYS.iter().filter(|key| key.kind != Kind::Table);
        let Some(key) = keys.clone().find(|key| flat(key.path) == wanted) else {
            let flats: Vec<String> = keys.clone().map(|key| flat(key.path)).collect();
            let like = nearest(&wanted, flats.iter().map(|flat| &**flat));
            let like = keys.find(|key| like.is_some_and(|like| flat(key.path) == like));
            let like = like.map_or_else(String::new, |key| format!("; did you mean {}?", variable(key.path)));
            report.warning(&at, format!("stands for no key{like}"));
            continue;
        };
        if let Some((_, other)) = taken.iter().find(|(path, _)| *path == key.path) {
            report.error(&at, format!("says `{PREFIX}.{}` again, after {other}", key.path));
        }
        taken.push((key.path, name.clone()));
        let item = |text: &str| Node { at: at.clone(), value: Value::Plain(text.trim().to_owned()) };
        let value = match key.kind {
            kind if kind.is_list() => Value::List(value.split(',').map(item).collect()),
            _ => Value::Plain(value),
        };
        whole.overlay(Table::of(key.path.split('.'), Node { at: at.clone(), value }));
    }
}

/// The variable that stands for a key.
pub(super) fn variable(path: &str) -> String {
    format!("{VARIABLES}{}", path.replace('.', "_").to_ascii_uppercase())
}

fn flat(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '.')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn the_variable_goes_before_the_last_flag_and_that_before_the_default() {
        let of = |variable: &str, arguments: &[&str]| {
            let variable = (!variable.is_empty()).then(|| variable.into());
            let arguments = [&["game"], arguments].concat();
            let (dir, is_named) = directory(variable, arguments.into_iter().map(OsString::from));
            (dir.display().to_string(), is_named)
        };
        let named = |dir: &str| (dir.to_owned(), true);
        assert_eq!(of("", &[]), ("./etc".to_owned(), false));
        assert_eq!(of("", &["--etc=a"]), named("a"));
        assert_eq!(of("", &["-x", "--etc", "a", "y"]), named("a"));
        assert_eq!(of("", &["-etc", "a", "--etc=b"]), named("b"));
        assert_eq!(of("", &["--etcetera=a", "etc", "--etc"]), ("./etc".to_owned(), false));
        assert_eq!(of("c", &["--etc=a"]), named("c"));
    }

    #[test]
    fn every_variable_stands_for_one_key() {
        let mut flats: Vec<String> = KEYS.iter().map(|key| flat(key.path)).collect();
        flats.sort();
        flats.dedup();
        assert_eq!(flats.len(), KEYS.len());
        assert_eq!(variable("network.ws.server.maxConnNum"), "DUE_ETC_NETWORK_WS_SERVER_MAXCONNNUM");
        for key in KEYS {
            assert!(!key.path.contains('_'), "{}", key.path);
            assert!(matches!(schema::lookup(key.path), schema::Known::Key(_)));
        }
    }
}

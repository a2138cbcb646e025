//! Servers out of a directory of files, with the keys of due, so that its users' files go on to work (feature `etc`).
//!
//! ```no_run
//! # #[cfg(feature = "link")]
//! # async fn start(routes: impl due::Routes) -> Result<(), Box<dyn std::error::Error>> {
//! use due::etc::Etc;
//!
//! let etc = Etc::load()?;
//! etc.app()?.gate(etc.gate()?).node(etc.node()?.serve(routes).build()?).run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What a program says to the builders after that goes before the files; what no file says, the builders decide.
//!
//! # Where it is
//!
//! The directory is the one of the environment variable `DUE_ETC`, else of the flag `--etc=DIR` or `--etc DIR` (the last
//! one, also with one dash), else `./etc`, which need not exist. Of it, and of the folders in it, files are read whose name
//! is `etc` or begins with `etc.`, and ends in `toml`, `yaml`, `yml`, `json` or `xml`; others are the program's own, and so
//! are names that begin with a dot.
//!
//! A key is the name of the file without the extension, and the path in it: in `etc.toml`
//! ```toml
//! [cluster.gate]
//! id = "g1"
//! ```
//! is `etc.cluster.gate.id`. The file `etc.cluster.toml` says the same by `gate.id`, and goes before `etc.toml`, key by
//! key; lists are not joined. Two files of one name are a mistake. A file has at most 256 KiB, and tables and lists are at
//! most 32 deep.
//!
//! The environment goes before all files: `DUE_ETC_CLUSTER_GATE_ID=g1`. Dots are underscores; case and further underscores
//! do not count, so that `maxConnNum` is `MAXCONNNUM` or `MAX_CONN_NUM`. Commas separate the items of a list.
//!
//! In XML the root element, whatever its name, is the file; an element with elements is a table, one with text a value,
//! several of one name a list. There are no attributes.
//!
//! # What is checked
//!
//! Everything, in one run: [`EtcError`] names each unknown key, wrong type, unit or range, with file and line. What is
//! probably not meant, and what does nothing, is a warning, in the log and in [`Etc::warnings`].
//!
//! | value | is written |
//! |---|---|
//! | time | `"1h30m"`, `"1.5s"`, `"300ms"`, `"7d"`: units `ns`, `us`, `ms`, `s`, `m`, `h`, `d`. A number counts **nanoseconds**, as in due, and gets a warning |
//! | seconds | a number, or a time |
//! | size | bytes: `65536`, `"64KB"`, `"1M"`; units of 1024 |
//! | list | of one item, the item will do |
//! | address | `"host:port"`, or `":port"` on all IPv4 interfaces; port 0 is any free one |
//!
//! A section of a backend or listener whose cargo feature is not compiled in is an error that names the feature, unless
//! `cluster.registry` or `cluster.gate.listen` chooses others. Listeners are those of the sections
//! `network.{tcp,ws,kcp}.server` that exist. Of these, `heartbeatInterval`, `heartbeatMechanism`, `authorizeTimeout` and
//! `writeQueueSize` must agree, and the `maxConnNum` are added: a gate has one of each.
//!
//! # Keys
//!
#![doc = include_str!("keys.md")]

mod backends;
mod crypto;
mod format;
mod gate;
#[cfg(any(
    feature = "tcp",
    feature = "ws",
    feature = "mesh",
    feature = "redis",
    feature = "nats",
    feature = "etcd",
    feature = "consul",
    feature = "link"
))]
mod guard;
mod nearest;
mod report;
mod schema;
mod servers;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod units;

use std::path::{Path, PathBuf};

pub use self::report::{EtcError, Finding};
use self::report::{Place, Report};
use self::settings::{Setting, Settings, Typed};
use crate::app::App;

/// A configuration that was read and checked; see the [module](self).
#[derive(Debug)]
pub struct Etc {
    dir: PathBuf,
    settings: Settings,
    warnings: Vec<Finding>,
}

impl Etc {
    /// Reads the [directory](self#where-it-is) of this process, and its environment.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn load() -> Result<Self, EtcError> {
        let (dir, must_exist) = source::directory(std::env::var_os("DUE_ETC"), std::env::args_os());
        Self::read(dir, must_exist, source::variables())
    }

    /// Reads this directory, which must exist, and the environment.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, EtcError> {
        Self::read(dir.as_ref().to_owned(), true, source::variables())
    }

    /// Reads this directory, and these variables instead of the environment's.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn from_dir_with(
        dir: impl AsRef<Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, EtcError> {
        Self::read(dir.as_ref().to_owned(), true, variables.into_iter().collect())
    }

    fn read(dir: PathBuf, must_exist: bool, variables: Vec<(String, String)>) -> Result<Self, EtcError> {
        let mut report = Report::default();
        let mut table = source::read(&dir, must_exist, &mut report);
        source::overlay(&mut table, variables, &mut report);
        let settings = Settings::read(&table, &mut report);
        let warnings = report.finish()?;
        for warning in &warnings {
            tracing::warn!(target: "due::etc", "{warning}");
        }
        Ok(Self { dir, settings, warnings })
    }

    /// What was read.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is probably not meant, and keys of due that do nothing here.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// An app without servers, on the [backends](Self::backends) of the files; writes the file `etc.pid`, and serves its
    /// metrics at `etc.metrics.addr`.
    ///
    /// # Errors
    /// As [`backends`](Self::backends).
    pub fn app(&self) -> Result<App, EtcError> {
        let app = self.with_metrics(App::new().backends(self.backends()?))?;
        Ok(match self.settings.text("pid") {
            Some(path) => app.pid_file(path),
            None => app,
        })
    }

    fn with_metrics(&self, app: App) -> Result<App, EtcError> {
        let Some(addr) = self.settings.text("metrics.addr") else { return Ok(app) };
        #[cfg(feature = "prometheus")]
        return Ok(app.metrics(bindable(addr)));
        #[cfg(not(feature = "prometheus"))]
        {
            let mut report = Report::default();
            let text = format!("to serve metrics on {addr}, `etc.metrics.addr`");
            report.error(&self.place("metrics.addr"), backends::needs(&text, "prometheus"));
            report.finish().map(|_| app)
        }
    }

    /// Where a key is, or else its section or the directory.
    fn place(&self, path: &str) -> Place {
        if let Some(setting) = self.settings.get(path) {
            return setting.at.clone();
        }
        self.section_place(path.rsplit_once('.').map_or("", |(section, _)| section))
    }

    fn section_place(&self, section: &str) -> Place {
        self.settings.place_of(section).cloned().unwrap_or_else(|| Place::whole(self.dir.to_string_lossy()))
    }
}

impl App {
    /// An app without servers, on the backends of the process's [configuration](crate::etc).
    ///
    /// # Errors
    /// Every mistake in the configuration.
    pub fn from_etc() -> Result<Self, EtcError> {
        Etc::load()?.app()
    }

    /// Likewise, out of this directory.
    ///
    /// # Errors
    /// Every mistake in the configuration.
    pub fn from_etc_dir(dir: impl AsRef<Path>) -> Result<Self, EtcError> {
        Etc::from_dir(dir)?.app()
    }
}

/// Whether files with this extension are read.
pub(crate) fn knows_extension(extension: &str) -> bool {
    format::Format::of_extension(extension).is_some()
}

/// Whether a text can be read as files with this extension are.
pub(crate) fn check_syntax(name: &str, extension: &str, text: &str) -> Result<(), EtcError> {
    let mut report = Report::default();
    if let Some(format) = format::Format::of_extension(extension) {
        format.read(&report::Text::new(name.into(), text), &mut report);
    }
    report.finish().map(drop)
}

/// What listens on every interface when no host is given.
#[cfg(any(feature = "tcp", feature = "ws", feature = "kcp", feature = "mesh", feature = "prometheus"))]
fn bindable(addr: &str) -> String {
    if addr.starts_with(':') { format!("0.0.0.0{addr}") } else { addr.to_owned() }
}

fn is_ephemeral(addr: &str) -> bool {
    addr.ends_with(":0")
}

/// What a builder makes of a setting, if there is one.
trait With: Sized {
    fn with<T>(self, value: Option<T>, set: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => set(self, value),
            None => self,
        }
    }
}

impl<B> With for B {}

impl Setting {
    /// For people: as it could be written.
    fn shown(&self) -> String {
        match &self.value {
            Typed::Time(time) => format!("{time:?}"),
            Typed::Int(number) => number.to_string(),
            Typed::Text(text) => text.clone(),
            other => format!("{other:?}"),
        }
    }
}

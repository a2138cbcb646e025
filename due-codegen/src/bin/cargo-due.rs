//! The `cargo due` command: arguments to `Builder`, findings to standard error, what changed to standard output.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use due_codegen::{Builder, Change, Changes, Config, Diagnostics, Tree};
use miette::{GraphicalReportHandler, GraphicalTheme};
use similar::TextDiff;

/// Findings, or files that are not what `--check` expects.
const FINDINGS: u8 = 1;

/// From annotated .proto files to typed code for due.
#[derive(Parser)]
#[command(name = "cargo due", bin_name = "cargo due", version, propagate_version = true)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Generate(Generate),
}

/// Generate the code that `due.toml` describes.
///
/// Writes only files that changed, and removes files that no longer belong to the output if they were generated.
/// Exit codes: 0 done, 1 findings in the schema or differences, 2 wrong usage.
#[derive(Args)]
struct Generate {
    /// Write nothing; show what is new, changed or stale, and exit with 1 if anything is.
    #[arg(long)]
    check: bool,
    /// The configuration, instead of the `due.toml` in this folder or the nearest one above it.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Command { action: Action::Generate(args) } = Command::parse_from(arguments());
    let outcome = generate(&args).unwrap_or_else(|failure| {
        failure.show();
        false
    });
    if outcome { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) }
}

/// Cargo runs `cargo-due due generate` for `cargo due generate`.
fn arguments() -> impl Iterator<Item = OsString> {
    let mut args: Vec<OsString> = env::args_os().collect();
    if args.get(1).is_some_and(|arg| arg == "due") {
        args.remove(1);
    }
    args.into_iter()
}

/// Whether all is as it should be.
fn generate(args: &Generate) -> Result<bool, Failure> {
    let path = match &args.config {
        Some(path) => path.clone(),
        None => {
            let here = env::current_dir().map_err(|err| Failure::new("the current folder cannot be read", err))?;
            Config::find(here).ok_or_else(|| Failure::text("no due.toml in this folder or above it"))?
        }
    };
    let (config, warnings) = Config::load(&path)?;
    show(&warnings);
    let nothing = config.rust.is_none() && config.typescript.is_none();
    let builder = Builder::from(config);
    if nothing {
        show(&builder.check()?);
        eprintln!("nothing is generated: `{}` has neither a section [rust] nor [typescript]", path.display());
        return Ok(true);
    }
    let output = builder.render()?;
    show(output.warnings());
    // All folders are compared before one is written: all or nothing.
    let compared = output.trees().iter().map(Tree::compare).collect::<Result<Vec<Changes>, _>>();
    let changes = compared.map_err(|err| Failure::Other(Box::new(err)))?;
    if !args.check {
        for changes in &changes {
            changes.write().map_err(|err| Failure::Other(Box::new(err)))?;
        }
    }
    match tell(&changes, args.check) {
        // `cargo due generate --check | head` closes the pipe early.
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new("cannot write to standard output", err))
        }
        _ => Ok(!args.check || changes.iter().all(Changes::is_empty)),
    }
}

fn tell(changes: &[Changes], check: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for Change { path, old, new, .. } in changes.iter().flatten() {
        let word = match (old, new, check) {
            (None, ..) => "new",
            (Some(_), Some(_), _) => "changed",
            (_, None, true) => "stale",
            (_, None, false) => "removed",
        };
        writeln!(out, "{word} {}", shown(path))?;
        if check {
            let (old, new) = (old.as_deref().unwrap_or(""), new.as_deref().unwrap_or(""));
            write!(out, "{}", TextDiff::from_lines(old, new).unified_diff().header(&shown(path), "generated"))?;
        }
    }
    if changes.iter().all(Changes::is_empty) {
        let files: usize = changes.iter().map(Changes::unchanged).sum();
        writeln!(out, "up to date: {files} {}", if files == 1 { "file" } else { "files" })?;
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn show(diagnostics: &Diagnostics) {
    let theme = if io::stderr().is_terminal() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
    for diagnostic in diagnostics {
        let mut text = String::new();
        match handler.render_report(&mut text, diagnostic) {
            Ok(()) => eprintln!("{}", text.trim_end()),
            Err(_) => eprintln!("{}", diagnostic.compact()),
        }
    }
}

/// Why nothing was generated.
enum Failure {
    Findings(Diagnostics),
    Other(Box<dyn Error>),
}

impl Failure {
    fn text(message: impl Into<String>) -> Self {
        Self::Other(message.into().into())
    }

    fn new(what: &str, err: io::Error) -> Self {
        Self::Other(format!("{what}: {err}").into())
    }

    fn show(&self) {
        match self {
            Self::Findings(diagnostics) => show(diagnostics),
            Self::Other(error) => {
                let mut text = format!("error: {error}");
                let mut cause = error.source();
                while let Some(source) = cause {
                    text.push_str(&format!(": {source}"));
                    cause = source.source();
                }
                eprintln!("{text}");
            }
        }
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Findings(diagnostics)
    }
}

impl From<due_codegen::Error> for Failure {
    fn from(error: due_codegen::Error) -> Self {
        match error {
            due_codegen::Error::Schema(diagnostics) => Self::Findings(diagnostics),
            other => Self::Other(Box::new(other)),
        }
    }
}

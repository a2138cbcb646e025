//! The `cargo due` command: one file per verb, findings to standard error, answers to standard output.

/// A line on standard error. Whoever closed it, as `cargo due lint 2>&1 | head` does, or has no room for it does not miss it, and the work
/// goes on.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod against;
mod bench;
mod breaking;
mod call;
mod completions;
mod decode;
mod docs;
mod failure;
mod findings;
mod frames;
mod generate;
mod git;
mod id;
mod lint;
mod live;
mod lock;
mod model;
mod new;
mod output;
mod project;
mod remembered;
mod routes;
mod table;
mod unbroken;
mod underway;
mod watch;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::{FINDINGS, Failure};

/// Typed code from annotated .proto files, and what a team needs around them.
///
/// Reads the `due.toml` in this folder, or the nearest one above it.
#[derive(Parser)]
#[command(name = "cargo due", bin_name = "cargo due", version, propagate_version = true, after_help = EXIT_CODES)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  findings: mistakes in the schema or in due.toml, breaking changes, output that is out of date
  2  wrong usage, or input that cannot be read
  3  no connection, or no answer in time: `call` and `bench` alone

Colours are for terminals alone; NO_COLOR=1 switches them off there, too.";

#[derive(Subcommand)]
enum Verb {
    New(new::New),
    #[command(after_help = EXIT_CODES)]
    Generate(generate::Generate),
    #[command(after_help = EXIT_CODES)]
    Lint(lint::Lint),
    #[command(after_help = EXIT_CODES)]
    Lock(lock::LockVerb),
    #[command(after_help = EXIT_CODES)]
    Breaking(breaking::Breaking),
    #[command(after_help = EXIT_CODES)]
    Routes(routes::Routes),
    #[command(after_help = EXIT_CODES)]
    Id(id::Id),
    #[command(after_help = EXIT_CODES)]
    Model(model::Model),
    #[command(after_help = EXIT_CODES)]
    Docs(docs::Docs),
    #[command(after_help = EXIT_CODES)]
    Decode(decode::Decode),
    Call(Box<call::Call>),
    Bench(Box<bench::Bench>),
    Completions(completions::Completions),
}

/// What a verb has found.
enum Outcome {
    Fine,
    Findings,
}

fn main() -> ExitCode {
    match Command::parse_from(arguments()).verb.run() {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(FINDINGS),
        Err(failure) => {
            failure.show();
            ExitCode::from(failure.exit_code())
        }
    }
}

impl Verb {
    fn run(&self) -> Result<Outcome, Failure> {
        match self {
            Self::New(verb) => verb.run(),
            Self::Generate(verb) => verb.run(),
            Self::Lint(verb) => verb.run(),
            Self::Lock(verb) => verb.run(),
            Self::Breaking(verb) => verb.run(),
            Self::Routes(verb) => verb.run(),
            Self::Id(verb) => verb.run(),
            Self::Model(verb) => verb.run(),
            Self::Docs(verb) => verb.run(),
            Self::Decode(verb) => verb.run(),
            Self::Call(verb) => verb.run(),
            Self::Bench(verb) => verb.run(),
            Self::Completions(verb) => verb.run(Command::command()),
        }
    }
}

/// Cargo runs `cargo-due due generate` for `cargo due generate`.
fn arguments() -> impl Iterator<Item = OsString> {
    let mut args: Vec<OsString> = env::args_os().collect();
    if args.get(1).is_some_and(|arg| arg == "due") {
        args.remove(1);
    }
    args.into_iter()
}

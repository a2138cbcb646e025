//! Where verbs write: findings as miette draws them, answers through a pipe that may be closed early.

use std::env;
use std::io::{self, IsTerminal, StdoutLock, Write};

use due_codegen::{Diagnostics, Severity};
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;

use crate::failure::Failure;

/// Nobody reads more of them; a schema that is not for due has one for each of its services.
const MOST_WARNINGS: usize = 50;

/// Draws findings to standard error: every mistake, and the first warnings.
pub(crate) fn show(diagnostics: &Diagnostics) {
    let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
    let mut warnings = 0;
    let mut gap = "";
    for diagnostic in diagnostics {
        if diagnostic.severity() == Severity::Warning {
            warnings += 1;
            if warnings > MOST_WARNINGS {
                continue;
            }
        }
        let mut text = String::new();
        match handler.render_report(&mut text, diagnostic) {
            Ok(()) => say!("{gap}{}", text.trim_end()),
            Err(_) => say!("{gap}{}", diagnostic.compact()),
        }
        gap = "\n";
    }
    if warnings > MOST_WARNINGS {
        say!("{gap}and {} like these", count(warnings - MOST_WARNINGS, "warning"));
    }
}

/// Writes to standard output. `cargo due routes | head` closes the pipe early, which is no failure.
pub(crate) fn tell(write: impl FnOnce(&mut StdoutLock<'static>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new("cannot write to standard output", err))
        }
        _ => Ok(()),
    }
}

/// Writes one JSON document to standard output.
pub(crate) fn json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(|err| Failure::Other(Box::new(err)))?;
    tell(|out| writeln!(out, "{text}"))
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

//! How it goes: a line that is written over, on terminals alone.

use std::io::{self, IsTerminal, Write as _};
use std::time::{Duration, Instant};

use super::report::Point;
use super::text::micros;

/// Between two lines.
const PAUSE: Duration = Duration::from_millis(500);

/// The line.
pub(super) struct Progress {
    is_terminal: bool,
    written: Option<Instant>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), written: None }
    }

    pub(super) fn opening(&mut self, open: usize, wanted: usize) {
        self.write(|| format!("{open} of {wanted} connections are open"));
    }

    pub(super) fn running(&mut self, point: &Point, seconds: f64, errors: u64) {
        self.write(|| {
            let micros = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), micros);
            let (half, most) = (micros(point.p50_us), micros(point.p99_us));
            format!(
                "{:.0} of {seconds:.0} s   {:.0} calls per second   half in {half}, 99 % in {most}   {errors} errors   {} connections",
                point.at, point.per_second, point.connections,
            )
        });
    }

    pub(super) fn say(&mut self, text: &str) {
        self.written = None;
        self.write(|| text.to_owned());
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.is_terminal {
            // Whoever closed standard error does not miss it.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn write(&mut self, line: impl FnOnce() -> String) {
        if !self.is_terminal || self.written.is_some_and(|written| written.elapsed() < PAUSE) {
            return;
        }
        self.written = Some(Instant::now());
        let _ = write!(io::stderr(), "\r\x1b[K{}", line());
    }
}

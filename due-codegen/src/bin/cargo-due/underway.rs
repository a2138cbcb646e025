//! That a long work goes on: a line that is written over, on terminals alone.

use std::io::{self, IsTerminal, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Before the first line, and between two.
const PAUSE: Duration = Duration::from_secs(1);

/// Says what goes on and for how long, until it is dropped; then the line is gone.
pub(crate) struct Underway(Option<(Sender<()>, JoinHandle<()>)>);

impl Underway {
    pub(crate) fn begin(what: &'static str) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let (end, ended) = mpsc::channel();
        let tell = move || {
            let begun = Instant::now();
            let mut clear = "";
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(PAUSE) {
                clear = "\r\x1b[K";
                // Whoever closed standard error does not miss it.
                let _ = write!(io::stderr(), "{clear}{what} for {} s", begun.elapsed().as_secs());
            }
            let _ = write!(io::stderr(), "{clear}");
        };
        // Without a thread there is no line, and that is all.
        Self(thread::Builder::new().spawn(tell).ok().map(|thread| (end, thread)))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

//! That a long work goes on: a line that is written over, on terminals alone.

use std::io::{self, IsTerminal, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Before the first line.
const FIRST: Duration = Duration::from_millis(500);
/// Between two of them.
const PAUSE: Duration = Duration::from_secs(1);

/// Does `work`, and meanwhile says what goes on and for how long. When it is done, the line is gone. `work` itself writes nothing
/// there.
pub(crate) fn underway<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (end, ended) = mpsc::channel::<()>();
    let tell = move || {
        let begun = Instant::now();
        let (mut clear, mut pause) = ("", FIRST);
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(pause) {
            (clear, pause) = ("\r\x1b[K", PAUSE);
            // Whoever closed standard error does not miss it.
            let _ = write!(io::stderr(), "{clear}{what} for {:.1} s", begun.elapsed().as_secs_f32());
        }
        let _ = write!(io::stderr(), "{clear}");
    };
    thread::scope(|scope| {
        // Without a thread there is no line, and that is all.
        let _ = thread::Builder::new().spawn_scoped(scope, tell);
        let done = work();
        drop(end);
        done
    })
}

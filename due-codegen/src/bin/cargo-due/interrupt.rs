//! Ctrl-C while files are put in place ends the program behind that, not within.

use std::pin::pin;
use std::process;
use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
use std::thread;

use futures_util::poll;
use tokio::runtime;

/// As shells have it: ended by an interrupt.
const INTERRUPTED: i32 = 130;

static PLACING: Mutex<()> = Mutex::new(());

/// Does `work` to its end, whoever presses Ctrl-C meanwhile.
pub(crate) fn whole<T>(work: impl FnOnce() -> T) -> T {
    static HEARING: LazyLock<()> = LazyLock::new(hear);
    LazyLock::force(&HEARING);
    let _placing = PLACING.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// From here on Ctrl-C is heard by a thread of ours, also when nothing is placed. Where no thread can be had, it ends the
/// program at once as before.
fn hear() {
    let (heard, hearing) = mpsc::channel();
    let listen = move || {
        let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let mut interrupted = pin!(tokio::signal::ctrl_c());
            let mut now = poll!(&mut interrupted).is_ready();
            // Gone only if the program ends.
            let _ = heard.send(());
            if !now {
                now = interrupted.await.is_ok();
            }
            if now {
                let _placing = PLACING.lock().unwrap_or_else(PoisonError::into_inner);
                process::exit(INTERRUPTED);
            }
        });
    };
    if thread::Builder::new().spawn(listen).is_ok() {
        // An error is the end of a thread that could not listen.
        let _ = hearing.recv();
    }
}

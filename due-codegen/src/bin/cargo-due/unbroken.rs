//! Steps that are done whole or not at all, although somebody presses Ctrl-C or sends SIGTERM meanwhile.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::failure::Failure;

/// Until it is dropped, the program does not end by the first of these signals; then it does. A second one ends it at once.
pub(crate) struct Unbroken(&'static Heard);

struct Heard {
    /// Whether a signal ends the program at once, as it does by default.
    ends: Arc<AtomicBool>,
    /// The one that came while it did not, or 0.
    came: Arc<AtomicUsize>,
}

impl Unbroken {
    pub(crate) fn begin() -> Result<Self, Failure> {
        static HEARD: OnceLock<Heard> = OnceLock::new();
        let heard = match HEARD.get() {
            Some(heard) => heard,
            None => {
                let heard = Heard::listen().map_err(|err| Failure::new("Ctrl-C cannot be heard", err))?;
                HEARD.get_or_init(|| heard)
            }
        };
        heard.came.store(0, Ordering::SeqCst);
        heard.ends.store(false, Ordering::SeqCst);
        Ok(Self(heard))
    }

    /// Whether somebody wants the program to end: what was begun is to be taken back.
    pub(crate) fn is_to_end(&self) -> bool {
        self.0.came.load(Ordering::SeqCst) != 0
    }
}

impl Drop for Unbroken {
    fn drop(&mut self) {
        self.0.ends.store(true, Ordering::SeqCst);
        let came = self.0.came.swap(0, Ordering::SeqCst);
        if let Some(signal) = i32::try_from(came).ok().filter(|signal| *signal != 0) {
            // As if nobody had listened: who waits for this process knows the signal. An error is about one that has no default.
            let _ = low_level::emulate_default_handler(signal);
        }
    }
}

impl Heard {
    fn listen() -> io::Result<Self> {
        let heard = Self { ends: Arc::new(AtomicBool::new(true)), came: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first one asks, and the next two answer for the second signal.
            flag::register_conditional_default(signal, Arc::clone(&heard.ends))?;
            flag::register(signal, Arc::clone(&heard.ends))?;
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, Arc::clone(&heard.came), number)?;
        }
        Ok(heard)
    }
}

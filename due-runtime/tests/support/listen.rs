//! For tests that read the log.

use std::io;
use std::sync::Once;

use tracing::Level;

/// Says to tracing that every thread listens. Otherwise an event that a test without a log is the first to meet counts as
/// one that nobody wants, and is not told to the only log there is, in another thread.
pub(crate) fn listen_everywhere() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let sink = tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_writer(io::sink).finish();
        tracing::subscriber::set_global_default(sink).expect("nobody else sets one");
    });
}

use std::task::Waker;

/// Sessions that have something to write once all that comes at once is queued. A writer that was woken for the first packet
/// would begin on another thread, and write it alone.
#[derive(Default, Debug)]
pub(crate) struct Wakes(Vec<Waker>);

impl Wakes {
    pub(crate) fn add(&mut self, waker: Option<Waker>) {
        self.0.extend(waker);
    }

    pub(crate) fn wake_all(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

impl Drop for Wakes {
    /// Nobody waits for ever, whoever gives up in between.
    fn drop(&mut self) {
        self.wake_all();
    }
}

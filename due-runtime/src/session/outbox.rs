//! The packets that wait for one client: bounded, filled by anyone, emptied in batches by the session's writer.

use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::Notify;

/// How much may wait for one slow client before its session is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Packets; default 1024, as the write queue of due's ws server.
    pub packets: usize,
    /// Bytes of those packets; default 4 MiB.
    pub bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { packets: 1024, bytes: 4 << 20 }
    }
}

/// Why a packet was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The client reads too slowly.
    Full,
    /// The session is closing or closed.
    Closed,
}

/// Unwritten bytes beyond which a client is not read any further, unless half of its outbox is less: a client that asks
/// and does not read costs this much. Pushes may use the whole outbox.
const READ_AHEAD: usize = 256 * 1024;

pub(crate) struct Outbox {
    state: Mutex<State>,
    limits: OutboxLimits,
    /// Wakes the writer: there is a packet, or the phase changed.
    filled: Notify,
    /// Wakes the reader: the outbox is not crowded any more.
    emptied: Notify,
}

struct State {
    queue: Vec<Bytes>,
    /// Packets and bytes queued, plus those the writer holds.
    packets: usize,
    bytes: usize,
    /// What the writer took last and has not confirmed.
    taken: (usize, usize),
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Takes nothing more; what is queued still goes out.
    Finishing,
    Closed,
}

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        let state = State { queue: Vec::new(), packets: 0, bytes: 0, taken: (0, 0), phase: Phase::Open };
        Self { state: Mutex::new(state), limits, filled: Notify::new(), emptied: Notify::new() }
    }

    /// Queues one packet; never waits.
    pub(crate) fn push(&self, packet: Bytes) -> Result<(), Refused> {
        let mut state = self.state.lock().unwrap();
        if state.phase != Phase::Open {
            return Err(Refused::Closed);
        }
        // A packet larger than the whole limit still fits an empty outbox, so that no limit makes a route mute.
        if state.packets >= self.limits.packets || (state.bytes > 0 && state.bytes + packet.len() > self.limits.bytes) {
            return Err(Refused::Full);
        }
        state.packets += 1;
        state.bytes += packet.len();
        state.queue.push(packet);
        let first = state.queue.len() == 1;
        drop(state);
        if first {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Moves everything queued into `batch` (which must be empty) and counts what was taken before as written.
    /// `false` says that nothing will ever come again.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn take(&self, batch: &mut Vec<Bytes>) -> bool {
        loop {
            {
                let mut state = self.state.lock().unwrap();
                let was_crowded = self.crowded(&state);
                let (packets, bytes) = std::mem::take(&mut state.taken);
                state.packets -= packets;
                state.bytes -= bytes;
                if was_crowded && !self.crowded(&state) {
                    self.emptied.notify_one();
                }
                if state.phase == Phase::Closed {
                    return false;
                }
                if !state.queue.is_empty() {
                    std::mem::swap(&mut state.queue, batch);
                    state.taken = (state.packets, state.bytes);
                    return true;
                }
                if state.phase == Phase::Finishing {
                    return false;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Waits until little is left to write, so that a client that does not read is not read either.
    pub(crate) async fn room(&self) {
        loop {
            {
                let state = self.state.lock().unwrap();
                if state.phase != Phase::Open || !self.crowded(&state) {
                    return;
                }
            }
            self.emptied.notified().await;
        }
    }

    fn crowded(&self, state: &State) -> bool {
        state.packets >= (self.limits.packets / 2).max(1) || state.bytes >= (self.limits.bytes / 2).clamp(1, READ_AHEAD)
    }

    /// Takes nothing more; the writer sends what is queued and ends.
    pub(crate) fn finish(&self) {
        self.enter(Phase::Finishing);
    }

    /// Takes nothing more and forgets what is queued.
    pub(crate) fn close(&self) {
        self.enter(Phase::Closed);
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state.lock().unwrap();
        if state.phase == Phase::Closed || state.phase == phase {
            return;
        }
        state.phase = phase;
        if phase == Phase::Closed {
            state.queue = Vec::new();
        }
        drop(state);
        self.filled.notify_one();
        self.emptied.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn outbox(packets: usize, bytes: usize) -> Outbox {
        Outbox::new(OutboxLimits { packets, bytes })
    }

    #[test]
    fn a_full_outbox_refuses_by_count_and_by_bytes() {
        let by_count = outbox(2, 100);
        assert_eq!(by_count.push(Bytes::from_static(b"a")), Ok(()));
        assert_eq!(by_count.push(Bytes::from_static(b"b")), Ok(()));
        assert_eq!(by_count.push(Bytes::from_static(b"c")), Err(Refused::Full));

        let by_bytes = outbox(10, 4);
        assert_eq!(by_bytes.push(Bytes::from_static(b"larger than all")), Ok(()));
        assert_eq!(by_bytes.push(Bytes::from_static(b"x")), Err(Refused::Full));
    }

    #[tokio::test]
    async fn what_the_writer_holds_counts_until_it_comes_back() {
        let outbox = outbox(2, 100);
        let mut batch = Vec::new();
        outbox.push(Bytes::from_static(b"a")).unwrap();
        outbox.push(Bytes::from_static(b"b")).unwrap();
        assert!(outbox.take(&mut batch).await);
        assert_eq!(batch.len(), 2);
        assert_eq!(outbox.push(Bytes::from_static(b"c")), Err(Refused::Full));
        batch.clear();
        outbox.finish();
        assert!(!outbox.take(&mut batch).await);
    }

    #[tokio::test]
    async fn finishing_flushes_and_closing_forgets() {
        let mut batch = Vec::new();
        let flushed = outbox(8, 100);
        flushed.push(Bytes::from_static(b"a")).unwrap();
        flushed.finish();
        assert_eq!(flushed.push(Bytes::from_static(b"b")), Err(Refused::Closed));
        assert!(flushed.take(&mut batch).await);
        batch.clear();
        assert!(!flushed.take(&mut batch).await);

        let forgotten = outbox(8, 100);
        forgotten.push(Bytes::from_static(b"a")).unwrap();
        forgotten.close();
        assert!(!forgotten.take(&mut batch).await);
        assert!(batch.is_empty());
    }

    #[tokio::test]
    async fn the_reader_waits_for_room() {
        let outbox = outbox(4, 1000);
        for _ in 0..2 {
            outbox.push(Bytes::from_static(b"a")).unwrap();
        }
        let mut room = Box::pin(outbox.room());
        assert!(futures_poll(room.as_mut()).is_pending());
        let mut batch = Vec::new();
        outbox.take(&mut batch).await;
        batch.clear();
        let mut more = Box::pin(outbox.take(&mut batch));
        assert!(futures_poll(more.as_mut()).is_pending());
        room.await;
    }

    #[tokio::test]
    async fn nobody_is_read_far_ahead_of_his_answers() {
        let outbox = Outbox::new(OutboxLimits::default());
        outbox.push(Bytes::from(vec![0; READ_AHEAD - 1])).unwrap();
        outbox.room().await;
        outbox.push(Bytes::from_static(b"a")).unwrap();
        assert!(futures_poll(pin!(outbox.room())).is_pending());
        assert_eq!(outbox.push(Bytes::from(vec![0; 2 << 20])), Ok(()), "a push still fits");
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}

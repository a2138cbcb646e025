//! What waits to be written to one connection: frames one after another in one buffer, so that a batch is one write.

use std::iter::once;
use std::mem::MaybeUninit;
use std::sync::Mutex;

use tokio::sync::Notify;

pub(super) struct Outgoing {
    state: Mutex<State>,
    /// Bytes that may wait.
    limit: usize,
    /// Tasks that have something to add come before a write.
    gathers: bool,
    /// Wakes the writer: there is something to write, or the phase has changed.
    filled: Notify,
    /// Wakes who waits for room.
    emptied: Notify,
}

struct State {
    queue: Vec<u8>,
    /// The buffer of the last batch, while the writer waits for the next.
    spare: Vec<u8>,
    /// Bytes of the largest batch since the last [`Outgoing::relax`], and before it.
    largest: [usize; 2],
    /// Bytes that the writer has and has not confirmed.
    taken: usize,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Nobody writes; the first use changes that.
    Idle,
    Open,
    /// The other side cannot be reached.
    Down,
    /// Takes nothing more; what is queued is still written.
    Finishing,
    Closed,
}

/// Why nothing was queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// Somebody has to connect first.
    Idle,
    Full,
    Down,
    Closed,
}

/// A buffer that has grown larger is kept while some batch has needed an eighth of it of late: each new one costs a page fault
/// per 4 KiB. Smaller ones are until nothing was written for a while.
const KEPT: usize = 1024 * 1024;
/// Bytes of the next frame that the processor is told of ahead.
const AHEAD: usize = 4096;
const CACHE_LINE: usize = 64;

impl Outgoing {
    /// For what many tasks send.
    pub(super) fn idle(limit: usize) -> Self {
        Self::new(limit, true, Phase::Idle)
    }

    /// For answers of the task that also writes them: a broadcast has ten thousand others run, and is answered before.
    pub(super) fn open(limit: usize) -> Self {
        Self::new(limit, false, Phase::Open)
    }

    fn new(limit: usize, gathers: bool, phase: Phase) -> Self {
        let state = State { queue: Vec::new(), spare: Vec::new(), largest: [0; 2], taken: 0, phase };
        Self { state: Mutex::new(state), limit, gathers, filled: Notify::new(), emptied: Notify::new() }
    }

    /// Appends what `write` writes, all or nothing; never waits.
    pub(super) fn append(&self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Refused> {
        self.put(self.limit, once(write)).map(drop)
    }

    /// The same with several frames, as far as there is room. Says how many were appended.
    pub(super) fn append_all<W>(&self, frames: impl Iterator<Item = W>) -> Result<usize, Refused>
    where
        W: FnOnce(&mut Vec<u8>),
    {
        self.put(self.limit, frames)
    }

    /// [`append`](Self::append) for what must not be lost because others have sent much: it has so many times the room.
    pub(super) fn append_beyond(&self, times: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Refused> {
        self.put(self.limit.saturating_mul(times), once(write)).map(drop)
    }

    fn put<W>(&self, limit: usize, frames: impl Iterator<Item = W>) -> Result<usize, Refused>
    where
        W: FnOnce(&mut Vec<u8>),
    {
        let mut state = self.state.lock().unwrap();
        match state.phase {
            Phase::Open => {}
            Phase::Idle => return Err(Refused::Idle),
            Phase::Down => return Err(Refused::Down),
            Phase::Finishing | Phase::Closed => return Err(Refused::Closed),
        }
        let is_empty = state.queue.is_empty();
        let appended = frames.map(|write| state.append(limit, write)).take_while(|is_there| *is_there).count();
        drop(state);
        if appended == 0 {
            return Err(Refused::Full);
        }
        if is_empty {
            self.filled.notify_one();
        }
        Ok(appended)
    }

    /// Moves everything queued into `batch` and counts what was taken before as written. `false` says that nothing will
    /// ever come again.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn take(&self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        loop {
            {
                let mut state = self.state.lock().unwrap();
                let buffer = std::mem::take(batch);
                if buffer.capacity() > 0 && state.is_worth_keeping(&buffer) {
                    state.spare = buffer;
                }
                if std::mem::take(&mut state.taken) > 0 && !self.has_much(&state) {
                    self.emptied.notify_waiters();
                }
                match state.phase {
                    Phase::Open | Phase::Finishing if !state.queue.is_empty() => {
                        let spare = std::mem::take(&mut state.spare);
                        *batch = std::mem::replace(&mut state.queue, spare);
                        state.taken = batch.len();
                        state.largest[0] = state.largest[0].max(batch.len());
                        return true;
                    }
                    Phase::Finishing | Phase::Closed => return false,
                    Phase::Idle | Phase::Open | Phase::Down => {}
                }
            }
            self.filled.notified().await;
            if self.gathers {
                // Whoever else is ready to run may have something to add to this write.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits until there is room, or no use in waiting.
    pub(super) async fn room(&self) {
        loop {
            let emptied = self.emptied.notified();
            if !self.is_crowded() {
                return;
            }
            emptied.await;
        }
    }

    /// Whether [`room`](Self::room) would wait.
    pub(super) fn is_crowded(&self) -> bool {
        self.has_much(&self.state.lock().unwrap())
    }

    fn has_much(&self, state: &State) -> bool {
        state.phase == Phase::Open && state.queue.len() + state.taken > self.limit / 2
    }

    /// Frees what nobody needs, if nothing was written since the last call.
    pub(super) fn relax(&self) {
        let mut state = self.state.lock().unwrap();
        if state.largest[0] == 0 {
            state.spare = Vec::new();
            state.queue.shrink_to_fit();
        }
        state.largest = [0, state.largest[0]];
    }

    /// The connection of the last batch has ended: what the writer had may be lost. What is still queued is shown to
    /// `keep`.
    pub(super) fn cut<T>(&self, keep: impl FnOnce(&[u8]) -> T) -> T {
        let mut state = self.state.lock().unwrap();
        state.taken = 0;
        if !self.has_much(&state) {
            self.emptied.notify_waiters();
        }
        keep(&state.queue)
    }

    /// Begins to take frames. `false`: it does already, or never will.
    pub(super) fn wake(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        let idle = state.phase == Phase::Idle;
        if idle {
            state.phase = Phase::Open;
        }
        idle
    }

    /// Takes frames again.
    pub(super) fn up(&self) {
        self.enter(|phase| (phase == Phase::Down).then_some(Phase::Open));
    }

    /// Refuses more, and gives back what is queued.
    pub(super) fn down(&self) -> Vec<u8> {
        self.enter(|phase| (phase == Phase::Open).then_some(Phase::Down))
    }

    /// Back to the beginning, unless something waits.
    pub(super) fn rest(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        let rests = matches!(state.phase, Phase::Open | Phase::Down) && state.queue.is_empty() && state.taken == 0;
        if rests {
            *state = State { queue: Vec::new(), spare: Vec::new(), largest: [0; 2], taken: 0, phase: Phase::Idle };
        }
        rests
    }

    /// Takes nothing more; the writer sends what is queued and ends.
    pub(super) fn finish(&self) {
        self.enter(|phase| match phase {
            Phase::Open => Some(Phase::Finishing),
            Phase::Idle | Phase::Down => Some(Phase::Closed),
            Phase::Finishing | Phase::Closed => None,
        });
    }

    /// Takes nothing more and forgets what is queued.
    pub(super) fn close(&self) {
        self.enter(|phase| (phase != Phase::Closed).then_some(Phase::Closed));
    }

    /// Nothing is left to write, and nothing will come.
    pub(super) fn is_done(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.phase == Phase::Closed || (state.phase == Phase::Finishing && state.queue.is_empty())
    }

    /// What was queued and is forgotten.
    fn enter(&self, next: impl FnOnce(Phase) -> Option<Phase>) -> Vec<u8> {
        let mut state = self.state.lock().unwrap();
        let Some(phase) = next(state.phase) else { return Vec::new() };
        state.phase = phase;
        let mut forgotten = Vec::new();
        if matches!(phase, Phase::Down | Phase::Closed) {
            forgotten = std::mem::take(&mut state.queue);
            state.spare = Vec::new();
            state.taken = 0;
        }
        drop(state);
        self.filled.notify_one();
        self.emptied.notify_waiters();
        forgotten
    }
}

impl State {
    /// `false`: there is no room.
    fn append(&mut self, limit: usize, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let before = self.queue.len();
        write(&mut self.queue);
        // A frame of any size fits where there is room.
        let others = before + self.taken;
        if others > limit / 2 && self.queue.len() + self.taken > limit {
            self.queue.truncate(before);
            return false;
        }
        let size = self.queue.len() - before;
        will_be_written(self.queue.spare_capacity_mut(), size);
        true
    }

    fn is_worth_keeping(&self, buffer: &Vec<u8>) -> bool {
        buffer.capacity() <= KEPT || self.largest.iter().any(|largest| *largest >= buffer.capacity() / 8)
    }
}

/// Has the processor fetch the place of the next frame, which is likely to be as large as the last one. The last batch has
/// left it in the cache of whichever core has sent it, and the lock is not free before all is written.
fn will_be_written(place: &mut [MaybeUninit<u8>], size: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        let size = size.min(AHEAD).next_multiple_of(CACHE_LINE).min(place.len());
        for line in place[..size].chunks_exact(CACHE_LINE) {
            safe_arch::prefetch_et0(&line[0]);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (place, size);
}

//! The packets that wait for one client: bounded, filled by anyone, emptied in batches by the session's writer.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::{AddAssign, SubAssign};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::Wakes;
use crate::packet::Format;

/// How much may wait for one client. Nodes that push more are made to wait while the client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Packets; default 1024, as the write queue of due's ws server.
    pub packets: usize,
    /// Bytes of those packets, at most 2 GiB; default 4 MiB.
    pub bytes: usize,
    /// How long a client may take for one write, of 128 KiB at most, until nobody waits any longer to push more; [`Overflow`]
    /// says what happens then. Default half a second; due waits for ever.
    pub patience: Duration,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { packets: 1024, bytes: 4 << 20, patience: Duration::from_millis(500) }
    }
}

/// What happens to a client that reads too slowly, when its [`OutboxLimits`] are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// It is disconnected; what is queued is lost.
    #[default]
    Disconnect,
    /// It loses its oldest pushes (packets with seq 0) and stays. Responses are never dropped: a client that lets those
    /// alone fill its outbox is disconnected, and so is every slow client if the packet format has no seq.
    DropOldestPush,
}

/// What holds for the outboxes of all sessions of a gate.
pub(crate) struct OutboxRules {
    pub(crate) limits: OutboxLimits,
    pub(crate) overflow: Overflow,
    pub(crate) format: Arc<Format>,
    /// An outbox that somebody waits for takes more.
    relieved: Notify,
}

impl OutboxRules {
    pub(crate) fn new(limits: OutboxLimits, overflow: Overflow, format: Arc<Format>) -> Self {
        let limits = OutboxLimits { bytes: limits.bytes.min(MOST_BYTES), ..limits };
        Self { limits, overflow, format, relieved: Notify::new() }
    }
}

/// What a packet is to a full outbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Urgency {
    /// Who pushes it can wait for room.
    CanWait,
    /// Now or never.
    Now,
    /// The client has asked for it, and does not ask for much at a time: it has room beyond the limits.
    Owed,
}

/// Why a packet was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no room at the moment, but the client reads.
    Busy(Bytes),
    /// The client reads too slowly.
    Full,
    /// It was a push, and there is no older one to drop in its place.
    Dropped,
    /// The session is closing or closed.
    Closed,
}

/// Unwritten bytes beyond which a client is not read any further, unless half of its outbox is less: a client that asks
/// and does not read costs this much. Pushes may use the whole outbox.
const READ_AHEAD: usize = 256 * 1024;
/// The writer takes no more at a time: what it has taken cannot be dropped any more.
const WRITE_AHEAD: usize = 128 * 1024;
const MOST_BYTES: usize = 1 << 31;
/// Before somebody who waits for the writer to begin looks again.
const WRITERS_TURN: Duration = Duration::from_millis(10);

pub(crate) struct Outbox {
    state: Mutex<State>,
    /// What [`Outbox::crowded`] says, for who asks once per message.
    is_crowded: AtomicBool,
    rules: Arc<OutboxRules>,
}

struct State {
    queue: VecDeque<Bytes>,
    /// At the front of the queue, known to be no pushes.
    answers: usize,
    /// Queued, and held by the writer.
    all: Load,
    /// The part of it that counts against reading on.
    owed: Load,
    /// What the writer took last and has not confirmed, and when.
    taken: (Load, Load),
    taken_at: Instant,
    /// Somebody waits for room.
    awaited: bool,
    dropped: u64,
    phase: Phase,
    /// Writer and reader are one task.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Default)]
struct Load {
    packets: u32,
    /// No more than are counted in 32 bits: every session has four of these.
    bytes: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Takes nothing more; what is queued still goes out.
    Finishing,
    Closed,
}

impl Outbox {
    pub(crate) fn new(rules: Arc<OutboxRules>) -> Self {
        let state = State {
            queue: VecDeque::new(),
            answers: 0,
            all: Load::default(),
            owed: Load::default(),
            taken: Default::default(),
            taken_at: Instant::now(),
            awaited: false,
            dropped: 0,
            phase: Phase::Open,
            waker: None,
        };
        Self { state: Mutex::new(state), is_crowded: AtomicBool::new(false), rules }
    }

    /// Queues one packet; never waits. The caller wakes the writer, when all that comes at once is queued.
    pub(crate) fn queue(&self, packet: Bytes, urgency: Urgency) -> Result<Option<Waker>, Refused> {
        self.put(&mut self.state.lock().unwrap(), packet, urgency)
    }

    /// [`queue`](Self::queue) for parts of something larger. They stay that until the writer has its next turn; if that may
    /// take long, as the client has not taken what came before, they are copied. The first one that is refused is the last
    /// one that was looked at, but for pushes that are dropped.
    pub(crate) fn queue_parts(
        &self,
        parts: impl Iterator<Item = (Bytes, Urgency)>,
        wakes: &mut Wakes,
    ) -> Result<(), Refused> {
        let mut state = self.state.lock().unwrap();
        let is_behind = state.taken.0.packets > 0;
        let mut last = Ok(());
        for (part, urgency) in parts {
            let packet = if is_behind { Bytes::copy_from_slice(&part) } else { part };
            last = self.put(&mut state, packet, urgency).map(|waker| wakes.add(waker));
            if !matches!(last, Ok(()) | Err(Refused::Dropped)) {
                break;
            }
        }
        last
    }

    fn put(&self, state: &mut State, packet: Bytes, urgency: Urgency) -> Result<Option<Waker>, Refused> {
        if state.phase != Phase::Open {
            return Err(Refused::Closed);
        }
        if !self.fits(state, &packet) {
            let is_slow = self.is_slow(state);
            match urgency {
                Urgency::CanWait if !is_slow => {
                    state.awaited = true;
                    return Err(Refused::Busy(packet));
                }
                Urgency::Owed if !is_slow => {}
                _ => {
                    if !self.make_room(state, &packet) {
                        let droppable = self.may_drop(&packet);
                        state.dropped += u64::from(droppable);
                        return Err(match (droppable, is_slow) {
                            (true, _) => Refused::Dropped,
                            (false, true) => Refused::Full,
                            (false, false) => Refused::Busy(packet),
                        });
                    }
                }
            }
        }
        let load = self.load_of(&packet);
        state.all += load.0;
        state.owed += load.1;
        self.is_crowded.store(self.crowded(state), Ordering::Relaxed);
        state.queue.push_back(packet);
        Ok(if state.queue.len() == 1 { state.waker.take() } else { None })
    }

    /// Waits until a packet that was [`Busy`](Refused::Busy) may have room, or the client turns out to be too slow for it.
    pub(crate) async fn relief(&self) {
        let mut relieved = pin!(self.rules.relieved.notified());
        loop {
            relieved.as_mut().enable();
            let patience = {
                let state = self.state.lock().unwrap();
                if state.phase != Phase::Open || !state.awaited || self.is_slow(&state) {
                    return;
                }
                let patience = self.rules.limits.patience;
                match state.taken.0.packets {
                    // The writer has its turn soon, however busy this process is.
                    0 => patience.max(WRITERS_TURN),
                    _ => patience.saturating_sub(state.taken_at.elapsed()),
                }
            };
            let _ = timeout(patience, relieved.as_mut()).await;
            relieved.set(self.rules.relieved.notified());
        }
    }

    /// What is queued, or the first part of it; what was taken before counts as written from now on. `None` says that
    /// nothing will ever come again.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) fn take(&self) -> impl Future<Output = Option<Vec<Bytes>>> {
        poll_fn(|cx| self.poll_take(cx))
    }

    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<Bytes>>> {
        let mut state = self.state.lock().unwrap();
        let was_crowded = self.crowded(&state);
        let (all, owed) = std::mem::take(&mut state.taken);
        state.all -= all;
        state.owed -= owed;
        let relieved = was_crowded && !self.crowded(&state);
        if relieved {
            self.is_crowded.store(false, Ordering::Relaxed);
        }
        if all.packets > 0 {
            self.relieve(&mut state);
        }
        let taken = match state.phase {
            Phase::Closed => Poll::Ready(None),
            _ if !state.queue.is_empty() => Poll::Ready(Some(self.first_part(&mut state))),
            Phase::Finishing => Poll::Ready(None),
            Phase::Open => Poll::Pending,
        };
        // Still under the lock: a push in between would find nobody to wake, and then wait for the next one. The woken
        // task is this one, which wants the lock later.
        if relieved && let Some(waker) = state.waker.take() {
            waker.wake();
        }
        if taken.is_pending() {
            state.wait(cx);
        }
        taken
    }

    /// The queue itself where that is possible, so that an idle session keeps nothing.
    fn first_part(&self, state: &mut State) -> Vec<Bytes> {
        let mut bytes = 0;
        let within = |packet: &&Bytes| {
            bytes += packet.len();
            bytes <= WRITE_AHEAD
        };
        let count = state.queue.iter().take_while(within).count().max(1);
        let batch = match count == state.queue.len() {
            true => std::mem::take(&mut state.queue).into(),
            false => state.queue.drain(..count).collect::<Vec<_>>(),
        };
        for packet in &batch {
            let load = self.load_of(packet);
            state.taken.0 += load.0;
            state.taken.1 += load.1;
        }
        state.taken_at = Instant::now();
        state.answers = state.answers.saturating_sub(count);
        batch
    }

    /// Waits until little is left to write, so that a client that does not read is not read either.
    pub(crate) fn room(&self) -> impl Future<Output = ()> {
        self.until(move |state| state.phase != Phase::Open || !self.crowded(state))
    }

    /// Whether [`room`](Self::room) would wait: the client is not read at the moment.
    pub(crate) fn is_crowded(&self) -> bool {
        self.is_crowded.load(Ordering::Relaxed)
    }

    /// Waits until nothing more is taken.
    pub(crate) fn until_complete(&self) -> impl Future<Output = ()> {
        self.until(|state| state.phase != Phase::Open)
    }

    /// Waits until nothing is written any more.
    pub(crate) fn until_closed(&self) -> impl Future<Output = ()> {
        self.until(|state| state.phase == Phase::Closed)
    }

    fn until(&self, done: impl Fn(&State) -> bool) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            let mut state = self.state.lock().unwrap();
            if done(&state) {
                return Poll::Ready(());
            }
            state.wait(cx);
            Poll::Pending
        })
    }

    /// Takes nothing more; the writer sends what is queued and ends.
    pub(crate) fn finish(&self) {
        self.enter(Phase::Finishing);
    }

    /// Takes nothing more and forgets what is queued.
    pub(crate) fn close(&self) {
        self.enter(Phase::Closed);
    }

    /// Pushes that the client has lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.lock().unwrap().dropped
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state.lock().unwrap();
        if state.phase == Phase::Closed || state.phase == phase {
            return;
        }
        state.phase = phase;
        if phase == Phase::Closed {
            state.queue = VecDeque::new();
        }
        self.relieve(&mut state);
        wake(state);
    }

    /// Whoever waits with a packet is to try again.
    fn relieve(&self, state: &mut State) {
        if std::mem::take(&mut state.awaited) {
            self.rules.relieved.notify_waiters();
        }
    }

    /// A packet larger than the whole limit still fits an empty outbox, so that no limit makes a route mute.
    fn fits(&self, state: &State, packet: &Bytes) -> bool {
        let (limits, load) = (&self.rules.limits, &state.all);
        let (packets, bytes) = (load.packets as usize, load.bytes as usize);
        packets < limits.packets && (bytes == 0 || bytes + packet.len() <= limits.bytes)
    }

    fn crowded(&self, state: &State) -> bool {
        let (limits, load) = (&self.rules.limits, &state.owed);
        let (packets, bytes) = (load.packets as usize, load.bytes as usize);
        packets >= (limits.packets / 2).max(1) || bytes >= (limits.bytes / 2).clamp(1, READ_AHEAD)
    }

    /// Whether the client has not taken for long what the writer took.
    fn is_slow(&self, state: &State) -> bool {
        state.taken.0.packets > 0 && state.taken_at.elapsed() >= self.rules.limits.patience
    }

    fn may_drop(&self, packet: &Bytes) -> bool {
        self.rules.overflow == Overflow::DropOldestPush && !self.rules.format.is_awaited(packet)
    }

    /// Drops older pushes for a packet, as many as it takes. `false`: there are not enough.
    fn make_room(&self, state: &mut State, packet: &Bytes) -> bool {
        while !self.fits(state, packet) {
            if !self.drop_oldest(state) {
                return false;
            }
            state.dropped += 1;
        }
        true
    }

    fn drop_oldest(&self, state: &mut State) -> bool {
        while let Some(packet) = state.queue.get(state.answers) {
            if self.may_drop(packet) {
                state.all -= self.load_of(packet).0;
                state.queue.remove(state.answers);
                return true;
            }
            state.answers += 1;
        }
        false
    }

    /// What a packet adds to all, and to what is owed: pushes that can be dropped do not keep anybody from asking.
    fn load_of(&self, packet: &Bytes) -> (Load, Load) {
        let load = Load { packets: 1, bytes: u32::try_from(packet.len()).unwrap_or(u32::MAX) };
        (load, if self.may_drop(packet) { Load::default() } else { load })
    }
}

impl State {
    fn wait(&mut self, cx: &Context<'_>) {
        self.waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
    }
}

/// Outside of the lock, which the woken task will want.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, load: Self) {
        self.packets += load.packets;
        self.bytes = self.bytes.saturating_add(load.bytes);
    }
}

impl SubAssign for Load {
    fn sub_assign(&mut self, load: Self) {
        self.packets -= load.packets;
        self.bytes = self.bytes.saturating_sub(load.bytes);
    }
}

#[cfg(test)]
mod tests;

//! Calls that wait for their answers.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::CallError;
use crate::id::{RouteId, Seq};
use crate::packet::Format;

type Answer = Result<Bytes, CallError>;

/// How long the answer to an abandoned call may still come, where only the order tells whose answer it is.
const LATE: Duration = Duration::from_secs(30);

/// Matches answers with calls: by seq, or without seqs by the order of the calls on a route.
#[derive(Debug)]
pub(super) struct Pending {
    /// `None` when no answer will come any more.
    calls: Mutex<Option<Calls>>,
    limit: usize,
    /// Numbers the calls: a seq is free for the next one as soon as its answer has come.
    entered: AtomicU64,
    /// No call enters any more. Changes while `calls` is locked.
    leaving: AtomicBool,
    /// A call has ended since.
    ended: Notify,
}

#[derive(Debug)]
enum Calls {
    BySeq(BySeq),
    ByOrder(ByOrder),
}

impl Calls {
    fn is_idle(&self) -> bool {
        match self {
            Self::BySeq(calls) => calls.calls.values().all(|called| called.answer.is_none()),
            Self::ByOrder(calls) => {
                calls.routes.values().flatten().all(|call| matches!(call.state, State::Abandoned(_)))
            }
        }
    }
}

impl Pending {
    /// At most `limit` calls, and no more than there are seqs.
    pub(super) fn new(format: &Format, limit: usize) -> Self {
        let (calls, seqs) = match format.max_seq().0 {
            0 => (Calls::ByOrder(ByOrder::default()), usize::MAX),
            max => (Calls::BySeq(BySeq { max, last: 0, calls: HashMap::new() }), max as usize),
        };
        Self {
            calls: Mutex::new(Some(calls)),
            limit: limit.min(seqs),
            entered: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            ended: Notify::new(),
        }
    }

    /// Adds a call, whose packet `send` puts in line: none that enters later overtakes it.
    pub(super) fn enter(
        &self,
        route: RouteId,
        send: impl FnOnce(Seq) -> Result<(), CallError>,
    ) -> Result<Waiting<'_>, CallError> {
        let mut guard = self.calls();
        if self.leaving.load(Ordering::Relaxed) {
            return Err(CallError::GoingAway);
        }
        let calls = guard.as_mut().ok_or(CallError::Closed)?;
        let (answer, waiting) = oneshot::channel();
        let number = self.entered.fetch_add(1, Ordering::Relaxed);
        let place = match calls {
            Calls::BySeq(calls) => {
                calls.make_room(self.limit)?;
                let seq = calls.free();
                send(Seq(seq))?;
                calls.calls.insert(seq, Called { number, route, answer: Some(answer) });
                Place::Seq(seq)
            }
            Calls::ByOrder(calls) => {
                calls.make_room(self.limit)?;
                send(Seq::NONE)?;
                calls.push(number, route, answer);
                Place::Route(route)
            }
        };
        Ok(Waiting { pending: self, number, place, answer: waiting })
    }

    /// Hands an answer to the call that waits for it, or back.
    pub(super) fn answer(&self, route: RouteId, seq: Seq, answer: Answer) -> Result<(), Answer> {
        let waiting = match &mut *self.calls() {
            Some(Calls::BySeq(calls)) => calls.take(route, seq),
            Some(Calls::ByOrder(calls)) => calls.take(route),
            None => None,
        };
        match waiting {
            Some(Some(waiting)) => {
                // Whoever has just stopped waiting misses nothing.
                let _ = waiting.send(answer);
                Ok(())
            }
            Some(None) => Ok(()),
            None => Err(answer),
        }
    }

    /// The route of the call that waits with this seq.
    pub(super) fn route_of(&self, seq: Seq) -> Option<RouteId> {
        match &*self.calls() {
            Some(Calls::BySeq(calls)) => {
                calls.calls.get(&seq.0).filter(|called| called.answer.is_some()).map(|called| called.route)
            }
            _ => None,
        }
    }

    /// Takes no call any more. Those that wait go on waiting.
    pub(super) fn leave(&self) {
        let _calls = self.calls();
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Waits until no call waits.
    pub(super) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.calls().as_ref().is_none_or(Calls::is_idle) {
                return;
            }
            ended.await;
        }
    }

    /// Fails every call, also later ones.
    pub(super) fn close(&self) {
        let calls = self.calls().take();
        drop(calls);
    }

    fn give_up(&self, number: u64, place: Place) {
        match (&mut *self.calls(), place) {
            (Some(Calls::BySeq(calls)), Place::Seq(seq)) => calls.abandon(number, seq),
            (Some(Calls::ByOrder(calls)), Place::Route(route)) => calls.abandon(number, route),
            _ => {}
        }
    }

    fn calls(&self) -> MutexGuard<'_, Option<Calls>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Seq(i32),
    Route(RouteId),
}

/// A call that was sent. Dropping it gives its place free.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    pending: &'a Pending,
    number: u64,
    place: Place,
    answer: oneshot::Receiver<Answer>,
}

impl Waiting<'_> {
    pub(super) async fn answer(mut self) -> Answer {
        (&mut self.answer).await.unwrap_or(Err(CallError::Closed))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pending.give_up(self.number, self.place);
        self.pending.ended.notify_waiters();
    }
}

#[derive(Debug)]
struct BySeq {
    max: i32,
    last: i32,
    calls: HashMap<i32, Called>,
}

#[derive(Debug)]
struct Called {
    number: u64,
    route: RouteId,
    /// `None` when nobody waits any more: a late answer must not be taken for that of the next call with this seq.
    answer: Option<oneshot::Sender<Answer>>,
}

impl BySeq {
    /// Calls that wait are never given up; of the abandoned ones, the oldest.
    fn make_room(&mut self, limit: usize) -> Result<(), CallError> {
        if self.calls.len() < limit {
            return Ok(());
        }
        let abandoned = self.calls.iter().filter(|(_, called)| called.answer.is_none());
        let oldest = abandoned.min_by_key(|(_, called)| called.number).map(|(seq, _)| *seq);
        self.calls.remove(&oldest.ok_or(CallError::Busy { limit })?);
        Ok(())
    }

    /// The next seq that is neither 0 nor in use. There must be one.
    fn free(&mut self) -> i32 {
        loop {
            self.last = if self.last < self.max { self.last + 1 } else { 1 };
            if !self.calls.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    /// The inner `None` is an answer that nobody waits for any more.
    fn take(&mut self, route: RouteId, seq: Seq) -> Option<Option<oneshot::Sender<Answer>>> {
        // A server may push with any seq: only together with the route it is an answer.
        match self.calls.get(&seq.0) {
            Some(called) if called.route == route => self.calls.remove(&seq.0).map(|called| called.answer),
            _ => None,
        }
    }

    fn abandon(&mut self, number: u64, seq: i32) {
        if let Some(called) = self.calls.get_mut(&seq).filter(|called| called.number == number) {
            called.answer = None;
        }
    }
}

#[derive(Debug, Default)]
struct ByOrder {
    len: usize,
    routes: HashMap<RouteId, VecDeque<InOrder>>,
}

#[derive(Debug)]
struct InOrder {
    number: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(oneshot::Sender<Answer>),
    /// Nobody waits any more, but the answer may still come, and must not be taken for that of the next call.
    Abandoned(Instant),
}

impl ByOrder {
    fn make_room(&mut self, limit: usize) -> Result<(), CallError> {
        if self.len >= limit {
            self.routes.retain(|_, calls| {
                self.len -= forget_late(calls);
                !calls.is_empty()
            });
        }
        if self.len < limit { Ok(()) } else { Err(CallError::Busy { limit }) }
    }

    fn push(&mut self, number: u64, route: RouteId, answer: oneshot::Sender<Answer>) {
        self.len += 1;
        let call = InOrder { number, state: State::Waiting(answer) };
        self.routes.entry(route).or_default().push_back(call);
    }

    /// The inner `None` is an answer that nobody waits for any more.
    fn take(&mut self, route: RouteId) -> Option<Option<oneshot::Sender<Answer>>> {
        let calls = self.routes.get_mut(&route)?;
        self.len -= forget_late(calls);
        let call = calls.pop_front();
        if calls.is_empty() {
            self.routes.remove(&route);
        }
        let call = call?;
        self.len -= 1;
        Some(match call.state {
            State::Waiting(answer) => Some(answer),
            State::Abandoned(_) => None,
        })
    }

    fn abandon(&mut self, number: u64, route: RouteId) {
        let mut calls = self.routes.get_mut(&route).into_iter().flatten();
        if let Some(call) = calls.find(|call| call.number == number) {
            call.state = State::Abandoned(Instant::now());
        }
    }
}

/// Gives up on answers that are long overdue; says on how many.
fn forget_late(calls: &mut VecDeque<InOrder>) -> usize {
    let before = calls.len();
    calls.retain(|call| !matches!(call.state, State::Abandoned(since) if since.elapsed() >= LATE));
    before - calls.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::SeqWidth;

    const ROUTE: RouteId = RouteId(1);

    fn pending(width: SeqWidth, limit: usize) -> Pending {
        Pending::new(&Format::new().seq_width(width), limit)
    }

    fn enter(pending: &Pending) -> (i32, Waiting<'_>) {
        let mut sent = 0;
        let waiting = pending.enter(ROUTE, |seq| {
            sent = seq.0;
            Ok(())
        });
        (sent, waiting.unwrap())
    }

    fn answer(text: &'static str) -> Answer {
        Ok(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn seqs_wrap_and_skip_zero_and_those_in_use() {
        let pending = pending(SeqWidth::One, 1000);
        let (first, held) = enter(&pending);
        assert_eq!(first, 1);
        let seqs: Vec<i32> = (0..127).map(|_| enter(&pending).0).collect();
        assert_eq!((seqs[0], seqs[125], seqs[126]), (2, 127, 2));
        pending.answer(ROUTE, Seq(1), answer("late, but not too late")).unwrap();
        assert_eq!(held.answer().await.unwrap(), "late, but not too late");
    }

    #[tokio::test]
    async fn a_full_table_refuses_and_a_dropped_call_makes_room() {
        for width in [SeqWidth::One, SeqWidth::Two] {
            let pending = pending(width, 200);
            let limit = if width == SeqWidth::One { 127 } else { 200 };
            let mut held: Vec<_> = (0..limit).map(|_| enter(&pending)).collect();
            let refused = pending.enter(ROUTE, |_| panic!("nothing is sent")).unwrap_err();
            assert!(matches!(refused, CallError::Busy { limit: refused } if refused == limit));
            held.pop();
            enter(&pending);
        }
    }

    #[tokio::test]
    async fn a_call_that_leaves_late_leaves_the_next_holder_of_its_seq_alone() {
        let pending = pending(SeqWidth::One, 1);
        let (seq, answered) = enter(&pending);
        pending.answer(ROUTE, Seq(seq), answer("for the first")).unwrap();
        let reused = loop {
            let (next, waiting) = enter(&pending);
            if next == seq {
                break waiting;
            }
        };
        assert_eq!(answered.answer().await.unwrap(), "for the first");
        pending.answer(ROUTE, Seq(seq), answer("for the other")).unwrap();
        assert_eq!(reused.answer().await.unwrap(), "for the other");
    }

    #[tokio::test]
    async fn a_late_answer_is_not_taken_for_that_of_the_next_call() {
        let pending = pending(SeqWidth::One, 1000);
        let (seq, abandoned) = enter(&pending);
        drop(abandoned);
        let held: Vec<_> = (0..126).map(|_| enter(&pending)).collect();
        assert!(held.iter().all(|(other, _)| *other != seq));
        pending.answer(ROUTE, Seq(seq), answer("late")).unwrap();

        let (reused, waiting) = enter(&pending);
        assert_eq!(reused, seq);
        pending.answer(ROUTE, Seq(seq), answer("in time")).unwrap();
        assert_eq!(waiting.answer().await.unwrap(), "in time");
    }

    #[tokio::test]
    async fn only_route_and_seq_together_are_an_answer() {
        let pending = pending(SeqWidth::Two, 8);
        let (seq, waiting) = enter(&pending);
        assert!(pending.answer(RouteId(9), Seq(seq), answer("a push")).is_err());
        assert!(pending.answer(ROUTE, Seq(0), answer("a push")).is_err());
        pending.answer(ROUTE, Seq(seq), answer("yes")).unwrap();
        assert!(pending.answer(ROUTE, Seq(seq), answer("twice")).is_err());
        assert_eq!(waiting.answer().await.unwrap(), "yes");
    }

    #[tokio::test(start_paused = true)]
    async fn without_seqs_the_order_decides_and_late_answers_are_not_mistaken() {
        let pending = pending(SeqWidth::Zero, 3);
        let ((_, first), (_, second), (_, third)) = (enter(&pending), enter(&pending), enter(&pending));
        drop(first);
        assert!(matches!(pending.enter(ROUTE, |_| Ok(())), Err(CallError::Busy { limit: 3 })));
        pending.answer(ROUTE, Seq::NONE, answer("1")).unwrap();
        pending.answer(ROUTE, Seq::NONE, answer("2")).unwrap();
        assert_eq!(second.answer().await.unwrap(), "2");

        drop(third);
        tokio::time::advance(LATE).await;
        let (_, fourth) = enter(&pending);
        pending.answer(ROUTE, Seq::NONE, answer("4")).unwrap();
        assert_eq!(fourth.answer().await.unwrap(), "4", "the answer to the third will not come any more");
        assert!(pending.answer(ROUTE, Seq::NONE, answer("a push")).is_err());
    }

    #[tokio::test]
    async fn closing_fails_those_who_wait_and_those_who_come() {
        for width in [SeqWidth::Zero, SeqWidth::Two] {
            let pending = pending(width, 8);
            let (_, waiting) = enter(&pending);
            pending.close();
            assert!(matches!(waiting.answer().await, Err(CallError::Closed)));
            assert!(matches!(pending.enter(ROUTE, |_| Ok(())), Err(CallError::Closed)));
        }
    }
}

//! Requests of one session that were read and are not answered yet.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Session;
use crate::id::{Nid, RouteId, Seq};

/// How many requests of one session may be with nodes of other processes before nothing more is read from it. Nodes take
/// as many without refusing any. Of nodes that need not answer, so many requests are remembered, and others are forgotten
/// for them: such nodes let their gates wait when they have too much to do.
pub(crate) const WINDOW: usize = 128;
/// So many are soon made room for again.
const FEW: usize = 4;
/// How many requests of one session without an answer are remembered when nobody waits for it any more, or it would come too
/// late: a client that goes on to send while a node hangs has so many in a minute and a half.
const REMEMBERED: usize = 8 * WINDOW;

#[derive(Default)]
pub(super) struct Requests {
    /// Without an answer: with this gate, with nodes of this process, or away and open.
    unanswered: AtomicUsize,
    state: Mutex<State>,
    /// There is room again.
    relieved: Notify,
}

#[derive(Default)]
struct State {
    /// With nodes of other processes, in the order they were sent. Their answers are recognised by route and seq.
    away: VecDeque<Away>,
    /// The node that most of them are with: counting who refers to an id is work for all threads.
    usual: Option<Nid>,
    /// Those of `away` that an answer is waited for.
    open: usize,
    /// Somebody waits for room.
    awaited: bool,
}

struct Away {
    route: RouteId,
    seq: Seq,
    /// `None`: it is with the usual node.
    elsewhere: Option<Nid>,
    /// An answer comes, or the end of the node.
    is_sure: bool,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    /// Its connection has broken, or that of its answer; an answer may still come until then.
    Doomed(Instant),
    /// Taken for one that is not answered, so that others may leave. If it is lost, its client is told all the same.
    Presumed,
    /// It was answered with a status. The answer of the node comes too late, if it comes.
    Failed,
}

impl Fate {
    fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Doomed(_))
    }
}

/// Says what packets of other processes are to the requests, which do not change otherwise meanwhile.
pub(super) struct Receiver<'a> {
    requests: &'a Requests,
    state: MutexGuard<'a, State>,
    answered: usize,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Received {
    /// It answers nothing.
    Push,
    Answer,
    /// Nobody has waited for it any more.
    Unexpected,
    /// Its request was answered before: it must not reach the client.
    Late,
}

/// A request that is to be with this gate again.
pub(crate) enum Back {
    Unanswered(Request),
    /// With a status, when it seemed to be lost.
    Answered,
    /// No answer is waited for.
    Unknown,
}

/// Whoever works on a request of this process holds one until the answer is in the outbox.
pub(crate) struct Request {
    session: Arc<Session>,
}

impl Request {
    pub(super) fn new(session: Arc<Session>) -> Self {
        session.requests.begin(1);
        Self { session }
    }

    /// Holds a request that was away.
    pub(super) fn take_back(session: &Arc<Session>, route: RouteId, seq: Seq) -> Back {
        let mut receiver = session.requests.receive();
        let received = receiver.next(route, seq);
        receiver.end();
        match received {
            Received::Answer => Back::Unanswered(Self { session: Arc::clone(session) }),
            Received::Unexpected => Back::Unanswered(Self::new(Arc::clone(session))),
            Received::Late => Back::Answered,
            Received::Push => Back::Unknown,
        }
    }

    /// See [`Session::fail_doomed`].
    pub(super) fn fail_doomed(session: &Arc<Session>, now: Instant) -> Vec<(RouteId, Seq, Self)> {
        let failed = session.requests.fail_doomed(now).into_iter();
        failed.map(|(route, seq)| (route, seq, Self { session: Arc::clone(session) })).collect()
    }
}

impl Receiver<'_> {
    /// What is the next one? The request that it answers is with this gate from now on.
    pub(super) fn next(&mut self, route: RouteId, seq: Seq) -> Received {
        let state = &mut *self.state;
        let answers = |away: &Away| away.seq == seq && (away.route == route || route == RouteId::STATUS);
        let waits = |away: &Away| away.fate.is_open() && answers(away);
        // A client that uses a seq again waits for the new request, and has heard of the old one.
        let index = state.away.iter().position(waits).or_else(|| state.away.iter().position(answers));
        let Some(index) = index else { return Received::Push };
        match state.away.remove(index).map(|away| away.fate) {
            Some(Fate::Failed) => return Received::Late,
            Some(Fate::Presumed) => return Received::Unexpected,
            Some(Fate::Open | Fate::Doomed(_)) | None => {}
        }
        state.open -= 1;
        self.answered += 1;
        Received::Answer
    }

    /// How many of them were answers.
    pub(super) fn end(mut self) -> usize {
        if self.answered > 0 {
            if self.state.away.is_empty() && self.state.away.capacity() <= FEW {
                // Who asks now and then keeps nothing.
                self.state.away = VecDeque::new();
            }
            self.requests.relieve(self.state);
        }
        self.answered
    }
}

impl Back {
    pub(crate) fn unanswered(self) -> Option<Request> {
        match self {
            Self::Unanswered(request) => Some(request),
            Self::Answered | Self::Unknown => None,
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.session.requests.end(1) {
            self.session.leave_if_answered();
        }
    }
}

impl Requests {
    fn begin(&self, asked: usize) {
        self.unanswered.fetch_add(asked, SeqCst);
    }

    /// Whether none is left.
    pub(super) fn end(&self, answered: usize) -> bool {
        self.unanswered.fetch_sub(answered, SeqCst) == answered
    }

    /// Requests of one route leave this process; `is_sure`: to a node that answers each. Says how many of them may: the next one
    /// has to wait for [`room`](Self::room).
    pub(super) fn send(&self, route: RouteId, seqs: &[Seq], nid: &Nid, is_sure: bool) -> usize {
        let mut state = self.state.lock().unwrap();
        let before = state.open;
        let sent = seqs.iter().take_while(|seq| state.send(route, **seq, nid, is_sure)).count();
        // One may have been forgotten for one that was known.
        self.begin(state.open.wrapping_sub(before));
        sent
    }

    /// Packets for the client come from another process.
    pub(super) fn receive(&self) -> Receiver<'_> {
        Receiver { requests: self, state: self.state.lock().unwrap(), answered: 0 }
    }

    /// Marks what is lost, or may be, of that which is with this node now: it is given up at this time, or when it was to be
    /// before. Says whether that is anything.
    pub(super) fn doom(&self, nid: &Nid, at: Instant, is_lost: impl Fn(RouteId, Seq) -> bool) -> bool {
        let mut state = self.state.lock().unwrap();
        let (mut any, mut expected_again) = (false, 0);
        let State { away, usual, .. } = &mut *state;
        let is_there = |away: &Away| away.elsewhere.as_ref().or(usual.as_ref()) == Some(nid);
        let lost = |away: &&mut Away| is_there(away) && is_lost(away.route, away.seq);
        for away in away.iter_mut().filter(lost) {
            match away.fate {
                Fate::Doomed(before) if before <= at => {}
                Fate::Failed => {}
                Fate::Open | Fate::Doomed(_) | Fate::Presumed => {
                    expected_again += usize::from(away.fate == Fate::Presumed);
                    away.fate = Fate::Doomed(at);
                    any = true;
                }
            }
        }
        state.open += expected_again;
        self.begin(expected_again);
        any
    }

    /// Gives up what was marked for this time: it is with the caller now, who answers it.
    pub(super) fn fail_doomed(&self, now: Instant) -> Vec<(RouteId, Seq)> {
        let mut state = self.state.lock().unwrap();
        let mut failed = Vec::new();
        state.away.retain_mut(|away| {
            if !matches!(away.fate, Fate::Doomed(at) if at <= now) {
                return true;
            }
            failed.push((away.route, away.seq));
            away.fate = Fate::Failed;
            // Only a seq tells a late answer from a push.
            away.seq != Seq::NONE
        });
        // A node that died answers nothing: what it might still answer is remembered for a while only.
        state.remember(Fate::Failed);
        self.begin(failed.len());
        self.count(state);
        failed
    }

    /// Waits until a further request may leave.
    pub(super) async fn room(&self) {
        loop {
            let relieved = self.relieved.notified();
            {
                let mut state = self.state.lock().unwrap();
                if state.open < WINDOW {
                    return;
                }
                state.awaited = true;
            }
            relieved.await;
        }
    }

    /// Waits no more for the older half of what is away: these requests seem to have no answer.
    pub(super) fn presume_oneway(&self) {
        let mut state = self.state.lock().unwrap();
        let half = state.open / 2;
        for away in state.away.iter_mut().filter(|away| away.fate.is_open()).take(half) {
            away.fate = Fate::Presumed;
        }
        // Without a seq nobody could tell what a status is for.
        state.away.retain(|away| away.fate != Fate::Presumed || away.seq != Seq::NONE);
        state.remember(Fate::Presumed);
        self.count(state);
    }

    /// Forgets what is with nodes that need not answer.
    pub(super) fn forget_unsure(&self) {
        let mut state = self.state.lock().unwrap();
        state.away.retain(|away| away.is_sure || !away.fate.is_open());
        self.count(state);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.unanswered.load(SeqCst) == 0
    }

    /// Some of those that are away are so no longer.
    fn count(&self, mut state: MutexGuard<'_, State>) {
        let open = state.away.iter().filter(|away| away.fate.is_open()).count();
        self.end(state.open - open);
        state.open = open;
        self.relieve(state);
    }

    fn relieve(&self, mut state: MutexGuard<'_, State>) {
        let awaited = std::mem::take(&mut state.awaited);
        drop(state);
        if awaited {
            self.relieved.notify_waiters();
        }
    }
}

impl State {
    /// `false`: it may not leave.
    fn send(&mut self, route: RouteId, seq: Seq, nid: &Nid, is_sure: bool) -> bool {
        if self.open >= WINDOW {
            let may_be_silent = |away: &Away| !away.is_sure && away.fate == Fate::Open;
            let Some(oldest) = self.away.iter().position(may_be_silent) else { return false };
            self.away.remove(oldest);
            self.open -= 1;
        }
        // Without a seq there is no telling one request of a route from the next.
        let known = seq == Seq::NONE && self.away.iter().any(|away| (away.route, away.seq) == (route, seq));
        if !known {
            if self.away.is_empty() && self.usual.as_ref() != Some(nid) {
                self.usual = Some(nid.clone());
            }
            let elsewhere = Some(nid).filter(|nid| self.usual.as_ref() != Some(*nid)).cloned();
            self.away.push_back(Away { route, seq, elsewhere, is_sure, fate: Fate::Open });
            self.open += 1;
        }
        true
    }

    /// Forgets the oldest of this fate when there are too many.
    fn remember(&mut self, fate: Fate) {
        let mut excess = self.away.iter().filter(|away| away.fate == fate).count().saturating_sub(REMEMBERED);
        self.away.retain(|away| {
            let goes = excess > 0 && away.fate == fate;
            excess -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nid() -> Nid {
        Nid::from("n1")
    }

    fn send(requests: &Requests, route: RouteId, seq: Seq, is_sure: bool) -> bool {
        requests.send(route, &[seq], &nid(), is_sure) == 1
    }

    fn receive(requests: &Requests, route: RouteId, seq: Seq) -> Received {
        let mut receiver = requests.receive();
        let received = receiver.next(route, seq);
        assert_eq!(receiver.end(), usize::from(received == Received::Answer));
        received
    }

    #[test]
    fn answers_are_recognised_by_route_and_seq() {
        let requests = Requests::default();
        send(&requests, RouteId(1), Seq(1), true);
        send(&requests, RouteId(1), Seq(2), true);
        send(&requests, RouteId(2), Seq(0), true);
        send(&requests, RouteId(2), Seq(0), true);
        assert_eq!(receive(&requests, RouteId(1), Seq(2)), Received::Answer);
        assert_eq!(receive(&requests, RouteId(9), Seq(0)), Received::Push);
        assert_eq!(receive(&requests, RouteId::STATUS, Seq(1)), Received::Answer);
        assert_eq!(receive(&requests, RouteId(2), Seq(0)), Received::Answer);
        assert_eq!(requests.state.lock().unwrap().open, 0);
        assert!(!requests.is_idle() && requests.end(3), "the answers are still to be queued");
    }

    #[test]
    fn what_was_given_up_is_answered_once() {
        let requests = Requests::default();
        send(&requests, RouteId(1), Seq(1), true);
        send(&requests, RouteId(1), Seq(2), true);
        send(&requests, RouteId(1), Seq(0), true);
        let now = Instant::now();
        assert!(!requests.doom(&Nid::from("n2"), now, |_, _| true));
        assert!(requests.doom(&nid(), now, |_, seq| seq != Seq(3)));
        send(&requests, RouteId(1), Seq(3), true);
        assert_eq!(receive(&requests, RouteId(1), Seq(1)), Received::Answer, "it was on its way");
        assert_eq!(requests.fail_doomed(now), [(RouteId(1), Seq(2)), (RouteId(1), Seq(0))]);
        assert_eq!(requests.unanswered.load(SeqCst), 4, "one is open, one answered, two are still to be told");
        assert_eq!(receive(&requests, RouteId(1), Seq(2)), Received::Late);
        assert_eq!(receive(&requests, RouteId(1), Seq(2)), Received::Push, "of the game's own");
        assert_eq!(receive(&requests, RouteId(1), Seq(3)), Received::Answer);
        assert_eq!(requests.state.lock().unwrap().open, 0);
    }

    #[test]
    fn what_is_in_doubt_has_its_time_and_what_is_lost_less() {
        let requests = Requests::default();
        let (now, step) = (Instant::now(), std::time::Duration::from_secs(1));
        send(&requests, RouteId(1), Seq(1), true);
        send(&requests, RouteId(1), Seq(2), true);
        assert!(requests.doom(&nid(), now + step * 5, |_, _| true));
        assert!(!requests.doom(&nid(), now + step * 6, |_, _| true), "the first doubt counts");
        assert!(requests.doom(&nid(), now + step, |_, seq| seq == Seq(2)));
        send(&requests, RouteId(1), Seq(3), true);
        assert_eq!(requests.fail_doomed(now), []);
        assert_eq!(requests.fail_doomed(now + step), [(RouteId(1), Seq(2))]);
        assert_eq!(requests.fail_doomed(now + step * 5), [(RouteId(1), Seq(1))]);
        assert_eq!(requests.state.lock().unwrap().open, 1);
    }

    #[test]
    fn what_is_not_waited_for_is_told_of_when_it_is_lost() {
        let requests = Requests::default();
        for seq in 1..=WINDOW {
            assert!(send(&requests, RouteId(1), Seq(seq as i32), true));
        }
        requests.presume_oneway();
        assert_eq!(requests.unanswered.load(SeqCst), WINDOW / 2);
        assert_eq!(receive(&requests, RouteId(1), Seq(1)), Received::Unexpected, "it was slow");
        assert_eq!(receive(&requests, RouteId(1), Seq(WINDOW as i32)), Received::Answer);
        let now = Instant::now();
        assert!(requests.doom(&nid(), now, |_, _| true));
        let failed: Vec<i32> = requests.fail_doomed(now).iter().map(|(_, seq)| seq.0).collect();
        assert_eq!(failed, (2..WINDOW as i32).collect::<Vec<_>>(), "each of the others, once");
        assert_eq!(receive(&requests, RouteId(1), Seq(2)), Received::Late);
        assert_eq!(requests.state.lock().unwrap().open, 0);
        assert!(requests.end(WINDOW - 1), "all were to be told, and one was answered");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let requests = Requests::default();
        for seq in 1..=100_000 {
            if !send(&requests, RouteId(1), Seq(seq), true) {
                requests.presume_oneway();
            }
            assert!(requests.state.lock().unwrap().away.len() <= WINDOW + REMEMBERED);
        }
    }

    #[test]
    fn as_many_leave_together_as_may() {
        let requests = Requests::default();
        let seqs: Vec<Seq> = (1..=WINDOW as i32 + 5).map(Seq).collect();
        assert_eq!(requests.send(RouteId(1), &seqs[..WINDOW - 1], &nid(), true), WINDOW - 1);
        assert_eq!(requests.send(RouteId(1), &seqs[WINDOW - 1..], &nid(), true), 1);
        assert_eq!(requests.send(RouteId(1), &seqs[WINDOW..], &nid(), false), 0);
        let mut receiver = requests.receive();
        let received = seqs.iter().filter(|seq| receiver.next(RouteId(1), **seq) == Received::Answer).count();
        assert_eq!((received, receiver.end()), (WINDOW, WINDOW));
        assert!(requests.end(WINDOW) && requests.is_idle());
        // The oldest is forgotten for one that is known already.
        assert_eq!(requests.send(RouteId(1), &seqs[..WINDOW - 1], &nid(), false), WINDOW - 1);
        assert_eq!(requests.send(RouteId(2), &[Seq::NONE; 2], &nid(), false), 2);
        assert_eq!(requests.state.lock().unwrap().open, WINDOW - 1);
        assert_eq!(requests.unanswered.load(SeqCst), requests.state.lock().unwrap().open);
    }

    #[test]
    fn a_seq_that_is_used_again_is_answered_again() {
        let requests = Requests::default();
        send(&requests, RouteId(1), Seq(1), true);
        let now = Instant::now();
        requests.doom(&nid(), now, |_, _| true);
        requests.fail_doomed(now);
        send(&requests, RouteId(1), Seq(1), true);
        send(&requests, RouteId(2), Seq(1), true);
        assert_eq!(receive(&requests, RouteId(1), Seq(1)), Received::Answer);
        assert_eq!(receive(&requests, RouteId::STATUS, Seq(1)), Received::Answer);
        assert_eq!(receive(&requests, RouteId(1), Seq(1)), Received::Late);
        assert!(!requests.is_idle(), "two answers are on their way to the outbox");
    }

    #[tokio::test]
    async fn who_need_not_answer_is_not_waited_for() {
        let requests = Requests::default();
        send(&requests, RouteId(1), Seq(1), true);
        for seq in 1..=3 * WINDOW as i32 {
            assert!(send(&requests, RouteId(2), Seq(seq), false));
        }
        assert_eq!(requests.state.lock().unwrap().open, WINDOW);
        assert_eq!(receive(&requests, RouteId(2), Seq(1)), Received::Push, "it was forgotten");
        for seq in [(1, 1), (2, 3 * WINDOW as i32)] {
            assert_eq!(receive(&requests, RouteId(seq.0), Seq(seq.1)), Received::Answer);
        }
        for seq in 1..=WINDOW as i32 {
            assert!(send(&requests, RouteId(3), Seq(seq), true), "there is room for {seq} of {WINDOW}");
        }
        assert!(!send(&requests, RouteId(3), Seq(0), true) && !send(&requests, RouteId(2), Seq(0), false));
        assert!(!requests.end(2), "the others are away");
        requests.forget_unsure();
        assert_eq!(requests.state.lock().unwrap().open, WINDOW, "they are sure to be answered");
        assert!(requests.end(WINDOW));
    }

    #[test]
    fn who_leaves_waits_for_sure_answers_alone() {
        let requests = Requests::default();
        send(&requests, RouteId(1), Seq(1), true);
        send(&requests, RouteId(2), Seq(1), false);
        send(&requests, RouteId(2), Seq(0), false);
        requests.forget_unsure();
        assert!(!requests.is_idle());
        assert_eq!(receive(&requests, RouteId(2), Seq(1)), Received::Push);
        assert_eq!(receive(&requests, RouteId(1), Seq(1)), Received::Answer);
        assert!(requests.end(1) && requests.is_idle());
    }

    #[tokio::test]
    async fn room_comes_back_with_answers() {
        let requests = Requests::default();
        for seq in 1..=WINDOW {
            assert!(send(&requests, RouteId(1), Seq(seq as i32), true));
        }
        assert!(!send(&requests, RouteId(1), Seq(0), true));
        let waits = tokio::time::timeout(std::time::Duration::ZERO, requests.room()).await;
        assert!(waits.is_err());
        assert_eq!(receive(&requests, RouteId(1), Seq(7)), Received::Answer);
        requests.room().await;
        send(&requests, RouteId(1), Seq(7), true);
        requests.presume_oneway();
        requests.room().await;
    }
}

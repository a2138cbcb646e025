//! Calls of one node to others that wait for their answers.
//!
//! On the wire a call is a message between nodes like any other (15), with a seq of the caller's choice. The field that
//! holds the session of a client's message, and 0 in what nodes send on their own, holds the number of the call; the answer
//! has the same number with a minus. A node of due v2.5.8 looks at neither: it answers a call with a message of its own,
//! which is known by its sender, its route and its seq, and has never to read an answer or a status.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::link::{Delivery, Losses, Origin};
use super::peers::NodeCallError;
use crate::id::{Cid, Nid, RouteId, Seq};
use crate::packet::{Format, Packet};

/// Calls of one node that may wait; fewer where there are not as many seqs.
const LIMIT: usize = 16_384;
/// What a node has answered before it went may arrive after the news that it is gone: on another connection.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

pub(crate) struct Calls {
    table: Mutex<Table>,
    limit: usize,
    max_seq: i32,
}

#[derive(Default)]
struct Table {
    by_seq: HashMap<i32, Called>,
    last_seq: i32,
    last_number: i64,
}

struct Called {
    number: i64,
    nid: Nid,
    route: RouteId,
    /// `None` when nobody waits any more: a late answer must not be taken for that of the next call with this seq.
    answer: Option<oneshot::Sender<Answer>>,
}

/// What came back.
pub(super) enum Answer {
    Body(Bytes),
    /// A [`Status`](crate::Status).
    Status(Bytes),
    /// There will be none.
    Lost(Arc<str>),
}

/// A call that waits. Dropped, it gives its place free.
pub(super) struct Waiting<'a> {
    calls: &'a Calls,
    pub(super) seq: Seq,
    pub(super) number: Cid,
    pub(super) answer: oneshot::Receiver<Answer>,
}

impl Calls {
    pub(super) fn new(format: &Format) -> Self {
        let max_seq = format.max_seq().0;
        let seqs = usize::try_from(max_seq).unwrap_or(usize::MAX);
        Self { table: Mutex::default(), limit: LIMIT.min(seqs), max_seq }
    }

    pub(super) fn enter(&self, nid: &Nid, route: RouteId) -> Result<Waiting<'_>, NodeCallError> {
        if self.max_seq == 0 {
            return Err(NodeCallError::NoSeqs);
        }
        let mut table = self.table();
        table.make_room(self.limit)?;
        let (seq, number) = (table.free(self.max_seq), table.last_number + 1);
        table.last_number = number;
        let (sender, answer) = oneshot::channel();
        table.by_seq.insert(seq, Called { number, nid: nid.clone(), route, answer: Some(sender) });
        Ok(Waiting { calls: self, seq: Seq(seq), number: Cid(number), answer })
    }

    /// Whether a message of this node was an answer; it needs nothing more.
    pub(crate) fn hear(&self, nid: &Nid, cid: Cid, packet: &Packet) -> bool {
        // A call.
        if cid.0 > 0 {
            return false;
        }
        let number = cid.0.wrapping_neg();
        let mut table = self.table();
        let is_awaited = table.by_seq.get(&packet.seq.0).is_some_and(|called| {
            let is_of_this = if number == 0 { called.route == packet.route } else { called.number == number };
            is_of_this && called.nid == *nid
        });
        if !is_awaited {
            if number != 0 {
                tracing::debug!(%nid, route = %packet.route, seq = %packet.seq, "an answer came too late");
            }
            return number != 0;
        }
        let called = table.by_seq.remove(&packet.seq.0);
        drop(table);
        let body = packet.body.clone();
        let answer = if packet.route == RouteId::STATUS { Answer::Status(body) } else { Answer::Body(body) };
        // An error: whoever has just stopped waiting misses nothing.
        let _ = called.and_then(|called| called.answer).map(|waiting| waiting.send(answer));
        true
    }

    /// These nodes are not there any more.
    pub(super) fn part(self: &Arc<Self>, is_there: impl Fn(&Nid) -> bool) {
        self.doom("the registry has it no more", |called| !is_there(&called.nid));
    }

    fn doom(self: &Arc<Self>, reason: &str, is_doomed: impl Fn(&Called) -> bool) {
        let waiting = |called: &&Called| called.answer.is_some() && is_doomed(called);
        let doomed: HashSet<i64> = self.table().by_seq.values().filter(waiting).map(|called| called.number).collect();
        if doomed.is_empty() {
            return;
        }
        let (this, reason) = (Arc::downgrade(self), Arc::<str>::from(reason));
        tokio::spawn(async move {
            tokio::time::sleep(LAST_ANSWERS).await;
            let Some(this) = this.upgrade() else { return };
            let mut table = this.table();
            for called in table.by_seq.values_mut().filter(|called| doomed.contains(&called.number)) {
                if let Some(waiting) = called.answer.take() {
                    // An error: nobody waits.
                    let _ = waiting.send(Answer::Lost(Arc::clone(&reason)));
                }
            }
        });
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said of a connection is said by the tasks of the link.
pub(super) struct CallLosses(pub(super) Arc<Calls>);

impl Losses for CallLosses {
    fn lost(&self, nid: &Nid, is_lost: &dyn Fn(Cid, RouteId, Seq) -> bool) {
        let table = self.0.table();
        let of_node = table.by_seq.iter().filter(|(_, called)| called.nid == *nid);
        let lost = of_node.filter(|(seq, called)| is_lost(Cid(called.number), called.route, Seq(**seq)));
        let lost: HashSet<i64> = lost.map(|(_, called)| called.number).collect();
        drop(table);
        self.0.doom("the connection has broken", |called| lost.contains(&called.number));
    }
}

impl Delivery {
    /// Whether it was an answer that `calls` knows of, or none that anybody waits for.
    pub(crate) fn answers(&self, calls: &Calls) -> bool {
        matches!(&self.origin, Origin::Node { nid, .. } if calls.hear(nid, self.cid, &self.packet))
    }
}

impl Table {
    /// Calls that wait are never given up; of the abandoned ones, the oldest.
    fn make_room(&mut self, limit: usize) -> Result<(), NodeCallError> {
        if self.by_seq.len() < limit {
            return Ok(());
        }
        let abandoned = self.by_seq.iter().filter(|(_, called)| called.answer.is_none());
        let oldest = abandoned.min_by_key(|(_, called)| called.number).map(|(seq, _)| *seq);
        self.by_seq.remove(&oldest.ok_or(NodeCallError::Busy { limit })?);
        Ok(())
    }

    /// The next seq that is neither 0 nor in use. There must be one.
    fn free(&mut self, max: i32) -> i32 {
        loop {
            self.last_seq = if self.last_seq < max { self.last_seq + 1 } else { 1 };
            if !self.by_seq.contains_key(&self.last_seq) {
                return self.last_seq;
            }
        }
    }
}

impl Waiting<'_> {
    /// The message was not handed over: no answer will come, and the seq is free.
    pub(super) fn forget(self) {
        let mut table = self.calls.table();
        if table.by_seq.get(&self.seq.0).is_some_and(|called| called.number == self.number.0) {
            table.by_seq.remove(&self.seq.0);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut table = self.calls.table();
        if let Some(called) = table.by_seq.get_mut(&self.seq.0).filter(|called| called.number == self.number.0) {
            called.answer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::SeqWidth;

    const ROUTE: RouteId = RouteId(1);

    fn calls(width: SeqWidth) -> Arc<Calls> {
        Arc::new(Calls::new(&Format::new().seq_width(width)))
    }

    fn packet(route: RouteId, seq: Seq, body: &'static str) -> Packet {
        Packet { route, seq, body: Bytes::from_static(body.as_bytes()) }
    }

    fn body(answer: Result<Answer, oneshot::error::TryRecvError>) -> Bytes {
        match answer {
            Ok(Answer::Body(body)) => body,
            Ok(Answer::Status(_) | Answer::Lost(_)) | Err(_) => panic!("no body"),
        }
    }

    #[test]
    fn an_answer_without_a_number_is_known_by_node_route_and_seq() {
        let calls = calls(SeqWidth::Two);
        let mut waiting = calls.enter(&Nid::from("b"), ROUTE).unwrap();
        let hears = |nid: &str, route, seq| calls.hear(&Nid::from(nid), Cid(0), &packet(route, seq, "go"));
        let (b, seq) = ("b", waiting.seq);
        assert!(!hears("c", ROUTE, seq) && !hears(b, RouteId(2), seq) && !hears(b, ROUTE, Seq(9)));
        assert!(!hears(b, RouteId::STATUS, seq), "such nodes know no status");
        assert!(hears(b, ROUTE, seq));
        assert_eq!(body(waiting.answer.try_recv()), "go");
        assert!(!hears(b, ROUTE, seq), "the next one is a message of its own");
    }

    #[test]
    fn an_answer_with_a_number_is_of_that_call_or_of_none() {
        let calls = calls(SeqWidth::Two);
        let b = Nid::from("b");
        let mut waiting = calls.enter(&b, ROUTE).unwrap();
        let (number, seq) = (waiting.number.0, waiting.seq);
        let hears = |cid, nid: &Nid| calls.hear(nid, Cid(cid), &packet(ROUTE, seq, "yes"));
        assert!(!hears(number, &b), "a call of the other node");
        for (cid, nid) in [(-number - 1, &b), (-number, &Nid::from("c")), (i64::MIN, &b)] {
            assert!(hears(cid, nid), "it is no request");
            assert!(waiting.answer.try_recv().is_err());
        }
        assert!(hears(-number, &b));
        assert_eq!(body(waiting.answer.try_recv()), "yes");
    }

    #[test]
    fn a_seq_is_not_used_again_while_its_answer_may_come() {
        let calls = calls(SeqWidth::One);
        let b = Nid::from("b");
        let abandoned = calls.enter(&b, ROUTE).unwrap();
        let seq = abandoned.seq;
        drop(abandoned);
        let held: Vec<_> = (0..126).map(|_| calls.enter(&b, ROUTE).unwrap()).collect();
        assert!(held.iter().all(|waiting| waiting.seq != seq));
        assert!(calls.hear(&b, Cid(0), &packet(ROUTE, seq, "late")), "it is not taken for a request");
        let last = calls.enter(&b, ROUTE).unwrap();
        assert_eq!(last.seq, seq);
        assert!(matches!(calls.enter(&b, ROUTE), Err(NodeCallError::Busy { limit: 127 })));
        last.forget();
        assert_eq!(calls.enter(&b, ROUTE).unwrap().seq, seq);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_lost_may_be_answered_a_little_later_and_then_fails() {
        let calls = calls(SeqWidth::Two);
        let (b, c) = (Nid::from("b"), Nid::from("c"));
        let mut answered = calls.enter(&b, ROUTE).unwrap();
        let mut lost = calls.enter(&b, ROUTE).unwrap();
        let mut other = calls.enter(&c, ROUTE).unwrap();
        calls.part(|nid| *nid == c);
        tokio::time::sleep(LAST_ANSWERS / 2).await;
        assert!(calls.hear(&b, Cid(-answered.number.0), &packet(ROUTE, answered.seq, "just in time")));
        assert_eq!(body(answered.answer.try_recv()), "just in time");
        assert!(lost.answer.try_recv().is_err());
        let begun = tokio::time::Instant::now();
        assert!(matches!((&mut lost.answer).await, Ok(Answer::Lost(_))));
        // The clock ticks in milliseconds.
        assert!((100..=101).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        assert!(other.answer.try_recv().is_err());
    }
}

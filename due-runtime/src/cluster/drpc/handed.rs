//! What was handed to another server and may still come back.

use std::collections::BTreeMap;

use crate::id::{Cid, RouteId, Seq};

/// What its session knows a message by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Mark {
    pub(super) cid: Cid,
    pub(super) route: RouteId,
    pub(super) seq: Seq,
}

/// A server that never says whether it takes something costs no more than `limit` bytes: of what is the oldest only the
/// mark is kept, and then nothing.
pub(super) struct Handed<T> {
    whole: BTreeMap<u64, Whole<T>>,
    marks: BTreeMap<u64, Mark>,
    bytes: usize,
    limit: usize,
}

struct Whole<T> {
    mark: Mark,
    bytes: usize,
    item: T,
}

/// What was kept of a message.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Found<T> {
    Whole(Mark, T),
    Mark(Mark),
}

/// What one mark takes, with its share of the map.
const MARK: usize = 64;

impl<T> Handed<T> {
    /// What a message takes beside its body, with its share of the map and the place in its session.
    pub(super) const WHOLE: usize = 2 * size_of::<Whole<T>>();

    pub(super) fn new(limit: usize) -> Self {
        Self { whole: BTreeMap::new(), marks: BTreeMap::new(), bytes: 0, limit }
    }

    /// `body`: the bytes that `item` keeps. The marks that come back have no room any more: what becomes of them will never
    /// be known.
    #[must_use]
    pub(super) fn insert(&mut self, seq: u64, mark: Mark, body: usize, item: T) -> Vec<Mark> {
        let bytes = Self::WHOLE + body;
        self.bytes += bytes;
        self.whole.insert(seq, Whole { mark, bytes, item });
        while self.bytes > self.limit {
            let Some((seq, Whole { mark, bytes, .. })) = self.whole.pop_first() else { break };
            self.marks.insert(seq, mark);
            self.bytes = self.bytes - bytes + MARK;
        }
        if self.marks.len() * MARK <= self.limit / 2 {
            return Vec::new();
        }
        // Many at once, for each time all sessions are asked.
        let forgotten = self.marks.len().div_ceil(2);
        self.bytes -= forgotten * MARK;
        std::iter::from_fn(|| self.marks.pop_first()).take(forgotten).map(|(_, mark)| mark).collect()
    }

    pub(super) fn remove(&mut self, seq: u64) -> Option<Found<T>> {
        if let Some(Whole { mark, bytes, item }) = self.whole.remove(&seq) {
            self.bytes -= bytes;
            return Some(Found::Whole(mark, item));
        }
        let mark = self.marks.remove(&seq)?;
        self.bytes -= MARK;
        Some(Found::Mark(mark))
    }

    pub(super) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        self.whole.retain(|seq, _| keep(*seq));
        self.marks.retain(|seq, _| keep(*seq));
        self.bytes = self.whole.values().map(|whole| whole.bytes).sum::<usize>() + self.marks.len() * MARK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbers = Handed<u64>;

    fn mark(seq: u64) -> Mark {
        Mark { cid: Cid(1), route: RouteId(2), seq: Seq(seq as i32) }
    }

    #[test]
    fn of_the_oldest_the_mark_is_kept() {
        let mut handed = Numbers::new(2 * (Numbers::WHOLE + 1000) + 2 * MARK);
        for seq in 1..=4 {
            assert_eq!(handed.insert(seq, mark(seq), 1000, seq), []);
        }
        assert_eq!(handed.bytes, handed.limit);
        assert_eq!(handed.remove(1), Some(Found::Mark(mark(1))));
        assert_eq!((handed.remove(1), handed.remove(3)), (None, Some(Found::Whole(mark(3), 3))));
        handed.retain(|seq| seq == 4);
        assert_eq!((handed.remove(2), handed.bytes), (None, Numbers::WHOLE + 1000));
        assert_eq!(handed.remove(4), Some(Found::Whole(mark(4), 4)));
        assert_eq!(handed.bytes, 0);
        assert_eq!(handed.insert(5, mark(5), usize::MAX / 2, 5), [], "larger than everything together");
        assert_eq!((handed.remove(5), handed.bytes), (Some(Found::Mark(mark(5))), 0));
    }

    #[test]
    fn a_server_that_never_says_anything_costs_its_limit() {
        const MESSAGES: u64 = 100_000;
        const LIMIT: usize = 64 * 1024;
        let (mut handed, mut forgotten, mut times) = (Numbers::new(LIMIT), Vec::new(), 0);
        for seq in 0..MESSAGES {
            let marks = handed.insert(seq, mark(seq), 100, seq);
            times += usize::from(!marks.is_empty());
            forgotten.extend(marks);
            assert!(handed.bytes <= LIMIT, "{} after {seq}", handed.bytes);
        }
        let kept = handed.whole.len() + handed.marks.len();
        assert_eq!(forgotten, (0..MESSAGES - kept as u64).map(mark).collect::<Vec<_>>(), "the oldest, each once");
        assert!(handed.whole.len() * (Numbers::WHOLE + 100) > LIMIT / 3, "{}", handed.whole.len());
        assert!(times < MESSAGES as usize / (LIMIT / MARK / 8), "sessions are asked {times} times");
    }
}

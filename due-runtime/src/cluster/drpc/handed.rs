//! What was handed to another server and may still come back.

use std::collections::BTreeMap;

/// Keeps the newest: a server that never says whether it takes something costs no more than `limit`.
pub(super) struct Handed<T> {
    by_seq: BTreeMap<u64, (usize, T)>,
    bytes: usize,
    limit: usize,
}

/// However small they are.
const LEN: usize = 64 * 1024;

impl<T> Handed<T> {
    /// Of at most so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { by_seq: BTreeMap::new(), bytes: 0, limit }
    }

    pub(super) fn insert(&mut self, seq: u64, bytes: usize, item: T) {
        self.bytes += bytes;
        self.by_seq.insert(seq, (bytes, item));
        while self.bytes > self.limit || self.by_seq.len() > LEN {
            let Some((_, (bytes, _))) = self.by_seq.pop_first() else { return };
            self.bytes -= bytes;
        }
    }

    pub(super) fn remove(&mut self, seq: u64) -> Option<T> {
        let (bytes, item) = self.by_seq.remove(&seq)?;
        self.bytes -= bytes;
        Some(item)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        self.by_seq.retain(|seq, _| keep(*seq));
        self.bytes = self.by_seq.values().map(|(bytes, _)| bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let mut handed = Handed::new(100);
        for seq in 1..=3 {
            handed.insert(seq, 40, seq);
        }
        assert_eq!((handed.remove(1), handed.remove(2)), (None, Some(2)));
        handed.insert(4, 60, 4);
        handed.retain(|seq| seq == 4);
        handed.insert(5, 40, 5);
        assert_eq!((handed.remove(4), handed.remove(5), handed.bytes), (Some(4), Some(5), 0));
        (0..2 * LEN as u64).for_each(|seq| handed.insert(seq, 0, seq));
        assert_eq!(handed.by_seq.len(), LEN);
    }
}

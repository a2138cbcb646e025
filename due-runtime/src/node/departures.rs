//! Which sessions have ended while messages of theirs are handled or still wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use crate::id::{Cid, Gid};

type Key = (Gid, Cid);

/// Has an entry for every session that somebody asks about, and for those whose end is known but not handled yet.
#[derive(Default)]
pub(super) struct Departures {
    sessions: Mutex<HashMap<Key, Entry>>,
}

#[derive(Default)]
struct Entry {
    gone: CancellationToken,
    watches: usize,
}

/// Somebody asks about a session.
pub(super) struct Watch {
    departures: Arc<Departures>,
    key: Key,
    pub(super) gone: CancellationToken,
}

impl Departures {
    pub(super) fn watch(self: &Arc<Self>, gid: &Gid, cid: Cid) -> Watch {
        let key = (gid.clone(), cid);
        let mut sessions = self.sessions.lock().unwrap();
        let entry = sessions.entry(key.clone()).or_default();
        entry.watches += 1;
        Watch { departures: Arc::clone(self), key, gone: entry.gone.clone() }
    }

    /// The session has ended.
    pub(super) fn depart(&self, gid: &Gid, cid: Cid) {
        let gone = self.sessions.lock().unwrap().entry((gid.clone(), cid)).or_default().gone.clone();
        gone.cancel();
    }

    /// Nothing of the session waits any more.
    pub(super) fn forget(&self, gid: &Gid, cid: Cid) {
        self.sessions.lock().unwrap().remove(&(gid.clone(), cid));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut sessions = self.departures.sessions.lock().unwrap();
        let Some(entry) = sessions.get_mut(&self.key) else { return };
        entry.watches = entry.watches.saturating_sub(1);
        if entry.watches == 0 && !entry.gone.is_cancelled() {
            sessions.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asks_about_is_not_kept() {
        let departures = Arc::new(Departures::default());
        let kept = || departures.sessions.lock().unwrap().len();
        let gid = Gid::from("g1");
        let (first, second) = (departures.watch(&gid, Cid(1)), departures.watch(&gid, Cid(1)));
        drop(first);
        assert_eq!(kept(), 1);
        departures.depart(&gid, Cid(1));
        assert!(second.gone.is_cancelled());
        drop(second);
        assert!(departures.watch(&gid, Cid(1)).gone.is_cancelled(), "its messages may still wait");
        departures.forget(&gid, Cid(1));
        drop(departures.watch(&gid, Cid(1)));
        assert_eq!(kept(), 0);
    }
}

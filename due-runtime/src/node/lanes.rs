//! Order: one lane per session (or one for the node), in which one request runs and the others wait.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::id::{BuildIdHasher, Cid, Gid, Nid};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum LaneKey {
    Session(Gid, Cid),
    /// What another node sends.
    Peer(Nid),
    /// One call of another node: it waits for no other.
    Call(Nid, Cid),
    Node,
}

impl Hash for LaneKey {
    /// Of names only the end: it differs in random ids and in counted ones.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let end = |name: &str| name.as_bytes().last_chunk().map_or(name.len() as u64, |end| u64::from_ne_bytes(*end));
        match self {
            Self::Session(gid, cid) => {
                state.write_u64(end(gid.as_str()));
                cid.hash(state);
            }
            Self::Peer(nid) => state.write_u64(end(nid.as_str())),
            Self::Call(nid, number) => {
                state.write_u64(end(nid.as_str()));
                number.hash(state);
            }
            Self::Node => {}
        }
    }
}

/// A lane exists while a request of it runs, so idle sessions cost nothing.
pub(super) struct Lanes<T> {
    shards: Box<[Shard<T>]>,
    /// Some shard has become empty. Only said once somebody has asked.
    emptied: Notify,
    asked: AtomicBool,
}

type Shard<T> = Mutex<HashMap<LaneKey, Lane<T>, BuildIdHasher>>;

struct Lane<T> {
    waiting: VecDeque<T>,
    /// There is room again. Made by the first who finds none.
    drained: Option<Arc<Notify>>,
}

const SHARDS: usize = 32;

impl<T> Lanes<T> {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            emptied: Notify::new(),
            asked: AtomicBool::new(false),
        }
    }

    /// `Some`: the lane was free, the caller runs the request and then asks [`next`](Self::next) until there is none.
    /// `None`: it waits behind the one that runs. `Err`: `limit` requests wait already.
    pub(super) fn enter(&self, key: &LaneKey, request: T, limit: usize) -> Result<Option<T>, T> {
        let mut lanes = self.shard(key).lock().unwrap();
        match lanes.entry(key.clone()) {
            Entry::Vacant(free) => {
                free.insert(Lane { waiting: VecDeque::new(), drained: None });
                Ok(Some(request))
            }
            Entry::Occupied(lane) if lane.get().waiting.len() >= limit => Err(request),
            Entry::Occupied(mut lane) => {
                lane.get_mut().waiting.push_back(request);
                Ok(None)
            }
        }
    }

    /// The next request of a lane whose request has ended; `None` frees the lane.
    pub(super) fn next(&self, key: &LaneKey) -> Option<T> {
        let mut lanes = self.shard(key).lock().unwrap();
        let lane = lanes.get_mut(key)?;
        let next = lane.waiting.pop_front();
        let drained = lane.drained.clone();
        if next.is_some() {
            drop(lanes);
            // One for one: thousands of sessions may wait for the lane of a node.
            drained.inspect(|drained| drained.notify_one());
            return next;
        }
        lanes.remove(key);
        let emptied = lanes.is_empty();
        drop(lanes);
        drained.inspect(|drained| drained.notify_waiters());
        if emptied && self.asked.load(Ordering::Relaxed) {
            self.emptied.notify_waiters();
        }
        None
    }

    /// Waits until fewer than `limit` requests wait in the lane.
    pub(super) async fn room(&self, key: &LaneKey, limit: usize) {
        loop {
            let drained = match self.shard(key).lock().unwrap().get_mut(key) {
                // Begins to listen while the lane is locked, so that no end of a request is missed.
                Some(lane) if lane.waiting.len() >= limit => {
                    Arc::clone(lane.drained.get_or_insert_default()).notified_owned()
                }
                _ => return,
            };
            drained.await;
        }
    }

    /// Waits until no request runs or waits.
    pub(super) async fn idle(&self) {
        // Whoever empties a shard after we have looked at it has locked it after us, and sees this.
        self.asked.store(true, Ordering::Relaxed);
        loop {
            let emptied = self.emptied.notified();
            if self.shards.iter().all(|shard| shard.lock().unwrap().is_empty()) {
                return;
            }
            emptied.await;
        }
    }

    fn shard(&self, key: &LaneKey) -> &Shard<T> {
        // The maps in the shards use the same hash from its other end.
        &self.shards[(BuildIdHasher::default().hash_one(key) >> 32) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn each_request_that_ends_makes_room_for_one() {
        let lanes = Lanes::new();
        assert_eq!(lanes.enter(&LaneKey::Node, 1, 1), Ok(Some(1)));
        assert_eq!(lanes.enter(&LaneKey::Node, 2, 1), Ok(None));
        assert_eq!(lanes.enter(&LaneKey::Node, 3, 1), Err(3));
        let (mut first, mut second) = (pin!(lanes.room(&LaneKey::Node, 1)), pin!(lanes.room(&LaneKey::Node, 1)));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        assert_eq!(lanes.next(&LaneKey::Node), Some(2));
        assert!(poll(second.as_mut()).is_pending(), "it is not its turn");
        assert!(poll(first.as_mut()).is_ready());
        assert_eq!(lanes.next(&LaneKey::Node), None);
        assert!(poll(second.as_mut()).is_ready(), "nobody waits for a lane that does not exist");
        assert!(poll(pin!(lanes.idle())).is_ready());
    }

    #[test]
    fn who_gives_up_waiting_passes_its_turn_on() {
        let lanes = Lanes::new();
        let _ = lanes.enter(&LaneKey::Node, 1, 1);
        let _ = lanes.enter(&LaneKey::Node, 2, 1);
        let mut second = pin!(lanes.room(&LaneKey::Node, 1));
        {
            let mut first = pin!(lanes.room(&LaneKey::Node, 1));
            assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
            lanes.next(&LaneKey::Node);
        }
        assert!(poll(second.as_mut()).is_ready());
    }

    /// A lost wake-up is a test that does not end.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_readers_of_one_lane_all_get_through() {
        const READERS: usize = 64;
        const REQUESTS: usize = 500;
        let lanes = Arc::new(Lanes::new());
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                let lanes = Arc::clone(&lanes);
                tokio::spawn(async move {
                    let mut ran = 0;
                    for request in 0..REQUESTS {
                        let entered = loop {
                            match lanes.enter(&LaneKey::Node, request, 2) {
                                Ok(entered) => break entered,
                                Err(_) => lanes.room(&LaneKey::Node, 2).await,
                            }
                        };
                        if entered.is_none() {
                            continue;
                        }
                        ran += 1;
                        tokio::task::yield_now().await;
                        while lanes.next(&LaneKey::Node).is_some() {
                            ran += 1;
                            tokio::task::yield_now().await;
                        }
                    }
                    ran
                })
            })
            .collect();
        let mut ran = 0;
        for reader in readers {
            ran += reader.await.unwrap();
        }
        lanes.idle().await;
        assert_eq!(ran, READERS * REQUESTS);
    }
}

//! Order: one lane per session (or one for the node), in which one request runs and the others wait.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Duration, Instant, timeout};

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

impl LaneKey {
    /// Of the sessions of one gate: whether this is the lane of that one.
    pub(super) fn is_of(&self, cid: Cid) -> bool {
        match self {
            Self::Session(_, own) => *own == cid,
            Self::Peer(_) | Self::Call(..) => false,
            Self::Node => true,
        }
    }
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

/// Messages that find their lane full may keep those of other sessions for as long as this, on an average.
const PACE: Duration = Duration::from_millis(10);
/// So much longer those of one lane may together. If that was not enough, they keep nobody until the lane has been empty.
const SPARE: Duration = Duration::from_millis(500);

/// What may wait in a lane: so many requests, and more as long as they are small.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) requests: usize,
    pub(super) bytes: usize,
}

impl Limit {
    /// So many requests, whatever their size.
    pub(super) fn requests(requests: usize) -> Self {
        Self { requests, bytes: 0 }
    }
}

/// What waits in a lane.
pub(super) trait Waits {
    /// What it takes of the memory.
    fn bytes(&self) -> usize;
}

/// A lane exists while a request of it runs, so idle sessions cost nothing.
pub(super) struct Lanes<T> {
    shards: Box<[Shard<T>]>,
    /// Some shard has become empty. Only said once somebody has asked.
    emptied: Notify,
    asked: AtomicBool,
}

struct Shard<T> {
    lanes: Mutex<HashMap<LaneKey, Lane<T>, BuildIdHasher>>,
    /// How many wait in these lanes. Changes only while they are locked.
    waiting: AtomicUsize,
}

struct Lane<T> {
    waiting: VecDeque<T>,
    /// Of those that wait.
    bytes: usize,
    /// What is left of [`SPARE`].
    spare: Duration,
    /// There is room again. Made by the first who finds none.
    drained: Option<Arc<Notify>>,
}

const SHARDS: usize = 32;

impl<T> Shard<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<LaneKey, Lane<T>, BuildIdHasher>> {
        self.lanes.lock().unwrap()
    }
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self { lanes: Mutex::default(), waiting: AtomicUsize::new(0) }
    }
}

impl<T> Lane<T> {
    fn new() -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, spare: SPARE, drained: None }
    }

    fn is_full(&self, limit: Limit) -> bool {
        self.waiting.len() >= limit.requests && self.bytes >= limit.bytes
    }
}

impl<T: Waits> Lanes<T> {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            emptied: Notify::new(),
            asked: AtomicBool::new(false),
        }
    }

    /// `Some`: the lane was free, the caller runs the request and then asks [`next`](Self::next) until there is none.
    /// `None`: it waits behind the one that runs. `Err`: as much waits already as may.
    pub(super) fn enter(&self, key: &LaneKey, request: T, limit: Limit) -> Result<Option<T>, T> {
        let shard = self.shard(key);
        match shard.lock().entry(key.clone()) {
            Entry::Vacant(free) => {
                free.insert(Lane::new());
                Ok(Some(request))
            }
            Entry::Occupied(lane) if lane.get().is_full(limit) => Err(request),
            Entry::Occupied(mut lane) => {
                let lane = lane.get_mut();
                lane.bytes += request.bytes();
                lane.waiting.push_back(request);
                shard.waiting.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
        }
    }

    /// [`enter`](Self::enter) of a request that does not wait. `false`: the lane is not free.
    pub(super) fn occupy(&self, key: &LaneKey) -> bool {
        match self.shard(key).lock().entry(key.clone()) {
            Entry::Vacant(free) => {
                free.insert(Lane::new());
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// `true`: nothing waits in the lane. Of what others put there meanwhile, nobody could say whether it was before.
    pub(super) fn is_clear(&self, key: &LaneKey) -> bool {
        self.shard(key).waiting.load(Ordering::Relaxed) == 0
    }

    /// The next request of a lane whose request has ended; `None` frees the lane.
    pub(super) fn next(&self, key: &LaneKey) -> Option<T> {
        let shard = self.shard(key);
        let mut lanes = shard.lock();
        let lane = lanes.get_mut(key)?;
        let next = lane.waiting.pop_front();
        let drained = lane.drained.clone();
        if let Some(next) = next {
            lane.bytes -= next.bytes();
            shard.waiting.fetch_sub(1, Ordering::Relaxed);
            drop(lanes);
            // One for one: thousands of sessions may wait for the lane of a node.
            drained.inspect(|drained| drained.notify_one());
            return Some(next);
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

    /// Waits until the lane is not full.
    pub(super) async fn room(&self, key: &LaneKey, limit: Limit) {
        loop {
            let drained = match self.shard(key).lock().get_mut(key) {
                // Begins to listen while the lane is locked, so that no end of a request is missed.
                Some(lane) if lane.is_full(limit) => Arc::clone(lane.drained.get_or_insert_default()).notified_owned(),
                _ => return,
            };
            drained.await;
        }
    }

    /// The same for who holds others up meanwhile. `false`: the lane is too slow for them to wait any longer.
    pub(super) async fn room_soon(&self, key: &LaneKey, limit: Limit) -> bool {
        let spare = match self.shard(key).lock().get(key) {
            Some(lane) if lane.is_full(limit) => lane.spare,
            _ => return true,
        };
        if spare.is_zero() {
            return false;
        }
        let begun = Instant::now();
        if timeout(PACE + spare, self.room(key, limit)).await.is_err() {
            // The request that runs may have been kept from its turn as well.
            yield_now().await;
        }
        match self.shard(key).lock().get_mut(key) {
            Some(lane) => {
                lane.spare = (spare + PACE).saturating_sub(begun.elapsed()).min(SPARE);
                !lane.is_full(limit)
            }
            None => true,
        }
    }

    /// Waits until no request runs or waits.
    pub(super) async fn idle(&self) {
        // Whoever empties a shard after we have looked at it has locked it after us, and sees this.
        self.asked.store(true, Ordering::Relaxed);
        loop {
            let emptied = self.emptied.notified();
            if self.shards.iter().all(|shard| shard.lock().is_empty()) {
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

    use tokio::time::sleep;

    use super::*;

    impl Waits for usize {
        fn bytes(&self) -> usize {
            1
        }
    }

    const ONE: Limit = Limit { requests: 1, bytes: 0 };

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn each_request_that_ends_makes_room_for_one() {
        let lanes = Lanes::new();
        assert_eq!(lanes.enter(&LaneKey::Node, 1, ONE), Ok(Some(1)));
        assert_eq!(lanes.enter(&LaneKey::Node, 2, ONE), Ok(None));
        assert_eq!(lanes.enter(&LaneKey::Node, 3, ONE), Err(3));
        let (mut first, mut second) = (pin!(lanes.room(&LaneKey::Node, ONE)), pin!(lanes.room(&LaneKey::Node, ONE)));
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
        let _ = lanes.enter(&LaneKey::Node, 1, ONE);
        let _ = lanes.enter(&LaneKey::Node, 2, ONE);
        let mut second = pin!(lanes.room(&LaneKey::Node, ONE));
        {
            let mut first = pin!(lanes.room(&LaneKey::Node, ONE));
            assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
            lanes.next(&LaneKey::Node);
        }
        assert!(poll(second.as_mut()).is_ready());
    }

    #[test]
    fn more_wait_as_long_as_they_are_small() {
        let lanes = Lanes::new();
        let limit = Limit { requests: 2, bytes: 5 };
        assert_eq!(lanes.enter(&LaneKey::Node, 0, limit), Ok(Some(0)));
        for request in 1..=5 {
            assert_eq!(lanes.enter(&LaneKey::Node, request, limit), Ok(None));
        }
        assert_eq!(lanes.enter(&LaneKey::Node, 6, limit), Err(6));
        assert_eq!(lanes.next(&LaneKey::Node), Some(1));
        assert_eq!(lanes.enter(&LaneKey::Node, 6, limit), Ok(None));
        let large = Limit { requests: 6, bytes: 5 };
        assert_eq!(lanes.enter(&LaneKey::Node, 7, large), Ok(None), "so many may, whatever their size");
        assert_eq!(lanes.enter(&LaneKey::Node, 8, large), Err(8));
    }

    #[tokio::test(start_paused = true)]
    async fn others_wait_for_a_lane_that_moves_and_once_for_one_that_does_not() {
        let lanes = Arc::new(Lanes::new());
        assert_eq!(lanes.enter(&LaneKey::Node, 0, ONE), Ok(Some(0)));
        assert_eq!(lanes.enter(&LaneKey::Node, 1, ONE), Ok(None));
        let fills_after = |pause: Duration| {
            let lanes = Arc::clone(&lanes);
            tokio::spawn(async move {
                sleep(pause).await;
                lanes.next(&LaneKey::Node)
            })
        };
        for _ in 0..1000 {
            let moved = fills_after(PACE);
            assert!(lanes.room_soon(&LaneKey::Node, ONE).await);
            assert_eq!(moved.await.unwrap(), Some(1));
            assert_eq!(lanes.enter(&LaneKey::Node, 1, ONE), Ok(None));
        }
        let begun = Instant::now();
        let moved = fills_after(PACE + SPARE / 2);
        assert!(lanes.room_soon(&LaneKey::Node, ONE).await);
        assert_eq!(moved.await.unwrap(), Some(1));
        assert_eq!(lanes.enter(&LaneKey::Node, 1, ONE), Ok(None));
        assert!(!lanes.room_soon(&LaneKey::Node, ONE).await);
        assert!(!lanes.room_soon(&LaneKey::Node, ONE).await);
        // The timers of tokio are exact to a millisecond.
        let waited = begun.elapsed().saturating_sub(PACE * 2 + SPARE);
        assert!(waited <= Duration::from_millis(2), "{waited:?} too long");
        // It is another lane that comes after the last request.
        assert_eq!((lanes.next(&LaneKey::Node), lanes.next(&LaneKey::Node)), (Some(1), None));
        assert_eq!(lanes.enter(&LaneKey::Node, 0, ONE), Ok(Some(0)));
        assert_eq!(lanes.enter(&LaneKey::Node, 1, ONE), Ok(None));
        let moved = fills_after(SPARE);
        assert!(lanes.room_soon(&LaneKey::Node, ONE).await);
        assert_eq!(moved.await.unwrap(), Some(1));
    }

    /// A lost wake-up is a test that does not end.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_readers_of_one_lane_all_get_through() {
        const READERS: usize = 64;
        const REQUESTS: usize = 500;
        let (lanes, limit) = (Arc::new(Lanes::new()), Limit::requests(2));
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                let lanes = Arc::clone(&lanes);
                tokio::spawn(async move {
                    let mut ran = 0;
                    for request in 0..REQUESTS {
                        let entered = loop {
                            match lanes.enter(&LaneKey::Node, request, limit) {
                                Ok(entered) => break entered,
                                Err(_) => lanes.room(&LaneKey::Node, limit).await,
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

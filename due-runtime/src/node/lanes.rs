//! Order: one lane per session (or one for the node), in which one request runs and the others wait.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::cluster::Delivery;
use crate::id::{Cid, Gid};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum LaneKey {
    Session(Gid, Cid),
    Node,
}

/// A lane exists while a request of it runs, so idle sessions cost nothing.
pub(super) struct Lanes {
    shards: Box<[Shard]>,
    hasher: RandomState,
    limit: usize,
    /// Some shard has become empty.
    emptied: Notify,
}

#[derive(Default)]
struct Shard {
    lanes: Mutex<HashMap<LaneKey, VecDeque<Delivery>>>,
    /// A full lane has room again.
    drained: Notify,
}

const SHARDS: usize = 32;

impl Lanes {
    /// `limit` requests may wait in each lane.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
            limit,
            emptied: Notify::new(),
        }
    }

    /// `Some`: the lane was free, the caller runs the request and then asks [`next`](Self::next) until there is none.
    /// `None`: it waits behind the one that runs. `Err`: the lane is full.
    pub(super) fn enter(&self, key: &LaneKey, delivery: Delivery) -> Result<Option<Delivery>, Delivery> {
        let mut lanes = self.shard(key).lanes.lock().unwrap();
        match lanes.entry(key.clone()) {
            Entry::Vacant(free) => {
                free.insert(VecDeque::new());
                Ok(Some(delivery))
            }
            Entry::Occupied(lane) if lane.get().len() >= self.limit => Err(delivery),
            Entry::Occupied(mut lane) => {
                lane.get_mut().push_back(delivery);
                Ok(None)
            }
        }
    }

    /// The next request of a lane whose request has ended; `None` frees the lane.
    pub(super) fn next(&self, key: &LaneKey) -> Option<Delivery> {
        let shard = self.shard(key);
        let mut lanes = shard.lanes.lock().unwrap();
        let lane = lanes.get_mut(key)?;
        let next = lane.pop_front();
        if lane.len() + 1 == self.limit {
            shard.drained.notify_waiters();
        }
        if next.is_none() {
            lanes.remove(key);
            if lanes.is_empty() {
                drop(lanes);
                self.emptied.notify_waiters();
            }
        }
        next
    }

    /// Waits until the lane is not full.
    pub(super) async fn room(&self, key: &LaneKey) {
        let shard = self.shard(key);
        loop {
            let mut drained = std::pin::pin!(shard.drained.notified());
            drained.as_mut().enable();
            if shard.lanes.lock().unwrap().get(key).is_none_or(|lane| lane.len() < self.limit) {
                return;
            }
            drained.await;
        }
    }

    /// Waits until no request runs or waits.
    pub(super) async fn idle(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.shards.iter().all(|shard| shard.lanes.lock().unwrap().is_empty()) {
                return;
            }
            emptied.await;
        }
    }

    fn shard(&self, key: &LaneKey) -> &Shard {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

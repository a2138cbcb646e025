use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::registry::{Feed, Instance, Instances, Watch};

/// What the watches of one kind see.
///
/// While the server is away all stays as it was. When it is back those who were known are awaited for a while, whatever its
/// lists say: a server that comes back empty is told again by each of them, and one that has kept its data may doubt them
/// until it has looked after each.
pub(in crate::registry) struct View {
    grace: Duration,
    feed: Feed,
    state: Mutex<State>,
    /// When nobody is awaited any more.
    until: watch::Sender<Option<Instant>>,
    listed: Notify,
}

struct State {
    known: BTreeMap<String, Seen>,
    is_lost: bool,
    has_listed: bool,
    /// Nobody watched, and nobody follows the server.
    has_ended: bool,
}

struct Seen {
    instance: Instance,
    /// On the latest list, or put since.
    is_listed: bool,
    is_awaited: bool,
}

#[cfg_attr(not(feature = "etcd"), allow(dead_code, reason = "consul tells lists alone"))]
pub(in crate::registry) enum Change {
    Put(Instance),
    Removed(String),
}

impl View {
    pub(super) fn new(list: Vec<Instance>, grace: Duration) -> (Self, Watch) {
        let (feed, watch) = Watch::channel(Instances::from([]));
        let state = State { known: BTreeMap::new(), is_lost: false, has_listed: false, has_ended: false };
        let (state, until) = (Mutex::new(state), watch::Sender::new(None));
        let this = Self { grace, feed, state, until, listed: Notify::new() };
        this.listed(list);
        (this, watch)
    }

    /// One more reader, unless the view has ended.
    pub(super) fn watch(&self) -> Option<Watch> {
        let state = self.lock();
        (!state.has_ended).then(|| self.feed.watch())
    }

    /// Ends when nobody watches, and the view with it.
    pub(super) async fn unwatched(&self) {
        loop {
            self.feed.closed().await;
            let mut state = self.lock();
            if self.feed.is_closed() {
                state.has_ended = true;
                return;
            }
        }
    }

    /// The server does not answer.
    pub(in crate::registry) fn lost(&self) {
        let mut state = self.lock();
        state.is_lost = true;
        state.known.values_mut().for_each(|seen| seen.is_awaited = true);
        self.until.send_replace(None);
    }

    /// All that the server knows.
    pub(in crate::registry) fn listed(&self, list: Vec<Instance>) {
        let mut state = self.lock();
        state.known.values_mut().for_each(|seen| seen.is_listed = false);
        for instance in list {
            state.put(instance);
        }
        state.known.retain(|_, seen| seen.is_listed || seen.is_awaited);
        state.has_listed = true;
        if std::mem::take(&mut state.is_lost) {
            self.until.send_replace(Some(Instant::now() + self.grace));
        }
        self.publish(&state);
        self.listed.notify_one();
    }

    /// What has happened since.
    #[cfg_attr(not(feature = "etcd"), allow(dead_code, reason = "consul tells lists alone"))]
    pub(in crate::registry) fn changed(&self, changes: impl IntoIterator<Item = Change>) {
        let mut state = self.lock();
        for change in changes {
            match change {
                Change::Put(instance) => state.put(instance),
                Change::Removed(id) => {
                    state.known.remove(&id);
                }
            }
        }
        self.publish(&state);
    }

    /// The server has it, although its lists do not say so yet. Whether anybody watches.
    #[cfg_attr(not(feature = "consul"), allow(dead_code, reason = "etcd lists all that it has"))]
    pub(super) fn waits_for(&self, instance: Instance) -> bool {
        let mut state = self.lock();
        if state.has_ended {
            return false;
        }
        // A list may have come meanwhile.
        if !state.known.contains_key(&instance.id) {
            state.known.insert(instance.id.clone(), Seen { instance, is_listed: false, is_awaited: true });
            if !state.is_lost {
                self.until.send_replace(Some(Instant::now() + self.grace));
            }
            self.publish(&state);
        }
        true
    }

    /// On the latest list, or put since, by a server that answers.
    pub(super) fn is_listed(&self, id: &str) -> bool {
        let state = self.lock();
        !state.is_lost && state.known.get(id).is_some_and(|seen| seen.is_listed)
    }

    /// A list with those who are awaited.
    pub(super) fn with_awaited(&self, mut list: Vec<Instance>) -> Instances {
        let state = self.lock();
        let awaited = state.known.values().filter(|seen| seen.is_awaited && !state.has_ended);
        let missing = awaited.filter(|seen| list.iter().all(|instance| instance.id != seen.instance.id));
        let missing: Vec<Instance> = missing.map(|seen| seen.instance.clone()).collect();
        list.extend(missing);
        list.into()
    }

    /// Whether there was a list since the last question.
    pub(super) fn has_listed(&self) -> bool {
        std::mem::take(&mut self.lock().has_listed)
    }

    /// Waits for a list.
    pub(super) async fn listed_again(&self) {
        self.listed.notified().await;
    }

    /// Gives up those who are awaited when their time is over, again and again.
    pub(super) async fn settle(&self) {
        let mut until = self.until.subscribe();
        loop {
            let deadline = *until.borrow_and_update();
            let over = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = over => self.give_up(),
                // The sender lives in this value.
                _ = until.changed() => {}
            }
        }
    }

    fn give_up(&self) {
        let mut state = self.lock();
        if state.is_lost {
            return;
        }
        self.until.send_replace(None);
        state.known.retain(|id, seen| {
            if !seen.is_listed {
                tracing::info!(kind = %seen.instance.kind, id, "an instance that was awaited is not on the registry's list");
            }
            seen.is_awaited = false;
            seen.is_listed
        });
        self.publish(&state);
    }

    fn publish(&self, state: &State) {
        let list: Vec<Instance> = state.known.values().map(|seen| seen.instance.clone()).collect();
        if *list != *self.feed.latest() {
            self.feed.publish(list.into());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, instance: Instance) {
        let is_awaited = self.known.get(&instance.id).is_some_and(|seen| seen.is_awaited);
        self.known.insert(instance.id.clone(), Seen { instance, is_listed: true, is_awaited });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Kind;

    const GRACE: Duration = Duration::from_secs(11);

    fn node(id: &str) -> Instance {
        Instance::new(Kind::Node, id)
    }

    fn ids(list: &Instances) -> Vec<&str> {
        list.iter().map(|instance| instance.id.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_missing_after_an_outage_is_awaited() {
        let (view, mut watch) = View::new(vec![node("n1"), node("n2"), node("n3")], GRACE);
        let test = async {
            view.lost();
            tokio::time::sleep(GRACE * 10).await;
            assert_eq!(ids(&watch.latest()), ["n1", "n2", "n3"], "an outage may last");
            view.listed(vec![]);
            view.listed(vec![node("n2")]);
            assert_eq!(ids(&watch.latest()), ["n1", "n2", "n3"]);
            assert_eq!(ids(&view.with_awaited(vec![node("n2")])), ["n2", "n1", "n3"]);
            tokio::time::sleep(GRACE / 2).await;
            view.listed(vec![node("n1")]);
            assert_eq!(ids(&watch.latest()), ["n1", "n2", "n3"], "who was seen again may be doubted again");
            view.changed([Change::Put(node("n4")), Change::Removed("n3".into())]);
            assert_eq!(ids(&watch.latest()), ["n1", "n2", "n4"], "but who leaves is gone");
            tokio::time::sleep(GRACE / 2 + Duration::from_millis(10)).await;
            assert_eq!(ids(&watch.latest()), ["n1", "n4"]);
            view.listed(vec![]);
            assert_eq!(ids(&watch.latest()), [""; 0], "without an outage lists are believed");
        };
        tokio::select! {
            () = test => {}
            () = view.settle() => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_begins_anew_with_each_outage() {
        let (view, mut watch) = View::new(vec![node("n1")], GRACE);
        let test = async {
            view.lost();
            view.listed(vec![]);
            tokio::time::sleep(GRACE / 2).await;
            view.lost();
            tokio::time::sleep(GRACE * 2).await;
            assert_eq!(ids(&watch.latest()), ["n1"]);
            view.listed(vec![]);
            tokio::time::sleep(GRACE / 2).await;
            assert_eq!(ids(&watch.latest()), ["n1"]);
            tokio::time::sleep(GRACE).await;
            assert_eq!(ids(&watch.latest()), [""; 0]);
        };
        tokio::select! {
            () = test => {}
            () = view.settle() => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_calls_before_it_is_listed_is_awaited() {
        let (view, mut watch) = View::new(vec![node("n1")], GRACE);
        let test = async {
            assert!(view.waits_for(node("n2")) && view.waits_for(node("n3")));
            assert_eq!(ids(&watch.latest()), ["n1", "n2", "n3"]);
            assert_eq!(["n1", "n2", "n4"].map(|id| view.is_listed(id)), [true, false, false]);
            view.listed(vec![node("n1"), node("n2")]);
            assert_eq!(ids(&watch.latest()), ["n1", "n2", "n3"]);
            assert!(view.is_listed("n2"));
            tokio::time::sleep(GRACE + Duration::from_millis(10)).await;
            assert_eq!(ids(&watch.latest()), ["n1", "n2"]);
            view.lost();
            assert!(!view.is_listed("n1"), "who knows");
            assert!(view.waits_for(node("n3")));
            tokio::time::sleep(GRACE * 2).await;
            assert_eq!(ids(&watch.latest()), ["n1", "n2", "n3"]);
        };
        tokio::select! {
            () = test => {}
            () = view.settle() => {}
        }
        drop(watch);
        view.unwatched().await;
        assert!(!view.waits_for(node("n4")));
    }

    #[tokio::test]
    async fn a_view_that_nobody_watches_ends() {
        let (view, watch) = View::new(vec![], GRACE);
        let second = view.watch();
        drop(watch);
        assert!(second.is_some());
        drop(second);
        view.unwatched().await;
        assert!(view.watch().is_none());
    }
}

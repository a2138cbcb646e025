//! Where the stateful messages of a session are: none goes to another node before it is known what the node before it
//! takes of those that were sent earlier.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::Session;
use crate::id::Nid;

/// How long a message waits for what was sent before it. Then it goes, and what it has overtaken goes nowhere any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Of sessions that have sent any. Counts what nodes have and have not begun to handle, as far as they say.
#[derive(Default)]
pub(super) struct Order {
    /// Few: one per name of nodes.
    groups: Mutex<Vec<Group>>,
    changed: Notify,
}

struct Group {
    name: Arc<str>,
    /// Messages that were read.
    read: u64,
    /// Those that this gate has, the oldest first.
    here: VecDeque<u64>,
    /// One is about to be handed over. Nothing else is meanwhile, and nothing overtakes it.
    leaving: bool,
    /// Those that nodes have.
    away: Vec<(Nid, usize)>,
    /// What was away when this changed has been overtaken.
    era: u64,
}

/// The place of one message among the stateful ones of its session, until its node handles it or nobody will.
pub(crate) struct Turn {
    session: Arc<Session>,
    group: usize,
    number: u64,
    at: Option<(Nid, u64)>,
    /// When it overtakes what it waits for.
    patience: Option<Instant>,
}

/// A message is on its way out; to be dropped when its node has it.
pub(crate) struct Leaving {
    session: Arc<Session>,
    group: usize,
}

/// What a message may do next.
pub(crate) enum Move {
    Leave(Leaving),
    /// What was sent before may still come back.
    Wait,
    /// A later one has left.
    Overtaken,
}

impl Turn {
    /// Behind everything that was read for these nodes before.
    pub(super) fn new(session: Arc<Session>, group: &Arc<str>) -> Self {
        let mut groups = session.order().groups.lock().unwrap();
        let known = groups.iter().position(|known| known.name == *group);
        let index = known.unwrap_or_else(|| {
            groups.push(Group::new(group));
            groups.len() - 1
        });
        let known = &mut groups[index];
        known.read += 1;
        let number = known.read;
        known.here.push_back(number);
        drop(groups);
        Self { session, group: index, number, at: None, patience: None }
    }

    /// Notes that the message goes to this node, if it may.
    pub(crate) fn leave_for(&mut self, nid: &Nid) -> Move {
        let next = self.with(|group, number, at| {
            let next = group.next(number, nid);
            if next == Next::Leave {
                group.here.pop_front();
                group.leaving = true;
                match group.away.iter_mut().find(|(there, _)| there == nid) {
                    Some((_, count)) => *count += 1,
                    None => group.away.push((nid.clone(), 1)),
                }
                *at = Some((nid.clone(), group.era));
            }
            next
        });
        match next {
            Next::Leave => Move::Leave(Leaving { session: Arc::clone(&self.session), group: self.group }),
            Next::Wait => Move::Wait,
            Next::Overtaken => Move::Overtaken,
        }
    }

    /// Waits until the message may go to this node. Who waits for too long overtakes.
    ///
    /// # Cancel safety
    /// The place is kept when the future is dropped.
    pub(crate) async fn until_free(&mut self, nid: &Nid) {
        self.until(|group, number| group.next(number, nid) != Next::Wait).await;
    }

    /// Waits until everything that was read before has left this gate, likewise.
    pub(crate) async fn until_first(&mut self) {
        self.until(|group, number| !group.leaving && group.here.front().is_none_or(|first| *first >= number)).await;
    }

    async fn until(&mut self, is_over: impl Fn(&Group, u64) -> bool) {
        let session = Arc::clone(&self.session);
        loop {
            let changed = session.order().changed.notified();
            let (is_over, one_leaves) = self.with(|group, number, _| (is_over(group, number), group.leaving));
            if is_over {
                return;
            }
            if one_leaves {
                // It has waited for its turn, and waits for room: so would this one.
                self.patience = None;
                changed.await;
                continue;
            }
            let patience = *self.patience.get_or_insert_with(|| Instant::now() + PATIENCE);
            let is_late = timeout_at(patience, changed).await.is_err();
            if is_late && self.with(|group, number, _| group.overtake(number)) {
                tracing::debug!(cid = %session.cid(), "a message overtakes those that other nodes keep to themselves");
                session.order().changed.notify_waiters();
            }
        }
    }

    /// The node has given the message back. `false`: a later one has gone elsewhere, so that it must not follow.
    pub(crate) fn returns(&mut self) -> bool {
        let may_follow = self.with(|group, number, at| {
            let Some((nid, era)) = at.take() else { return true };
            if era != group.era {
                return false;
            }
            group.settle(&nid);
            let place = group.here.partition_point(|other| *other < number);
            group.here.insert(place, number);
            true
        });
        self.session.order().changed.notify_waiters();
        may_follow
    }

    fn with<T>(&mut self, change: impl FnOnce(&mut Group, u64, &mut Option<(Nid, u64)>) -> T) -> T {
        let Self { session, group, number, at, .. } = self;
        let mut groups = session.order().groups.lock().unwrap();
        change(&mut groups[*group], *number, at)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let order = self.session.order();
        let is_awaited = {
            let mut groups = order.groups.lock().unwrap();
            let group = &mut groups[self.group];
            match self.at.take() {
                Some((nid, era)) if era == group.era => group.settle(&nid),
                Some(_) => {}
                None => group.here.retain(|other| *other != self.number),
            }
            !group.here.is_empty()
        };
        if is_awaited {
            order.changed.notify_waiters();
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let order = self.session.order();
        let is_awaited = {
            let mut groups = order.groups.lock().unwrap();
            let group = &mut groups[self.group];
            group.leaving = false;
            !group.here.is_empty()
        };
        if is_awaited {
            order.changed.notify_waiters();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Leave,
    Wait,
    Overtaken,
}

impl Group {
    fn new(name: &Arc<str>) -> Self {
        Self { name: Arc::clone(name), read: 0, here: VecDeque::new(), leaving: false, away: Vec::new(), era: 0 }
    }

    fn next(&self, number: u64, nid: &Nid) -> Next {
        let is_free = || !self.leaving && self.away.iter().all(|(there, _)| there == nid);
        match self.here.front() {
            Some(first) if *first == number && is_free() => Next::Leave,
            _ if self.here.binary_search(&number).is_ok() => Next::Wait,
            _ => Next::Overtaken,
        }
    }

    /// One message less that a node may give back.
    fn settle(&mut self, nid: &Nid) {
        let Some(index) = self.away.iter().position(|(there, _)| there == nid) else { return };
        self.away[index].1 -= 1;
        if self.away[index].1 == 0 {
            self.away.swap_remove(index);
        }
    }

    /// `false`: not now, as one is about to leave.
    fn overtake(&mut self, number: u64) -> bool {
        if self.leaving {
            return false;
        }
        self.era += 1;
        self.away.clear();
        self.here.retain(|other| *other >= number);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Cid;
    use crate::packet::Format;
    use crate::session::{OutboxLimits, OutboxRules, Overflow};
    use crate::transport::{Attributes, Peer};

    fn session() -> Arc<Session> {
        let format = Arc::new(Format::new());
        let rules = OutboxRules::new(OutboxLimits::default(), Overflow::default(), format);
        Arc::new(Session::new(Cid(1), Peer::default(), Attributes::new(), &Arc::new(rules)))
    }

    fn nids() -> [Nid; 2] {
        ["n1", "n2"].map(Nid::from)
    }

    /// Has it handed over at once, if it may go.
    fn go(turn: &mut Turn, nid: &Nid) -> Next {
        match turn.leave_for(nid) {
            Move::Leave(_) => Next::Leave,
            Move::Wait => Next::Wait,
            Move::Overtaken => Next::Overtaken,
        }
    }

    fn turns<const N: usize>(session: &Arc<Session>, nid: &Nid) -> [Turn; N] {
        let group = Arc::from("game");
        std::array::from_fn(|_| {
            let mut turn = session.turn(&group);
            assert_eq!(go(&mut turn, nid), Next::Leave);
            turn
        })
    }

    #[test]
    fn what_comes_back_goes_before_what_is_new_and_in_its_old_order() {
        let (session, [n1, n2]) = (session(), nids());
        let [first, mut second, mut third] = turns(&session, &n1);
        let mut new = session.turn(&Arc::from("game"));
        assert_eq!(go(&mut new, &n2), Next::Wait);
        drop(first);
        assert!(third.returns());
        assert_eq!(go(&mut third, &n2), Next::Wait, "the second is not back");
        assert!(second.returns());
        assert_eq!(go(&mut third, &n2), Next::Wait);
        assert_eq!([&mut second, &mut third, &mut new].map(|turn| go(turn, &n2)), [Next::Leave; 3]);
        assert_eq!(go(&mut session.turn(&Arc::from("game")), &n1), Next::Wait);
        let other = go(&mut session.turn(&Arc::from("other")), &n1);
        assert_eq!(other, Next::Leave, "nodes of other names have an order of their own");
        drop((second, third, new));
        assert_eq!(go(&mut session.turn(&Arc::from("game")), &n1), Next::Leave);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_overtaken_goes_nowhere() {
        let (session, [n1, n2]) = (session(), nids());
        let [mut back, mut kept, taken] = turns(&session, &n1);
        assert!(back.returns());
        let mut new = session.turn(&Arc::from("game"));
        let begun = Instant::now();
        assert_eq!(go(&mut new, &n2), Next::Wait);
        new.until_free(&n2).await;
        assert_eq!(begun.elapsed(), PATIENCE);
        assert_eq!((go(&mut back, &n2), go(&mut new, &n2)), (Next::Overtaken, Next::Leave));
        assert!(!kept.returns(), "the new one is before it");
        drop((back, kept, taken));
        assert_eq!(go(&mut session.turn(&Arc::from("game")), &n1), Next::Wait, "the new one is at the other node");
        drop(new);
        assert_eq!(go(&mut session.turn(&Arc::from("game")), &n1), Next::Leave);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_as_soon_as_the_node_has_begun() {
        let (session, [n1, n2]) = (session(), nids());
        let [at_work] = turns(&session, &n1);
        let mut new = session.turn(&Arc::from("game"));
        let begun = Instant::now();
        let (move_on, ()) = tokio::join!(
            async {
                new.until_free(&n2).await;
                go(&mut new, &n2)
            },
            async { drop(at_work) }
        );
        assert_eq!((move_on, begun.elapsed()), (Next::Leave, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_room_is_not_overtaken() {
        let (session, [n1, _]) = (session(), nids());
        let [mut first, mut second] = [session.turn(&Arc::from("game")), session.turn(&Arc::from("game"))];
        let Move::Leave(leaving) = first.leave_for(&n1) else { panic!("nothing is before it") };
        assert_eq!(go(&mut second, &n1), Next::Wait);
        let begun = Instant::now();
        let room = async {
            tokio::time::sleep(10 * PATIENCE).await;
            drop(leaving);
        };
        tokio::join!(second.until_free(&n1), room);
        assert_eq!((go(&mut second, &n1), begun.elapsed()), (Next::Leave, 10 * PATIENCE));
        assert!(first.returns());
    }
}

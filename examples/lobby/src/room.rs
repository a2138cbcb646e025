//! Who is in which room of this node: the rules, without anybody who asks.

use std::collections::{BTreeSet, HashMap};

use due::{TimerGuard, Uid};

/// Members of one room.
const MEMBERS: usize = 64;
/// Rooms of one node.
const ROOMS: usize = 10_000;

/// The rooms of one node. A user is in one of them at most.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    by_id: HashMap<i32, BTreeSet<Uid>>,
    by_user: HashMap<Uid, i32>,
    /// Members who are not connected, and the time that is left for them.
    away: HashMap<Uid, TimerGuard>,
}

/// A room, and who is to hear of what happened in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Circle {
    pub(crate) room: i32,
    pub(crate) members: Vec<Uid>,
}

/// Why somebody is not in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotIn {
    Missing,
    Full,
}

impl Rooms {
    pub(crate) fn are_full(&self) -> bool {
        self.by_id.len() >= ROOMS
    }

    /// Opens a room with one member, who is in no other one.
    pub(crate) fn open(&mut self, id: i32, uid: Uid) {
        self.by_id.insert(id, BTreeSet::from([uid]));
        self.by_user.insert(uid, id);
    }

    /// Lets somebody in, who is in no other room. All members hear of it.
    pub(crate) fn join(&mut self, id: i32, uid: Uid) -> Result<Circle, NotIn> {
        let members = self.by_id.get_mut(&id).ok_or(NotIn::Missing)?;
        if members.len() >= MEMBERS {
            return Err(NotIn::Full);
        }
        members.insert(uid);
        let members = members.iter().copied().collect();
        self.by_user.insert(uid, id);
        Ok(Circle { room: id, members })
    }

    /// The room that he is in.
    pub(crate) fn of(&self, uid: Uid) -> Option<i32> {
        self.by_user.get(&uid).copied()
    }

    /// Everybody who hears him.
    pub(crate) fn circle(&self, uid: Uid) -> Option<Circle> {
        let room = self.of(uid)?;
        let members = self.by_id.get(&room)?.iter().copied().collect();
        Some(Circle { room, members })
    }

    /// Those who are still in; a room without any is no more.
    pub(crate) fn leave(&mut self, uid: Uid) -> Option<Circle> {
        self.away.remove(&uid);
        let room = self.by_user.remove(&uid)?;
        let members = self.by_id.get_mut(&room)?;
        members.remove(&uid);
        let members: Vec<Uid> = members.iter().copied().collect();
        if members.is_empty() {
            self.by_id.remove(&room);
        }
        Some(Circle { room, members })
    }

    /// Leaves somebody the time that the timer takes, if he is in a room.
    pub(crate) fn lost(&mut self, uid: Uid, timer: impl FnOnce() -> TimerGuard) -> Option<i32> {
        let room = self.of(uid)?;
        self.away.insert(uid, timer());
        Some(room)
    }

    /// He is back in time.
    pub(crate) fn found(&mut self, uid: Uid) -> Option<i32> {
        self.away.remove(&uid);
        self.of(uid)
    }

    /// All of them are no more.
    pub(crate) fn close(&mut self) -> Vec<Circle> {
        let rooms = std::mem::take(self).by_id.into_iter();
        rooms.map(|(room, members)| Circle { room, members: members.into_iter().collect() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(room: i32, members: &[i64]) -> Circle {
        Circle { room, members: members.iter().copied().map(Uid).collect() }
    }

    #[test]
    fn everybody_in_a_room_hears_who_comes_and_goes() {
        let mut rooms = Rooms::default();
        rooms.open(1, Uid(7));
        assert_eq!(rooms.join(1, Uid(5)), Ok(circle(1, &[5, 7])));
        assert_eq!(rooms.circle(Uid(7)), Some(circle(1, &[5, 7])));
        assert_eq!(rooms.leave(Uid(7)), Some(circle(1, &[5])));
        assert_eq!((rooms.circle(Uid(7)), rooms.leave(Uid(7))), (None, None));
    }

    #[test]
    fn an_empty_room_is_no_more() {
        let mut rooms = Rooms::default();
        rooms.open(1, Uid(7));
        assert_eq!(rooms.leave(Uid(7)), Some(circle(1, &[])));
        assert_eq!(rooms.join(1, Uid(5)), Err(NotIn::Missing));
    }

    #[test]
    fn a_room_has_64_members_at_most() {
        let mut rooms = Rooms::default();
        rooms.open(1, Uid(1));
        for uid in 2..=64 {
            assert_eq!(rooms.join(1, Uid(uid)).unwrap().members.len() as i64, uid);
        }
        assert_eq!(rooms.join(1, Uid(65)), Err(NotIn::Full));
        assert_eq!(rooms.of(Uid(65)), None);
    }
}

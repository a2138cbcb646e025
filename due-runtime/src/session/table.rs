//! The sessions of one gate, by connection, by user and by channel.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use tokio_util::task::TaskTracker;

use super::Session;
use crate::id::{BuildIdHasher, Cid, Uid};

/// Whom an operation on a gate means (session kinds 1 and 2 of the cluster wire).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionTarget {
    Session(Cid),
    User(Uid),
}

#[derive(Default)]
pub(crate) struct SessionTable {
    by_cid: DashMap<Cid, Arc<Session>, BuildIdHasher>,
    by_uid: DashMap<Uid, Arc<Session>>,
    /// Held while a user comes or goes: he and his session know each other, or neither does.
    logins: Mutex<()>,
    /// Members of a channel; a channel without members does not exist.
    channels: Mutex<Channels>,
    /// One task per session; "finished" for the drain.
    pub(crate) tasks: TaskTracker,
}

#[derive(Default)]
struct Channels {
    members: std::collections::HashMap<Arc<str>, HashSet<Cid>>,
    joined: std::collections::HashMap<Cid, HashSet<Arc<str>>>,
}

/// What a bind changed.
pub(crate) struct Bound {
    /// The session that had the user before, and has none now.
    pub(crate) older: Option<Arc<Session>>,
    /// The user that this session had before, now without a session.
    pub(crate) left: Option<Uid>,
    /// The session has ended meanwhile and took no user.
    pub(crate) ended: bool,
}

impl SessionTable {
    pub(crate) fn insert(&self, session: Arc<Session>) {
        self.by_cid.insert(session.cid(), session);
    }

    /// Forgets a session and its channels; answers with the user that was bound to it.
    pub(crate) fn remove(&self, session: &Session) -> Option<Uid> {
        self.by_cid.remove(&session.cid());
        let mut channels = self.channels.lock().unwrap();
        if let Some(joined) = channels.joined.remove(&session.cid()) {
            for channel in joined {
                channels.leave(&channel, session.cid());
            }
        }
        drop(channels);
        let _logins = self.logins.lock().unwrap();
        let uid = session.set_uid(None)?;
        self.leave(session, uid);
        Some(uid)
    }

    /// Does something with a session, if it is there, which must not wait for the table.
    pub(crate) fn with<T>(&self, cid: Cid, act: impl FnOnce(&Session) -> T) -> Option<T> {
        self.by_cid.get(&cid).map(|entry| act(&entry))
    }

    pub(crate) fn get(&self, target: SessionTarget) -> Option<Arc<Session>> {
        match target {
            SessionTarget::Session(cid) => self.by_cid.get(&cid).map(|entry| Arc::clone(&entry)),
            SessionTarget::User(uid) => self.by_uid.get(&uid).map(|entry| Arc::clone(&entry)),
        }
    }

    /// Binds a user to a session. The newest wins: a session that had the user keeps its connection and loses the user.
    pub(crate) fn bind(&self, session: &Arc<Session>, uid: Uid) -> Bound {
        let _logins = self.logins.lock().unwrap();
        let before = session.set_uid(Some(uid));
        let left = before.filter(|before| *before != uid);
        if let Some(left) = left {
            self.leave(session, left);
        }
        let older = self.by_uid.insert(uid, Arc::clone(session)).filter(|older| older.cid() != session.cid());
        if let Some(older) = &older {
            older.clear_uid(uid);
        }
        // `remove` takes the session out of `by_cid` first: either it sees our user, or we see that it is gone.
        let ended = !self.by_cid.contains_key(&session.cid());
        if ended {
            session.clear_uid(uid);
            self.leave(session, uid);
        }
        Bound { older, left, ended }
    }

    /// Takes the user off this session, if it has him.
    pub(crate) fn part(&self, session: &Session, uid: Uid) {
        let _logins = self.logins.lock().unwrap();
        session.clear_uid(uid);
        self.leave(session, uid);
    }

    fn leave(&self, session: &Session, uid: Uid) {
        self.by_uid.remove_if(&uid, |_, other| other.cid() == session.cid());
    }

    /// Takes the user off its session; `None` when no session has it.
    pub(crate) fn unbind(&self, uid: Uid) -> Option<Arc<Session>> {
        let _logins = self.logins.lock().unwrap();
        let (_, session) = self.by_uid.remove(&uid)?;
        session.clear_uid(uid);
        Some(session)
    }

    /// Adds a session to a channel; a session that has just been removed joins nothing.
    pub(crate) fn subscribe(&self, cid: Cid, channel: &Arc<str>) {
        let mut channels = self.channels.lock().unwrap();
        if !self.by_cid.contains_key(&cid) {
            return;
        }
        channels.members.entry(Arc::clone(channel)).or_default().insert(cid);
        channels.joined.entry(cid).or_default().insert(Arc::clone(channel));
    }

    pub(crate) fn unsubscribe(&self, cid: Cid, channel: &str) {
        let mut channels = self.channels.lock().unwrap();
        channels.leave(channel, cid);
        if let Some(joined) = channels.joined.get_mut(&cid) {
            joined.remove(channel);
            if joined.is_empty() {
                channels.joined.remove(&cid);
            }
        }
    }

    pub(crate) fn members(&self, channel: &str) -> Vec<Arc<Session>> {
        let cids: Vec<Cid> = {
            let channels = self.channels.lock().unwrap();
            channels.members.get(channel).into_iter().flatten().copied().collect()
        };
        cids.into_iter().filter_map(|cid| self.get(SessionTarget::Session(cid))).collect()
    }

    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        self.by_cid.iter().map(|entry| Arc::clone(&entry)).collect()
    }

    pub(crate) fn users(&self) -> Vec<Arc<Session>> {
        self.by_uid.iter().map(|entry| Arc::clone(&entry)).collect()
    }

    pub(crate) fn session_count(&self) -> usize {
        self.by_cid.len()
    }

    pub(crate) fn user_count(&self) -> usize {
        self.by_uid.len()
    }
}

impl Channels {
    fn leave(&mut self, channel: &str, cid: Cid) {
        if let Some(members) = self.members.get_mut(channel) {
            members.remove(&cid);
            if members.is_empty() {
                self.members.remove(channel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Format;
    use crate::session::{OutboxLimits, OutboxRules, Overflow};
    use crate::transport::{Attributes, Peer};

    fn session(table: &SessionTable, cid: i64) -> Arc<Session> {
        let (limits, overflow) = (OutboxLimits::default(), Overflow::default());
        let rules = Arc::new(OutboxRules::new(limits, overflow, Arc::new(Format::new())));
        let session = Arc::new(Session::new(Cid(cid), Peer::default(), Attributes::new(), &rules));
        table.insert(Arc::clone(&session));
        session
    }

    #[test]
    fn a_rebind_moves_the_user() {
        let table = SessionTable::default();
        let (first, second) = (session(&table, 1), session(&table, 2));
        table.bind(&first, Uid(7));
        let bound = table.bind(&second, Uid(7));
        assert_eq!((bound.left, bound.ended), (None, false));
        assert_eq!(bound.older.map(|older| older.cid()), Some(first.cid()));
        assert_eq!(first.uid(), None);
        assert_eq!(table.get(SessionTarget::User(Uid(7))).unwrap().cid(), Cid(2));

        assert_eq!(table.remove(&first), None, "the older session no longer speaks for the user");
        assert!(table.get(SessionTarget::User(Uid(7))).is_some());
        assert_eq!(table.remove(&second), Some(Uid(7)));
        assert_eq!(table.user_count(), 0);
        assert!(table.bind(&second, Uid(7)).ended, "a session that has ended takes no user");
        assert_eq!(table.user_count(), 0);
    }

    #[test]
    fn another_login_on_one_session_frees_the_user_before() {
        let table = SessionTable::default();
        let session = session(&table, 1);
        table.bind(&session, Uid(7));
        let bound = table.bind(&session, Uid(8));
        assert_eq!((bound.left, bound.ended, bound.older.is_none()), (Some(Uid(7)), false, true));
        assert!(table.get(SessionTarget::User(Uid(7))).is_none());
        assert_eq!(session.uid(), Some(Uid(8)));
    }

    #[test]
    fn a_session_parts_with_its_own_user_only() {
        let table = SessionTable::default();
        let (first, second) = (session(&table, 1), session(&table, 2));
        table.bind(&first, Uid(7));
        table.bind(&second, Uid(7));
        table.part(&first, Uid(7));
        assert_eq!(table.get(SessionTarget::User(Uid(7))).unwrap().cid(), Cid(2));
        table.part(&second, Uid(7));
        assert_eq!((table.user_count(), second.uid()), (0, None));
    }

    #[test]
    fn two_binds_of_one_session_at_a_time_leave_one_user() {
        let table = SessionTable::default();
        let session = session(&table, 1);
        for _ in 0..1000 {
            std::thread::scope(|scope| {
                for uid in [7, 8] {
                    let (table, session) = (&table, &session);
                    scope.spawn(move || table.bind(session, Uid(uid)));
                }
            });
            assert_eq!(table.user_count(), 1);
            assert!(table.get(SessionTarget::User(session.uid().unwrap())).is_some());
        }
    }

    #[test]
    fn channels_end_with_their_members() {
        let table = SessionTable::default();
        let session = session(&table, 1);
        let room: Arc<str> = "room:1".into();
        table.subscribe(Cid(1), &room);
        table.subscribe(Cid(99), &room);
        assert_eq!(table.members("room:1").len(), 1);
        table.remove(&session);
        table.subscribe(Cid(1), &room);
        assert!(table.members("room:1").is_empty());
        assert!(table.channels.lock().unwrap().members.is_empty());
        assert!(table.channels.lock().unwrap().joined.is_empty());
    }
}

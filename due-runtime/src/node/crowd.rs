//! Who is on which gate, as far as this node has heard: a gate that dies tells of nobody, so others have to.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::serve::NodeCore;
use crate::cluster::{Event, GateLink, GateOp, SessionEvent, Sight};
use crate::id::{Cid, Gid, Uid};

/// Between two looks at the registry's list.
const LOOK: Duration = Duration::from_secs(1);
/// How long a gate may lack in the list, as one that fails a check, before it is asked whether it is there.
const MISSED: Duration = Duration::from_secs(5);
/// Sessions of a gate that was started again under its old id may be heard of so long before the registry tells.
const NEWS: Duration = Duration::from_secs(2);

/// Sessions whose end will be heard of, one way or the other.
#[derive(Default)]
pub(super) struct Crowd {
    gates: Mutex<HashMap<Gid, Gate>>,
}

struct Gate {
    link: Arc<dyn GateLink>,
    /// Where it is: one id at another place is another process. `None`: not known yet.
    endpoint: Option<Arc<str>>,
    sessions: HashMap<Cid, Noted>,
}

#[derive(Clone, Copy)]
struct Noted {
    uid: Option<Uid>,
    since: Instant,
}

impl Crowd {
    /// Takes note of an event. The session that had this number before, in a gate that was started again, has ended.
    fn note(&self, event: &SessionEvent) -> Option<SessionEvent> {
        let SessionEvent { event, gid, gate, cid, uid } = event;
        let mut gates = self.gates.lock().unwrap();
        if *event == Event::Disconnect {
            let known = gates.get_mut(gid)?;
            known.sessions.remove(cid);
            if known.sessions.is_empty() {
                gates.remove(gid);
            }
            return None;
        }
        let known = gates.entry(gid.clone()).or_insert_with(|| Gate {
            link: Arc::clone(gate),
            endpoint: None,
            sessions: HashMap::new(),
        });
        let known_since = known.sessions.get(cid).filter(|_| *event != Event::Connect).map(|noted| noted.since);
        let since = known_since.unwrap_or_else(Instant::now);
        let before = known.sessions.insert(*cid, Noted { uid: *uid, since });
        match event {
            Event::Connect => before.map(|before| ended(gid, &known.link, *cid, before)),
            _ => None,
        }
    }

    fn gates(&self) -> Vec<(Gid, Arc<dyn GateLink>)> {
        let gates = self.gates.lock().unwrap();
        gates.iter().map(|(gid, gate)| (gid.clone(), Arc::clone(&gate.link))).collect()
    }

    /// The gate is there now. What was heard of one of this name at another place has ended.
    fn seen(&self, gid: &Gid, endpoint: &Arc<str>) -> Vec<SessionEvent> {
        let mut gates = self.gates.lock().unwrap();
        let Some(gate) = gates.get_mut(gid) else { return Vec::new() };
        let before = gate.endpoint.replace(Arc::clone(endpoint));
        if before.is_none_or(|before| before == *endpoint) {
            return Vec::new();
        }
        let over = gate.sessions.extract_if(|_, noted| noted.since.elapsed() >= NEWS);
        let over = over.map(|(cid, noted)| ended(gid, &gate.link, cid, noted)).collect();
        if gate.sessions.is_empty() {
            gates.remove(gid);
        }
        over
    }

    fn users(&self) -> HashSet<Uid> {
        let gates = self.gates.lock().unwrap();
        gates.values().flat_map(|gate| gate.sessions.values()).filter_map(|noted| noted.uid).collect()
    }

    /// The gate is gone.
    fn lost(&self, gid: &Gid) -> Vec<SessionEvent> {
        let Some(mut gate) = self.gates.lock().unwrap().remove(gid) else { return Vec::new() };
        let sessions = mem::take(&mut gate.sessions).into_iter();
        sessions.map(|(cid, noted)| ended(gid, &gate.link, cid, noted)).collect()
    }
}

fn ended(gid: &Gid, gate: &Arc<dyn GateLink>, cid: Cid, Noted { uid, .. }: Noted) -> SessionEvent {
    SessionEvent { event: Event::Disconnect, gid: gid.clone(), gate: Arc::clone(gate), cid, uid }
}

impl NodeCore {
    /// Takes note of who is there, if anybody wants to hear who is not any more.
    pub(super) fn note(&self, event: &SessionEvent) {
        if !self.hears(Event::Disconnect) {
            return;
        }
        if let Some(before) = self.crowd.note(event) {
            self.tell(before);
        }
    }

    /// Tells of the sessions of gates that are gone, until the node leaves.
    pub(super) async fn watch_gates(this: Weak<Self>) {
        loop {
            sleep(LOOK).await;
            let Some(this) = this.upgrade() else { return };
            for (gid, gate) in this.crowd.gates() {
                let (over, is_lost) = match this.cluster.sight(&gid) {
                    Sight::At(endpoint) => (this.crowd.seen(&gid, &endpoint), false),
                    Sight::Missed(since) if since < MISSED => continue,
                    // A registry may have lost it; a gate that answers is there.
                    Sight::Missed(_) if gate.call(GateOp::State).await.is_ok() => continue,
                    Sight::Missed(_) => (this.crowd.lost(&gid), true),
                };
                if over.is_empty() {
                    continue;
                }
                tracing::warn!(%gid, sessions = over.len(), "a gate is gone; its sessions have ended");
                let present = this.crowd.users();
                for mut event in over {
                    if let Some(uid) = event.uid
                        && (present.contains(&uid) || this.plays_elsewhere(uid, &gid, is_lost).await)
                    {
                        event.uid = None;
                    }
                    this.tell(event);
                }
            }
        }
    }

    /// What the gate would have asked, and told, the locator at the end of a session.
    async fn plays_elsewhere(&self, uid: Uid, gid: &Gid, is_lost: bool) -> bool {
        let locator = self.cluster.locator();
        let located = async {
            if is_lost {
                locator.unbind_gate(uid, gid).await?;
            }
            locator.locate_gate(uid).await
        };
        match located.await {
            Ok(found) => found.is_some_and(|found| found != *gid),
            Err(error) => {
                tracing::warn!(%uid, error = &error as &dyn std::error::Error, "the locator keeps a stale gate");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};

    use super::*;
    use crate::cluster::{GateAnswer, LinkError};
    use crate::future::BoxFuture;

    struct Nowhere;

    impl GateLink for Nowhere {
        fn push(&self, _: Cid, _: Bytes) -> Result<(), LinkError> {
            Err(LinkError::NoSession)
        }

        fn answer(&self, _: Cid, _: BytesMut) -> Result<(), LinkError> {
            Err(LinkError::NoSession)
        }

        fn call(&self, _: GateOp) -> BoxFuture<'_, Result<GateAnswer, LinkError>> {
            Box::pin(std::future::ready(Err(LinkError::Timeout)))
        }
    }

    fn event(event: Event, cid: i64, uid: Option<i64>) -> SessionEvent {
        SessionEvent { event, gid: "g1".into(), gate: Arc::new(Nowhere), cid: Cid(cid), uid: uid.map(Uid) }
    }

    fn told(mut events: Vec<SessionEvent>) -> Vec<(i64, Option<i64>)> {
        events.sort_by_key(|event| event.cid.0);
        events.iter().map(|event| (event.cid.0, event.uid.map(|uid| uid.0))).collect()
    }

    #[test]
    fn who_left_before_the_gate_did_is_not_told_of_again() {
        let (crowd, gid) = (Crowd::default(), Gid::from("g1"));
        for (kind, cid, uid) in [
            (Event::Connect, 1, None),
            (Event::Connect, 2, None),
            (Event::Reconnect, 2, Some(7)),
            (Event::Connect, 3, None),
            (Event::Disconnect, 3, None),
        ] {
            assert!(crowd.note(&event(kind, cid, uid)).is_none());
        }
        assert_eq!(told(crowd.lost(&gid)), [(1, None), (2, Some(7))]);
        assert_eq!(told(crowd.lost(&gid)), []);
        crowd.note(&event(Event::Connect, 4, None));
        crowd.note(&event(Event::Disconnect, 4, None));
        assert!(crowd.gates().is_empty(), "nothing is kept of a gate that nobody is on");
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_that_is_started_again_under_its_id_has_new_sessions() {
        let (crowd, gid) = (Crowd::default(), Gid::from("g1"));
        crowd.note(&event(Event::Connect, 1, None));
        crowd.note(&event(Event::Connect, 2, None));
        crowd.note(&event(Event::Reconnect, 2, Some(7)));
        assert_eq!(told(crowd.seen(&gid, &"there".into())), []);
        assert_eq!(told(crowd.seen(&gid, &"there".into())), []);
        tokio::time::advance(NEWS).await;
        // The number of an old session, before the registry tells.
        assert_eq!(told(crowd.note(&event(Event::Connect, 1, None)).into_iter().collect()), [(1, None)]);
        assert_eq!(told(crowd.seen(&gid, &"elsewhere".into())), [(2, Some(7))]);
        assert_eq!(told(crowd.lost(&gid)), [(1, None)]);
    }
}

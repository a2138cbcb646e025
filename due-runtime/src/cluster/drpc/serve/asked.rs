//! What is asked of this server, one request after another.

use std::io;
use std::iter::once;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::Connection;
use super::caller::{Caller, Known};
use crate::cluster::Cluster;
use crate::cluster::drpc::answer;
use crate::cluster::drpc::frame::{Frame, PATIENT, op};
use crate::cluster::drpc::pool::Target;
use crate::cluster::drpc::receipts::Unsaid;
use crate::cluster::drpc::request::{self, Bad, Handshake};
use crate::cluster::link::{
    Delivery, GateAnswer, GateOp, GateServer, LinkError, NodeAnswer, NodeOp, NodeServer, Origin, Server, SessionEvent,
    Then, Undelivered, Unpushed,
};
use crate::cluster::scratch;
use crate::future::BoxFuture;
use crate::id::{Cid, Gid, Nid, Uid};
use crate::packet::Packet;
use crate::registry::Kind;
use crate::session::Wakes;

/// How long a request may hold up those behind it. A login waits for the locator; by then its session has its user, so
/// that what follows finds it.
const IN_ORDER: Duration = Duration::from_millis(50);
/// How long one may take at all. Whoever asked has long gone by then.
const GIVEN_UP: Duration = Duration::from_secs(30);

type Answer = Result<GateAnswer, LinkError>;

impl Connection {
    /// Says why a request is not carried out; fails if nothing more can be.
    pub(super) fn complain(&self, frame: &Frame<'_>, bad: Bad) -> io::Result<()> {
        match bad {
            Bad::Opcode => tracing::debug!(opcode = frame.op, "not served here"),
            Bad::Length => {
                let (opcode, bytes) = (frame.op, frame.payload.len());
                match self.misread.swap(true, Ordering::Relaxed) {
                    false => tracing::warn!(opcode, bytes, "payloads of a wrong length get no answer"),
                    true => tracing::debug!(opcode, bytes, "a payload of a wrong length"),
                }
            }
            // Its client would wait for nothing; a gate that sees its connection end tells it.
            Bad::NoWayBack => return Err(io::Error::other("no way back to this gate is known")),
            Bad::Unread => return Err(io::Error::other("it does not read its answers")),
            Bad::Value => self.answer(frame, &Err(LinkError::Failed("invalid argument".to_owned()))),
        }
        Ok(())
    }

    /// What is to be delivered.
    pub(super) fn message(&self, frame: &Frame<'_>) -> Result<(Cid, Option<Uid>, Packet), Bad> {
        let request::Deliver { cid, uid, packet } = request::deliver(frame)?;
        let (route, seq, body) = self.shared.format.dissect(packet).ok_or(Bad::Value)?;
        // Not a part of what was read, because it may wait for long.
        Ok((cid, uid, Packet { route, seq, body: scratch::copy(body) }))
    }

    pub(super) async fn greet(&self, frame: &Frame<'_>, caller: &mut Caller) -> Result<(), Bad> {
        let Handshake { kind, id } = request::handshake(frame)?;
        if let Some(proven) = &self.proven
            && (kind, &id) != (Some(proven.kind), &proven.id)
        {
            tracing::debug!(%proven, "another server calls itself otherwise than it has proven");
            return Err(Bad::Value);
        }
        let called_by = match kind {
            Some(Kind::Gate) => Some(Target::Gate(Gid::from(Arc::clone(&id)))),
            Some(Kind::Node) => Some(Target::Node(Nid::from(Arc::clone(&id)))),
            Some(Kind::Mesh) | None => None,
        };
        self.is_called_by(called_by, false);
        *caller = match (kind, &self.shared.server) {
            (Some(Kind::Gate), Server::Node(_, cluster)) => {
                let known = Known::gate(cluster, Arc::clone(&id)).await;
                Caller::Gate(Gid::from(id), known, None)
            }
            (Some(Kind::Node), Server::Node(_, cluster)) => {
                let known = Known::node(cluster, Arc::clone(&id)).await;
                Caller::Node(Nid::from(id), known)
            }
            _ => Caller::Unknown,
        };
        // Asked for or not.
        let _ = self.answers.append(|buf| answer::put(buf, frame.op, frame.seq, &Ok(GateAnswer::Done)));
        Ok(())
    }

    pub(super) async fn at_gate(
        &self,
        gate: &Arc<dyn GateServer>,
        frame: &Frame<'_>,
        wakes: &mut Wakes,
    ) -> Result<(), Bad> {
        let op = match request::gate_op(frame)? {
            GateOp::Push { target, packet, then: Then::Stay } => match gate.find(target) {
                Some(cid) => {
                    let pushed = push(&**gate, cid, packet, wakes).await.map(|()| GateAnswer::Done);
                    self.answer(frame, &pushed);
                    return Ok(());
                }
                None => GateOp::Push { target, packet, then: Then::Stay },
            },
            op => op,
        };
        // What comes next may wait.
        wakes.wake_all();
        let skips_absent = matches!(op, GateOp::Subscribe { .. } | GateOp::Unsubscribe { .. });
        let gate = Arc::clone(gate);
        let call = Box::pin(async move {
            match gate.call(op).await {
                Err(LinkError::NoSession) if skips_absent => Ok(GateAnswer::Done),
                answer => answer,
            }
        });
        self.answer_when_done(frame, call).await;
        Ok(())
    }

    pub(super) async fn at_node(
        &self,
        node: &Arc<dyn NodeServer>,
        cluster: &Cluster,
        frame: &Frame<'_>,
        caller: &mut Caller,
    ) -> Result<(), Bad> {
        let op = match frame.op {
            op::TRIGGER => {
                let Caller::Gate(gid, known, _) = caller else { return refused(frame) };
                let request::Trigger { event, cid, uid } = request::trigger(frame)?;
                if let Some(gate) = known.find(cluster).await {
                    node.trigger(SessionEvent { event, gid: gid.clone(), gate, cid, uid });
                }
                self.answer(frame, &Ok(GateAnswer::Done));
                return Ok(());
            }
            op::DELIVER if matches!(caller, Caller::Unknown) => return refused(frame),
            op::DELIVER => {
                let (cid, uid, packet) = self.message(frame)?;
                // Nobody needs the way back to a node that has answered, which may have left by now.
                if matches!(caller, Caller::Node(nid, _) if cluster.calls().hear(nid, cid, &packet)) {
                    self.answer(frame, &Ok(GateAnswer::Done));
                    return Ok(());
                }
                let origin = match caller {
                    Caller::Unknown => None,
                    Caller::Gate(gid, known, _) => {
                        let gate = known.find(cluster).await;
                        gate.map(|gate| Origin::Gate { gid: gid.clone(), gate })
                    }
                    Caller::Node(nid, known) => {
                        let node = known.find(cluster).await;
                        node.map(|node| Origin::Node { nid: nid.clone(), node })
                    }
                };
                let Some(origin) = origin else {
                    let is_gate = matches!(caller, Caller::Gate(..));
                    return if is_gate { Err(Bad::NoWayBack) } else { Ok(()) };
                };
                let mut delivery = Delivery { origin, cid, uid, packet, request: None, turn: None, receipt: None };
                if frame.seq == 0 {
                    deliver(&**node, delivery).await;
                    return Ok(());
                }
                if matches!(delivery.origin, Origin::Gate { .. }) {
                    let unsaid = Unsaid::new(&self.answers, frame.seq);
                    delivery.receipt = Some(unsaid.clone());
                    match node.call(NodeOp::Deliver(delivery)).await {
                        Ok(_) if frame.seq & PATIENT != 0 => {}
                        Ok(_) => self.receipts.hold(unsaid),
                        Err(error) => {
                            if !unsaid.say(&Err(error)) {
                                // Nobody would tell the client; a gate that sees its connection end does.
                                return Err(Bad::Unread);
                            }
                        }
                    }
                    return Ok(());
                }
                NodeOp::Deliver(delivery)
            }
            op::STATE if frame.payload.is_empty() => NodeOp::State,
            op::STATE => return Err(Bad::Length),
            op::SET_STATE => NodeOp::SetState(request::set_state(frame)?),
            _ => return Err(Bad::Opcode),
        };
        let node = Arc::clone(node);
        let call = Box::pin(async move {
            match node.call(op).await? {
                NodeAnswer::Done => Ok(GateAnswer::Done),
                NodeAnswer::State(state) => Ok(GateAnswer::State(state)),
            }
        });
        self.answer_when_done(frame, call).await;
        Ok(())
    }

    /// Waits a little for the answer, so that requests are carried out in order; then it is somebody else's to wait.
    /// Messages for sessions and of sessions are waited for: nothing of their session may overtake them.
    async fn answer_when_done(&self, frame: &Frame<'_>, mut call: BoxFuture<'static, Answer>) {
        let patience = match frame.op {
            op::DELIVER | op::MULTICAST | op::BROADCAST | op::PUBLISH => GIVEN_UP,
            _ => IN_ORDER,
        };
        if let Ok(answer) = timeout(patience, &mut call).await {
            return self.answer(frame, &answer);
        }
        let Ok(permit) = Arc::clone(&self.late).try_acquire_owned() else {
            return self.answer(frame, &Err(LinkError::Failed("too many requests wait".to_owned())));
        };
        let (answers, opcode, seq) = (Arc::clone(&self.answers), frame.op, frame.seq);
        let cut = self.shared.cut.clone();
        let is_asked = self.is_asked(frame);
        self.shared.tasks.spawn(async move {
            let answer = cut.run_until_cancelled(timeout(GIVEN_UP, call)).await;
            if let Some(Ok(answer)) = answer.filter(|_| is_asked) {
                let _ = answers.append(|buf| answer::put(buf, opcode, seq, &answer));
            }
            drop(permit);
        });
    }

    fn answer(&self, frame: &Frame<'_>, answer: &Answer) {
        if self.is_asked(frame) {
            // A peer that lets so many answers pile up is cut before it gets more.
            let _ = self.answers.append(|buf| answer::put(buf, frame.op, frame.seq, answer));
        }
    }

    /// Without a seq nobody waits, but nodes have always answered when they are asked for their state.
    fn is_asked(&self, frame: &Frame<'_>) -> bool {
        let asks_node = matches!(frame.op, op::STATE | op::SET_STATE) && matches!(self.shared.server, Server::Node(..));
        frame.seq != 0 || asks_node
    }
}

/// Nobody but gates and nodes brings messages; others do not even get an answer.
fn refused(frame: &Frame<'_>) -> Result<(), Bad> {
    tracing::debug!(opcode = frame.op, "not from this kind of server");
    Ok(())
}

/// Packets of a session keep their order: one that has to wait for room holds up what comes behind it.
async fn push(gate: &dyn GateServer, cid: Cid, packet: Bytes, wakes: &mut Wakes) -> Result<(), LinkError> {
    match gate.push_parts(cid, &mut once(packet), wakes) {
        Ok(()) => Ok(()),
        Err(Unpushed::Never(error)) => Err(error),
        Err(Unpushed::Busy(packet)) => {
            wakes.wake_all();
            gate.push_in_time(cid, packet).await
        }
    }
}

async fn deliver(node: &dyn NodeServer, delivery: Delivery) {
    if let Err(undelivered) = node.deliver(delivery) {
        insist(node, undelivered).await;
    }
}

/// Waits with a message that was not taken until it is, or will never be.
pub(super) async fn insist(node: &dyn NodeServer, mut undelivered: Undelivered) {
    loop {
        let delivery = match undelivered {
            Undelivered::Full(delivery) => match node.make_room(delivery).await {
                Some(delivery) => delivery,
                None => return,
            },
            Undelivered::Gone(delivery) => return node.too_late(delivery),
        };
        undelivered = match node.deliver(delivery) {
            Ok(()) => return,
            Err(undelivered) => undelivered,
        };
    }
}

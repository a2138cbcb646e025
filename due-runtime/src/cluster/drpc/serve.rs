//! One connection of another server, from its first request to its last answer.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::coop;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::answer;
use super::connection::write_all;
use super::frame::{Frame, PATIENT, op};
use super::guard::PROOF_WAIT;
use super::incoming::{Incoming, Unit};
use super::outgoing::Outgoing;
use super::pool::Target;
use super::receipts::{Receipts, Unsaid};
use super::request::{self, Bad, Handshake};
use super::secret::Identity;
use super::server::Shared;
use super::socket;
use crate::cluster::Cluster;
use crate::cluster::link::{
    Delivery, GateAnswer, GateLink, GateOp, GateServer, LinkError, NodeAnswer, NodeLink, NodeOp, Origin, Server,
    SessionEvent, Then, Undelivered, Unpushed,
};
use crate::cluster::scratch;
use crate::future::BoxFuture;
use crate::id::{Cid, Gid, Nid};
use crate::packet::{Frame as ClientFrame, Packet};
use crate::registry::Kind;
use crate::session::Wakes;
use crate::transport::{Stream, StreamRead};

/// Who has sent nothing in two of these is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// Requests out of the buffer that take as much of the thread's time as a tokio task is to take for one step of its budget.
const A_TURN: usize = 2;
/// Bytes of answers that may wait for a server that does not read them.
const ANSWERS: usize = 1024 * 1024;
/// How long they may keep this side from reading.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a request may hold up those behind it. A login waits for the locator; by then its session has its user, so
/// that what follows finds it.
const IN_ORDER: Duration = Duration::from_millis(50);
/// Requests of one connection that may take longer; further ones fail.
const LATE: u32 = 1024;
/// How long they may take. Whoever asked has long gone by then.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// How long the other side may take to close as well.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Time to ask the registry who calls.
const LOOK_UP: Duration = Duration::from_secs(1);

const LATE_PROOF: &str = "it did not prove in time that it belongs here (`TcpLink::secret`, `TcpLink::tls`)";

type Answer = Result<GateAnswer, LinkError>;

pub(super) struct Connection {
    shared: Arc<Shared>,
    answers: Arc<Outgoing>,
    late: Arc<Semaphore>,
    receipts: Receipts,
    /// The peer has sent a frame since the last look.
    heard: AtomicBool,
    /// Its requests are at work, so nothing can be heard.
    held_up: AtomicBool,
    /// It was said that payloads of the peer have wrong lengths.
    misread: AtomicBool,
    /// Who has proven to know the secret, if there is one.
    proven: Option<Identity>,
    /// Who has said that it calls.
    caller: Mutex<Option<Target>>,
}

/// Who calls, as far as is known.
#[derive(Default)]
enum Caller {
    #[default]
    Unknown,
    Gate(Gid, Known<dyn GateLink>),
    Node(Nid, Known<dyn NodeLink>),
}

/// The way back. Other servers may call before the registry has told of them.
struct Known<L: ?Sized> {
    link: Option<Arc<L>>,
    asked: Instant,
    /// Messages that were dropped, as nobody knows the way back.
    dropped: u64,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            answers: Arc::new(Outgoing::open(ANSWERS)),
            late: Arc::new(Semaphore::new(LATE as usize)),
            receipts: Receipts::default(),
            heard: AtomicBool::new(false),
            held_up: AtomicBool::new(false),
            misread: AtomicBool::new(false),
            proven: None,
            caller: Mutex::default(),
        }
    }

    pub(super) async fn run(mut self, stream: TcpStream, peer: IpAddr) {
        if socket::prepare(&stream).is_err() {
            return;
        }
        let stream = match self.shared.guard().is_open() {
            true => stream.into(),
            false => match self.admit(stream, peer).await {
                Some(stream) => stream,
                None => return,
            },
        };
        let silently = self.talk(stream).await;
        self.is_called_by(None, silently);
    }

    /// Has the peer prove that it belongs here. `None`: it did not.
    async fn admit(&mut self, stream: TcpStream, peer: IpAddr) -> Option<Stream> {
        let shared = Arc::clone(&self.shared);
        let admitted = tokio::select! {
            biased;
            () = shared.cut.cancelled() => return None,
            () = shared.finish.cancelled() => return None,
            admitted = timeout(PROOF_WAIT, shared.guard().admit(stream, &shared.own)) => admitted,
        };
        match admitted.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, LATE_PROOF))) {
            Ok((stream, proven)) => {
                self.proven = proven;
                Some(stream)
            }
            Err(error) => {
                match shared.refuses(peer) {
                    true => tracing::warn!(%peer, %error, "a process was not let into the link"),
                    false => tracing::debug!(%peer, %error, "a process was not let into the link again"),
                }
                None
            }
        }
    }

    /// Whether the peer was silent for too long.
    async fn talk(&self, stream: Stream) -> bool {
        let (read, mut write) = stream.into_split();
        let mut incoming = Incoming::requests(read, self.shared.settings.max_frame);
        let talk = async {
            let read = async {
                self.read(&mut incoming).await?;
                // All permits are back when all late answers are there.
                let _ = timeout(PATIENCE, self.late.acquire_many(LATE)).await;
                self.answers.finish();
                Ok(())
            };
            let write = async {
                let written = write_all(&self.answers, &mut write, |_| ()).await;
                self.answers.close();
                written
            };
            let (read, mut write) = (std::pin::pin!(read), std::pin::pin!(write));
            tokio::select! {
                biased;
                read = read => match read {
                    Ok(()) => write.await,
                    Err(unread) => Err(unread),
                },
                // Ends before reading does if the answers are not read.
                written = &mut write => written,
            }
        };
        let ended = tokio::select! {
            biased;
            () = self.shared.cut.cancelled() => return false,
            () = self.silence() => {
                tracing::debug!("another server was silent for too long");
                return true;
            }
            never = self.receipts.say_in_time() => match never {},
            written = talk => written,
        };
        match ended {
            Ok(()) if write.shutdown().await.is_ok() => {
                // Closing a socket with unread bytes resets it, and the last answers may get lost.
                let rest = async { while let Ok(Some(_)) = incoming.next().await {} };
                let _ = timeout(LAST_WORDS, rest).await;
            }
            Ok(()) => {}
            Err(error) => tracing::debug!(%error, "answers to another server are lost"),
        }
        false
    }

    fn is_called_by(&self, caller: Option<Target>, silently: bool) {
        if let Some(caller) = &caller {
            self.shared.enter(caller.clone());
        }
        let before = std::mem::replace(&mut *self.caller.lock().unwrap(), caller);
        if let Some(before) = before {
            self.shared.leave(before, silently);
        }
    }

    /// Fails if the answers are not read.
    async fn read(&self, incoming: &mut Incoming<StreamRead>) -> io::Result<()> {
        let mut caller = Caller::default();
        loop {
            if timeout(PATIENCE, self.answers.room()).await.is_err() {
                tracing::warn!("another server does not read its answers; it is cut");
                self.answers.close();
                return Err(io::ErrorKind::TimedOut.into());
            }
            let ready = tokio::select! {
                biased;
                () = self.shared.finish.cancelled() => return Ok(()),
                ready = incoming.ready() => ready,
            };
            self.held_up.store(true, Ordering::Relaxed);
            let taken = match ready {
                Ok(true) => self.take(incoming, &mut caller).await,
                Ok(false) => return Ok(()),
                Err(super::incoming::ReadError::Io(error)) => {
                    tracing::debug!(%error, "a connection of another server has broken");
                    return Ok(());
                }
                Err(error) => Err(error),
            };
            // Answers to messages of a gate that does not read would find no room.
            if let Some(room) = caller.room() {
                room.await;
            }
            self.held_up.store(false, Ordering::Relaxed);
            self.heard.store(true, Ordering::Relaxed);
            if let Err(error) = taken {
                tracing::warn!(%error, "another server makes no sense; its connection is closed");
                return Ok(());
            }
        }
    }

    /// Handles what was read, in order.
    async fn take(
        &self,
        incoming: &mut Incoming<StreamRead>,
        caller: &mut Caller,
    ) -> Result<(), super::incoming::ReadError> {
        let (mut wakes, mut count) = (Wakes::default(), 0_usize);
        while let Some(unit) = incoming.buffered()? {
            // Requests out of the buffer cost no socket call: give others of this thread their turn.
            count += 1;
            if count % A_TURN == 0 {
                if !coop::has_budget_remaining() {
                    wakes.wake_all();
                }
                coop::consume_budget().await;
            }
            let Unit::Frame(frame) = unit else { continue };
            if let (Server::Gate(gate), Some(cid)) = (&self.shared.server, request::pushed_to(&frame)) {
                let mut packet = incoming.share();
                packet.advance(request::PUSH_HEAD);
                // Nobody has asked what becomes of it.
                let _ = push(&**gate, cid, packet, &mut wakes).await;
                continue;
            }
            if let (Server::Node(node, _), Some((gid, gate))) = (&self.shared.server, caller.gate())
                && frame.op == op::DELIVER
                && frame.seq == 0
            {
                match self.message(&frame, gid, gate) {
                    Ok(delivery) => {
                        if let Err(undelivered) = node.deliver(delivery) {
                            insist(&**node, undelivered).await;
                        }
                    }
                    Err(bad) => self.complain(&frame, bad)?,
                }
                continue;
            }
            let handled = match &self.shared.server {
                _ if frame.op == op::HANDSHAKE => self.greet(&frame, caller).await,
                Server::Gate(gate) => self.at_gate(gate, &frame, &mut wakes).await,
                Server::Node(node, cluster) => self.at_node(node, cluster, &frame, caller).await,
            };
            if let Err(bad) = handled {
                self.complain(&frame, bad)?;
            }
        }
        Ok(())
    }

    /// Says why a request is not carried out; fails if nothing more can be.
    fn complain(&self, frame: &Frame<'_>, bad: Bad) -> io::Result<()> {
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

    /// A client's message, from a gate that is known.
    fn message(&self, frame: &Frame<'_>, gid: &Gid, gate: &Arc<dyn GateLink>) -> Result<Delivery, Bad> {
        let request::Deliver { cid, uid, packet } = request::deliver(frame)?;
        let packet = self.unpack(packet)?;
        let origin = Origin::Gate { gid: gid.clone(), gate: Arc::clone(gate) };
        Ok(Delivery { origin, cid, uid, packet, request: None, turn: None, receipt: None })
    }

    async fn greet(&self, frame: &Frame<'_>, caller: &mut Caller) -> Result<(), Bad> {
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
        let asked = Instant::now();
        *caller = match (kind, &self.shared.server) {
            (Some(Kind::Gate), Server::Node(_, cluster)) => {
                let gid = Gid::from(id);
                let link = known(cluster, || cluster.gate(&gid).ok()).await;
                Caller::Gate(gid, Known::new(link, asked))
            }
            (Some(Kind::Node), Server::Node(_, cluster)) => {
                let nid = Nid::from(id);
                let link = known(cluster, || cluster.node(&nid).ok()).await;
                Caller::Node(nid, Known::new(link, asked))
            }
            _ => Caller::Unknown,
        };
        // Asked for or not.
        let _ = self.answers.append(|buf| answer::put(buf, frame.op, frame.seq, &Ok(GateAnswer::Done)));
        Ok(())
    }

    async fn at_gate(&self, gate: &Arc<dyn GateServer>, frame: &Frame<'_>, wakes: &mut Wakes) -> Result<(), Bad> {
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

    async fn at_node(
        &self,
        node: &Arc<dyn NodeLink>,
        cluster: &Cluster,
        frame: &Frame<'_>,
        caller: &mut Caller,
    ) -> Result<(), Bad> {
        let op = match frame.op {
            op::TRIGGER => {
                let Caller::Gate(gid, known) = caller else { return refused(frame) };
                let request::Trigger { event, cid, uid } = request::trigger(frame)?;
                if let Some(gate) = known.find(cluster, || cluster.gate(gid).ok()).await {
                    node.trigger(SessionEvent { event, gid: gid.clone(), gate, cid, uid });
                }
                self.answer(frame, &Ok(GateAnswer::Done));
                return Ok(());
            }
            op::DELIVER if matches!(caller, Caller::Unknown) => return refused(frame),
            op::DELIVER => {
                let request::Deliver { cid, uid, packet } = request::deliver(frame)?;
                let packet = self.unpack(packet)?;
                // Nobody needs the way back to a node that has answered, which may have left by now.
                if matches!(caller, Caller::Node(nid, _) if cluster.calls().hear(nid, cid, &packet)) {
                    self.answer(frame, &Ok(GateAnswer::Done));
                    return Ok(());
                }
                let origin = match caller {
                    Caller::Unknown => None,
                    Caller::Gate(gid, known) => {
                        let gate = known.find(cluster, || cluster.gate(gid).ok()).await;
                        gate.map(|gate| Origin::Gate { gid: gid.clone(), gate })
                    }
                    Caller::Node(nid, known) => {
                        let node = known.find(cluster, || cluster.node(nid).ok()).await;
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

    fn unpack(&self, packet: &[u8]) -> Result<Packet, Bad> {
        // Not a part of what was read, because it may wait for long.
        match self.shared.format.parse_sized(scratch::copy(packet)) {
            Ok(ClientFrame::Packet(packet)) => Ok(packet),
            Ok(ClientFrame::Heartbeat | ClientFrame::KeepAlive) | Err(_) => Err(Bad::Value),
        }
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

    /// Ends when the peer has been silent for two intervals.
    async fn silence(&self) {
        let mut ticks = interval_at(Instant::now() + SILENCE, SILENCE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent = 0;
        while silent < 2 {
            ticks.tick().await;
            self.answers.relax();
            let alive = self.heard.swap(false, Ordering::Relaxed) || self.held_up.load(Ordering::Relaxed);
            silent = if alive { 0 } else { silent + 1 };
        }
    }
}

impl Caller {
    /// Set if it is a gate to which the way back is known.
    fn gate(&self) -> Option<(&Gid, &Arc<dyn GateLink>)> {
        match self {
            Self::Gate(gid, Known { link: Some(link), .. }) => Some((gid, link)),
            _ => None,
        }
    }

    fn room(&self) -> Option<BoxFuture<'_, ()>> {
        match self {
            Self::Gate(_, known) => known.link.as_deref()?.room(),
            Self::Node(..) | Self::Unknown => None,
        }
    }
}

impl<L: ?Sized> Known<L> {
    fn new(link: Option<Arc<L>>, asked: Instant) -> Self {
        Self { link, asked, dropped: 0 }
    }

    /// Asks the registry once a second at most.
    async fn find(&mut self, cluster: &Cluster, look: impl Fn() -> Option<Arc<L>>) -> Option<Arc<L>> {
        if self.link.is_none() {
            self.link = look();
        }
        let asks = self.link.is_none() && self.asked.elapsed() >= LOOK_UP;
        if asks {
            self.link = known(cluster, look).await;
            self.asked = Instant::now();
        }
        if self.link.is_none() {
            self.dropped += 1;
            if asks || self.dropped == 1 {
                let dropped = self.dropped;
                tracing::warn!(dropped, "messages come from a server that is not in the registry; they are dropped");
            }
        }
        self.link.clone()
    }
}

/// Who is not known yet may be in the registry already.
async fn known<L: ?Sized>(cluster: &Cluster, look: impl Fn() -> Option<Arc<L>>) -> Option<Arc<L>> {
    if let Some(link) = look() {
        return Some(link);
    }
    match timeout(LOOK_UP, cluster.refresh()).await {
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the registry was not asked who calls")
        }
        Ok(Ok(())) => {}
        Err(_) => tracing::warn!("the registry does not say who calls"),
    }
    look()
}

/// Nobody but gates and nodes brings messages; others do not even get an answer.
fn refused(frame: &Frame<'_>) -> Result<(), Bad> {
    tracing::debug!(opcode = frame.op, "not from this kind of server");
    Ok(())
}

/// Packets of a session keep their order: one that has to wait for room holds up what comes behind it.
async fn push(gate: &dyn GateServer, cid: Cid, part: Bytes, wakes: &mut Wakes) -> Result<(), LinkError> {
    match gate.push_part(cid, part, wakes) {
        Ok(()) => Ok(()),
        Err(Unpushed::Never(error)) => Err(error),
        Err(Unpushed::Busy(packet)) => {
            wakes.wake_all();
            gate.push_in_time(cid, packet).await
        }
    }
}

async fn deliver(node: &dyn NodeLink, delivery: Delivery) {
    if let Err(undelivered) = node.deliver(delivery) {
        insist(node, undelivered).await;
    }
}

/// Waits with a message that was not taken until it is, or will never be.
async fn insist(node: &dyn NodeLink, mut undelivered: Undelivered) {
    loop {
        let delivery = match undelivered {
            Undelivered::Full(delivery) => match node.crowd_out(delivery) {
                Some(delivery) => delivery,
                None => return,
            },
            Undelivered::Gone(delivery) => return node.too_late(delivery),
        };
        match &delivery.origin {
            Origin::Gate { gid, .. } => node.room(gid, delivery.cid).await,
            Origin::Node { nid, .. } => node.room(&Gid::from(nid.as_str()), delivery.cid).await,
        }
        undelivered = match node.deliver(delivery) {
            Ok(()) => return,
            Err(undelivered) => undelivered,
        };
    }
}

//! One of the connections to another server: dials, writes what is queued, matches answers, dials again.

use std::collections::{HashMap, HashSet};
use std::io;
use std::io::ErrorKind::{PermissionDenied, TimedOut, UnexpectedEof};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::answer;
use super::frame::{self, Frame, HEARTBEAT, op};
use super::handed::{Found, Handed, Mark};
use super::incoming::{Incoming, ReadError, Unit};
use super::outgoing::{Outgoing, Refused};
use super::pool::Shared;
use super::request::{self, put_handshake};
use super::secret::Identity;
use super::socket;
use crate::backoff::{Backoff, jittered};
use crate::cluster::link::{Delivery, GateAnswer, LinkError, Losses, Origin};
use crate::id::{Cid, Nid, RouteId, Seq};
use crate::packet::Frame as ClientFrame;
use crate::transport::{StreamRead, StreamWrite};

const HANDSHAKE: Duration = Duration::from_secs(3);
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);
/// A peer that has taken no byte for so long will take none: servers close after 20 s of silence as well.
const STALL: Duration = Duration::from_secs(20);
/// Failed dials after which what waits is given up.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connection that breaks earlier is not dialled again at once.
const STEADY: Duration = Duration::from_secs(5);
/// How long the other side may take to close as well.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
const CLOSED: &str = "the connection was closed";
const HUNG_UP: &str = "the other side has closed the connection";
const WANTS_TLS: &str = "it speaks TLS, and this link does not (`TcpLink::tls`)";
const HAS_NO_TLS: &str = "it speaks no TLS, and this link does (`TcpLink::tls`)";
const NOT_GREETED: &str =
    "it closes instead of answering: it may want a secret or TLS (`TcpLink::secret`, `TcpLink::tls`)";
const NO_ANSWER: &str = "it does not answer";
const UNUSED: &str = "the server has left the cluster";
/// Stateful messages that no receipt has come for take so many times what may be queued: the kernels on the way hold some
/// as well.
const HANDED: usize = 4;

pub(super) struct Connection {
    shared: Arc<Shared>,
    /// Keys are spread over the connections of a pool by their remainder.
    index: usize,
    pub(super) out: Outgoing,
    calls: Mutex<HashMap<u64, Call>>,
    /// Stateful messages whose node may still turn out to be the wrong one.
    handed: Mutex<Handed<Delivery>>,
}

struct Call {
    opcode: u8,
    answer: oneshot::Sender<Result<GateAnswer, LinkError>>,
}

/// A call that waits; dropping it forgets the call.
pub(super) struct Waiting<'a> {
    connection: &'a Connection,
    seq: u64,
    pub(super) answer: oneshot::Receiver<Result<GateAnswer, LinkError>>,
}

/// Why a connection ended.
enum End {
    Broken(String),
    /// The other side stops, or is gone.
    HungUp,
    /// Nobody refers to the pool any more.
    Unused,
    /// What was queued is written.
    Finished,
}

/// Both halves of a connection after its handshake.
struct Halves {
    incoming: Incoming<StreamRead>,
    write: StreamWrite,
}

/// What a broken connection leaves for the next one.
#[derive(Default)]
struct Kept {
    calls: HashSet<u64>,
    messages: HashSet<Mark>,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, index: usize) -> Self {
        let out = Outgoing::idle(shared.settings.queue_bytes);
        let handed = Mutex::new(Handed::new(HANDED * shared.settings.queue_bytes));
        Self { shared, index, out, calls: Mutex::default(), handed }
    }

    /// Dials, if nobody has asked for that yet.
    pub(super) fn wake(self: &Arc<Self>) {
        if self.out.wake() {
            self.shared.tasks.spawn(Arc::clone(self).run());
        }
    }

    pub(super) fn expect(&self, seq: u64, opcode: u8) -> Waiting<'_> {
        let (sender, answer) = oneshot::channel();
        self.calls.lock().unwrap().insert(seq, Call { opcode, answer: sender });
        Waiting { connection: self, seq, answer }
    }

    /// Queues a message and remembers it until the node has said that it is the right one.
    #[expect(clippy::result_large_err, reason = "a message that is not taken comes back")]
    pub(super) fn hand_over(
        &self,
        seq: u64,
        delivery: Delivery,
        write: impl FnOnce(&mut Vec<u8>, &Delivery),
    ) -> Result<(), (Refused, Delivery)> {
        let mark = Mark { cid: delivery.cid, route: delivery.packet.route, seq: delivery.packet.seq };
        let forgotten = {
            // The answer waits for the lock.
            let mut handed = self.handed.lock().unwrap();
            if let Err(refused) = self.out.append(|buf| write(buf, &delivery)) {
                return Err((refused, delivery));
            }
            handed.insert(seq, mark, delivery.packet.body.len(), delivery)
        };
        self.lose_marked(forgotten);
        Ok(())
    }

    async fn run(self: Arc<Self>) {
        let stop = self.shared.stop.clone();
        if stop.run_until_cancelled(self.live()).await.is_none() {
            self.out.close();
            self.settle(CLOSED, &Kept::default());
        }
    }

    async fn live(&self) {
        let mut pause = Duration::ZERO;
        while let Some(halves) = self.reach().await {
            self.shared.metrics.connections.increment(1);
            let begun = Instant::now();
            let end = self.converse(halves).await;
            self.shared.metrics.connections.decrement(1);
            let reason = match end {
                End::Broken(reason) => {
                    if self.shared.complaints.broken() {
                        tracing::warn!(to = %self.shared.target, reason, "a connection of the link has broken");
                    }
                    reason
                }
                End::HungUp => {
                    tracing::debug!(to = %self.shared.target, "the other side has closed a connection of the link");
                    HUNG_UP.to_owned()
                }
                End::Unused => return,
                End::Finished => {
                    self.out.close();
                    return self.settle(CLOSED, &Kept::default());
                }
            };
            self.shared.metrics.lost.increment(1);
            let kept = self.out.cut(|queue| self.kept(queue));
            self.settle(&reason, &kept);
            if self.is_over() {
                return;
            }
            if begun.elapsed() >= STEADY {
                pause = Duration::ZERO;
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }

    /// Dials until it succeeds. `None`: nobody waits for it any more.
    async fn reach(&self) -> Option<Halves> {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        for attempt in 1.. {
            if self.out.is_done() {
                self.out.close();
                self.settle(CLOSED, &Kept::default());
                return None;
            }
            match self.dial().await {
                Ok(halves) => {
                    if self.shared.complaints.settle() {
                        tracing::info!(to = %self.shared.target, "reached again");
                    }
                    self.out.up();
                    return Some(halves);
                }
                Err(error) if attempt == ATTEMPTS => {
                    if self.shared.complaints.unreached() {
                        let addr = &self.shared.addr.at;
                        tracing::warn!(to = %self.shared.target, addr, %error, "not reached; dialling goes on");
                    }
                    // What the last connection has carried was settled when it broke.
                    let unsent = self.out.down();
                    let messages = self.give_back(&unsent);
                    self.settle_with(LinkError::NotSent(error.to_string()), &Kept { messages, ..Kept::default() });
                }
                Err(error) => tracing::debug!(to = %self.shared.target, %error, "not reached"),
            }
            if self.is_over() {
                return None;
            }
            sleep(pauses.pause()).await;
        }
        None
    }

    /// Nobody refers to the pool any more, and nothing waits.
    fn is_over(&self) -> bool {
        let is_over = !self.shared.is_used() && self.out.rest();
        if is_over {
            self.settle(UNUSED, &Kept::default());
        }
        is_over
    }

    async fn dial(&self) -> Result<Halves, ReadError> {
        let Shared { settings, addr, member, target, .. } = &*self.shared;
        match (addr.secure, settings.guard.has_tls()) {
            (true, false) => return Err(io::Error::new(PermissionDenied, WANTS_TLS).into()),
            (false, true) => return Err(io::Error::new(PermissionDenied, HAS_NO_TLS).into()),
            _ => {}
        }
        let stream = match timeout(settings.dial_timeout, TcpStream::connect(&addr.at)).await {
            Ok(stream) => stream?,
            Err(_) => return Err(io::Error::from(TimedOut).into()),
        };
        socket::prepare(&stream)?;
        let greet = async {
            let own = Identity { kind: member.kind, id: Arc::clone(&member.id) };
            let stream = settings.guard.approach(stream, addr, &own, &target.identity()).await?;
            let (read, mut write) = stream.into_split();
            let mut incoming = Incoming::answers(read, settings.max_frame);
            let mut hello = Vec::new();
            // Nothing else is asked before it is answered.
            put_handshake(&mut hello, 1, member.kind, &member.id);
            write.write_all(&hello).await?;
            write.flush().await?;
            loop {
                match incoming.next().await? {
                    Some(Unit::Frame(frame)) if frame.seq == 1 => break,
                    Some(_) => {}
                    None => return Err(io::Error::new(UnexpectedEof, NOT_GREETED).into()),
                }
            }
            Ok(Halves { incoming, write })
        };
        timeout(HANDSHAKE, greet).await.unwrap_or_else(|_| Err(io::Error::new(TimedOut, NO_ANSWER).into()))
    }

    async fn converse(&self, Halves { mut incoming, mut write }: Halves) -> End {
        let end = tokio::select! {
            biased;
            end = self.read(&mut incoming) => end,
            written = write_all(&self.out, &mut write, |bytes| self.shared.metrics.sent(bytes)) => match written {
                Ok(()) => End::Finished,
                Err(error) => End::Broken(error.to_string()),
            },
            () = self.beat() => End::Unused,
            () = self.shared.doubted.notified() => End::Broken("the other side has fallen silent or does not read".to_owned()),
        };
        if matches!(end, End::Unused) {
            self.settle(UNUSED, &Kept::default());
        }
        if matches!(end, End::Finished | End::Unused) && write.shutdown().await.is_ok() {
            // Closing a socket with unread bytes resets it, and what was written last may get lost.
            let _ = timeout(LAST_ANSWERS, self.read(&mut incoming)).await;
        }
        end
    }

    async fn read(&self, incoming: &mut Incoming<StreamRead>) -> End {
        loop {
            tokio::task::coop::consume_budget().await;
            match incoming.next().await {
                Ok(Some(Unit::Frame(frame))) => {
                    self.shared.metrics.answers.increment(1);
                    self.answered(&frame);
                }
                Ok(Some(Unit::Heartbeat)) => {}
                Ok(None) => return End::HungUp,
                Err(error) => return End::Broken(error.to_string()),
            }
        }
    }

    fn answered(&self, frame: &Frame<'_>) {
        let handed = self.handed.lock().unwrap().remove(frame.seq);
        if let Some(found) = handed {
            return self.received(found, frame);
        }
        let Some(call) = self.calls.lock().unwrap().remove(&frame.seq) else {
            tracing::debug!(opcode = frame.op, seq = frame.seq, "an answer came too late");
            return;
        };
        let answer = match answer::read(frame) {
            Some(answer) if call.opcode == frame.op => answer,
            _ => Err(LinkError::Failed("it gave an answer that makes no sense".to_owned())),
        };
        // Whoever asked may have gone just now.
        let _ = call.answer.send(answer);
    }

    /// The node has queued the message, or says that the user is bound to another one.
    fn received(&self, found: Found<Delivery>, frame: &Frame<'_>) {
        match answer::read(frame).filter(|_| frame.op == op::DELIVER) {
            Some(Ok(_)) => {}
            Some(Err(_)) => {
                self.comes_back(found);
            }
            None => {
                tracing::warn!(to = %self.shared.target, opcode = frame.op, "a receipt of a node makes no sense");
                let (Found::Whole(mark, _) | Found::Mark(mark)) = found;
                self.lose_marked(vec![mark]);
            }
        }
    }

    /// Another node is to get the message, or its client is told.
    fn comes_back(&self, found: Found<Delivery>) -> Option<Mark> {
        let nid = self.shared.target.nid()?;
        let mark = match found {
            Found::Mark(mark) => mark,
            Found::Whole(mark, delivery) => {
                let gate = match &delivery.origin {
                    Origin::Gate { gate, .. } => Some(Arc::clone(gate)),
                    Origin::Node { .. } => None,
                };
                match gate.is_some_and(|gate| gate.take_back(nid, delivery).is_none()) {
                    true => return Some(mark),
                    false => mark,
                }
            }
        };
        if let Some(losses) = self.losses() {
            losses.strayed(nid, mark.cid, mark.route, mark.seq);
        }
        Some(mark)
    }

    /// Ends when the pool has had no user for a while.
    async fn beat(&self) {
        let mut ticks = interval_at(Instant::now() + HEARTBEAT_INTERVAL, HEARTBEAT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unused = 0;
        loop {
            ticks.tick().await;
            unused = if self.shared.is_used() { 0 } else { unused + 1 };
            if unused == 2 && self.out.rest() {
                return;
            }
            self.out.relax();
            // A full queue proves as well that this side lives.
            let _ = self.out.append(|buf| buf.extend(HEARTBEAT));
        }
    }

    /// Nothing more will be heard of what the connection has carried, except of what is kept.
    fn settle(&self, reason: &str, kept: &Kept) {
        self.settle_with(LinkError::Unreachable(reason.to_owned()), kept);
    }

    fn settle_with(&self, error: LinkError, kept: &Kept) {
        let calls: Vec<Call> =
            self.calls.lock().unwrap().extract_if(|seq, _| !kept.calls.contains(seq)).map(|(_, call)| call).collect();
        for call in calls {
            let _ = call.answer.send(Err(error.clone()));
        }
        self.handed.lock().unwrap().retain(|seq| kept.calls.contains(&seq));
        self.lose(|cid, route, seq| self.carries(cid) && !kept.messages.contains(&Mark { cid, route, seq }));
    }

    fn lose(&self, lost: impl Fn(Cid, RouteId, Seq) -> bool) {
        if let (Some(losses), Some(nid)) = (self.losses(), self.shared.target.nid()) {
            losses.lost(nid, &lost);
        }
    }

    fn lose_marked(&self, lost: Vec<Mark>) {
        if !lost.is_empty() {
            let lost: HashSet<Mark> = lost.into_iter().collect();
            self.lose(|cid, route, seq| lost.contains(&Mark { cid, route, seq }));
        }
    }

    fn losses(&self) -> Option<Arc<dyn Losses>> {
        self.shared.member.losses.get().and_then(std::sync::Weak::upgrade)
    }

    fn carries(&self, cid: Cid) -> bool {
        self.shared.index_of(cid.0) == self.index
    }

    fn kept(&self, queue: &[u8]) -> Kept {
        let mut kept = Kept::default();
        for frame in frames(queue) {
            kept.calls.insert(frame.seq);
            if let Some(deliver) = request::deliver(&frame).ok().filter(|_| frame.op == op::DELIVER)
                && let Some((route, seq)) = self.shared.member.format.peek(deliver.packet)
            {
                kept.messages.insert(Mark { cid: deliver.cid, route, seq });
            }
        }
        kept
    }

    /// Gives messages that were never written back to the gate of their clients: any other node may take them. Says which.
    fn give_back(&self, queue: &[u8]) -> HashSet<Mark> {
        let (Some(losses), Some(nid)) = (self.losses(), self.shared.target.nid()) else { return HashSet::new() };
        let delivers = frames(queue).filter(|frame| frame.op == op::DELIVER);
        let given_back = delivers.filter_map(|frame| {
            let handed = self.handed.lock().unwrap().remove(frame.seq);
            if let Some(found) = handed {
                return self.comes_back(found);
            }
            let request::Deliver { cid, uid, packet } = request::deliver(&frame).ok()?;
            let message = (cid, self.shared.member.format.parse_sized(Bytes::copy_from_slice(packet)).ok()?);
            let (cid, ClientFrame::Packet(packet)) = message else { return None };
            let mark = Mark { cid, route: packet.route, seq: packet.seq };
            losses.unsent(nid, cid, uid, packet).then_some(mark)
        });
        given_back.collect()
    }
}

fn frames(mut queue: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    std::iter::from_fn(move || {
        let len = frame::measure(queue, usize::MAX).ok()??;
        let (first, rest) = queue.split_at(len);
        queue = rest;
        Some(frame::parse(first))
    })
    .flatten()
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.connection.calls.lock().unwrap().remove(&self.seq);
    }
}

/// Writes what is queued, batch by batch, until nothing will come any more.
pub(super) async fn write_all(
    out: &Outgoing,
    write: &mut (impl AsyncWrite + Unpin),
    count: impl Fn(usize),
) -> io::Result<()> {
    let mut batch = Vec::new();
    while out.take(&mut batch).await {
        count(batch.len());
        let mut rest = &batch[..];
        while !rest.is_empty() {
            let step = async {
                let written = write.write(rest).await?;
                if written == rest.len() {
                    // TLS may hold back what the socket did not take; there is nothing to flush in a plain one.
                    write.flush().await?;
                }
                Ok::<_, io::Error>(written)
            };
            let Ok(written) = timeout(STALL, step).await else {
                return Err(io::Error::new(TimedOut, "the other side does not read"));
            };
            match written? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => rest = &rest[written..],
            }
        }
    }
    Ok(())
}

impl super::pool::Target {
    /// Set if it is a node.
    fn nid(&self) -> Option<&Nid> {
        match self {
            Self::Node(nid) => Some(nid),
            Self::Gate(_) => None,
        }
    }
}

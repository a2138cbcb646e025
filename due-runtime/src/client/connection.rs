use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::CallError;
use super::asking::Asking;
use super::pending::Pending;
use super::pushes::Listeners;
use super::tap::{Tap, Traffic};
use crate::codec::{Body, Codec};
use crate::crypto::Cipher;
use crate::error::Code;
use crate::id::{RouteId, Seq};
use crate::packet::{Dialect, Format, Frame, Packet};
use crate::skew::wire::Answer;
use crate::skew::{Schema, Skew};
use crate::status::Status;
use crate::transport::{CloseReason, Inbound, PacketRead, PacketWrite, ReadError};

/// How long a connection that ends may take to write what was sent and to say goodbye.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Packets that are written together at most.
const WRITE_BATCH: usize = 64;

/// What a [`Client`](super::Client) and the one task behind it share.
pub(super) struct Connection {
    pub(super) format: Arc<Format>,
    pub(super) codec: Codec,
    pub(super) cipher: Option<Cipher>,
    pub(super) timeout: Duration,
    pub(super) outbox: mpsc::Sender<Bytes>,
    pub(super) pending: Pending,
    pub(super) listeners: Listeners,
    /// Absent if the client was told no schema.
    pub(super) asking: Option<Asking>,
    dialect: Dialect,
    tap: Option<Tap>,
    heartbeat: Duration,
    /// The server has sent something since the last tick of the watch.
    heard: AtomicBool,
    stop: CancellationToken,
    cause: OnceLock<Disconnect>,
    /// What the server has said about its closing.
    farewell: OnceLock<Status>,
    /// It goes away, and so does this side when all calls are answered.
    leaving: CancellationToken,
    task: TaskTracker,
}

/// Why a connection has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Disconnect {
    /// This side closed it.
    Closed,
    /// The server closed it.
    ByPeer,
    /// The server said why, in a [`Status`] about no request, and closed it.
    Dismissed(Status),
    /// The gate stops ([`Code::GOING_AWAY`]). What waited for an answer has it, or was not taken; connect again at once, to
    /// the same address or another.
    GoingAway(Status),
    /// Nothing came from the server for two heartbeat intervals.
    Silent,
    /// What the server sent cannot be understood, or the socket failed while reading.
    Read(Arc<ReadError>),
    /// The socket failed while writing.
    Write(Arc<std::io::Error>),
}

/// What a [`ClientBuilder`](super::ClientBuilder) has decided.
pub(super) struct Settings {
    pub(super) format: Arc<Format>,
    pub(super) codec: Codec,
    pub(super) cipher: Option<Cipher>,
    pub(super) dialect: Dialect,
    pub(super) timeout: Duration,
    pub(super) heartbeat: Duration,
    pub(super) max_pending: usize,
    pub(super) outbox: usize,
    pub(super) pushes: usize,
    pub(super) tap: Option<Tap>,
    /// And how long the gate may take to compare it.
    pub(super) schema: Option<(Schema, Duration)>,
}

impl Connection {
    /// Runs in a task of its own until [`stop`](Self::stop) or until the peer goes.
    pub(super) fn spawn(settings: Settings, read: impl PacketRead, write: impl PacketWrite) -> Arc<Self> {
        let (outbox, packets) = mpsc::channel(settings.outbox.max(1));
        let (asking, answers) = settings.schema.map(|(schema, timeout)| Asking::new(schema, timeout)).unzip();
        let connection = Arc::new(Self {
            pending: Pending::new(&settings.format, settings.max_pending),
            listeners: Listeners::new(settings.pushes),
            format: settings.format,
            codec: settings.codec,
            cipher: settings.cipher,
            timeout: settings.timeout,
            outbox,
            asking,
            dialect: settings.dialect,
            tap: settings.tap,
            heartbeat: settings.heartbeat,
            heard: AtomicBool::new(false),
            stop: CancellationToken::new(),
            cause: OnceLock::new(),
            farewell: OnceLock::new(),
            leaving: CancellationToken::new(),
            task: TaskTracker::new(),
        });
        connection.task.spawn(Arc::clone(&connection).run(read, write, packets, answers));
        connection.task.close();
        connection
    }

    /// The token that ends the connection.
    pub(super) fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits until the server says that it goes away. Never ends otherwise.
    pub(super) async fn goes_away(&self) {
        self.leaving.cancelled().await;
    }

    /// Waits for room in the outbox.
    pub(super) async fn room(&self) -> Result<mpsc::Permit<'_, Bytes>, CallError> {
        let permit = self.outbox.reserve().await;
        if self.leaving.is_cancelled() {
            return Err(CallError::GoingAway);
        }
        permit.map_err(|_| CallError::Closed)
    }

    pub(super) async fn ended(&self) -> Disconnect {
        self.task.wait().await;
        self.cause.get().cloned().unwrap_or(Disconnect::Closed)
    }

    async fn run(
        self: Arc<Self>,
        read: impl PacketRead,
        write: impl PacketWrite,
        packets: mpsc::Receiver<Bytes>,
        answers: Option<mpsc::Receiver<Answer>>,
    ) {
        let reading = async { self.end(self.read_all(read).await) };
        let writing = async { self.end(self.write_all(write, packets).await) };
        let watching = async {
            tokio::select! {
                cause = self.watch() => self.end(cause),
                cause = self.leave() => self.end(cause),
                () = self.stop.cancelled() => self.end(Disconnect::Closed),
            }
        };
        let asking = async {
            if let Some((asking, answers)) = self.asking.as_ref().zip(answers) {
                self.stop.run_until_cancelled(asking.ask(&self, answers)).await;
                asking.tell(Skew::Unknown);
            }
        };
        let overdue = async {
            self.stop.cancelled().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            _ = async { tokio::join!(reading, writing, watching, asking) } => {}
            () = overdue => {}
        }
    }

    /// The first cause counts. Whatever still reads or writes comes to an end by itself.
    fn end(&self, cause: Disconnect) {
        let cause = match (cause, self.farewell.get()) {
            (Disconnect::ByPeer | Disconnect::Read(_) | Disconnect::Write(_), Some(farewell)) => {
                of_farewell(farewell.clone())
            }
            (cause, _) => cause,
        };
        if self.cause.set(cause).is_ok() {
            self.pending.close();
            self.listeners.close();
            self.stop.cancel();
        }
    }

    /// Goes on after a stop, so that closing does not reset the connection under what was sent last.
    async fn read_all(&self, mut read: impl PacketRead) -> Disconnect {
        loop {
            let inbound = match read.buffered() {
                Some(inbound) => inbound.map(Some),
                None => read.read().await,
            };
            self.heard.store(true, Ordering::Relaxed);
            tokio::task::coop::consume_budget().await;
            if let (Some(tap), Ok(Some(inbound))) = (&self.tap, &inbound) {
                tap.see(Traffic::Received(inbound));
            }
            let frame = match inbound {
                Ok(Some(Inbound::Unit(unit))) => self.format.parse(unit),
                Ok(Some(Inbound::Message(message))) => match self.dialect {
                    Dialect::Sized => self.format.parse_sized(message),
                    Dialect::Bare => self.format.parse(message),
                },
                Ok(Some(Inbound::Ignored(_))) => continue,
                Ok(None) => return Disconnect::ByPeer,
                Err(error) => return Disconnect::Read(Arc::new(error)),
            };
            match frame {
                Ok(Frame::Packet(packet)) => self.dispatch(packet),
                Ok(Frame::Heartbeat | Frame::KeepAlive) => {}
                Err(error) if error.is_fatal() => return Disconnect::Read(Arc::new(error.into())),
                Err(error) => tracing::debug!(%error, "malformed packet dropped"),
            }
        }
    }

    fn dispatch(&self, packet: Packet) {
        let Packet { route, seq, body } = packet;
        if route == RouteId::STATUS && self.asking.as_ref().is_some_and(|asking| asking.hear(&self.codec, &body)) {
            return;
        }
        if let Some(farewell) = self.farewell_in(route, seq, &body) {
            if farewell.code() == Code::GOING_AWAY {
                self.pending.leave();
                self.leaving.cancel();
            }
            // The first one tells why; what else comes is the same end.
            let _ = self.farewell.set(farewell);
            return;
        }
        let unanswered = match self.answer_of(route, seq, &body) {
            Some((called, answer)) => self.pending.answer(called, seq, answer).is_err(),
            None => true,
        };
        if unanswered && !self.listeners.push(route, body) {
            tracing::debug!(%route, %seq, "nobody waits for this packet");
        }
    }

    /// A status about no request says why the server is about to close.
    fn farewell_in(&self, route: RouteId, seq: Seq, body: &Bytes) -> Option<Status> {
        if route != RouteId::STATUS || seq != Seq::NONE {
            return None;
        }
        Status::decode_body(&self.codec, body).ok().filter(|status| status.route == 0)
    }

    /// The route that was called, and what the packet says to the caller if one waits.
    fn answer_of(&self, route: RouteId, seq: Seq, body: &Bytes) -> Option<(RouteId, Result<Bytes, CallError>)> {
        if route != RouteId::STATUS {
            return Some((route, Ok(body.clone())));
        }
        match Status::decode_body(&self.codec, body) {
            Ok(status) => Some((RouteId(status.route), Err(CallError::Status(status)))),
            Err(error) => self.pending.route_of(seq).map(|called| (called, Err(error.into()))),
        }
    }

    async fn write_all(&self, mut write: impl PacketWrite, mut packets: mpsc::Receiver<Bytes>) -> Disconnect {
        let mut batch = Vec::new();
        loop {
            let count = tokio::select! {
                count = packets.recv_many(&mut batch, WRITE_BATCH) => count,
                () = self.stop.cancelled(), if !packets.is_closed() => {
                    packets.close();
                    continue;
                }
            };
            if count == 0 {
                break;
            }
            if let Some(tap) = &self.tap {
                batch.iter().for_each(|packet| tap.see(Traffic::Sent(packet)));
            }
            if let Err(error) = write.write(&mut batch, self.dialect).await {
                return Disconnect::Write(Arc::new(error));
            }
        }
        let reason = match self.cause.get() {
            Some(Disconnect::Read(error)) => error.close_reason(),
            Some(Disconnect::Silent) => CloseReason::Policy,
            _ => CloseReason::Normal,
        };
        write.close(reason).await;
        Disconnect::Closed
    }

    /// Ends when the server goes away and nothing waits for it any more.
    async fn leave(&self) -> Disconnect {
        self.leaving.cancelled().await;
        self.pending.idle().await;
        self.farewell.get().cloned().map_or(Disconnect::ByPeer, of_farewell)
    }

    /// Sends a heartbeat per interval; ends when the server has been silent for two.
    async fn watch(&self) -> Disconnect {
        if self.heartbeat.is_zero() {
            return std::future::pending().await;
        }
        let mut ticks = interval_at(Instant::now() + self.heartbeat, self.heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent = 0;
        loop {
            ticks.tick().await;
            silent = if self.heard.swap(false, Ordering::Relaxed) { 0 } else { silent + 1 };
            if silent == 2 {
                return Disconnect::Silent;
            }
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let heartbeat = self.format.heartbeat(self.dialect, now.as_nanos() as i64);
            // A full outbox shows the server as well that this side lives.
            let _ = self.outbox.try_send(heartbeat);
        }
    }
}

fn of_farewell(farewell: Status) -> Disconnect {
    match farewell.code() {
        Code::GOING_AWAY => Disconnect::GoingAway(farewell),
        _ => Disconnect::Dismissed(farewell),
    }
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by this side"),
            Self::ByPeer => f.write_str("closed by the server"),
            Self::Dismissed(status) => write!(f, "closed by the server: {}", status.message),
            Self::GoingAway(status) => write!(f, "the server goes away: {}", status.message),
            Self::Silent => f.write_str("the server is silent"),
            Self::Read(error) => error.fmt(f),
            Self::Write(error) => error.fmt(f),
        }
    }
}

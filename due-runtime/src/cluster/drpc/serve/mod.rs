//! One connection of another server, from its first request to its last answer.

mod asked;
mod caller;
mod pushes;

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asked::insist;
use bytes::Buf;
use caller::Caller;
use pushes::Pushes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::coop;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::connection::write_all;
use super::frame::op;
use super::guard::PROOF_WAIT;
use super::incoming::{Incoming, Unit};
use super::outgoing::Outgoing;
use super::pool::Target;
use super::receipts::Receipts;
use super::request;
use super::secret::Identity;
use super::server::Shared;
use super::socket;
use crate::cluster::link::Server;
use crate::transport::{Stream, StreamRead};

/// Who has sent nothing in two of these is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// Requests out of the buffer that take as much of the thread's time as a tokio task is to take for one step of its budget.
const A_TURN: usize = 2;
/// Bytes of answers that may wait for a server that does not read them.
const ANSWERS: usize = 1024 * 1024;
/// How long they may keep this side from reading.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests of one connection that may take longer; further ones fail.
const LATE: u32 = 1024;
/// How long the other side may take to close as well.
const LAST_WORDS: Duration = Duration::from_secs(1);
const LATE_PROOF: &str = "it did not prove in time that it belongs here (`TcpLink::secret`, `TcpLink::tls`)";

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
        let mut pushes = Pushes::default();
        let taken = self.take_each(incoming, caller, &mut pushes).await;
        self.interrupt(caller, &mut pushes).await;
        taken
    }

    /// Hands over what was only put together so far: something else comes next.
    async fn interrupt(&self, caller: &mut Caller, pushes: &mut Pushes) {
        match &self.shared.server {
            Server::Gate(gate) => pushes.hand_over(&**gate).await,
            Server::Node(..) => caller.end_turn(),
        }
    }

    async fn take_each(
        &self,
        incoming: &mut Incoming<StreamRead>,
        caller: &mut Caller,
        pushes: &mut Pushes,
    ) -> Result<(), super::incoming::ReadError> {
        let mut count = 0_usize;
        while let Some(unit) = incoming.buffered()? {
            // Requests out of the buffer cost no socket call: give others of this thread their turn.
            count += 1;
            if count.is_multiple_of(A_TURN) {
                if !coop::has_budget_remaining() {
                    self.interrupt(caller, pushes).await;
                    pushes.wakes.wake_all();
                }
                coop::consume_budget().await;
            }
            let Unit::Frame(frame) = unit else { continue };
            if let (Server::Gate(gate), Some(cid)) = (&self.shared.server, request::pushed_to(&frame)) {
                let mut packet = incoming.share();
                packet.advance(request::PUSH_HEAD);
                pushes.add(&**gate, cid, packet).await;
                continue;
            }
            if let Server::Node(node, _) = &self.shared.server
                && (frame.op, frame.seq) == (op::DELIVER, 0)
                && let Some(entrance) = caller.entrance(&**node)
            {
                match self.message(&frame) {
                    Ok((cid, uid, packet)) => {
                        if let Err(undelivered) = entrance.deliver(cid, uid, packet) {
                            insist(&**node, undelivered).await;
                        }
                    }
                    Err(bad) => self.complain(&frame, bad)?,
                }
                continue;
            }
            self.interrupt(caller, pushes).await;
            let handled = match &self.shared.server {
                _ if frame.op == op::HANDSHAKE => self.greet(&frame, caller).await,
                Server::Gate(gate) => self.at_gate(gate, &frame, &mut pushes.wakes).await,
                Server::Node(node, cluster) => self.at_node(node, cluster, &frame, caller).await,
            };
            if let Err(bad) = handled {
                self.complain(&frame, bad)?;
            }
        }
        Ok(())
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

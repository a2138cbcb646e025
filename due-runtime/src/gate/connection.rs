//! One client connection, from its handshake to its last byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};
use tokio_util::sync::ReusableBoxFuture;

use super::GateCore;
use super::rate::{Meter, Verdict};
use crate::cluster::Event;
use crate::error::{Code, Error};
use crate::packet::{DecodeError, Dialect, Frame, Sniff};
use crate::session::{Request, Session};
use crate::transport::{CloseReason, Inbound, PacketRead, PacketWrite};

/// Malformed ws messages that a connection may send before its first good one.
const STRAY_MESSAGES: u32 = 8;
/// How long a client that has closed its direction may wait for its last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// The same for answers of nodes that need not answer: as a rule there is no client any more.
const UNSURE_ANSWERS: Duration = Duration::from_millis(500);
/// How long a client may take to read what is queued when its session ends. A gate that stops has less patience.
const LAST_PACKETS: Duration = Duration::from_secs(30);

impl GateCore {
    /// Runs one session until it ends. The halves stay with the caller: futures that take them keep room for them twice.
    pub(super) async fn serve(
        self: &Arc<Self>,
        session: &Arc<Session>,
        read: &mut impl PacketRead,
        write: &mut impl PacketWrite,
    ) {
        self.sessions.insert(Arc::clone(session));
        self.metrics.opened();
        self.trigger(Event::Connect, session.cid(), None);
        // Told twice at worst.
        if self.leaving.is_cancelled() && !self.linger.is_zero() {
            self.tell_to_go(session);
        }
        if self.finish.is_cancelled() {
            session.because(CloseReason::Away).finish();
        }
        let connection = Connection {
            gate: Arc::clone(self),
            session: Arc::clone(session),
            heard: AtomicBool::new(false),
            held_up: AtomicBool::new(false),
        };
        connection.run(read, write).await;
    }

    /// Cleans up after a session whose socket is closed.
    pub(super) async fn clean_up(&self, session: &Session) {
        let mut uid = self.sessions.remove(session);
        if let Some(greetings) = &self.greetings {
            greetings.forget(session);
        }
        self.metrics.closed(session.reason().unwrap_or(CloseReason::Normal));
        // A user who plays on elsewhere has not left.
        if let Some(left) = uid
            && self.part(left).await
        {
            uid = None;
        }
        self.trigger(Event::Disconnect, session.cid(), uid);
        if let Some(on_close) = &self.on_close {
            on_close(session.peer(), session.attributes());
        }
    }
}

pub(super) struct Connection {
    pub(super) gate: Arc<GateCore>,
    pub(super) session: Arc<Session>,
    /// The peer has sent something since the last tick of the watch.
    pub(super) heard: AtomicBool,
    /// Its message waits for its turn or for room at a node, so nothing can be heard: that is not the peer's fault.
    pub(super) held_up: AtomicBool,
}

/// Why reading ended.
enum End {
    /// The peer closed, or cannot be understood any more. What is queued for it still goes out.
    Peer(CloseReason),
    /// The peer has closed its direction, and may wait for the answers to what it sent.
    HalfClosed,
    /// This side finishes: answers still go out.
    Finish,
}

impl Connection {
    /// One task reads, writes and watches: a reader that has taken all frames lets the writer send all answers at once.
    async fn run(&self, read: &mut impl PacketRead, write: &mut impl PacketWrite) {
        tokio::select! {
            biased;
            () = self.watch() => drop(self.session.because(CloseReason::Policy)),
            // Reading always comes first: if the writer had its turn before, the answers of all sessions would pile up.
            _ = async { tokio::join!(biased; self.read(read), self.write(write)) } => {}
            () = self.session.until_cut() => {}
        }
        self.session.cut();
        if let dropped @ 1.. = self.session.outbox().dropped() {
            tracing::debug!(dropped, "pushes were lost, the client read too slowly");
            self.gate.metrics.dropped.increment(dropped);
        }
        write.close(self.session.reason().unwrap_or(CloseReason::Normal)).await;
    }

    async fn read(&self, read: &mut impl PacketRead) {
        let (session, outbox) = (&self.session, self.session.outbox());
        match self.read_all(read).await {
            End::Peer(reason) => session.because(reason).finish(),
            End::HalfClosed => {
                session.finish_when_answered();
                if timeout(UNSURE_ANSWERS, outbox.until_complete()).await.is_err() {
                    session.forget_unsure();
                    // Time that is over finishes the session as well.
                    let _ = timeout(LAST_ANSWERS - UNSURE_ANSWERS, outbox.until_complete()).await;
                }
                session.finish();
            }
            // Whoever asked to finish decides when the outbox is complete. What arrives meanwhile is dropped, so that
            // closing does not reset the connection under the last answers.
            End::Finish => {
                let dropped = async { while let Ok(Some(_)) = read.read().await {} };
                tokio::select! {
                    () = dropped => {}
                    () = self.until_written() => {}
                }
            }
        }
        self.until_written().await;
    }

    /// Waits until the last packet is written, or the client has had its time to read.
    async fn until_written(&self) {
        let outbox = self.session.outbox();
        outbox.until_complete().await;
        if timeout(LAST_PACKETS, outbox.until_closed()).await.is_err() {
            self.session.cut();
        }
    }

    async fn read_all<R: PacketRead>(&self, read: &mut R) -> End {
        let mut meter = self.gate.rate_limits.as_ref().map(|limits| Box::new(Meter::new(limits, Instant::now())));
        let mut strays = 0;
        // Large, and of no use to a session that waits: one allocation per burst of messages that have to wait.
        let mut waiting: Option<ReusableBoxFuture<'_, ()>> = None;
        loop {
            if self.session.outbox().is_crowded() {
                self.session.outbox().room().await;
            }
            // Frames out of the buffer cost no socket call: give other sessions of this thread their turn.
            tokio::task::coop::consume_budget().await;
            if self.session.is_finishing() {
                return End::Finish;
            }
            // Boxed, as it is rare and would be in the future of every idle session.
            let mut picked = None;
            let forward = |read: &[u8]| self.gate.forward(&self.session, read, &mut picked);
            if meter.is_none() && read.take_packets(forward) > 0 {
                self.heard.store(true, Ordering::Relaxed);
                continue;
            }
            // Only waiting for the next frame is given up for a stop, never the handing over of one.
            let inbound = match read.buffered() {
                Some(inbound) => inbound.map(Some),
                None => {
                    waiting = None;
                    tokio::select! {
                        biased;
                        () = self.session.until_finish() => return End::Finish,
                        inbound = read.read() => inbound,
                    }
                }
            };
            let inbound = match inbound {
                Ok(Some(inbound)) => inbound,
                Ok(None) if R::HALF_CLOSES => return End::HalfClosed,
                Ok(None) => return End::Peer(CloseReason::Normal),
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "session lost");
                    return End::Peer(error.close_reason());
                }
            };
            let bytes = inbound.wire_len();
            let frame = match inbound {
                Inbound::Unit(unit) => Some(self.gate.format.parse(unit)),
                Inbound::Message(message) => match self.parse_message(message) {
                    Some(frame) => Some(frame),
                    None if strays < STRAY_MESSAGES => {
                        strays += 1;
                        Some(Ok(Frame::KeepAlive))
                    }
                    None => {
                        tracing::debug!("too many malformed messages");
                        return End::Peer(CloseReason::Protocol);
                    }
                },
                // Text and control frames do not prove that the client works.
                Inbound::Ignored(_) => None,
            };
            if frame.is_some() {
                self.heard.store(true, Ordering::Relaxed);
            }
            let mut _delayed = None;
            if let Some(meter) = &mut meter {
                let is_message = !matches!(frame, None | Some(Ok(Frame::Heartbeat | Frame::KeepAlive)));
                match meter.judge(Instant::now(), bytes, is_message) {
                    Verdict::Pass => {}
                    // Boxed, as it is rare.
                    Verdict::Wait(time) => _delayed = Some(Box::pin(self.slow_down(time)).await),
                    Verdict::Refuse => {
                        if let Some(Ok(Frame::Packet(packet))) = &frame {
                            self.gate.refuse(&self.session, packet, Error::new(Code::TOO_MANY_REQUESTS, "slow down"));
                        }
                        continue;
                    }
                    Verdict::Disconnect => {
                        tracing::debug!("the client sends more than it may");
                        return End::Peer(CloseReason::Policy);
                    }
                }
            }
            match frame {
                Some(Ok(Frame::Packet(packet))) => {
                    self.gate.metrics.received.count(1, bytes);
                    if let Some(unrouted) = self.gate.route(&self.session, packet, picked) {
                        self.held_up.store(true, Ordering::Relaxed);
                        let wait = self.gate.wait(&self.session, unrouted);
                        let waiting = match &mut waiting {
                            Some(waiting) => {
                                waiting.set(wait);
                                waiting
                            }
                            None => waiting.insert(ReusableBoxFuture::new(wait)),
                        };
                        waiting.await;
                        self.held_up.store(false, Ordering::Relaxed);
                    }
                }
                Some(Ok(Frame::Heartbeat)) => self.answer_heartbeat(),
                Some(Ok(Frame::KeepAlive)) | None => {}
                Some(Err(error)) if error.is_fatal() => {
                    tracing::debug!(%error, "impossible frame");
                    return End::Peer(CloseReason::Protocol);
                }
                Some(Err(error)) => tracing::debug!(%error, "malformed packet dropped"),
            }
        }
    }

    /// Waits with the message at hand and reads nothing more; a stop hands it over at once.
    async fn slow_down(&self, time: Duration) -> Request {
        let _delayed = self.gate.delayed.token();
        let unanswered = self.session.request();
        self.held_up.store(true, Ordering::Relaxed);
        // Either way the message is next.
        let _ = timeout(time, self.session.until_finish()).await;
        self.held_up.store(false, Ordering::Relaxed);
        unanswered
    }

    /// `None`: no dialect reads it.
    fn parse_message(&self, message: Bytes) -> Option<Result<Frame, DecodeError>> {
        let format = &self.gate.format;
        let dialect = match self.session.dialect() {
            Some(dialect) => dialect,
            None => match format.sniff(&message, |route| self.gate.knows(route)) {
                Sniff::Sized => Dialect::Sized,
                Sniff::Bare => Dialect::Bare,
                Sniff::Unknown => return Some(Ok(Frame::KeepAlive)),
                Sniff::Invalid => return None,
            },
        };
        self.session.speak(dialect);
        Some(match dialect {
            Dialect::Sized => format.parse_sized(message),
            Dialect::Bare => format.parse(message),
        })
    }

    async fn write(&self, write: &mut impl PacketWrite) {
        while let Some(mut batch) = self.session.outbox().take().await {
            self.gate.metrics.sent.count(batch.len(), batch.iter().map(Bytes::len).sum());
            let dialect = self.session.dialect().unwrap_or(Dialect::Bare);
            // Boxed, so that a session that waits has no room for it.
            if let Err(error) = Box::pin(write.write(&mut batch, dialect)).await {
                tracing::debug!(%error, "session lost");
                break;
            }
            // Who takes what was written lives, though he cannot be heard: slowly is not silently.
            if self.session.outbox().is_crowded() {
                self.heard.store(true, Ordering::Relaxed);
            }
        }
        // Nothing will be written any more: whoever still reads may stop.
        self.session.outbox().close();
        self.session.stop_reading();
    }
}

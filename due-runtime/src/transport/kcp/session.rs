//! A conversation that has a socket, a clock and two halves of a byte stream.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::conversation::Conversation;
use super::endpoint::{Endpoint, Lifeline};
use super::wire::{self, Greeting, Segments};

pub(super) struct Session {
    pub(super) peer: SocketAddr,
    pub(super) conv: u32,
    endpoint: Arc<Endpoint>,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    conversation: Conversation,
    /// Why there is nothing more to say; `None` while there is.
    end: Option<End>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// When the conversation will be called.
    timer: Option<Instant>,
}

/// What became of a datagram.
#[derive(PartialEq, Eq)]
pub(super) enum Taken {
    Well,
    /// The session waits from now on to be told to [acknowledge](Session::acknowledge).
    OwesAcks,
    /// The conversation is over.
    TooLate,
}

/// How a conversation ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// This side has closed it.
    Here,
    /// The peer has closed it, or begun another one.
    There,
    /// Nobody listens there.
    Refused,
    /// The peer acknowledges nothing any more.
    Dead,
}

impl Session {
    pub(super) fn new(endpoint: Arc<Endpoint>, peer: SocketAddr, conv: u32) -> Arc<Self> {
        let state = State {
            conversation: Conversation::new(conv, endpoint.settings.clone()),
            end: None,
            reader: None,
            writer: None,
            timer: None,
        };
        Arc::new(Self { peer, conv, endpoint, began: Instant::now(), state: Mutex::new(state) })
    }

    pub(super) fn input(self: &Arc<Self>, segments: &mut Segments<'_>) -> Taken {
        let mut state = self.state.lock().unwrap();
        if state.end.is_some() {
            return Taken::TooLate;
        }
        let owed = state.conversation.owes_acks();
        let unsent = state.conversation.unsent();
        let now = self.now();
        state.conversation.input(now, segments, &mut self.send());
        if state.conversation.is_readable() {
            wake(&mut state.reader);
        }
        if state.conversation.unsent() < unsent {
            wake(&mut state.writer);
        }
        self.set_timer(&mut state, now);
        match !owed && state.conversation.owes_acks() {
            true => Taken::OwesAcks,
            false => Taken::Well,
        }
    }

    /// Sends the acknowledgements that have found nothing to travel with.
    pub(super) fn acknowledge(self: &Arc<Self>) {
        let mut state = self.state.lock().unwrap();
        if state.conversation.owes_acks() {
            self.flush(&mut state);
        }
    }

    /// Called when the timer that was due at `at` is.
    pub(super) fn tick(self: &Arc<Self>, at: Instant) {
        let mut state = self.state.lock().unwrap();
        if state.timer != Some(at) {
            return;
        }
        state.timer = None;
        if state.end.is_some() {
            return;
        }
        let now = self.now();
        state.conversation.flush(now, &mut self.send());
        match state.conversation.is_over() {
            true => self.end_now(state, End::Dead),
            false => self.set_timer(&mut state, now),
        }
    }

    pub(super) fn end(&self, end: End) {
        self.end_now(self.state.lock().unwrap(), end);
    }

    /// The first end counts.
    fn end_now(&self, mut state: MutexGuard<'_, State>, end: End) {
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        wake(&mut state.reader);
        wake(&mut state.writer);
        if matches!(end, End::Here | End::Dead) {
            self.endpoint.greet(Greeting::Bye, self.peer, self.conv);
        }
    }

    fn send(&self) -> impl FnMut(&[u8]) {
        |datagram| self.endpoint.send(datagram, self.peer)
    }

    fn now(&self) -> u32 {
        self.began.elapsed().as_millis().min(wire::END.into()) as u32
    }

    fn set_timer(self: &Arc<Self>, state: &mut State, now: u32) {
        let Some(due) = state.conversation.due(now) else { return };
        let at = self.began + Duration::from_millis(due.into());
        if state.timer.is_none_or(|timer| at < timer) {
            state.timer = Some(at);
            self.endpoint.timers.add(at, Arc::downgrade(self));
        }
    }

    fn poll_read(self: &Arc<Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.lock().unwrap();
        let before = buf.filled().len();
        let now = self.now();
        state.conversation.read(now, buf, &mut self.send());
        if buf.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        match state.end {
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(End::Here | End::There) => Poll::Ready(Ok(())),
            Some(End::Refused) => Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into())),
            Some(End::Dead) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }

    fn poll_write(self: &Arc<Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state.lock().unwrap();
        if state.end.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = state.conversation.write(bytes);
        if written > 0 || bytes.is_empty() {
            return Poll::Ready(Ok(written));
        }
        // The window may be full of what was written since the last flush.
        self.flush(&mut state);
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_flush(self: &Arc<Self>) -> Poll<io::Result<()>> {
        let mut state = self.state.lock().unwrap();
        match state.conversation.is_impatient() {
            true => self.flush(&mut state),
            false => self.set_timer(&mut state, self.now()),
        }
        Poll::Ready(Ok(()))
    }

    /// Ends when the peer has everything.
    fn poll_shutdown(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.lock().unwrap();
        if state.end.is_some() {
            return Poll::Ready(Ok(()));
        }
        self.flush(&mut state);
        if state.conversation.unsent() > 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.end_now(state, End::Here);
        Poll::Ready(Ok(()))
    }

    fn flush(self: &Arc<Self>, state: &mut State) {
        if state.end.is_none() {
            let now = self.now();
            state.conversation.flush(now, &mut self.send());
            self.set_timer(state, now);
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// One half of a session; the session ends with the last of them.
pub(super) struct Half(Arc<Owner>);

struct Owner {
    session: Arc<Session>,
    /// The socket's task goes on for as long as anybody needs it.
    _lifeline: Arc<Lifeline>,
}

/// Both halves.
pub(super) fn halves(session: Arc<Session>, lifeline: Arc<Lifeline>) -> (Half, Half) {
    let owner = Arc::new(Owner { session, _lifeline: lifeline });
    (Half(Arc::clone(&owner)), Half(owner))
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.session.end(End::Here);
        self.session.endpoint.remove(self.session.peer, self.session.conv);
    }
}

impl AsyncRead for Half {
    /// The buffer has to be longer than a datagram.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.session.poll_read(cx, buf)
    }
}

impl AsyncWrite for Half {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.session.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.session.poll_flush()
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.session.poll_shutdown(cx)
    }
}

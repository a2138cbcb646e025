//! One UDP socket, who talks through it, and the one task that reads from it and keeps time for all of them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep_until};

use super::session::{End, Session, Taken};
use super::settings::Settings;
use super::timers::Timers;
use super::wire::{self, Datagram, Greeting, Segments};

/// Datagrams that are read before timers and other tasks have their turn.
const BATCH: usize = 128;
/// Datagrams that are kept for a client until it is let in.
const KEPT: usize = 4;
/// How long the end of a conversation is remembered, so that a datagram that was late does not begin it again; and how many.
const REMEMBERED: Duration = Duration::from_secs(30);
const MOST_REMEMBERED: usize = 4096;

pub(super) struct Endpoint {
    pub(super) settings: Settings,
    pub(super) timers: Timers,
    socket: UdpSocket,
    /// Connected sockets have one peer, and hear when nobody listens there.
    connected: bool,
    refused: AtomicBool,
    refusal: Notify,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    peers: HashMap<SocketAddr, Known>,
    gone: VecDeque<(Instant, SocketAddr, u32)>,
}

enum Known {
    /// Not let in yet.
    Waiting(u32, Vec<Box<[u8]>>),
    Live(Arc<Session>),
    Gone(u32),
}

impl Known {
    fn conv(&self) -> u32 {
        match self {
            Self::Waiting(conv, _) | Self::Gone(conv) => *conv,
            Self::Live(session) => session.conv,
        }
    }
}

/// A client at the door.
pub(super) struct Arrival {
    pub(super) peer: SocketAddr,
    conv: u32,
    endpoint: Arc<Endpoint>,
}

/// Ends the task of a socket when nobody needs it any more.
pub(super) struct Lifeline(JoinHandle<()>);

impl Lifeline {
    pub(super) fn new(task: JoinHandle<()>) -> Arc<Self> {
        Arc::new(Self(task))
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Endpoint {
    pub(super) fn new(socket: UdpSocket, connected: bool, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            timers: Timers::default(),
            socket,
            connected,
            refused: AtomicBool::new(false),
            refusal: Notify::new(),
            table: Mutex::default(),
        })
    }

    /// Begins a conversation from this side.
    pub(super) fn begin(self: &Arc<Self>, peer: SocketAddr, conv: u32) -> Arc<Session> {
        let session = Session::new(Arc::clone(self), peer, conv);
        self.table.lock().unwrap().peers.insert(peer, Known::Live(Arc::clone(&session)));
        session
    }

    /// Reads from the socket and keeps time. New clients go to `door`; `None`: there are none.
    pub(super) async fn run(self: Arc<Self>, door: Option<mpsc::Sender<Arrival>>) {
        // One byte more shows that a datagram is too long.
        let mut buf = vec![0; self.settings.longest() + 1];
        let mut owing = Vec::new();
        loop {
            let next = self.timers.next();
            let due = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                ready = self.socket.readable() => match ready {
                    Ok(()) => {
                        self.receive(&mut buf, door.as_ref(), &mut owing);
                        // The sessions that have something to read have their turn; answers take acknowledgements along.
                        yield_now().await;
                        owing.drain(..).for_each(|session| session.acknowledge());
                    }
                    Err(error) => return tracing::warn!(%error, "a UDP socket can no longer be read"),
                },
                () = due => {}
                () = self.timers.changed() => {}
                () = self.refusal.notified() => {}
            }
            if self.refused.swap(false, Ordering::Relaxed) {
                self.end_all(End::Refused);
            }
            let now = Instant::now();
            while let Some((at, session)) = self.timers.pop(now) {
                if let Some(session) = session.upgrade() {
                    session.tick(at);
                }
            }
        }
    }

    fn receive(self: &Arc<Self>, buf: &mut [u8], door: Option<&mpsc::Sender<Arrival>>, owing: &mut Vec<Arc<Session>>) {
        for _ in 0..BATCH {
            match self.socket.try_recv_from(buf) {
                Ok((len, peer)) if len < buf.len() => self.take(&mut buf[..len], peer, door, owing),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Of a datagram that was sent earlier; the socket is as good as before.
                Err(error) => self.note(&error),
            }
        }
    }

    fn take(
        self: &Arc<Self>,
        datagram: &mut [u8],
        peer: SocketAddr,
        door: Option<&mpsc::Sender<Arrival>>,
        owing: &mut Vec<Arc<Session>>,
    ) {
        match wire::parse(datagram) {
            // A second welcome.
            None | Some(Datagram::Greeting(Greeting::Welcome, _)) => {}
            Some(Datagram::Greeting(Greeting::Hello, conv)) => {
                if let Some(door) = door {
                    self.hello(peer, conv, door);
                }
            }
            Some(Datagram::Greeting(Greeting::Bye, conv)) => {
                if let Some(session) = self.live(peer).filter(|session| session.conv == conv) {
                    session.end(End::There);
                }
            }
            Some(Datagram::Segments(mut segments)) => match self.live(peer) {
                Some(session) if session.conv == segments.conv => match session.input(&mut segments) {
                    Taken::Well => {}
                    Taken::OwesAcks => owing.push(session),
                    Taken::TooLate => self.greet(Greeting::Bye, peer, segments.conv),
                },
                _ => {
                    if let Some(door) = door {
                        self.unknown(peer, &segments, door);
                    }
                }
            },
        }
    }

    /// Segments of a conversation that nobody has been let in with.
    fn unknown(self: &Arc<Self>, peer: SocketAddr, segments: &Segments<'_>, door: &mpsc::Sender<Arrival>) {
        let mut table = self.table.lock().unwrap();
        let said_bye = match table.peers.get_mut(&peer) {
            Some(Known::Waiting(conv, kept)) if *conv == segments.conv => {
                if kept.len() < KEPT {
                    kept.push(segments.bytes().into());
                }
                return;
            }
            Some(Known::Gone(conv)) => *conv == segments.conv,
            _ => false,
        };
        if !said_bye && segments.opens {
            self.arrive(&mut table, peer, segments.conv, Some(segments.bytes()), door);
        } else if said_bye || segments.answers {
            // It has heard of this side, so it is no client whose first datagram is late.
            self.greet(Greeting::Bye, peer, segments.conv);
        }
    }

    fn hello(self: &Arc<Self>, peer: SocketAddr, conv: u32, door: &mpsc::Sender<Arrival>) {
        let mut table = self.table.lock().unwrap();
        match table.peers.get(&peer).filter(|known| known.conv() == conv) {
            Some(Known::Waiting(..)) => {}
            Some(Known::Live(_)) => self.greet(Greeting::Welcome, peer, conv),
            Some(Known::Gone(_)) => self.greet(Greeting::Bye, peer, conv),
            None => self.arrive(&mut table, peer, conv, None, door),
        }
    }

    /// A new client, or a new conversation of an old one, whose old one ends.
    fn arrive(
        self: &Arc<Self>,
        table: &mut Table,
        peer: SocketAddr,
        conv: u32,
        first: Option<&[u8]>,
        door: &mpsc::Sender<Arrival>,
    ) {
        match door.try_reserve() {
            Ok(place) => {
                let kept = first.map(Box::from).into_iter().collect();
                if let Some(Known::Live(old)) = table.peers.insert(peer, Known::Waiting(conv, kept)) {
                    old.end(End::There);
                }
                place.send(Arrival { peer, conv, endpoint: Arc::clone(self) });
            }
            // It tries again.
            Err(TrySendError::Full(())) => {}
            Err(TrySendError::Closed(())) => self.greet(Greeting::Bye, peer, conv),
        }
    }

    fn live(&self, peer: SocketAddr) -> Option<Arc<Session>> {
        match self.table.lock().unwrap().peers.get(&peer) {
            Some(Known::Live(session)) => Some(Arc::clone(session)),
            _ => None,
        }
    }

    fn end_all(&self, end: End) {
        let table = self.table.lock().unwrap();
        let live = |known: &Known| if let Known::Live(session) = known { Some(Arc::clone(session)) } else { None };
        let sessions: Vec<_> = table.peers.values().filter_map(live).collect();
        drop(table);
        sessions.iter().for_each(|session| session.end(end));
    }

    /// Forgets a conversation that has ended; not the one that has replaced it.
    pub(super) fn remove(&self, peer: SocketAddr, conv: u32) {
        let mut table = self.table.lock().unwrap();
        let now = Instant::now();
        if let Entry::Occupied(mut known) = table.peers.entry(peer)
            && known.get().conv() == conv
        {
            known.insert(Known::Gone(conv));
            table.gone.push_back((now, peer, conv));
        }
        while let Some((since, peer, conv)) = table.gone.front().copied()
            && (table.gone.len() > MOST_REMEMBERED || now.duration_since(since) > REMEMBERED)
        {
            table.gone.pop_front();
            if table.peers.get(&peer).is_some_and(|known| matches!(known, Known::Gone(gone) if *gone == conv)) {
                table.peers.remove(&peer);
            }
        }
    }

    pub(super) fn greet(&self, greeting: Greeting, peer: SocketAddr, conv: u32) {
        self.send(&greeting.datagram(conv), peer);
    }

    /// What the socket does not take at once is lost, as on the way.
    pub(super) fn send(&self, datagram: &[u8], peer: SocketAddr) {
        let sent = match self.connected {
            true => self.socket.try_send(datagram),
            false => self.socket.try_send_to(datagram, peer),
        };
        if let Err(error) = sent {
            self.note(&error);
        }
    }

    /// An unconnected socket hears of refusals on some systems, but not whose they are.
    fn note(&self, error: &io::Error) {
        if self.connected && error.kind() == io::ErrorKind::ConnectionRefused {
            self.refused.store(true, Ordering::Relaxed);
            self.refusal.notify_one();
        }
    }
}

impl Arrival {
    /// Lets the client in; only now there is a machine for it. `None`: it has gone, or begun anew.
    pub(super) fn let_in(&self) -> Option<Arc<Session>> {
        let mut table = self.endpoint.table.lock().unwrap();
        let known = table.peers.get_mut(&self.peer)?;
        let Known::Waiting(conv, kept) = known else { return None };
        if *conv != self.conv {
            return None;
        }
        let kept = std::mem::take(kept);
        let session = Session::new(Arc::clone(&self.endpoint), self.peer, self.conv);
        *known = Known::Live(Arc::clone(&session));
        drop(table);
        self.endpoint.greet(Greeting::Welcome, self.peer, self.conv);
        for mut datagram in kept {
            if let Some(Datagram::Segments(mut segments)) = wire::parse(&mut datagram) {
                session.input(&mut segments);
            }
        }
        session.acknowledge();
        Some(session)
    }
}

impl Drop for Arrival {
    /// A client that was not let in.
    fn drop(&mut self) {
        let mut table = self.endpoint.table.lock().unwrap();
        if let Entry::Occupied(known) = table.peers.entry(self.peer)
            && matches!(known.get(), Known::Waiting(conv, _) if *conv == self.conv)
        {
            known.remove();
            self.endpoint.greet(Greeting::Bye, self.peer, self.conv);
        }
    }
}

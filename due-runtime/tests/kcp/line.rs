//! A line between client and gate that loses, doubles and reorders datagrams as dice tell.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::dice::Dice;

/// How long what is late waits for others that it might let pass.
const LATEST: Duration = Duration::from_millis(20);

/// Shares of all datagrams, in percent.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// Comes after some of the next ones.
    pub(crate) late: u64,
}

pub(crate) struct Line {
    addr: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    silent: AtomicBool,
    lost: AtomicUsize,
}

impl Line {
    /// For one client.
    pub(crate) async fn to(gate: SocketAddr, weather: Weather, seed: u64) -> Self {
        let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        far.connect(gate).await.unwrap();
        let addr = near.local_addr().unwrap();
        let state = Arc::new(State::default());
        let mut dice = Dice::new(seed);
        let mut way = || Way { weather, dice: dice.fork(), held: Vec::new(), state: Arc::clone(&state) };
        let (mut up, mut down) = (way(), way());
        let (client, found) = watch::channel(None);
        let mut tasks = JoinSet::new();
        let (from, to) = (Arc::clone(&near), Arc::clone(&far));
        tasks.spawn(async move {
            let mut buf = [0; 2048];
            loop {
                let received = timeout(LATEST, from.recv_from(&mut buf)).await.ok().map(Result::unwrap);
                if let Some((_, peer)) = received {
                    client.send_replace(Some(peer));
                }
                for datagram in up.through(received.map(|(len, _)| &buf[..len])) {
                    // A gate that has gone refuses it.
                    let _ = to.send(&datagram).await;
                }
            }
        });
        tasks.spawn(async move {
            let mut buf = [0; 2048];
            loop {
                let received = timeout(LATEST, far.recv(&mut buf)).await.ok().and_then(Result::ok);
                let Some(client) = *found.borrow() else { continue };
                for datagram in down.through(received.map(|len| &buf[..len])) {
                    near.send_to(&datagram, client).await.unwrap();
                }
            }
        });
        Self { addr, state, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("kcp://{}", self.addr)
    }

    /// From now on nothing comes through.
    pub(crate) fn fall_silent(&self) {
        self.state.silent.store(true, Relaxed);
    }

    pub(crate) fn lost(&self) -> usize {
        self.state.lost.load(Relaxed)
    }
}

/// One direction.
struct Way {
    weather: Weather,
    dice: Dice,
    /// The late ones, and how many each lets pass.
    held: Vec<(u64, Vec<u8>)>,
    state: Arc<State>,
}

impl Way {
    /// What comes out when this goes in, or nothing for a while.
    fn through(&mut self, datagram: Option<&[u8]>) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        if self.state.silent.load(Relaxed) {
            return out;
        }
        let Some(datagram) = datagram else {
            return self.held.drain(..).map(|(_, datagram)| datagram).collect();
        };
        let mut happens = |percent| self.dice.below(100) < percent;
        if happens(self.weather.lost) {
            self.state.lost.fetch_add(1, Relaxed);
        } else if happens(self.weather.late) {
            self.held.push((2 + self.dice.below(5), datagram.to_vec()));
        } else if happens(self.weather.doubled) {
            out.extend([datagram.to_vec(), datagram.to_vec()]);
        } else {
            out.push(datagram.to_vec());
        }
        self.held.retain_mut(|(pass, datagram)| {
            *pass -= 1;
            if *pass == 0 {
                out.push(std::mem::take(datagram));
            }
            *pass > 0
        });
        out
    }
}

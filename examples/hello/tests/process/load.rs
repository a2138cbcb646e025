//! Clients that keep requests in flight, and write down what becomes of each.

use std::collections::BTreeMap;

use due::{Body as _, Codec, Status};
use hello::v1::GreetResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::process::DEADLINE;

/// Requests of each client that wait for their answers.
const WINDOW: usize = 20;
const GREET: i16 = 1;
const STATUS: i16 = -1;

pub(crate) struct Load {
    clients: JoinSet<Ledger>,
    progress: watch::Receiver<Progress>,
    goes_on: watch::Sender<bool>,
}

/// What one client has seen when its connection is over.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) sent: u64,
    pub(crate) greeted: u64,
    /// Texts of the statuses, and how often each came.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Numbers of the requests that were never answered.
    pub(crate) open: Vec<u64>,
    pub(crate) farewells: Vec<String>,
}

/// Of all clients together.
#[derive(Clone, Copy, Default)]
struct Progress {
    answers: u64,
    /// What `answers` was when the last request was refused.
    last_refused: u64,
}

impl Load {
    pub(crate) async fn start(addr: &str, clients: usize) -> Self {
        let (say, progress) = watch::channel(Progress::default());
        let (goes_on, follow) = watch::channel(true);
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let (read, write) = TcpStream::connect(addr).await.unwrap().into_split();
            let client = Client {
                read,
                write,
                open: BTreeMap::new(),
                ledger: Ledger::default(),
                say: say.clone(),
                goes_on: follow.clone(),
            };
            tasks.spawn(client.run());
        }
        Self { clients: tasks, progress, goes_on }
    }

    /// Waits for so many more answers.
    pub(crate) async fn answers(&mut self, more: u64) {
        let now = self.progress.borrow().answers;
        self.until(|progress| progress.answers >= now + more).await;
    }

    /// Waits until so many more are greeted, and nobody is refused between them.
    pub(crate) async fn greeted_in_a_row(&mut self, many: u64) {
        let now = self.progress.borrow().answers;
        self.until(|progress| progress.answers >= progress.last_refused.max(now) + many).await;
    }

    async fn until(&mut self, reached: impl Fn(&Progress) -> bool) {
        let progress = timeout(DEADLINE, self.progress.wait_for(reached)).await;
        progress.expect("answers come").expect("clients are there");
    }

    /// Sends nothing more, and waits until everything is answered and the connections are closed.
    pub(crate) async fn finish(self) -> Vec<Ledger> {
        self.goes_on.send_replace(false);
        self.ledgers().await
    }

    /// Waits until the gate has closed all connections.
    pub(crate) async fn ledgers(self) -> Vec<Ledger> {
        timeout(DEADLINE, self.clients.join_all()).await.expect("the gate closes all connections")
    }
}

struct Client {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    /// By seq, the number of the request.
    open: BTreeMap<i16, u64>,
    ledger: Ledger,
    say: watch::Sender<Progress>,
    goes_on: watch::Receiver<bool>,
}

impl Client {
    async fn run(mut self) -> Ledger {
        loop {
            if *self.goes_on.borrow_and_update() {
                while self.open.len() < WINDOW && self.send().await.is_ok() {}
            } else if self.open.is_empty() {
                // The gate may have closed it already.
                let _ = self.write.shutdown().await;
            }
            // A frame is read whole or not at all: the first byte is waited for here.
            tokio::select! {
                ready = self.read.readable() => ready.unwrap(),
                Ok(()) = self.goes_on.changed() => continue,
            }
            match self.receive().await {
                Some((route, seq, body)) => self.note(route, seq, body),
                None => break,
            }
        }
        self.ledger.open = self.open.into_values().collect();
        self.ledger
    }

    async fn send(&mut self) -> std::io::Result<()> {
        let number = self.ledger.sent;
        let seq = (number % i16::MAX as u64) as i16 + 1;
        let mut frame = vec![0; 5];
        frame.extend(GREET.to_be_bytes());
        frame.extend(seq.to_be_bytes());
        frame.extend(format!("{{\"name\":\"{number}\"}}").bytes());
        let size = frame.len() as u32 - 4;
        frame[..4].copy_from_slice(&size.to_be_bytes());
        // The gate may be gone; what it has said is still read.
        self.write.write_all(&frame).await?;
        assert_eq!(self.open.insert(seq, number), None, "the seq is in use");
        self.ledger.sent += 1;
        Ok(())
    }

    /// Route, seq and body of the next packet; `None` at the end.
    async fn receive(&mut self) -> Option<(i16, i16, Vec<u8>)> {
        loop {
            let size = self.read.read_u32().await.ok()?;
            let mut frame = vec![0; size as usize];
            self.read.read_exact(&mut frame).await.expect("a whole frame");
            if frame[0] & 0x80 == 0 {
                let body = frame.split_off(5);
                return Some((
                    i16::from_be_bytes([frame[1], frame[2]]),
                    i16::from_be_bytes([frame[3], frame[4]]),
                    body,
                ));
            }
        }
    }

    fn note(&mut self, route: i16, seq: i16, body: Vec<u8>) {
        let refused = match route {
            GREET => {
                let response = GreetResponse::decode_body(&Codec::Json, &body.into()).unwrap();
                let number = self.open.remove(&seq).expect("each request is answered once");
                assert_eq!((response.code, response.message), (0, format!("hello {number}~~")));
                self.ledger.greeted += 1;
                false
            }
            STATUS => {
                let status = Status::decode_body(&Codec::Json, &body.into()).unwrap();
                if seq == 0 {
                    return self.ledger.farewells.push(status.message);
                }
                assert_eq!((status.route, status.seq), (GREET.into(), seq.into()));
                self.open.remove(&seq).expect("each request is answered once");
                *self.ledger.refused.entry(status.message).or_default() += 1;
                true
            }
            route => panic!("a packet on route {route}"),
        };
        self.say.send_modify(|progress| {
            progress.answers += 1;
            if refused {
                progress.last_refused = progress.answers;
            }
        });
    }
}

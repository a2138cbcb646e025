//! The fixed rate: messages leave on a schedule whatever the answers do, and every answer is late from the moment its message
//! was due. A server that stalls is charged for everything that had to wait.
//!
//! A thread of its own writes: it sleeps until the next message is due, wakes within about a tenth of a millisecond, and writes
//! all that are due by then. This lateness is in every figure, and is reported on its own as well.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::net;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::numbers::{Answers, Faults, Seqs};
use crate::scratch::Scratch;
use crate::stats::Histogram;
use crate::wire::{Wire, connect_all};

/// What has not come back so long after the last message is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one round has shown.
pub(crate) struct Measured {
    pub(crate) latency: Histogram,
    /// From the moment a message was due until it was written.
    pub(crate) written: Histogram,
    pub(crate) faults: Faults,
}

/// Message `n` goes out on connection `n % connections`, `n` periods after the start.
#[derive(Clone, Copy)]
struct Schedule {
    start: Instant,
    rate: u32,
    connections: usize,
    /// Messages of the warm-up, which do not count.
    ignored: u64,
    total: u64,
}

pub(crate) async fn run(wire: Rc<Wire>, connections: usize, rate: u32, warm_up: Duration, time: Duration) -> Measured {
    let messages = |time: Duration| (time.as_secs_f64() * f64::from(rate)) as u64;
    let sockets = connect_all(&wire, connections).await;
    let (ignored, total) = (messages(warm_up), messages(warm_up + time));
    let schedule = Schedule { start: Instant::now() + Duration::from_millis(1), rate, connections, ignored, total };

    let (mut reading, mut writing) = (Vec::new(), Vec::new());
    for socket in sockets {
        let socket = socket.into_std().expect("a socket leaves its runtime");
        let request = Numbered::new(&wire);
        writing.push(Pen { socket: socket.try_clone().expect("a file to spare"), request, owed: 0 });
        reading.push(TcpStream::from_std(socket).expect("it does not block"));
    }
    let pacer = thread::Builder::new().name("pacer".into()).spawn(move || schedule.write(writing));
    let (latency, faults) = schedule.read(reading, &wire).await;
    let written = pacer.expect("a thread to spare").join().expect("the pacer does not panic");
    Measured { latency, written, faults }
}

impl Schedule {
    fn due(&self, message: u64) -> Instant {
        self.start + Duration::from_nanos(message * 1_000_000_000 / u64::from(self.rate))
    }

    fn write(self, mut pens: Vec<Pen>) -> Histogram {
        let (mut written, mut next) = (Histogram::new(), 0);
        let mut late = Vec::new();
        while next < self.total || !late.is_empty() {
            while next < self.total && self.due(next) <= Instant::now() {
                let number = next as usize % pens.len();
                if !pens[number].write(1) {
                    late.push(number);
                }
                if next >= self.ignored {
                    written.add(self.due(next).elapsed(), 1);
                }
                next += 1;
            }
            late.retain(|number| !pens[*number].write(0));
            thread::sleep(self.due(next).saturating_duration_since(Instant::now()));
        }
        written
    }

    async fn read(self, sockets: Vec<TcpStream>, wire: &Rc<Wire>) -> (Histogram, Faults) {
        let (scratch, latency) = (Rc::new(Scratch::default()), Rc::new(RefCell::new(Histogram::new())));
        let (answered, misplaced) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(0_u64)));
        let mut readers = JoinSet::new();
        for (number, socket) in sockets.into_iter().enumerate() {
            let (scratch, latency, mut answers) = (Rc::clone(&scratch), Rc::clone(&latency), Answers::new(wire));
            let (answered, misplaced) = (Rc::clone(&answered), Rc::clone(&misplaced));
            readers.spawn_local(async move {
                let (mut read, _write) = socket.into_split();
                let mut message = number as u64;
                while message < self.total {
                    let come = scratch.read(&mut read, |bytes| answers.take(bytes)).await.expect("the server stays");
                    let now = Instant::now();
                    for _ in 0..come {
                        if message >= self.ignored {
                            latency.borrow_mut().add(now - self.due(message), 1);
                        }
                        message += self.connections as u64;
                    }
                    answered.set(answered.get() + come as u64);
                    misplaced.set(misplaced.get() + std::mem::take(&mut answers.misplaced));
                }
            });
        }
        let all = async {
            while let Some(ended) = readers.join_next().await {
                ended.expect("no reader fails");
            }
        };
        let until = self.due(self.total) + PATIENCE;
        // What is missing then is counted below.
        let _ = tokio::time::timeout_at(until.into(), all).await;
        let faults = Faults { lost: self.total - answered.get(), misplaced: misplaced.get() };
        (latency.replace(Histogram::new()), faults)
    }
}

/// One connection's way out.
struct Pen {
    socket: net::TcpStream,
    request: Numbered,
    /// Bytes that the socket has not taken.
    owed: usize,
}

impl Pen {
    /// Writes `more` messages and what was left; `false` if the socket did not take all.
    fn write(&mut self, more: usize) -> bool {
        self.owed += more * self.request.len();
        while self.owed > 0 {
            let left = match self.owed % self.request.len() {
                0 => self.request.next(),
                left => left,
            };
            match self.socket.write(&self.request.bytes[self.request.len() - left..]) {
                Ok(len) => self.owed -= len,
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => return false,
                Err(err) => panic!("the server left: {err}"),
            }
        }
        true
    }
}

/// A request that gets the next seq each time. Its wire stays with the other thread.
struct Numbered {
    bytes: Box<[u8]>,
    seqs: Seqs,
}

impl Numbered {
    fn new(wire: &Wire) -> Self {
        Self { bytes: wire.request.clone().into_boxed_slice(), seqs: Seqs::of(wire) }
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns its length.
    fn next(&mut self) -> usize {
        self.seqs.number(&mut self.bytes);
        self.bytes.len()
    }
}

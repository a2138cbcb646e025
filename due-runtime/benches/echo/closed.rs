//! The closed loop: so many connections, so many messages under way on each; whoever gets an answer asks again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::scratch::Scratch;
use crate::stats::Histogram;
use crate::wire::{Wire, connect_all};

/// How many connections, and how many messages are under way on each.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) flight: usize,
}

/// What one round has shown.
pub(crate) struct Measured {
    pub(crate) answers: u64,
    pub(crate) took: Duration,
    /// From the write of a message to its answer; who waits longer asks less often, so this is no latency under load.
    pub(crate) latency: Histogram,
}

struct Round {
    wire: Rc<Wire>,
    /// As many requests as may be under way.
    requests: Vec<u8>,
    scratch: Scratch,
    latency: RefCell<Histogram>,
    counting: Cell<bool>,
}

/// `begun` is called when the warm-up is over.
pub(crate) async fn run(
    wire: Rc<Wire>,
    shape: Shape,
    warm_up: Duration,
    time: Duration,
    begun: impl FnOnce(),
) -> Measured {
    let sockets = connect_all(&wire, shape.connections).await;
    let requests = wire.request.repeat(shape.flight);
    let latency = RefCell::new(Histogram::new());
    let round = Rc::new(Round { wire, requests, scratch: Scratch::default(), latency, counting: Cell::new(false) });
    let mut loops = JoinSet::new();
    for socket in sockets {
        let round = Rc::clone(&round);
        loops.spawn_local(async move { round.ask(socket).await });
    }
    sleep(warm_up).await;
    round.counting.set(true);
    let since = Instant::now();
    begun();
    sleep(time).await;
    let took = since.elapsed();
    assert!(loops.try_join_next().is_none(), "a connection was lost");
    let latency = round.latency.replace(Histogram::new());
    Measured { answers: latency.total(), took, latency }
}

impl Round {
    async fn ask(&self, socket: TcpStream) -> io::Result<()> {
        let (mut read, mut write) = socket.into_split();
        let (request, answer) = (self.wire.request.len(), self.wire.answer.len());
        let (mut asked, mut surplus) = (VecDeque::new(), 0);
        let mut wanted = self.requests.len() / request;
        loop {
            asked.push_back((Instant::now(), wanted));
            write.write_all(&self.requests[..wanted * request]).await?;
            wanted = 0;
            while wanted == 0 {
                surplus += self.scratch.read(&mut read).await?;
                wanted = surplus / answer;
                surplus %= answer;
            }
            if self.counting.get() {
                self.count(&mut asked, wanted);
            } else {
                forget(&mut asked, wanted, |_, _| {});
            }
        }
    }

    fn count(&self, asked: &mut VecDeque<(Instant, usize)>, answers: usize) {
        let (now, mut latency) = (Instant::now(), self.latency.borrow_mut());
        forget(asked, answers, |at, times| latency.add(now - at, times as u64));
    }
}

/// Answers come in the order of the questions.
fn forget(asked: &mut VecDeque<(Instant, usize)>, mut answers: usize, mut each: impl FnMut(Instant, usize)) {
    while let Some((at, left)) = asked.front_mut().filter(|_| answers > 0) {
        let times = answers.min(*left);
        each(*at, times);
        answers -= times;
        *left -= times;
        if *left == 0 {
            asked.pop_front();
        }
    }
}

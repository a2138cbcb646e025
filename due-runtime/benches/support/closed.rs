//! The closed loop: so many connections, so many messages under way on each; whoever gets an answer asks again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::numbers::{Answers, Faults};
use crate::pen::{Pen, Sheet};
use crate::scratch::Scratch;
use crate::stats::Histogram;
use crate::wire::{Wire, connect_all};

/// What has not come back so long after the last message is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many connections, and how many messages are under way on each.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) flight: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.connections, self.flight)
    }
}

/// What one round has shown.
pub(crate) struct Measured {
    pub(crate) answers: u64,
    pub(crate) took: Duration,
    /// From the write of a message to its answer; who waits longer asks less often, so this is no latency under load.
    pub(crate) latency: Histogram,
    pub(crate) faults: Faults,
}

struct Round {
    wire: Rc<Wire>,
    sheet: Rc<Sheet>,
    flight: usize,
    scratch: Scratch,
    latency: RefCell<Histogram>,
    phase: Cell<Phase>,
    under_way: Cell<u64>,
    misplaced: Cell<u64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    WarmUp,
    Counted,
    /// Nothing more is asked.
    Over,
}

/// `mark` is called when the warm-up is over, and when the time is.
pub(crate) async fn run(
    wire: Rc<Wire>,
    shape: Shape,
    warm_up: Duration,
    time: Duration,
    mut mark: impl FnMut(),
) -> Measured {
    let sockets = connect_all(&wire, shape.connections).await;
    let round = Rc::new(Round {
        sheet: Sheet::new(&wire, shape.flight),
        wire,
        flight: shape.flight,
        scratch: Scratch::default(),
        latency: RefCell::new(Histogram::new()),
        phase: Cell::new(Phase::WarmUp),
        under_way: Cell::default(),
        misplaced: Cell::default(),
    });
    let mut loops = JoinSet::new();
    for socket in sockets {
        let round = Rc::clone(&round);
        loops.spawn_local(async move { round.ask(socket).await });
    }
    sleep(warm_up).await;
    round.phase.set(Phase::Counted);
    let since = Instant::now();
    mark();
    sleep(time).await;
    let took = since.elapsed();
    mark();
    let latency = round.latency.replace(Histogram::new());
    round.phase.set(Phase::Over);
    let answered = async {
        while let Some(ended) = loops.join_next().await {
            ended.expect("no loop panics").expect("no connection is lost");
        }
    };
    // Whatever is under way after that is lost.
    let _ = timeout(PATIENCE, answered).await;
    let faults = Faults { lost: round.under_way.get(), misplaced: round.misplaced.get() };
    Measured { answers: latency.total(), took, latency, faults }
}

impl Round {
    async fn ask(&self, socket: TcpStream) -> io::Result<()> {
        let (mut read, write) = socket.into_split();
        let (mut pen, mut answers) = (Pen::new(&self.sheet, write), Answers::new(&self.wire));
        let (mut asked, mut wanted, mut missing) = (VecDeque::new(), self.flight, 0);
        loop {
            if self.phase.get() != Phase::Over {
                asked.push_back((Instant::now(), wanted));
                missing += wanted;
                self.under_way.set(self.under_way.get() + wanted as u64);
                pen.write(wanted).await?;
            }
            if missing == 0 {
                return Ok(());
            }
            wanted = 0;
            while wanted == 0 {
                wanted = self.scratch.read(&mut read, |bytes| answers.take(bytes)).await?;
            }
            missing -= wanted;
            self.under_way.set(self.under_way.get() - wanted as u64);
            self.misplaced.set(self.misplaced.get() + std::mem::take(&mut answers.misplaced));
            match self.phase.get() {
                Phase::Counted => self.count(&mut asked, wanted),
                Phase::WarmUp | Phase::Over => forget(&mut asked, wanted, |_, _| {}),
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

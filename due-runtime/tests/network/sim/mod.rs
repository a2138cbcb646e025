//! A network in memory: [`mem`] with delay, loss and faults between the ends.
//!
//! No task carries the packets: whoever reads holds back what has come until its time.

mod ends;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use due::packet::Format;
use due::transport::mem::{self, Mem, MemConnector, MemIncoming};
use due::transport::{Peer, Transport};
pub(crate) use ends::{SimRead, SimWrite};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::dice::Dice;

/// How packets of one direction fare.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Weather {
    pub(crate) delay: Duration,
    /// Added to the delay, from nothing to this much. Packets do not overtake each other.
    pub(crate) jitter: Duration,
    /// How many of a thousand packets are lost.
    pub(crate) loss: u32,
}

impl Weather {
    pub(crate) const FINE: Self = Self { delay: Duration::ZERO, jitter: Duration::ZERO, loss: 0 };

    pub(crate) const fn delayed(delay: Duration, jitter: Duration) -> Self {
        Self { delay, jitter, loss: 0 }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Flow {
    Open,
    /// Nothing arrives for now; senders have to wait.
    Stalled,
    /// Nothing arrives ever again, not even the end, and no sender notices.
    Swallowed,
    /// Both ends get an error.
    Cut,
}

/// One direction of a line.
#[derive(Debug)]
pub(crate) struct Way {
    now: watch::Sender<(Flow, Weather)>,
    dice: Mutex<Dice>,
}

impl Way {
    fn new(weather: Weather, dice: Dice) -> Arc<Self> {
        Arc::new(Self { now: watch::Sender::new((Flow::Open, weather)), dice: Mutex::new(dice) })
    }

    /// From the next packet on.
    pub(crate) fn weather(&self, weather: Weather) {
        self.now.send_modify(|now| now.1 = weather);
    }

    pub(crate) fn stall(&self) {
        self.enter(Flow::Stalled);
    }

    pub(crate) fn resume(&self) {
        self.enter(Flow::Open);
    }

    /// For ever: half of a half-open connection.
    pub(crate) fn swallow(&self) {
        self.enter(Flow::Swallowed);
    }

    fn enter(&self, flow: Flow) {
        self.now.send_modify(|now| {
            if !matches!(now.0, Flow::Cut | Flow::Swallowed) || flow == Flow::Cut {
                now.0 = flow;
            }
        });
    }

    /// When a packet that sets out now arrives; `None`: never.
    fn arrival(&self) -> Option<Instant> {
        let (_, weather) = *self.now.borrow();
        let mut dice = self.dice.lock().unwrap();
        let lost = dice.below(1000) < u64::from(weather.loss);
        let delay = weather.delay + weather.jitter.mul_f64(dice.share());
        (!lost).then(|| Instant::now() + delay)
    }
}

/// One connection, for whoever wants to damage it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// From client to gate.
    pub(crate) up: Arc<Way>,
    /// From gate to client.
    pub(crate) down: Arc<Way>,
}

impl Line {
    /// What was on its way is lost, and both ends notice at once.
    pub(crate) fn cut(&self) {
        self.up.enter(Flow::Cut);
        self.down.enter(Flow::Cut);
    }
}

/// The network between one gate and its clients.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    connector: MemConnector,
    lines: mpsc::UnboundedSender<Line>,
    dice: Arc<Mutex<Dice>>,
}

/// The gate's transport, and the way to it.
pub(crate) fn network(seed: u64) -> (SimTransport, Net) {
    let (mem, connector) = mem::listener();
    let (sender, lines) = mpsc::unbounded_channel();
    (SimTransport { mem, lines }, Net { connector, lines: sender, dice: Arc::new(Mutex::new(Dice::new(seed))) })
}

impl Net {
    pub(crate) async fn connect(&self, format: &Format, weather: Weather) -> io::Result<(SimRead, SimWrite, Line)> {
        let (up, down) = {
            let mut dice = self.dice.lock().unwrap();
            (Way::new(weather, dice.fork()), Way::new(weather, dice.fork()))
        };
        let line = Line { up, down };
        let connect = self.connector.connect(Arc::new(format.clone()));
        // Lines and connections are taken in the order they come in: both queues are fair.
        let _ = self.lines.send(line.clone());
        let (read, write) = connect.await?;
        Ok((SimRead::new(read, &line.down), SimWrite::new(write, &line.up), line))
    }
}

pub(crate) struct SimTransport {
    mem: Mem,
    lines: mpsc::UnboundedReceiver<Line>,
}

impl Transport for SimTransport {
    type Incoming = SimIncoming;

    async fn accept(&mut self) -> (SimIncoming, Peer) {
        let (mem, peer) = self.mem.accept().await;
        let line = self.lines.try_recv().expect("a line for every connection");
        (SimIncoming { mem, line }, peer)
    }

    fn local_addr(&self) -> String {
        "sim:".to_owned()
    }
}

pub(crate) struct SimIncoming {
    mem: MemIncoming,
    line: Line,
}

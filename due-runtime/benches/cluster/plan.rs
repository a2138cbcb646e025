//! What is measured, how often and for how long.

use std::time::Duration;

use crate::closed::Shape;
use crate::fleet::Kind;

/// Bytes of a message where nothing else is said.
pub(crate) const BODY: usize = 1024;
pub(crate) const CLOSED: [Shape; 4] = [
    Shape { connections: 50, flight: 64 },
    Shape { connections: 200, flight: 16 },
    Shape { connections: 1000, flight: 4 },
    Shape { connections: 50, flight: 1 },
];
/// Connections, and bytes of a body.
pub(crate) const OPEN: [(usize, usize); 6] =
    [(50, 1024), (200, 1024), (500, 1024), (1000, 1024), (50, 2048), (1000, 2048)];
/// How many broadcasts follow each other before everybody has the first.
pub(crate) const BROADCASTS: [usize; 2] = [1, 32];
/// Connections, and messages per second of all of them.
pub(crate) const PACED: [(usize, u32); 3] = [(50, 10_000), (1000, 10_000), (200, 20_000)];

pub(crate) struct Plan {
    args: Vec<String>,
    /// How often every target has its turn.
    pub(crate) rounds: usize,
    pub(crate) warm_up: Duration,
    pub(crate) closed: Duration,
    pub(crate) paced: Duration,
    /// Messages of an open loop.
    pub(crate) open: usize,
    pub(crate) logins: usize,
    /// Who hears a broadcast, and how often in a round there are some.
    pub(crate) crowd: usize,
    pub(crate) broadcasts: usize,
    pub(crate) idle: usize,
}

impl Plan {
    pub(crate) fn new(args: &[String]) -> Self {
        let millis = Duration::from_millis;
        let full = Self {
            args: args.to_vec(),
            rounds: 5,
            warm_up: millis(200),
            closed: millis(1000),
            paced: millis(1500),
            open: 100_000,
            logins: 2_000,
            crowd: 10_000,
            broadcasts: 5,
            idle: 5_000,
        };
        if !args.iter().any(|arg| arg == "--quick") {
            return full;
        }
        Self {
            rounds: 1,
            warm_up: millis(50),
            closed: millis(200),
            paced: millis(300),
            open: 10_000,
            logins: 200,
            crowd: 1_000,
            broadcasts: 2,
            idle: 500,
            ..full
        }
    }

    fn has(&self, kind: Kind) -> bool {
        let named = |kind: Kind| self.args.iter().any(|arg| arg == kind.name());
        named(kind) || !Kind::ALL.into_iter().any(named)
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| self.has(*kind))
    }

    /// Servers, without the floors.
    pub(crate) fn servers(&self) -> impl Iterator<Item = Kind> {
        self.kinds().filter(|kind| matches!(kind, Kind::Go | Kind::Rust))
    }

    pub(crate) fn wants(&self, shape: &str) -> bool {
        let is_shape = |arg: &&String| !arg.starts_with('-') && Kind::ALL.into_iter().all(|kind| *arg != kind.name());
        let mut shapes = self.args.iter().filter(is_shape).peekable();
        shapes.peek().is_none() || shapes.any(|part| shape.contains(part.as_str()))
    }
}

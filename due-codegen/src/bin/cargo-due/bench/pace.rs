//! Calls at a rate: when each is due, whatever became of the ones before.
//!
//! A thread of its own says so, because the timers of tokio know milliseconds alone. A latency counts from the moment when
//! its call was due, so that a gate that stands still makes many calls slow, and not just the few that it holds up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// Calls that are due on one connection and wait until it has room in flight. What does not fit was not sent.
pub(super) const QUEUE: usize = 1024;
/// How long a stop may go unnoticed.
const NAP: Duration = Duration::from_millis(20);

/// Says when calls are due.
pub(super) struct Pacer {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<u64>,
}

impl Pacer {
    /// Begins at once; the connections take turns.
    pub(super) fn start(rate: f64, connections: Vec<mpsc::Sender<Instant>>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread =
            thread::Builder::new().name("pacer".to_owned()).spawn(move || pace(rate, &connections, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Ends it, and tells how many calls found their queue full.
    pub(super) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the pacer does not panic")
    }
}

fn pace(rate: f64, connections: &[mpsc::Sender<Instant>], stopped: &AtomicBool) -> u64 {
    let begin = Instant::now();
    let mut overflow = 0;
    for (turn, connection) in (0u64..).zip(connections.iter().cycle()) {
        let due = begin + Duration::from_secs_f64(turn as f64 / rate);
        loop {
            if stopped.load(Ordering::Relaxed) {
                return overflow;
            }
            match due.checked_duration_since(Instant::now()) {
                Some(early) if !early.is_zero() => thread::sleep(early.min(NAP)),
                _ => break,
            }
        }
        if connection.try_send(due).is_err() {
            overflow += 1;
        }
    }
    overflow
}

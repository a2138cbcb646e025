//! What is counted, in memory that does not grow with the number of calls.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use due::CallError;
use hdrhistogram::Histogram;

use crate::live::outcome::{Problem, Refusal};

/// Latencies are kept in microseconds with three digits, up to an hour.
const HIGHEST: u64 = 3_600_000_000;
const DIGITS: u8 = 3;
/// Kinds of errors that are told apart; the rest is one kind.
const KINDS: usize = 100;

/// Latencies in microseconds.
pub(super) type Latencies = Histogram<u64>;

/// Counts of all connections; several of them share one lock.
pub(super) struct Tallies(Vec<Mutex<Tally>>);

/// What has become of the calls.
pub(super) struct Tally {
    /// As many as there are calls in the mix.
    pub(super) steps: Vec<StepTally>,
    pub(super) errors: BTreeMap<Kind, Count>,
    /// Since somebody looked last.
    lately: Moment,
}

#[derive(Clone)]
pub(super) struct StepTally {
    /// Calls that have ended, well or not.
    pub(super) ended: u64,
    pub(super) errors: u64,
    /// Of calls that were answered without an error code.
    pub(super) latencies: Latencies,
}

/// A short while.
#[derive(Clone)]
pub(super) struct Moment {
    pub(super) ended: u64,
    pub(super) errors: u64,
    pub(super) latencies: Latencies,
}

/// Errors of one kind in one call of the mix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    /// `None` where the server did not say anything.
    pub(super) code: Option<i32>,
    pub(super) name: String,
    /// Index in the mix.
    pub(super) step: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    pub(super) times: u64,
    /// What was said the first time.
    pub(super) text: String,
}

/// How a call has ended.
pub(super) enum Ended {
    /// Well; after how long, if there is an answer to wait for.
    Well(Option<Duration>),
    Refused(Refusal),
    Failed(Problem),
    /// The run was over before there was an answer.
    Cut,
}

impl Tallies {
    pub(super) fn new(steps: usize) -> Self {
        let shards = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        Self((0..shards).map(|_| Mutex::new(Tally::new(steps))).collect())
    }

    /// Counts one call of the connection.
    pub(super) fn record(&self, conn: usize, step: usize, ended: Ended) {
        self.shard(conn).record(step, ended);
    }

    /// What has happened since the last look.
    pub(super) fn lately(&self) -> Moment {
        let mut sum = Moment::new();
        for shard in 0..self.0.len() {
            let mut shard = self.shard(shard);
            sum.add(&shard.lately);
            shard.lately.clear();
        }
        sum
    }

    /// What has happened at all.
    pub(super) fn total(&self) -> Tally {
        let mut sum = Tally::new(self.shard(0).steps.len());
        for shard in 0..self.0.len() {
            sum.add(&self.shard(shard));
        }
        sum
    }

    fn shard(&self, conn: usize) -> MutexGuard<'_, Tally> {
        self.0[conn % self.0.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn new(steps: usize) -> Self {
        let step = StepTally { ended: 0, errors: 0, latencies: latencies() };
        Self { steps: vec![step; steps], errors: BTreeMap::new(), lately: Moment::new() }
    }

    fn record(&mut self, index: usize, ended: Ended) {
        let step = &mut self.steps[index];
        step.ended += 1;
        self.lately.ended += 1;
        let (code, name, text) = match ended {
            Ended::Well(took) => {
                if let Some(took) = took {
                    let micros = u64::try_from(took.as_micros()).unwrap_or(HIGHEST);
                    step.latencies.saturating_record(micros);
                    self.lately.latencies.saturating_record(micros);
                }
                return;
            }
            Ended::Refused(refusal) => (Some(refusal.code), refusal.name, refusal.text),
            Ended::Failed(problem) => (None, name_of(&problem).to_owned(), problem.to_string()),
            Ended::Cut => (None, "cut at the end".to_owned(), String::new()),
        };
        step.errors += 1;
        self.lately.errors += 1;
        self.count(Kind { code, name, step: index }, Count { times: 1, text });
    }

    fn count(&mut self, kind: Kind, count: Count) {
        let kind = match self.errors.contains_key(&kind) || self.errors.len() < KINDS {
            true => kind,
            false => Kind { code: None, name: "others".to_owned(), step: kind.step },
        };
        let known = self.errors.entry(kind).or_insert(Count { times: 0, text: count.text });
        known.times += count.times;
    }

    fn add(&mut self, other: &Self) {
        for (sum, step) in self.steps.iter_mut().zip(&other.steps) {
            sum.ended += step.ended;
            sum.errors += step.errors;
            add(&mut sum.latencies, &step.latencies);
        }
        for (kind, count) in &other.errors {
            self.count(kind.clone(), count.clone());
        }
    }

    /// Latencies of all calls together.
    pub(super) fn latencies(&self) -> Latencies {
        self.steps.iter().fold(latencies(), |mut sum, step| {
            add(&mut sum, &step.latencies);
            sum
        })
    }
}

impl Moment {
    fn new() -> Self {
        Self { ended: 0, errors: 0, latencies: latencies() }
    }

    fn add(&mut self, other: &Self) {
        self.ended += other.ended;
        self.errors += other.errors;
        add(&mut self.latencies, &other.latencies);
    }

    fn clear(&mut self) {
        (self.ended, self.errors) = (0, 0);
        self.latencies.reset();
    }
}

fn latencies() -> Latencies {
    Histogram::new_with_bounds(1, HIGHEST, DIGITS).expect("bounds and digits are those that a histogram takes")
}

fn add(sum: &mut Latencies, other: &Latencies) {
    sum.add(other).expect("all histograms here have the same bounds");
}

fn name_of(problem: &Problem) -> &'static str {
    match problem {
        Problem::Unreadable(_) | Problem::Call(CallError::Decode(_)) => "unreadable answer",
        Problem::Call(CallError::Timeout { .. }) => "no answer in time",
        Problem::Call(CallError::Closed) => "connection lost",
        Problem::Call(CallError::GoingAway) => "gate goes away",
        Problem::Call(CallError::Busy { .. }) => "too many in flight",
        Problem::Unwritable(_) | Problem::Call(_) => "not sent",
    }
}

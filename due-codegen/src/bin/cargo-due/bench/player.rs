//! One connection: it opens, logs in, makes its calls, and opens again when it was lost.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use due::Client;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::task::coop::consume_budget;
use tokio::time::{sleep, sleep_until};

use super::random::Random;
use super::scenario::Step;
use super::stage::{Phase, Stage, reached};
use super::tally::Ended;
use super::template::Scene;
use crate::live::outcome::{self, Outcome};

/// Before a connection that was lost opens again; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One connection.
pub(super) struct Player {
    stage: Arc<Stage>,
    /// From 0.
    index: usize,
    phase: watch::Receiver<Phase>,
    due: Due,
    random: Random,
    calls: u64,
    /// How many of each call of the mix wait for their answers.
    flying: Vec<u64>,
}

/// When calls are due.
pub(super) enum Due {
    /// As soon as there is room in flight.
    AtOnce,
    /// When a pacer says so.
    Paced(mpsc::Receiver<Instant>),
    /// Never again.
    Never,
}

/// Why a player stopped playing.
enum Stop {
    Over,
    Lost,
}

impl Player {
    pub(super) fn new(stage: Arc<Stage>, index: usize, phase: watch::Receiver<Phase>, due: Due) -> Self {
        let random = Random::new(stage.scenario.seed.wrapping_add((index as u64) << 32));
        let flying = vec![0; stage.scenario.mix.len()];
        Self { stage, index, phase, due, random, calls: 0, flying }
    }

    /// Until it is over. `ready` hears once that the first try to open has ended, well or not.
    pub(super) async fn play(mut self, at: tokio::time::Instant, ready: mpsc::Sender<()>) {
        let mut ready = Some(ready);
        let mut pause = FIRST_PAUSE;
        let phase = self.phase.clone();
        tokio::select! {
            () = sleep_until(at) => {}
            () = reached(&phase, Phase::Closing) => {}
        }
        while *self.phase.borrow() < Phase::Closing {
            let opened = tokio::select! {
                opened = self.open() => opened,
                () = reached(&phase, Phase::Over) => break,
            };
            match &opened {
                Ok(_) => self.stage.crowd.came(),
                Err(why) => self.stage.crowd.failed(why),
            }
            // Nobody may wait for it any more.
            let _ = ready.take().map(|ready| ready.try_send(()));
            if let Ok(client) = opened {
                pause = FIRST_PAUSE;
                let stop = self.perform(&client).await;
                self.stage.crowd.went();
                let why = client.close().await;
                match stop {
                    Stop::Over => break,
                    Stop::Lost => self.stage.crowd.lost(&why.to_string()),
                }
            }
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = reached(&phase, Phase::Closing) => {}
            }
        }
        self.give_up();
    }

    async fn open(&mut self) -> Result<Client, String> {
        let stage = Arc::clone(&self.stage);
        let _door = stage.doors.acquire().await;
        let client = stage.builder.clone().connect(&stage.url).await.map_err(|error| with_causes(&error))?;
        for step in &stage.scenario.login {
            let body = step.template.body(&stage.codec, &mut self.scene())?;
            match outcome::call(&client, &step.route, body).await {
                Outcome::Sent | Outcome::Answered(_) => {}
                Outcome::Refused(refusal) => return Err(format!("{} answers {refusal}", step.route.name)),
                Outcome::Failed(problem) => return Err(format!("{}: {problem}", step.route.name)),
            }
        }
        Ok(client)
    }

    /// Calls until it is over or the connection is lost.
    async fn perform(&mut self, client: &Client) -> Stop {
        let phase = self.phase.clone();
        reached(&phase, Phase::Running).await;
        let mut over = pin!(reached(&phase, Phase::Over));
        let mut closing = pin!(reached(&phase, Phase::Closing));
        let mut ended = pin!(client.closed());
        let mut in_flight = FuturesUnordered::new();
        let stop = loop {
            // Calls that fail at once must not keep others from their turn.
            consume_budget().await;
            let is_closing = *phase.borrow() >= Phase::Closing;
            let is_due = match self.due {
                Due::AtOnce => !is_closing,
                Due::Paced(_) => true,
                Due::Never => false,
            };
            if is_closing && !is_due && in_flight.is_empty() {
                break Stop::Over;
            }
            let has_room = in_flight.len() < self.stage.scenario.in_flight;
            tokio::select! {
                biased;
                () = &mut over => break Stop::Over,
                Some((step, is_lost)) = in_flight.next() => {
                    self.flying[step] -= 1;
                    if is_lost {
                        break Stop::Lost;
                    }
                }
                due = self.due.next(), if has_room && is_due => match due {
                    Some(due) => in_flight.push(self.call(client, due)),
                    None => self.due = Due::Never,
                },
                () = &mut closing, if !is_closing => {}
                _ = &mut ended => break Stop::Lost,
            }
        };
        if let Stop::Lost = stop {
            while let Some((step, _)) = in_flight.next().await {
                self.flying[step] -= 1;
            }
        }
        for (step, flying) in self.flying.iter_mut().enumerate() {
            for _ in 0..std::mem::take(flying) {
                self.stage.tallies.record(self.index, step, Ended::Cut);
            }
        }
        stop
    }

    /// One call, from when it was due to its answer; tells which one of the mix it was, and whether the connection is gone.
    fn call(&mut self, client: &Client, due: Instant) -> impl Future<Output = (usize, bool)> + use<> {
        let stage = Arc::clone(&self.stage);
        let (index, client) = (self.index, client.clone());
        self.calls += 1;
        let step_index = self.pick();
        self.flying[step_index] += 1;
        let body = stage.scenario.mix[step_index].template.body(&stage.codec, &mut self.scene());
        async move {
            let step: &Step = &stage.scenario.mix[step_index];
            let outcome = match body {
                Ok(body) => outcome::call(&client, &step.route, body).await,
                Err(error) => Outcome::Failed(outcome::Problem::Unwritable(error)),
            };
            let took = due.elapsed();
            let mut is_lost = false;
            let ended = match outcome {
                Outcome::Sent => Ended::Well(None),
                Outcome::Answered(_) => Ended::Well(Some(took)),
                Outcome::Refused(refusal) => Ended::Refused(refusal),
                Outcome::Failed(problem) => {
                    is_lost = problem.is_loss();
                    Ended::Failed(problem)
                }
            };
            stage.tallies.record(index, step_index, ended);
            (step_index, is_lost)
        }
    }

    fn pick(&mut self) -> usize {
        let mix = &self.stage.scenario.mix;
        let sum: u32 = mix.iter().map(|step| step.weight).sum();
        let mut ball = self.random.between(1, sum);
        for (index, step) in mix.iter().enumerate() {
            match ball.checked_sub(step.weight) {
                Some(rest @ 1..) => ball = rest,
                _ => return index,
            }
        }
        0
    }

    fn scene(&mut self) -> Scene<'_> {
        Scene { conn: self.index as u64 + 1, count: self.calls, random: &mut self.random }
    }

    /// What was due and is not sent any more.
    fn give_up(&mut self) {
        if let Due::Paced(due) = &mut self.due {
            while due.try_recv().is_ok() {
                self.stage.unsent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Due {
    /// When the next call is due; `None`: never.
    async fn next(&mut self) -> Option<Instant> {
        match self {
            Self::AtOnce => Some(Instant::now()),
            Self::Paced(due) => due.recv().await,
            Self::Never => None,
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}

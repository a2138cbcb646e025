//! A run: connections open, calls are made, what is in flight is finished, and all of it is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use due::{ClientBuilder, Codec};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout_at};

use super::crowd::Crowd;
use super::pace::{Pacer, QUEUE};
use super::player::{Due, Player};
use super::progress::Progress;
use super::report::{Point, Report};
use super::scenario::Scenario;
use super::stage::{Phase, Stage};
use super::tally::{Moment, Tallies};
use crate::failure::Failure;

/// Handshakes at the same time.
const DOORS: usize = 64;
/// Points of the timeline.
const POINTS: u32 = 100;
/// The shortest way between two of them.
const SHORTEST: Duration = Duration::from_millis(100);
/// How long answers may come after their deadline, for what is due and not sent yet.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn stage(url: String, builder: ClientBuilder, codec: Codec, scenario: Scenario) -> Arc<Stage> {
    Arc::new(Stage {
        url,
        builder,
        codec,
        tallies: Tallies::new(scenario.mix.len()),
        scenario,
        crowd: Crowd::default(),
        unsent: AtomicU64::new(0),
        doors: Semaphore::new(DOORS),
    })
}

/// Until its end, or until Ctrl-C. Answers get `timeout`.
pub(super) async fn run(stage: Arc<Stage>, timeout: Duration) -> Result<Report, Failure> {
    let mut progress = Progress::new();
    let mut interrupts = Interrupts::new();
    let (phase, watched) = watch::channel(Phase::Opening);
    let (players, queues, mut opened) = start(&stage, &watched);

    let interrupted = tokio::select! {
        () = all(&mut opened, &stage, &mut progress) => false,
        () = interrupts.next() => true,
    };
    if stage.crowd.most() == 0 {
        let _ = phase.send(Phase::Over);
        progress.clear();
        return Err(closed_doors(&stage));
    }

    // Nobody is left to hear it if all players have gone, and then nothing remains to be done.
    let _ = phase.send(Phase::Running);
    let pacer = match (stage.scenario.rate, interrupted) {
        (Some(rate), false) => Some(Pacer::start(rate, queues).map_err(|err| Failure::new("no thread", err))?),
        _ => None,
    };
    let mut clock = Clock { stage: &stage, begin: Instant::now(), last: Instant::now(), points: Vec::new() };
    let interrupted = interrupted || clock.watch(&mut interrupts, &mut progress).await;
    let seconds = clock.begin.elapsed().as_secs_f64();

    let _ = phase.send(Phase::Closing);
    if let Some(pacer) = pacer {
        stage.unsent.fetch_add(pacer.stop(), Ordering::Relaxed);
    }
    progress.say("waiting for the last answers");
    finish(players, &phase, timeout + PATIENCE, &mut interrupts).await;
    progress.clear();
    let timeline = clock.points;
    Ok(Report::new(&stage, seconds, interrupted, timeline))
}

type Queues = Vec<mpsc::Sender<std::time::Instant>>;

/// One player per connection, spread over the ramp. The last part hears of each whose first try has ended.
fn start(stage: &Arc<Stage>, phase: &watch::Receiver<Phase>) -> (JoinSet<()>, Queues, mpsc::Receiver<()>) {
    let count = stage.scenario.connections;
    let (ready, opened) = mpsc::channel(count);
    let (mut players, mut queues) = (JoinSet::new(), Vec::new());
    let begin = Instant::now();
    for index in 0..count {
        let due = match stage.scenario.rate {
            Some(_) => {
                let (queue, due) = mpsc::channel(QUEUE);
                queues.push(queue);
                Due::Paced(due)
            }
            None => Due::AtOnce,
        };
        let at = begin + stage.scenario.ramp.mul_f64(index as f64 / count as f64);
        let player = Player::new(Arc::clone(stage), index, phase.clone(), due);
        players.spawn(player.play(at, ready.clone()));
    }
    (players, queues, opened)
}

/// Waits until every connection has tried to open.
async fn all(opened: &mut mpsc::Receiver<()>, stage: &Stage, progress: &mut Progress) {
    while opened.recv().await.is_some() {
        progress.opening(stage.crowd.open(), stage.scenario.connections);
    }
}

fn closed_doors(stage: &Stage) -> Failure {
    let causes = stage.crowd.causes().failed;
    let why: Vec<String> = causes.into_iter().map(|(why, times)| format!("\n  {times} times: {why}")).collect();
    let why = if why.is_empty() { "\n  interrupted".to_owned() } else { why.concat() };
    let text = format!("no connection could be opened{why}\nhelp: `cargo due call -v` shows one of them step by step");
    Failure::Unanswered(text.into())
}

/// Takes a look at what was counted now and then.
struct Clock<'a> {
    stage: &'a Stage,
    begin: Instant,
    last: Instant,
    points: Vec<Point>,
}

impl Clock<'_> {
    /// Until the end of the time; tells whether Ctrl-C came before.
    async fn watch(&mut self, interrupts: &mut Interrupts, progress: &mut Progress) -> bool {
        let duration = self.stage.scenario.duration;
        let pause = (duration / POINTS).max(SHORTEST);
        let mut ticks = interval_at(self.begin + pause, pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut errors = 0;
        let interrupted = loop {
            tokio::select! {
                biased;
                () = interrupts.next() => break true,
                () = sleep_until(self.begin + duration) => break false,
                _ = ticks.tick() => {
                    let moment = self.look();
                    errors += moment.errors;
                    if let Some(point) = self.points.last() {
                        progress.running(point, duration.as_secs_f64(), errors);
                    }
                }
            }
        };
        self.look();
        interrupted
    }

    fn look(&mut self) -> Moment {
        let moment = self.stage.tallies.lately();
        let now = Instant::now();
        let span = (now - self.last).as_secs_f64();
        self.last = now;
        if span > 0.0 {
            let quantile =
                |quantile| (!moment.latencies.is_empty()).then(|| moment.latencies.value_at_quantile(quantile));
            self.points.push(Point {
                at: (now - self.begin).as_secs_f64(),
                per_second: moment.ended as f64 / span,
                errors_per_second: moment.errors as f64 / span,
                connections: self.stage.crowd.open(),
                p50_us: quantile(0.5),
                p99_us: quantile(0.99),
                max_us: quantile(1.0),
            });
        }
        moment
    }
}

/// Waits for all players, then tells them to stop, and waits for what they have to say last.
async fn finish(
    mut players: JoinSet<()>,
    phase: &watch::Sender<Phase>,
    patience: Duration,
    interrupts: &mut Interrupts,
) {
    let deadline = Instant::now() + patience;
    let calm = tokio::select! {
        finished = timeout_at(deadline, async { while players.join_next().await.is_some() {} }) => finished.is_ok(),
        () = interrupts.next() => false,
    };
    if !calm {
        let _ = phase.send(Phase::Over);
        while players.join_next().await.is_some() {}
    }
}

/// Ctrl-C, as often as it comes.
struct Interrupts(mpsc::Receiver<()>);

impl Interrupts {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(2);
        tokio::spawn(async move {
            // Ends with the process, or when the signal cannot be heard: then it ends the process, as it always does.
            while tokio::signal::ctrl_c().await.is_ok() && sender.send(()).await.is_ok() {}
        });
        Self(receiver)
    }

    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

//! What was measured: the document of `--json`, and what the other forms are made of.

use serde::Serialize;

use super::stage::Stage;
use super::tally::Latencies;
use crate::live::catalog::Route;

/// Where a distribution is looked at.
const QUANTILES: [f64; 16] =
    [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999, 1.0];

/// All of it. Later versions of the document may add keys.
#[derive(Serialize)]
pub(super) struct Report {
    version: u32,
    pub(super) url: String,
    pub(super) plan: Plan,
    /// How long calls were made.
    pub(super) seconds: f64,
    /// Ctrl-C came before the planned end.
    pub(super) interrupted: bool,
    pub(super) connections: Connections,
    pub(super) total: Line,
    pub(super) calls: Vec<Line>,
    pub(super) unsent: u64,
    pub(super) errors: Vec<ErrorLine>,
    pub(super) timeline: Vec<Point>,
    pub(super) distribution: Vec<Quantile>,
    /// What did not hold of what was asked for.
    pub(super) failed: Vec<String>,
}

/// What was asked for.
#[derive(Serialize)]
pub(super) struct Plan {
    pub(super) connections: usize,
    pub(super) rate: Option<f64>,
    pub(super) in_flight: usize,
    pub(super) ramp_seconds: f64,
    pub(super) seconds: f64,
    seed: u64,
}

#[derive(Serialize)]
pub(super) struct Connections {
    /// As many as were open at the same time.
    pub(super) most: usize,
    pub(super) lost: Vec<Cause>,
    pub(super) failed: Vec<Cause>,
}

#[derive(Serialize)]
pub(super) struct Cause {
    pub(super) why: String,
    pub(super) times: u64,
}

/// One call of the mix, or all of them.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) call: String,
    /// Calls that have ended, well or not.
    pub(super) ended: u64,
    pub(super) errors: u64,
    pub(super) per_second: f64,
    /// Of calls that were answered without an error code; `null` if there is none.
    pub(super) latency_us: Option<Latency>,
}

#[derive(Serialize)]
pub(super) struct Latency {
    pub(super) min: u64,
    pub(super) mean: f64,
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p95: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
}

#[derive(Serialize)]
pub(super) struct ErrorLine {
    pub(super) call: String,
    /// `null` where the server said nothing.
    pub(super) code: Option<i32>,
    pub(super) name: String,
    pub(super) times: u64,
    /// What was said the first time.
    pub(super) text: String,
}

/// A moment of the run.
#[derive(Clone, Serialize)]
pub(super) struct Point {
    /// Seconds since calls began, at its end.
    pub(super) at: f64,
    pub(super) per_second: f64,
    pub(super) errors_per_second: f64,
    pub(super) connections: usize,
    pub(super) p50_us: Option<u64>,
    pub(super) p99_us: Option<u64>,
    pub(super) max_us: Option<u64>,
}

/// So much of all calls took no longer.
#[derive(Serialize)]
pub(super) struct Quantile {
    pub(super) quantile: f64,
    pub(super) us: u64,
}

impl Report {
    /// Out of what was counted; `failed` is empty yet.
    pub(super) fn new(stage: &Stage, seconds: f64, interrupted: bool, timeline: Vec<Point>) -> Self {
        let (tally, scenario) = (stage.tallies.total(), &stage.scenario);
        let causes = stage.crowd.causes();
        let listed = |causes: std::collections::BTreeMap<String, u64>| {
            causes.into_iter().map(|(why, times)| Cause { why, times }).collect()
        };
        let line = |route: &Route, ended, errors, latencies: &Latencies| Line {
            call: route.name.clone(),
            ended,
            errors,
            per_second: per_second(ended, seconds),
            latency_us: Latency::of(latencies),
        };
        let calls: Vec<Line> = (scenario.mix.iter().zip(&tally.steps))
            .map(|(step, counts)| line(&step.route, counts.ended, counts.errors, &counts.latencies))
            .collect();
        let all = tally.latencies();
        let (ended, errors) = (calls.iter().map(|line| line.ended).sum(), calls.iter().map(|line| line.errors).sum());
        let mut error_lines: Vec<ErrorLine> = (tally.errors.into_iter())
            .map(|(kind, count)| ErrorLine {
                call: scenario.mix[kind.step].route.name.clone(),
                code: kind.code,
                name: kind.name,
                times: count.times,
                text: count.text,
            })
            .collect();
        error_lines.sort_by_key(|line| std::cmp::Reverse(line.times));
        Self {
            version: 1,
            url: stage.url.clone(),
            plan: Plan {
                connections: scenario.connections,
                rate: scenario.rate,
                in_flight: scenario.in_flight,
                ramp_seconds: scenario.ramp.as_secs_f64(),
                seconds: scenario.duration.as_secs_f64(),
                seed: scenario.seed,
            },
            seconds,
            interrupted,
            connections: Connections {
                most: stage.crowd.most(),
                lost: listed(causes.lost),
                failed: listed(causes.failed),
            },
            total: Line {
                call: "all".to_owned(),
                ended,
                errors,
                per_second: per_second(ended, seconds),
                latency_us: Latency::of(&all),
            },
            calls,
            unsent: stage.unsent.load(std::sync::atomic::Ordering::Relaxed),
            errors: error_lines,
            timeline,
            distribution: distribution(&all),
            failed: Vec::new(),
        }
    }

    /// Errors, and calls that were due and not sent.
    pub(super) fn all_errors(&self) -> u64 {
        self.total.errors + self.unsent
    }
}

impl Latency {
    fn of(latencies: &Latencies) -> Option<Self> {
        let at = |quantile| latencies.value_at_quantile(quantile);
        (!latencies.is_empty()).then(|| Self {
            min: latencies.min(),
            mean: latencies.mean(),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: latencies.max(),
        })
    }
}

/// As far into the tail as there are calls to tell.
fn distribution(latencies: &Latencies) -> Vec<Quantile> {
    let told = |quantile: &f64| *quantile == 1.0 || (1.0 - quantile) * latencies.len() as f64 >= 1.0;
    let quantiles = QUANTILES.into_iter().filter(told).filter(|_| !latencies.is_empty());
    quantiles.map(|quantile| Quantile { quantile, us: latencies.value_at_quantile(quantile) }).collect()
}

fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

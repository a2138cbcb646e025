//! Messages through servers that run: closed loop, open loop and fixed rate.

use std::rc::Rc;

use crate::closed;
use crate::fleet::{Fleet, Kind};
use crate::numbers::Faults;
use crate::open;
use crate::paced;
use crate::plan::{BODY, CLOSED, OPEN, PACED, Plan};
use crate::report::{Better, Metric, Report};
use crate::wire::Wire;

const RATE: Metric = Metric { name: "messages/s", better: Better::Higher };
const P99: Metric = Metric { name: "p99 us", better: Better::Lower };
const NANOS: Metric = Metric { name: "server ns/message", better: Better::Lower };
const LOST: Metric = Metric { name: "lost", better: Better::Untold };
const MISPLACED: Metric = Metric { name: "out of order", better: Better::Untold };
const P50: Metric = Metric { name: "p50 us", better: Better::Untold };
const P999: Metric = Metric { name: "p99.9 us", better: Better::Untold };
const DRIVER: Metric = Metric { name: "p99 us until written", better: Better::Untold };

const JSON: u16 = 2;

/// All targets, each with processes of its own.
pub(crate) struct Running(Vec<Fleet>);

impl Running {
    pub(crate) async fn start(plan: &Plan) -> Self {
        let mut fleets = Vec::new();
        for kind in plan.kinds() {
            fleets.push(Fleet::start(kind).await);
        }
        Self(fleets)
    }

    pub(crate) fn kinds(&self, servers: bool) -> Vec<Kind> {
        self.0.iter().filter(|fleet| !servers || is_server(fleet)).map(|fleet| fleet.kind).collect()
    }

    /// What every target did in every round. Who is first changes from round to round.
    async fn all(&mut self, rounds: usize, run: impl AsyncFnMut(&mut Fleet) -> Vec<f64>) -> Vec<Vec<Vec<f64>>> {
        alternate(self.0.iter_mut().collect(), rounds, run).await
    }

    pub(crate) fn fleets(&mut self) -> impl Iterator<Item = &mut Fleet> {
        self.0.iter_mut().filter(|fleet| is_server(fleet))
    }

    /// The same as [`all`](Self::all) without the floors.
    pub(crate) async fn servers(
        &mut self,
        rounds: usize,
        run: impl AsyncFnMut(&mut Fleet) -> Vec<f64>,
    ) -> Vec<Vec<Vec<f64>>> {
        alternate(self.fleets().collect(), rounds, run).await
    }
}

fn is_server(fleet: &Fleet) -> bool {
    matches!(fleet.kind, Kind::Go | Kind::Rust)
}

async fn alternate(
    mut fleets: Vec<&mut Fleet>,
    rounds: usize,
    mut run: impl AsyncFnMut(&mut Fleet) -> Vec<f64>,
) -> Vec<Vec<Vec<f64>>> {
    let mut measured = vec![Vec::new(); fleets.len()];
    for round in 0..rounds {
        for turn in 0..fleets.len() {
            let index = (round + turn) % fleets.len();
            measured[index].push(run(fleets[index]).await);
        }
    }
    measured
}

pub(crate) async fn closed(plan: &Plan, running: &mut Running, report: &mut Report) {
    for shape in CLOSED {
        let name = format!("closed-{shape}");
        if !plan.wants(&name) {
            continue;
        }
        let measured = running
            .all(plan.rounds, async |fleet| {
                let (wire, mut marks) = (Rc::new(Wire::new(&fleet.url, BODY)), Vec::new());
                let measured =
                    closed::run(wire, shape, plan.warm_up, plan.closed, || marks.push(fleet.cpu_time())).await;
                let [p50, p99, p999] = measured.latency.quantiles();
                let rate = measured.answers as f64 / measured.took.as_secs_f64();
                let nanos = (marks[1] - marks[0]).as_nanos() as f64 / measured.answers as f64;
                let [lost, misplaced] = faults(fleet.kind, measured.faults);
                vec![rate, p99, nanos, p50, p999, lost, misplaced]
            })
            .await;
        let metrics = [RATE, P99, NANOS, P50, P999, LOST, MISPLACED];
        report.add(&name, &metrics, &running.kinds(false), measured);
    }
}

pub(crate) async fn open(plan: &Plan, running: &mut Running, report: &mut Report) {
    for (connections, body) in OPEN {
        let name = format!("open-json-{connections}x{body}B");
        if !plan.wants(&name) {
            continue;
        }
        const AROUND: usize = r#"{"message":""}"#.len();
        let message = format!(r#"{{"message":"{}"}}"#, "a".repeat(body - AROUND));
        let measured = running
            .all(plan.rounds, async |fleet| {
                let wire = Rc::new(Wire::with(&fleet.url, JSON, message.as_bytes()));
                let mut marks = Vec::new();
                let measured = open::run(wire, connections, plan.open, || marks.push(fleet.cpu_time())).await;
                let rate = measured.answers as f64 / measured.took.as_secs_f64();
                let nanos = (marks[1] - marks[0]).as_nanos() as f64 / measured.answers as f64;
                let [lost, misplaced] = faults(fleet.kind, measured.faults);
                vec![rate, nanos, lost, misplaced]
            })
            .await;
        report.add(&name, &[RATE, NANOS, LOST, MISPLACED], &running.kinds(false), measured);
    }
}

pub(crate) async fn paced(plan: &Plan, running: &mut Running, report: &mut Report) {
    for (connections, rate) in PACED {
        let name = format!("rate-{connections}@{rate}");
        if !plan.wants(&name) {
            continue;
        }
        let measured = running
            .all(plan.rounds, async |fleet| {
                let wire = Rc::new(Wire::new(&fleet.url, BODY));
                let measured = paced::run(wire, connections, rate, plan.warm_up, plan.paced).await;
                let [p50, p99, p999] = measured.latency.quantiles();
                let [_, driver, _] = measured.written.quantiles();
                let [lost, misplaced] = faults(fleet.kind, measured.faults);
                vec![p99, p50, p999, driver, lost, misplaced]
            })
            .await;
        report.add(&name, &[P99, P50, P999, DRIVER, LOST, MISPLACED], &running.kinds(false), measured);
    }
}

/// What Go loses is reported; ours and the floors lose nothing.
fn faults(kind: Kind, faults: Faults) -> [f64; 2] {
    if kind != Kind::Go {
        faults.assert_none(kind.name());
    }
    [faults.lost as f64, faults.misplaced as f64]
}

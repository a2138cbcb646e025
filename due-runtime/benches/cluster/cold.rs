//! Cold start: from the start of the processes of a gate and a node to the first answer that a client gets.

use std::time::Instant;

use crate::fleet::{Fleet, World};
use crate::plan::Plan;
use crate::report::{Better, Metric, Report};

const SHAPE: &str = "cold-start";
const METRICS: [Metric; 1] = [Metric { name: "ms to the first answer", better: Better::Lower }];

pub(crate) async fn measure(plan: &Plan, report: &mut Report) {
    if !plan.wants(SHAPE) {
        return;
    }
    let kinds: Vec<_> = plan.servers().collect();
    let mut measured = vec![Vec::new(); kinds.len()];
    for _ in 0..plan.rounds {
        for (kind, rounds) in kinds.iter().zip(&mut measured) {
            let world = World::start();
            let since = Instant::now();
            let _fleet = Fleet::server(*kind, world).await;
            rounds.push(vec![since.elapsed().as_secs_f64() * 1000.0]);
        }
    }
    report.add(SHAPE, &METRICS, &kinds, measured);
}

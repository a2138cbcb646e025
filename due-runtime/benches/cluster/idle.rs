//! Resident bytes that a gate needs for a connection that has had one answer and is silent since.

use crate::clients;
use crate::fleet::Fleet;
use crate::plan::{BODY, Plan};
use crate::proc;
use crate::report::{Better, Metric, Report};

const SHAPE: &str = "idle";
const METRICS: [Metric; 1] = [Metric { name: "bytes per connection", better: Better::Lower }];
/// Clients that pay for what a server allocates once.
const FIRST: usize = 50;
/// At most so many rounds: memory varies little, and each wants processes of its own.
const ROUNDS: usize = 3;

pub(crate) async fn measure(plan: &Plan, report: &mut Report) {
    if !plan.wants(SHAPE) {
        return;
    }
    let kinds: Vec<_> = plan.servers().collect();
    let mut measured = vec![Vec::new(); kinds.len()];
    for _ in 0..plan.rounds.min(ROUNDS) {
        for (kind, rounds) in kinds.iter().zip(&mut measured) {
            let fleet = Fleet::start(*kind).await;
            let _first = clients::connect(&fleet.url, BODY, FIRST);
            let before = proc::at_rest(fleet.gate_pid());
            let _crowd = clients::connect(&fleet.url, BODY, plan.idle);
            let more = proc::at_rest(fleet.gate_pid()).saturating_sub(before);
            rounds.push(vec![more as f64 / plan.idle as f64]);
        }
    }
    report.add(SHAPE, &METRICS, &kinds, measured);
}

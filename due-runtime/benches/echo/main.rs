//! 1 KiB through gate and node and back, next to what sockets alone can do: `cargo bench -p due-runtime --bench echo`.
//!
//! Arguments after `--` choose targets (`tcp`, `ws`, ...) and shapes (`50x64`); `quick` makes the rounds few and short.
//! The rounds of all targets alternate, so that whatever else the machine does hits all of them.
#![allow(clippy::print_stdout)]

#[path = "../support/closed.rs"]
mod closed;
#[path = "../support/numbers.rs"]
mod numbers;
#[path = "../support/paced.rs"]
mod paced;
#[path = "../support/pen.rs"]
mod pen;
#[path = "../support/proc.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod proc;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/scratch.rs"]
mod scratch;
#[path = "../support/stats.rs"]
mod stats;
mod table;
mod targets;
#[path = "../support/wire.rs"]
mod wire;

use std::rc::Rc;
use std::time::Duration;

use closed::Shape;
use table::{Closed, Paced};
use targets::Target;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use wire::Wire;

const BODY: usize = 1024;
const SHAPES: [Shape; 4] = [
    Shape { connections: 50, flight: 64 },
    Shape { connections: 200, flight: 16 },
    Shape { connections: 1000, flight: 4 },
    Shape { connections: 50, flight: 1 },
];
/// Messages per second, and the numbers of connections that share them.
const RATE: u32 = 20_000;
const PACED: [usize; 3] = [50, 200, 1000];

struct Plan {
    rounds: usize,
    warm_up: Duration,
    closed: Duration,
    paced: Duration,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let quick = args.iter().any(|arg| arg == "quick");
    let millis = Duration::from_millis;
    let plan = match quick {
        true => Plan { rounds: 3, warm_up: millis(100), closed: millis(200), paced: millis(300) },
        false => Plan { rounds: 5, warm_up: millis(150), closed: millis(400), paced: millis(800) },
    };
    let all = targets::start();
    let named = |name: &str| args.iter().any(|arg| arg == name);
    let targets: Vec<&Target> = match all.iter().any(|target| named(target.name)) {
        true => all.iter().filter(|target| named(target.name)).collect(),
        false => all.iter().collect(),
    };
    let shapes = || match SHAPES.iter().any(|shape| named(&shape.to_string())) {
        true => SHAPES.into_iter().filter(|shape| named(&shape.to_string())).collect(),
        false => Vec::from(SHAPES),
    };
    let driver = Builder::new_current_thread().enable_all().build().expect("a runtime");

    println!("closed loop, {BODY}-byte bodies: median of {} rounds (least to most)", plan.rounds);
    for shape in shapes() {
        table::closed(shape, &targets, &rounds(plan.rounds, &targets, |target| closed(&driver, &plan, shape, target)));
    }
    if args.iter().any(|arg| arg.contains('x')) {
        return;
    }
    println!(
        "\nfixed rate, {RATE} messages per second: microseconds since a message was due, medians of {} rounds",
        plan.rounds
    );
    for connections in PACED {
        let measured = rounds(plan.rounds, &targets, |target| paced(&driver, &plan, connections, target));
        table::paced(connections, &targets, &measured);
    }
}

/// What every target did in every round. Who is first changes from round to round.
fn rounds<T>(rounds: usize, targets: &[&Target], mut run: impl FnMut(&Target) -> T) -> Vec<Vec<T>> {
    let mut measured: Vec<Vec<T>> = targets.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for turn in 0..targets.len() {
            let index = (round + turn) % targets.len();
            measured[index].push(run(targets[index]));
        }
    }
    measured
}

fn drive<T>(driver: &Runtime, run: impl Future<Output = T>) -> T {
    driver.block_on(LocalSet::new().run_until(run))
}

fn closed(driver: &Runtime, plan: &Plan, shape: Shape, target: &Target) -> Closed {
    let wire = Rc::new(Wire::new(&target.url, BODY));
    let cpu_time = || proc::cpu_time(std::process::id(), Some(target.threads));
    let mut marks = Vec::new();
    let measured = drive(driver, closed::run(wire, shape, plan.warm_up, plan.closed, || marks.push(cpu_time())));
    measured.faults.assert_none(target.name);
    Closed {
        rate: measured.answers as f64 / measured.took.as_secs_f64(),
        quantiles: measured.latency.quantiles(),
        server_nanos: (marks[1] - marks[0]).as_nanos() as f64 / measured.answers as f64,
    }
}

fn paced(driver: &Runtime, plan: &Plan, connections: usize, target: &Target) -> Paced {
    let wire = Rc::new(Wire::new(&target.url, BODY));
    let measured = drive(driver, paced::run(wire, connections, RATE, plan.warm_up, plan.paced));
    measured.faults.assert_none(target.name);
    Paced { latency: measured.latency.quantiles(), written: measured.written.quantiles() }
}

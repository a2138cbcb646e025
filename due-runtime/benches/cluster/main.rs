//! Go due and due for Rust next to each other, gate and node in processes of their own, and next to two floors:
//! `cargo bench -p due-runtime --features redis,etcd --bench cluster`.
//!
//! Arguments after `--`: `--quick` makes everything few and short; names of targets (`go`, `rust`, `relay`, `echo`) and parts of
//! the names of shapes (`closed`, `50x64`, `login`) choose among them. See the README beside this folder.
#![allow(clippy::print_stdout)]

mod broadcast;
#[path = "../support/clients.rs"]
mod clients;
#[path = "../support/closed.rs"]
mod closed;
mod cold;
#[path = "../../tests/interop/ears.rs"]
#[allow(dead_code, reason = "a suite uses the rest")]
mod ears;
mod fleet;
mod floors;
#[path = "../../tests/interop/go.rs"]
#[allow(dead_code, reason = "a suite uses the rest")]
mod go;
mod idle;
mod login;
mod machine;
#[path = "../support/numbers.rs"]
mod numbers;
#[path = "../support/open.rs"]
mod open;
#[path = "../support/paced.rs"]
mod paced;
#[path = "../support/pen.rs"]
mod pen;
mod plan;
mod plot;
#[path = "../support/proc.rs"]
mod proc;
#[path = "../support/relay.rs"]
mod relay;
mod report;
#[path = "../support/scratch.rs"]
mod scratch;
mod servers;
mod shapes;
#[path = "../support/stats.rs"]
mod stats;
#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "../support/wire.rs"]
mod wire;

use plan::Plan;
use report::Report;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.first().map(String::as_str) {
        Some(clients::ROLE) => clients::run(&args[1..], clients::stay),
        Some(broadcast::ROLE) => clients::run(&args[1..], broadcast::receive),
        Some(servers::GATE) => servers::gate(&args[1..]),
        Some(servers::NODE) => servers::node(&args[1..]),
        Some(floors::ECHO) => floors::serve_echo(),
        Some(floors::RELAY) => floors::serve_relay(),
        _ => {
            let driver = Builder::new_current_thread().enable_all().build().expect("a runtime");
            driver.block_on(LocalSet::new().run_until(measure(&Plan::new(&args))));
        }
    }
}

async fn measure(plan: &Plan) {
    let mut report = Report::new();
    cold::measure(plan, &mut report).await;
    idle::measure(plan, &mut report).await;
    let mut running = shapes::Running::start(plan).await;
    shapes::closed(plan, &mut running, &mut report).await;
    shapes::open(plan, &mut running, &mut report).await;
    shapes::paced(plan, &mut running, &mut report).await;
    login::measure(plan, &mut running, &mut report).await;
    broadcast::measure(plan, &mut running, &mut report).await;
    report.write();
}

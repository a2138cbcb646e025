//! What more cores give: 1 KiB through gate and node in one process, with one thread and with as many as there are cores:
//! `cargo bench -p due-runtime --bench cores`.
//!
//! The driver is a process with one thread, and takes its part of the cores. So there is an echo, of which the driver takes a
//! quarter, and a handler that works for about 20 microseconds, as those of games do, beside which the driver is nothing.
#![allow(clippy::print_stdout)]

#[path = "support/closed.rs"]
mod closed;
#[path = "support/numbers.rs"]
mod numbers;
#[path = "support/pen.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod pen;
#[path = "support/proc.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod proc;
#[path = "support/scratch.rs"]
mod scratch;
#[path = "support/stats.rs"]
mod stats;
#[path = "support/wire.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod wire;

use std::hint::black_box;
use std::rc::Rc;
use std::thread::available_parallelism;
use std::time::Duration;

use closed::Shape;
use due::codec::RawBody;
use due::{App, Context, Gate, Node};
use proc::{Again, again};
use stats::Rounds;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use wire::Wire;

const BODY: usize = 1024;
const ECHO: u16 = 1;
const WORK: u16 = 2;
const SHAPES: [Shape; 3] = [
    Shape { connections: 50, flight: 64 },
    Shape { connections: 1000, flight: 4 },
    Shape { connections: 50, flight: 1 },
];
const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(200);
const COUNTED: Duration = Duration::from_millis(600);
const PATIENT: Duration = Duration::from_secs(600);
/// Steps of about a nanosecond.
const STEPS: u64 = 20_000;

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(2)]
async fn work(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    // Each step needs the one before.
    black_box((0..STEPS).fold(1_u64, |last, step| last.rotate_left(7) ^ step));
    Ok(body)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.first().and_then(|threads| threads.parse().ok()) {
        Some(threads) => serve(threads),
        None => measure(),
    }
}

/// A server with so many threads.
struct Target {
    url: String,
    threads: usize,
    _process: Again,
}

fn measure() {
    let cores = available_parallelism().map_or(1, Into::into);
    let threads = std::iter::successors(Some(1), |threads| Some(threads * 2)).take_while(|threads| *threads < cores);
    let targets: Vec<Target> = threads
        .chain([cores])
        .map(|threads| {
            let mut process = again(&[&threads.to_string()]);
            Target { url: process.told(), threads, _process: process }
        })
        .collect();
    println!("{BODY}-byte bodies: median of {ROUNDS} rounds (least to most)\n");
    println!("| handler | shape | threads | messages/s | times that of one | p99 us |\n|---|---|---|---|---|---|");
    for (handler, route) in [("echo", ECHO), ("20 us of work", WORK)] {
        for shape in SHAPES {
            let mut rates = vec![Vec::new(); targets.len()];
            let mut latencies = rates.clone();
            for round in 0..ROUNDS {
                for turn in 0..targets.len() {
                    let index = (round + turn) % targets.len();
                    let (rate, p99) = run(&targets[index], route, shape);
                    rates[index].push(rate);
                    latencies[index].push(p99);
                }
            }
            for (index, target) in targets.iter().enumerate() {
                let times: Vec<f64> = rates[index].iter().zip(&rates[0]).map(|(own, one)| own / one).collect();
                let [own, times, p99] = [rates[index].clone(), times, latencies[index].clone()].map(Rounds::of);
                println!(
                    "| {handler} | {shape} | {} | {:.0} ({:.0} to {:.0}) | {:.2} ({:.2} to {:.2}) | {:.0} |",
                    target.threads, own.median, own.least, own.most, times.median, times.least, times.most, p99.median
                );
            }
        }
    }
}

/// Messages per second, and the 99th percentile of their microseconds.
fn run(target: &Target, route: u16, shape: Shape) -> (f64, f64) {
    let driver = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let body: Vec<u8> = (0..BODY).map(|at| at as u8).collect();
    let wire = Rc::new(Wire::with(&target.url, route, &body));
    let measured = driver.block_on(LocalSet::new().run_until(closed::run(wire, shape, WARM_UP, COUNTED, || ())));
    measured.faults.assert_none("the server");
    let [_, p99, _] = measured.latency.quantiles();
    (measured.answers as f64 / measured.took.as_secs_f64(), p99)
}

fn serve(threads: usize) {
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let gate = Gate::builder().tcp("127.0.0.1:0").heartbeat_interval(PATIENT).build();
        let node = Node::builder().serve(due::routes![echo, work]).build().expect("two routes");
        let app = App::new().gate(gate).node(node).start().await.expect("ports are free");
        println!("{}", app.addresses().next().expect("one listener"));
        std::future::pending().await
    })
}

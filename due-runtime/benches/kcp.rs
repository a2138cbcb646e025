//! 1 KiB through gate and node and back over KCP, next to TCP: `cargo bench -p due-runtime --features kcp --bench kcp`.
//!
//! The clients are ours on both, on one thread; the server has another. Only server ns compare with other benchmarks.
#![allow(clippy::print_stdout)]

#[path = "support/proc.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod proc;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use due::codec::RawBody;
use due::transport::kcp::{Kcp, Settings};
use due::{App, Client, Context, Gate, Node, RouteId};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::sleep;

const BODY: usize = 1024;
/// Clients, and requests under way on each.
const SHAPES: [(usize, usize); 3] = [(50, 16), (50, 1), (1000, 1)];
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(1);

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

fn main() {
    let [tcp, fast, patient] = start();
    let driver = runtime();
    println!("| | messages/s | server ns/message |\n|---|---|---|");
    for (clients, flight) in SHAPES {
        for (name, url, settings) in [
            ("tcp", &tcp, Settings::fast()),
            ("fast", &fast, Settings::fast()),
            ("defaults", &patient, Settings::new()),
        ] {
            let mut rounds: Vec<(usize, usize)> = Vec::new();
            driver.block_on(async {
                let mut asking = JoinSet::new();
                let answers = Arc::new(AtomicUsize::new(0));
                for _ in 0..clients {
                    let client = Client::builder().kcp(settings.clone()).connect(url).await.expect("a place");
                    for _ in 0..flight {
                        asking.spawn(ask(client.clone(), Arc::clone(&answers)));
                    }
                }
                sleep(ROUND / 2).await;
                for _ in 0..ROUNDS {
                    let (begun, cpu, before) = (Instant::now(), cpu_time(), answers.load(Relaxed));
                    sleep(ROUND).await;
                    let count = answers.load(Relaxed) - before;
                    let nanos = (cpu_time() - cpu).as_nanos() as usize / count.max(1);
                    rounds.push(((count as f64 / begun.elapsed().as_secs_f64()) as usize, nanos));
                }
            });
            rounds.sort_unstable();
            let (rate, nanos) = rounds[ROUNDS / 2];
            println!("| {name} {clients}x{flight} | {rate} | {nanos} |");
        }
    }
}

async fn ask(client: Client, answers: Arc<AtomicUsize>) {
    let body = RawBody(vec![7; BODY].into());
    loop {
        let answer: RawBody = client.request(RouteId::new(1), &body).await.expect("an answer");
        assert_eq!(answer.0.len(), BODY);
        answers.fetch_add(1, Relaxed);
    }
}

fn cpu_time() -> Duration {
    proc::cpu_time(std::process::id(), Some(&["due"]))
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The server's URLs: tcp, kcp for games, and kcp as it is.
fn start() -> [String; 3] {
    let (started, report) = mpsc::channel();
    let serve = move || {
        runtime().block_on(async {
            let kcp = async || Kcp::bind("127.0.0.1:0").await.expect("a free port");
            let gate = Gate::builder()
                .tcp("127.0.0.1:0")
                .transport(kcp().await.settings(Settings::fast().receive_buffer(4 << 20)))
                .transport(kcp().await.settings(Settings::new().receive_buffer(4 << 20)))
                .heartbeat_interval(Duration::from_secs(60));
            let node = Node::builder().serve(due::routes![echo]).build().expect("one route");
            let app = App::new().gate(gate.build()).node(node).start().await.expect("ports are free");
            let urls: Vec<String> = app.addresses().map(str::to_owned).collect();
            started.send(urls.try_into().expect("three listeners")).expect("somebody waits");
            std::future::pending::<()>().await;
        });
    };
    thread::Builder::new().name("due".to_owned()).spawn(serve).expect("a thread to spare");
    report.recv().expect("the server starts")
}

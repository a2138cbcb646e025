//! Resident bytes of an idle connection: `cargo bench -p due-runtime --bench idle`.
//!
//! Each server is a process with one thread, its clients are other processes. Every client has had one answer,
//! of 1 KiB from a gate and of 9 bytes, one by one, from a bare task, and is silent since. What a server with ten such clients
//! needs is taken off. The row of kcp wants `--features kcp`.
#![allow(clippy::print_stdout)]

#[path = "support/clients.rs"]
mod clients;
#[path = "support/proc.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod proc;
#[path = "support/wire.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod wire;

use std::io;
use std::time::Duration;

use due::codec::RawBody;
use due::{App, Context, Gate, Node};
use proc::again;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

const BODY: usize = 1024;
const COUNTS: [usize; 3] = [100, 1_000, 20_000];
/// Clients that pay for what a server allocates once.
const FIRST: usize = 10;
/// Clients of one process.
const CROWD: usize = 5_000;
/// Files of a server that are no clients.
const OWN_FILES: usize = 50;

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        #[cfg(feature = "kcp")]
        Some(clients::ROLE) if args[1].starts_with("kcp:") => over_kcp(&args[1], &args[2], &args[3]),
        Some(clients::ROLE) => clients::run(&args[1..], clients::stay),
        Some("bare task") => serve(bare()),
        Some(transport @ ("tcp" | "ws" | "kcp")) => serve(gate(transport)),
        _ => measure(),
    }
}

fn measure() {
    let room = proc::file_limit() - FIRST - OWN_FILES;
    let counts = COUNTS.map(|count| count.min(room));
    print!("resident bytes per connection at\n\n| |");
    counts.iter().for_each(|count| print!(" {count} |"));
    println!("\n|---{}|", "|---".repeat(counts.len()));
    let rows: &[&str] = match cfg!(feature = "kcp") {
        true => &["bare task", "tcp", "ws", "kcp"],
        false => &["bare task", "tcp", "ws"],
    };
    for name in rows {
        print!("| {name} |");
        for count in counts {
            print!(" {} |", per_connection(name, count));
        }
        println!();
    }
}

fn per_connection(name: &str, count: usize) -> u64 {
    let mut server = again(&[name]);
    let url = server.told();
    let body = if name == "bare task" { 0 } else { BODY };
    let mut all = vec![clients::connect(&url, body, FIRST)];
    let before = proc::at_rest(server.pid());
    for first in (0..count).step_by(CROWD) {
        all.push(clients::connect(&url, body, CROWD.min(count - first)));
    }
    proc::at_rest(server.pid()).saturating_sub(before) / count as u64
}

fn serve(server: impl Future<Output = io::Result<()>>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(server).expect("sockets work");
}

async fn gate(transport: &str) -> io::Result<()> {
    let gate = match transport {
        "tcp" => Gate::builder().tcp("127.0.0.1:0"),
        #[cfg(feature = "kcp")]
        "kcp" => Gate::builder().kcp("127.0.0.1:0"),
        _ => Gate::builder().ws("127.0.0.1:0"),
    };
    let gate = gate.max_sessions(usize::MAX).heartbeat_interval(Duration::from_secs(600)).build();
    let node = Node::builder().serve(due::routes![echo]).build().expect("one route");
    let app = App::new().gate(gate).node(node).start().await.expect("ports are free");
    println!("{}", app.addresses().next().expect("one listener"));
    std::future::pending().await
}

/// Clients of our own: there is nothing simpler that speaks KCP.
#[cfg(feature = "kcp")]
fn over_kcp(url: &str, body: &str, count: &str) {
    serve(async {
        let body = RawBody(vec![0; body.parse().expect("a number")].into());
        let mut clients = Vec::new();
        for _ in 0..count.parse().expect("a number") {
            let client = due::Client::builder().heartbeat(Duration::ZERO).connect(url).await.expect("a place");
            let _: RawBody = client.request(due::RouteId::new(1), &body).await.expect("an answer");
            clients.push(client);
        }
        println!("connected");
        std::future::pending().await
    });
}

async fn bare() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("tcp://{}", listener.local_addr()?);
    loop {
        tokio::spawn(echo_bytes(listener.accept().await?.0));
    }
}

async fn echo_bytes(mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    loop {
        let byte = client.read_u8().await?;
        client.write_u8(byte).await?;
    }
}

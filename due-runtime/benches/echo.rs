//! 1 KiB through gate and node and back, next to what the sockets alone can do: `cargo bench -p due-runtime --bench echo`.
//!
//! Servers run on one thread, the driver on another. Two floors run in the same process: a bare echo of the bytes, and a
//! relay to such an echo, which crosses as many sockets as gate and node in two processes do. Throughput is a closed loop
//! with some messages in flight per connection; latency is taken at a fixed rate, from the moment a message was due to be
//! sent, so that a server that stalls is charged for everything that had to wait. The driver's timers are a millisecond
//! coarse, which every row contains alike.
#![allow(clippy::print_stdout)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use due::codec::RawBody;
use due::packet::{Dialect, Format};
use due::transport::{Inbound, PacketRead, PacketWrite, tcp, ws};
use due::{App, Context, Gate, Node, RouteId, Seq};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

const BODY: usize = 1024;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(2);
/// Connections and messages in flight on each.
const SHAPES: [(usize, usize); 4] = [(50, 64), (200, 16), (1000, 4), (50, 1)];
/// Messages per second over 200 connections.
const RATES: [u64; 2] = [5_000, 20_000];

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

fn main() {
    let (servers, driver) = (runtime(), runtime());
    let targets = servers.block_on(start());

    println!("closed loop, {BODY}-byte bodies, messages per second (share of the relay)");
    print!("{:>12}", "");
    SHAPES.iter().for_each(|(connections, flight)| print!("{:>20}", format!("{connections} x {flight}")));
    println!();
    let rows: Vec<Vec<f64>> = targets
        .iter()
        .map(|(_, url)| {
            SHAPES.map(|(connections, flight)| driver.block_on(throughput(url, connections, flight))).into()
        })
        .collect();
    let relay = &rows[1];
    for ((name, _), row) in targets.iter().zip(&rows) {
        print!("{name:>12}");
        for (rate, relay) in row.iter().zip(relay) {
            print!("{:>20}", format!("{rate:.0} ({:.2})", rate / relay));
        }
        println!();
    }

    println!("\nfixed rate over 200 connections, microseconds at p50 / p99 / p99.9");
    for rate in RATES {
        for (name, url) in &targets {
            let mut micros = driver.block_on(latency(url, 200, rate));
            micros.sort_unstable();
            let at = |share: f64| micros.get(((micros.len() as f64 * share) as usize).min(micros.len() - 1)).copied();
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| at(share).unwrap_or_default());
            println!("{rate:>8}/s {name:>12} {p50:>8} / {p99} / {p999}   ({} answers)", micros.len());
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads can be started")
}

async fn start() -> [(&'static str, String); 4] {
    let echo_addr = serve(|mut socket| async move {
        let mut buf = vec![0; 64 * 1024];
        while let Ok(len @ 1..) = socket.read(&mut buf).await {
            if socket.write_all(&buf[..len]).await.is_err() {
                return;
            }
        }
    })
    .await;
    let behind = echo_addr.clone();
    let relay_addr = serve(move |mut front| {
        let behind = behind.clone();
        async move {
            let mut back = TcpStream::connect(behind).await.expect("the echo listens");
            back.set_nodelay(true).expect("a socket takes options");
            // A client that leaves in the middle of a message is no news here.
            let _ = copy_bidirectional(&mut front, &mut back).await;
        }
    })
    .await;
    let app = App::new()
        .gate(Gate::builder().tcp("127.0.0.1:0").ws("127.0.0.1:0").build())
        .node(Node::builder().serve(due::routes![echo]).build().expect("one route"))
        .start()
        .await
        .expect("ports are free");
    let due: Vec<String> = app.addresses().map(str::to_owned).collect();
    // It serves until the process ends.
    std::mem::forget(app);
    let [tcp, ws] = <[String; 2]>::try_from(due).expect("two listeners");
    [("echo", format!("tcp://{echo_addr}")), ("relay", format!("tcp://{relay_addr}")), ("due tcp", tcp), ("due ws", ws)]
}

async fn serve<F>(connection: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("a bound socket").to_string();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            socket.set_nodelay(true).expect("a socket takes options");
            tokio::spawn(connection(socket));
        }
    });
    addr
}

async fn throughput(url: &str, connections: usize, flight: usize) -> f64 {
    let format = Arc::new(Format::new());
    match url.strip_prefix("tcp://") {
        Some(addr) => closed_loops(connections, flight, async || tcp::connect(addr, Arc::clone(&format)).await).await,
        None => closed_loops(connections, flight, async || ws::connect(url, Arc::clone(&format)).await).await,
    }
}

async fn closed_loops<R: PacketRead, W: PacketWrite>(
    connections: usize,
    flight: usize,
    connect: impl AsyncFn() -> io::Result<(R, W)>,
) -> f64 {
    let frame = Format::new().encode(RouteId(1), Seq(1), &[7; BODY]).expect("it fits");
    let mut connected = Vec::new();
    for _ in 0..connections {
        connected.push(connect().await.expect("it listens"));
    }
    let (answers, end) = (Arc::new(AtomicU64::new(0)), Instant::now() + WARM_UP + MEASURED);
    for (read, write) in connected {
        tokio::spawn(closed_loop(read, write, frame.clone(), flight, Arc::clone(&answers), end));
    }
    sleep_until(end - MEASURED).await;
    let (before, begun) = (answers.load(Ordering::Relaxed), Instant::now());
    sleep_until(end).await;
    (answers.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64()
}

/// Keeps `flight` messages under way until `end`.
async fn closed_loop(
    mut read: impl PacketRead,
    mut write: impl PacketWrite,
    frame: Bytes,
    flight: usize,
    answers: Arc<AtomicU64>,
    end: Instant,
) {
    let mut batch = vec![frame.clone(); flight];
    while write.write(&mut batch, Dialect::Sized).await.is_ok() && Instant::now() < end {
        let Ok(Some(Inbound::Unit(_) | Inbound::Message(_))) = read.read().await else { return };
        let mut got = 1;
        while let Some(Ok(_)) = read.buffered() {
            got += 1;
        }
        answers.fetch_add(got as u64, Ordering::Relaxed);
        batch.extend(std::iter::repeat_n(frame.clone(), got));
    }
}

async fn latency(url: &str, connections: usize, rate: u64) -> Vec<u32> {
    let (report, mut reports) = mpsc::channel(connections);
    let period = Duration::from_secs(1) * connections as u32 / rate as u32;
    let begun = Instant::now();
    for connection in 0..connections {
        let (format, report) = (Arc::new(Format::new()), report.clone());
        // The connections take turns within one period.
        let first = begun + WARM_UP + period * connection as u32 / connections as u32;
        match url.strip_prefix("tcp://") {
            Some(addr) => {
                let (read, write) = tcp::connect(addr, format).await.expect("it listens");
                tokio::spawn(fixed_rate(read, write, begun, first, period, report));
            }
            None => {
                let (read, write) = ws::connect(url, format).await.expect("it listens");
                tokio::spawn(fixed_rate(read, write, begun, first, period, report));
            }
        }
    }
    drop(report);
    let mut all = Vec::new();
    while let Some(micros) = reports.recv().await {
        all.extend::<Vec<u32>>(micros);
    }
    all
}

/// Sends on schedule whatever the answers do; each message carries the time it was due.
async fn fixed_rate(
    mut read: impl PacketRead,
    mut write: impl PacketWrite,
    epoch: Instant,
    first: Instant,
    period: Duration,
    report: mpsc::Sender<Vec<u32>>,
) {
    let (format, end) = (Format::new(), first + MEASURED);
    let mut micros = Vec::new();
    let mut schedule = interval_at(first, period);
    schedule.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut body = [0; BODY];
    loop {
        tokio::select! {
            due_at = schedule.tick(), if Instant::now() < end => {
                body[..8].copy_from_slice(&((due_at - epoch).as_nanos() as u64).to_be_bytes());
                let frame = format.encode(RouteId(1), Seq(1), &body).expect("it fits");
                write.write(&mut vec![frame], Dialect::Sized).await.expect("the server reads");
            }
            inbound = read.read() => {
                let unit = match inbound {
                    Ok(Some(Inbound::Unit(unit))) => unit,
                    Ok(Some(Inbound::Message(message))) => message.slice(4..),
                    other => panic!("the server left: {other:?}"),
                };
                let Ok(due::packet::Frame::Packet(packet)) = format.parse(unit) else { continue };
                let due_at = u64::from_be_bytes(*packet.body.first_chunk().expect("as long as it was sent"));
                micros.push((epoch.elapsed().as_nanos() as u64 - due_at).div_ceil(1000) as u32);
            }
            // What has not come back a second after the last message is not waited for.
            () = sleep_until(end + Duration::from_secs(1)) => break,
        }
    }
    // The other end counts for as long as the benchmark runs.
    let _ = report.send(micros).await;
}

//! One push of 256 bytes to 10,000 clients: `cargo bench -p due-runtime --bench broadcast`.
//!
//! Next to it a task per connection that does nothing but write the same bytes when it is told to. Each server has a process
//! with one thread, and so have its clients. Time runs from the order until the last client has the last byte.
#![allow(clippy::print_stdout)]

#[path = "support/clients.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod clients;
#[path = "support/proc.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod proc;
#[path = "support/stats.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod stats;
#[path = "support/wire.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod wire;

use std::cell::Cell;
use std::io::{self, BufRead};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError, RawBody};
use due::packet::Format;
use due::{App, Audience, Body, Codec, Context, Gate, Node, Push, RouteId, Seq};
use proc::{Again, again};
use stats::Rounds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

const CLIENTS: usize = 10_000;
const BODY: usize = 256;
const HEAD: usize = 9;
const ROUNDS: usize = 20;
/// Rounds before those that count.
const WARM_UP: usize = 3;

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

struct News(RawBody);

impl Body for News {
    const NAME: &'static str = "news";

    fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.0.encode_body(codec, out)
    }

    fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        RawBody::decode_body(codec, body).map(Self)
    }
}

impl Push for News {
    const ROUTE: RouteId = RouteId(2);
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some(clients::ROLE) => clients::run(&args[1..], receive),
        Some("floor") => serve(floor()),
        Some("tcp") => serve(gate()),
        _ => measure(),
    }
}

struct Pair {
    name: &'static str,
    server: Again,
    clients: Again,
    millis: Vec<f64>,
}

fn measure() {
    let mut pairs = ["floor", "tcp"].map(|name| {
        let mut server = again(&[name]);
        let clients = clients::connect(&server.told(), BODY, CLIENTS);
        Pair { name, server, clients, millis: Vec::new() }
    });
    let mut before = [Duration::ZERO; 2];
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            before = pairs.each_ref().map(|pair| proc::cpu_time(pair.server.pid(), None));
        }
        for pair in &mut pairs {
            let begun = Instant::now();
            pair.server.tell("broadcast");
            assert_eq!(pair.clients.told(), "received");
            if round >= WARM_UP {
                pair.millis.push(begun.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    println!("{BODY} bytes to {CLIENTS} clients: median of {ROUNDS} rounds (least to most)\n");
    println!("| | milliseconds | messages/s | server ns/message |\n|---|---|---|---|");
    for (pair, before) in pairs.into_iter().zip(before) {
        let spent = proc::cpu_time(pair.server.pid(), None) - before;
        let (millis, nanos) = (Rounds::of(pair.millis), spent.as_nanos() as usize / (ROUNDS * CLIENTS));
        let rate = CLIENTS as f64 / millis.median * 1000.0;
        println!(
            "| {} | {:.1} ({:.1} to {:.1}) | {rate:.0} | {nanos} |",
            pair.name, millis.median, millis.least, millis.most
        );
    }
}

/// Says when every client has all the bytes of one more broadcast.
async fn receive(sockets: Vec<TcpStream>) {
    let (missing, buf) = (Rc::new(Cell::new(sockets.len())), vec![0; HEAD + BODY]);
    for mut socket in sockets {
        let (missing, mut buf) = (Rc::clone(&missing), buf.clone());
        spawn_local(async move {
            while socket.read_exact(&mut buf).await.is_ok() {
                missing.set(missing.get() - 1);
                if missing.get() == 0 {
                    missing.set(CLIENTS);
                    println!("received");
                }
            }
        });
    }
    std::future::pending().await
}

fn serve(server: impl Future<Output = io::Result<()>>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(LocalSet::new().run_until(server)).expect("sockets work");
}

async fn gate() -> io::Result<()> {
    let gate = Gate::builder().tcp("127.0.0.1:0").max_sessions(CLIENTS).heartbeat_interval(Duration::from_secs(60));
    let node = Node::builder().serve(due::routes![echo]).build().expect("one route");
    let app = App::new().gate(gate.build()).node(node).start().await.expect("ports are free");
    println!("{}", app.addresses().next().expect("one listener"));
    let news = News(RawBody(vec![7; BODY].into()));
    let mut orders = orders();
    while orders.recv().await.is_some() {
        let cluster = app.cluster().expect("there is a node");
        let tally = cluster.broadcast(Audience::Sessions, &news).await.expect("it can be written");
        assert_eq!(tally.delivered, CLIENTS as u64);
    }
    Ok(())
}

async fn floor() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("tcp://{}", listener.local_addr()?);
    let packet = Format::new().encode(News::ROUTE, Seq::NONE, &[7; BODY]).expect("it fits");
    let (news, _) = watch::channel(());
    let mut orders = orders();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                spawn_local(write_news(accepted?.0, news.subscribe(), packet.clone()));
            }
            order = orders.recv() => match order {
                Some(_) => drop(news.send(())),
                None => return Ok(()),
            }
        }
    }
}

async fn write_news(mut client: TcpStream, mut news: watch::Receiver<()>, packet: Bytes) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut hello = [0; HEAD + BODY];
    client.read_exact(&mut hello).await?;
    client.write_all(&hello).await?;
    while news.changed().await.is_ok() {
        client.write_all(&packet).await?;
    }
    Ok(())
}

/// The lines that the parent process sends.
fn orders() -> mpsc::UnboundedReceiver<String> {
    let (send, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let sent = |line: io::Result<String>| send.send(line.expect("text")).is_ok();
        io::stdin().lock().lines().all(sent)
    });
    orders
}

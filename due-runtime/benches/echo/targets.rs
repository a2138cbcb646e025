//! Who is measured. Every hop has a thread of its own, and all of them run from the beginning to the end.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use due::codec::RawBody;
use due::{App, Backends, Context, Gate, Node, TcpLink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};

use crate::relay;

pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    /// The threads that serve it.
    pub(crate) threads: &'static [&'static str],
}

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

/// The floors first.
pub(crate) fn start() -> Vec<Target> {
    let echo = on_thread("echo", async |started: mpsc::Sender<SocketAddr>| {
        let listener = listen(&started).await;
        while let Ok((mut socket, _)) = listener.accept().await {
            spawn_local(async move {
                socket.set_nodelay(true)?;
                let mut buf = vec![0; 64 * 1024];
                while let len @ 1.. = socket.read(&mut buf).await? {
                    socket.write_all(&buf[..len]).await?;
                }
                Ok::<_, std::io::Error>(())
            });
        }
    });
    let back = on_thread("relay back", async |started| relay::back(listen(&started).await).await);
    let front = on_thread("relay front", async move |started| relay::front(listen(&started).await, back).await);
    let [tcp, ws] = on_thread("due", async |started| run(App::new().gate(gate()).node(node()), started).await);
    // Both find each other in the same memory, but talk through sockets.
    let apart = Backends::memory().link(TcpLink::new().addr("127.0.0.1:0").in_process(false));
    let app = App::new().backends(apart.clone()).node(node());
    let [] = on_thread("node", async |started| run(app, started).await);
    let app = App::new().backends(apart).gate(gate());
    let [link_tcp, link_ws] = on_thread("gate", async |started| run(app, started).await);
    let floors = ["relay front", "relay back"].as_slice();
    vec![
        Target { name: "echo", url: format!("tcp://{echo}"), threads: &["echo"] },
        Target { name: "relay", url: format!("tcp://{front}"), threads: floors },
        Target { name: "tcp", url: tcp, threads: &["due"] },
        Target { name: "ws", url: ws, threads: &["due"] },
        Target { name: "tcp+link", url: link_tcp, threads: &["gate", "node"] },
        Target { name: "ws+link", url: link_ws, threads: &["gate", "node"] },
    ]
}

fn gate() -> Gate {
    let patient = Duration::from_secs(60);
    Gate::builder().tcp("127.0.0.1:0").ws("127.0.0.1:0").heartbeat_interval(patient).build()
}

fn node() -> Node {
    Node::builder().serve(due::routes![echo]).build().expect("one route")
}

/// Reports where the gate listens, as many addresses as are wanted.
async fn run<const LISTENERS: usize>(app: App, started: mpsc::Sender<[String; LISTENERS]>) {
    let app = app.start().await.expect("ports are free");
    let addresses: Vec<String> = app.addresses().map(str::to_owned).collect();
    started.send(addresses.try_into().expect("as many listeners")).expect("somebody waits");
    std::future::pending().await
}

async fn listen(started: &mpsc::Sender<SocketAddr>) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    started.send(listener.local_addr().expect("a bound socket")).expect("somebody waits");
    listener
}

/// Runs a server on a thread of its own, and returns what it reports when it has started.
fn on_thread<T: Send + 'static>(name: &'static str, server: impl AsyncFnOnce(mpsc::Sender<T>) + Send + 'static) -> T {
    let (started, report) = mpsc::channel();
    let run = move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(LocalSet::new().run_until(server(started)));
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).expect("a thread to spare");
    report.recv().expect("the server starts")
}

//! What sockets alone can do, in processes of their own.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};

use crate::relay;

pub(crate) const ECHO: &str = "floor-echo";
pub(crate) const RELAY: &str = "floor-relay";
const LOOPBACK: &str = "127.0.0.1:0";

/// One thread, a task per connection: reads, and writes what was read.
pub(crate) fn serve_echo() {
    on_this_thread(async {
        let listener = TcpListener::bind(LOOPBACK).await.expect("a free port");
        println!("tcp://{}", listener.local_addr().expect("a bound socket"));
        while let Ok((mut socket, _)) = listener.accept().await {
            spawn_local(async move {
                socket.set_nodelay(true)?;
                let mut buf = vec![0; 64 * 1024];
                while let len @ 1.. = socket.read(&mut buf).await? {
                    socket.write_all(&buf[..len]).await?;
                }
                Ok::<_, io::Error>(())
            });
        }
    });
}

/// Two hops with a thread each: see [`relay`].
pub(crate) fn serve_relay() {
    let (started, back) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        on_this_thread(async move {
            let listener = TcpListener::bind(LOOPBACK).await.expect("a free port");
            started.send(listener.local_addr().expect("a bound socket")).expect("the front end waits");
            relay::back(listener).await;
        });
    });
    let back = back.recv().expect("the back end starts");
    on_this_thread(async move {
        let listener = TcpListener::bind(LOOPBACK).await.expect("a free port");
        println!("tcp://{}", listener.local_addr().expect("a bound socket"));
        relay::front(listener, back).await;
    });
}

fn on_this_thread(server: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(LocalSet::new().run_until(server));
}

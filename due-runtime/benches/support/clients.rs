//! Clients in a process of their own, so that memory and time of the server are the server's alone.

use std::rc::Rc;

use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::proc::{Again, again};
use crate::wire::{Wire, connect_all};

/// What the first argument says in such a process.
pub(crate) const ROLE: &str = "connect";

/// Connects `count` clients to `url`. Each has had an answer of `body` bytes when this returns.
pub(crate) fn connect(url: &str, body: usize, count: usize) -> Again {
    start(ROLE, url, body, count)
}

/// The same in a process of another role.
pub(crate) fn start(role: &str, url: &str, body: usize, count: usize) -> Again {
    let [body, count] = [body, count].map(|number| number.to_string());
    let mut clients = again(&[role, url, &body, &count]);
    assert_eq!(clients.told(), "connected");
    clients
}

/// The other side of [`connect`]: `serve` gets the connections.
pub(crate) fn run<F: Future<Output = ()>>(args: &[String], serve: impl FnOnce(Vec<TcpStream>) -> F) {
    let [url, body, count] = args else { panic!("not three arguments") };
    let [body, count] = [body, count].map(|number| number.parse().expect("a number"));
    let wire = Rc::new(Wire::new(url, body));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(LocalSet::new().run_until(async move {
        let sockets = connect_all(&wire, count).await;
        println!("connected");
        serve(sockets).await;
    }));
}

/// Keeps the connections, and does nothing with them.
pub(crate) async fn stay(sockets: Vec<TcpStream>) {
    std::future::pending::<()>().await;
    drop(sockets);
}

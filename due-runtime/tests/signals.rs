//! What a signal does to a program. One test: signals are for the whole process.
#![cfg(unix)]

use std::process::{Command, id};

use due::{App, Node};
use tokio::sync::oneshot;

fn terminate() {
    let sent = Command::new("kill").args(["-TERM", &id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn a_signal_ends_a_start_that_hangs_and_stops_what_has_started() {
    let (destroyed, hears) = oneshot::channel();
    let first = Node::builder().on_destroyed(|_| async move {
        destroyed.send(()).unwrap();
        Ok(())
    });
    let second = Node::builder().on_start(|_| async {
        terminate();
        std::future::pending().await
    });
    let app = App::new().node(first.build().unwrap()).node(second.build().unwrap());
    app.run_with(|_| panic!("it has not started")).await.unwrap();
    hears.await.unwrap();

    let app = App::new().node(Node::builder().build().unwrap());
    app.run_with(|_| terminate()).await.unwrap();
}

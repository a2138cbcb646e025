//! What a gate brings in one write: nothing of a session overtakes anything else of it.

use std::sync::Mutex;

use due::codec::RawBody;
use due::registry::Kind;
use due::{Cid, Context, Node, Seq, TcpLink};
use tokio::sync::{Semaphore, mpsc};

use crate::raw::{Fake, Peer};
use crate::world::{World, raw};

const HELLO: &str = "0000000d 00 01 0000000000000001 01 4731";
const WELCOME: &str = "0000000c 00 01 0000000000000001 0000";
const NOTE: u16 = 41;
const HAVE_TASK_RUN: u16 = 42;
const WAIT: u16 = 43;

static NOTES: Mutex<Option<mpsc::UnboundedSender<(Cid, String)>>> = Mutex::new(None);
static GO: Semaphore = Semaphore::const_new(0);

fn note_down(cid: Cid, what: impl Into<String>) {
    let _ = NOTES.lock().unwrap().as_ref().unwrap().send((cid, what.into()));
}

fn message(ctx: &Context) {
    let Seq(seq) = ctx.seq();
    note_down(ctx.cid(), format!("message {seq}"));
}

#[due::route(41)]
async fn note(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    message(ctx);
    Ok(raw("noted"))
}

#[due::route(42)]
async fn have_task_run(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    message(ctx);
    let cid = ctx.cid();
    ctx.invoke(async move { note_down(cid, "task") }).unwrap();
    Ok(raw("noted"))
}

#[due::route(43)]
async fn wait(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    message(ctx);
    GO.acquire().await?.forget();
    Ok(raw("went"))
}

fn deliver(cid: u8, route: u16, seq: u16) -> String {
    format!(
        "00000025 00 0f 0000000000000000 00000000000000{cid:02x} 00000000000003e9 0000000700{route:04x}{seq:04x}6869"
    )
}

#[tokio::test]
async fn what_comes_at_once_keeps_the_order_of_its_session() {
    let (notes, mut noted) = mpsc::unbounded_channel();
    *NOTES.lock().unwrap() = Some(notes);
    let world = World::tcp();
    let backends = world.backends_with(TcpLink::new().addr("127.0.0.1:0").connections(1));
    let node = Node::builder().id("n1").serve(due::routes![note, have_task_run, wait]);
    let node = node.on_reconnect(async |ctx: Context| {
        note_down(ctx.cid(), "event");
        Ok(())
    });
    let node = due::App::new().backends(backends).node(node.build().unwrap()).start().await.unwrap();
    let _fake = Fake::gate(&world, "G1").await;
    let mut gate = Peer::dial(&world, Kind::Node, "n1").await;
    gate.asks(HELLO, WELCOME).await;
    let login = "0000001b 00 0e 0000000000000000 02 0000000000000007 00000000000003e9".to_owned();
    let burst = [
        deliver(7, NOTE, 1),
        deliver(7, HAVE_TASK_RUN, 2),
        deliver(7, NOTE, 3),
        deliver(7, NOTE, 4),
        login,
        deliver(7, NOTE, 5),
        deliver(8, NOTE, 6),
        deliver(7, WAIT, 7),
        deliver(7, NOTE, 8),
        deliver(8, NOTE, 9),
        deliver(8, NOTE, 10),
    ];
    gate.send(&burst.concat()).await;
    let (mut seventh, mut eighth) = (Vec::new(), Vec::new());
    while seventh.len() < 9 || eighth.len() < 3 {
        if seventh.last().is_some_and(|last| last == "message 7") && eighth.len() == 3 {
            GO.add_permits(1);
        }
        match noted.recv().await.unwrap() {
            (Cid(7), what) => seventh.push(what),
            (_, what) => eighth.push(what),
        }
    }
    let expected =
        ["message 1", "message 2", "task", "message 3", "message 4", "event", "message 5", "message 7", "message 8"];
    assert_eq!(seventh, expected);
    assert_eq!(eighth, ["message 6", "message 9", "message 10"], "which waits for no other session");
    tokio::join!(node.stop(), gate.closed());
}

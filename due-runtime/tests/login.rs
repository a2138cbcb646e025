//! Users who come and go at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError, RawBody};
use due::locator::{LocateError, Locator, MemoryLocator};
use due::testing::Harness;
use due::{Backends, Body, BoxFuture, Codec, Context, Gid, Nid, Push, PushExt, RouteId, Uid};
use tokio::sync::Semaphore;

#[due::route(1)]
async fn login(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    ctx.bind(Uid(7)).await?;
    Ok(RawBody(Bytes::new()))
}

struct Note;

impl Body for Note {
    const NAME: &'static str = "Note";

    fn encode_body(&self, _: &Codec, _: &mut BytesMut) -> Result<(), EncodeError> {
        Ok(())
    }

    fn decode_body(_: &Codec, _: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

impl Push for Note {
    const ROUTE: RouteId = RouteId::new(2);
}

/// A locator that is slow to hear of leaving users, as one over a network can be.
#[derive(Clone, Debug)]
struct SlowToForget {
    locator: MemoryLocator,
    /// It is slow to hear of the next one who comes, and then fails.
    fails: Arc<AtomicBool>,
    asked: Arc<Semaphore>,
    go: Arc<Semaphore>,
    done: Arc<Semaphore>,
}

impl Locator for SlowToForget {
    fn bind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<Option<Gid>, LocateError>> {
        Box::pin(async move {
            if self.fails.swap(false, Ordering::Relaxed) {
                self.asked.add_permits(1);
                self.go.acquire().await.unwrap().forget();
                return Err(LocateError::Unreachable("the line is down".into()));
            }
            self.locator.bind_gate(uid, gid).await
        })
    }

    fn unbind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<bool, LocateError>> {
        Box::pin(async move {
            self.asked.add_permits(1);
            self.go.acquire().await.unwrap().forget();
            let left = self.locator.unbind_gate(uid, gid).await;
            self.done.add_permits(1);
            left
        })
    }

    fn locate_gate(&self, uid: Uid) -> BoxFuture<'_, Result<Option<Gid>, LocateError>> {
        self.locator.locate_gate(uid)
    }

    fn bind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<(), LocateError>> {
        self.locator.bind_node(uid, name, nid)
    }

    fn unbind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<bool, LocateError>> {
        self.locator.unbind_node(uid, name, nid)
    }

    fn locate_node<'a>(&'a self, uid: Uid, name: &'a str) -> BoxFuture<'a, Result<Option<Nid>, LocateError>> {
        self.locator.locate_node(uid, name)
    }

    fn locate_nodes(&self, uid: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>> {
        self.locator.locate_nodes(uid)
    }
}

impl SlowToForget {
    fn new() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self { locator: MemoryLocator::new(), fails: Arc::default(), asked: none(), go: none(), done: none() }
    }

    async fn harness(&self) -> Harness {
        let builder = Harness::builder().backends(Backends::memory().locator(self.clone())).codec(Codec::Json);
        builder.serve(due::routes![login]).start().await.unwrap()
    }
}

#[tokio::test]
async fn who_comes_back_while_he_leaves_is_found() {
    let locator = SlowToForget::new();
    let harness = locator.harness().await;
    let before = harness.client().await.unwrap();
    let _: RawBody = before.request(RouteId(1), &RawBody(Bytes::new())).await.unwrap();
    before.close().await;
    locator.asked.acquire().await.unwrap().forget();

    let after = harness.client().await.unwrap();
    let mut notes = after.pushes::<Note>();
    let _: RawBody = after.request(RouteId(1), &RawBody(Bytes::new())).await.unwrap();
    locator.go.add_permits(1);
    locator.done.acquire().await.unwrap().forget();
    Note.push(harness.cluster(), Uid(7)).await.unwrap();
    notes.next().await.unwrap().unwrap();

    locator.go.add_permits(1);
    harness.stop().await;
    assert_eq!(locator.locate_gate(Uid(7)).await.unwrap(), None);
}

#[tokio::test]
async fn a_login_that_fails_takes_the_user_off_no_other_session() {
    let locator = SlowToForget::new();
    let harness = locator.harness().await;
    let [first, second] = [harness.client().await.unwrap(), harness.client().await.unwrap()];
    locator.fails.store(true, Ordering::Relaxed);
    let failing = tokio::spawn(async move { first.request::<_, RawBody>(RouteId(1), &RawBody(Bytes::new())).await });
    locator.asked.acquire().await.unwrap().forget();

    let mut notes = second.pushes::<Note>();
    let _: RawBody = second.request(RouteId(1), &RawBody(Bytes::new())).await.unwrap();
    // One for the failure, one for whoever leaves.
    locator.go.add_permits(2);
    failing.await.unwrap().unwrap_err();
    Note.push(harness.cluster(), Uid(7)).await.unwrap();
    notes.next().await.unwrap().unwrap();
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_locator_that_never_answers_holds_up_no_stop() {
    let locator = SlowToForget::new();
    let harness = locator.harness().await;
    let client = harness.client().await.unwrap();
    let _: RawBody = client.request(RouteId(1), &RawBody(Bytes::new())).await.unwrap();
    let begun = tokio::time::Instant::now();
    harness.stop().await;
    assert_eq!(begun.elapsed().as_secs(), 8, "five to drain, three to clean up");
}

//! Middleware of node, group and route.

use due::testing::Harness;
use due::{Bytes, Context, Error, Middleware, Next, Node, Reply, RouteId, Routes as _, layer_fn};

use crate::{Diary, Table, ask, route, text};

/// Notes the way in and the way out.
struct Noting(&'static str, Diary);

impl Middleware for Noting {
    async fn handle(&self, ctx: &mut Context, body: Bytes, next: Next<'_>) -> due::Result<Reply> {
        let Self(name, diary) = self;
        diary.note(format!("{name} in"));
        tokio::task::yield_now().await;
        let outcome = next.run(ctx, body).await;
        diary.note(format!("{name} out"));
        outcome
    }
}

async fn shouting(ctx: &mut Context, body: Bytes, next: Next<'_>) -> due::Result<Reply> {
    let louder = body.to_ascii_uppercase();
    next.run(ctx, louder.into()).await
}

fn echo() -> Table {
    fn echo<'a>(_: &'a mut Context, body: String) -> due::BoxFuture<'a, due::Result<String>> {
        Box::pin(async move { if body == "fail" { Err(Error::new(3, "no")) } else { Ok(body) } })
    }
    Table::new().on(route(1), echo).on(route(2), echo)
}

#[tokio::test]
async fn layers_are_passed_from_node_to_group_to_route_and_back() {
    let (diary, mut entries) = Diary::new();
    let noting = |name| Noting(name, diary.clone());
    let group = echo()
        .layer_route(RouteId(1), noting("route"))
        .layer(noting("group"))
        .layer_route(RouteId(1), shouting)
        .layer(noting("group too"));
    let plain = Table::new().on(route(3), |_, body| Box::pin(async move { Ok(body) }));
    let harness = Harness::builder()
        .serve(group)
        .serve(plain)
        .node(|node| node.layer(noting("node")).default_handler(|_: Context, _: Bytes| async { Ok(Reply::none()) }))
        .start()
        .await
        .unwrap();
    let client = harness.client().await.unwrap();
    assert_eq!(ask(&client, 1, "hi").await, "HI");
    entries.expect(&["node in", "group in", "group too in", "route in"]).await;
    entries.expect(&["route out", "group too out", "group out", "node out"]).await;
    assert_eq!(ask(&client, 2, "fail").await, "3 no");
    entries.expect(&["node in", "group in", "group too in", "group too out", "group out", "node out"]).await;
    assert_eq!(ask(&client, 3, "hi").await, "hi");
    entries.expect(&["node in", "node out"]).await;
    let nid = due::Nid::from(harness.cluster().instances(due::registry::Kind::Node).await.unwrap()[0].id.as_str());
    harness.cluster().deliver_to(&nid, RouteId(9), None, &text("")).await.unwrap();
    entries.expect(&["node in", "node out"]).await;
    harness.stop().await;
}

#[tokio::test]
async fn a_layer_may_answer_itself() {
    let doorkeeper = layer_fn(|ctx, body, next| {
        Box::pin(async move {
            let spec = *ctx.spec().unwrap();
            match &body[..] {
                b"no" => Err(Error::new(7, format!("{} is closed", spec.id))),
                b"early" => ctx.reply(&text("already")),
                b"panic" => panic!("in a layer"),
                _ => {
                    let reply = next.run(ctx, body).await?;
                    assert_eq!(reply.code(), due::Code::OK);
                    Ok(reply)
                }
            }
        })
    });
    let harness = Harness::builder().serve(echo().layer(doorkeeper)).start().await.unwrap();
    let client = harness.client().await.unwrap();
    for (body, answer) in
        [("no", "7 1 is closed"), ("early", "already"), ("panic", "6 internal error"), ("x", "x"), ("fail", "3 no")]
    {
        assert_eq!(ask(&client, 1, body).await, answer);
    }
    harness.stop().await;
}

#[test]
fn a_layer_around_a_route_that_is_not_there_is_a_mistake() {
    let error = Node::builder().serve(echo().layer(shouting).layer_route(RouteId(9), shouting)).build();
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "tests.Table has no route 9 to put middleware around or to give options to");
}

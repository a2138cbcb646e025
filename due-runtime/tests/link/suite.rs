//! What holds for gates and nodes, whatever joins them.

use due::codec::RawBody;
use due::{Context, Node, NodeBuilder, PushExt, RouteId, Uid};

use crate::world::{Note, World, client, note, raw};

#[due::route(1)]
pub(crate) async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(2)]
async fn login(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    let uid = String::from_utf8_lossy(&body.0).parse()?;
    ctx.bind(Uid(uid)).await?;
    Ok(raw(""))
}

fn game() -> NodeBuilder {
    Node::builder().serve(due::routes![echo, login])
}

async fn requests_are_answered(world: World) {
    let node = world.node("n1", game()).await;
    let gate = world.gate("g1").await;
    let client = client(&gate).await;
    let answer: RawBody = client.request(RouteId(1), &raw("hi")).await.unwrap();
    assert_eq!(answer.0, "hi");
    gate.stop().await;
    node.stop().await;
}

async fn users_are_found_where_they_logged_in(world: World) {
    let node = world.node("n1", game()).await;
    let gate = world.gate("g1").await;
    let client = client(&gate).await;
    let mut notes = client.pushes::<Note>();
    let _: RawBody = client.request(RouteId(2), &raw("1001")).await.unwrap();
    let cluster = node.cluster().unwrap();
    note("to the user").push(cluster, Uid(1001)).await.unwrap();
    assert_eq!(notes.next().await.unwrap().unwrap(), note("to the user"));
    node.stop().await;
    gate.stop().await;
}

macro_rules! over_both {
    ($($test:ident,)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::World::memory()).await;
            })*
        }
        mod tcp {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::World::tcp()).await;
            })*
        }
    };
}
over_both! {
    requests_are_answered,
    users_are_found_where_they_logged_in,
}

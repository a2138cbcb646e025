//! Users who log in at a gate of due v2.5.8, which tells nobody but redis.

use due::codec::RawBody;
use due::locator::{Locator, RedisLocator};
use due::{App, Backends, Client, Code, Codec, Context, Disconnect, Gate, Gid, Node, RouteId};

use crate::LI;
use crate::support::redis::Server;

#[due::route(21)]
async fn login(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    ctx.bind(LI).await?;
    Ok(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_session_is_told_and_closed() {
    let server = Server::start();
    let locator = RedisLocator::new(&server.redis());
    let node = Node::builder().serve(due::routes![login]).build().unwrap();
    let app = App::new().backends(Backends::memory().locator(locator).codec(Codec::Json));
    let gate = Gate::builder().id("g1").transport(due::transport::tcp::Tcp::bind("127.0.0.1:0").await.unwrap());
    let app = app.gate(gate.build()).node(node).start().await.unwrap();
    let client = Client::builder().codec(Codec::Json).connect(app.addresses().next().unwrap()).await.unwrap();
    let _: RawBody = client.request(RouteId(21), &RawBody("".into())).await.unwrap();

    let other = RedisLocator::new(&server.redis());
    assert_eq!(other.bind_gate(LI, &Gid::from("g9")).await.unwrap(), Some(Gid::from("g1")));
    let Disconnect::Dismissed(status) = client.closed().await else { panic!("a reason") };
    assert_eq!((status.code(), status.message.as_str()), (Code::UNAUTHORIZED, "the user has logged in elsewhere"));
    assert_eq!(other.locate_gate(LI).await.unwrap(), Some(Gid::from("g9")));
    app.stop().await;
    assert_eq!(other.locate_gate(LI).await.unwrap(), Some(Gid::from("g9")));
}

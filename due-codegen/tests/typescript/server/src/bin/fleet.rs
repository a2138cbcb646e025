//! `fleet` serves a gate, two nodes, one of them with a hostile name, and a master; one client asks without a pause. It
//! prints the address of the master's page, and stops when standard input ends.

use std::io::Write as _;

use anyhow::Context as _;
use due::codec::RawBody;
use due::{App, Client, Context, Gate, Master, Node, RouteId};
use tokio::io::AsyncReadExt as _;

const HOSTILE: &str = "<img src=x onerror=\"document.title='owned'\">";

#[due::route(1)]
async fn ping(_ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(2)]
async fn fail(_ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Err(due::Error::new(42, "no"))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let node = |id: &str| Node::builder().id(id.to_owned()).name("game").serve(due::routes![ping, fail]).build();
    let app = App::new()
        .gate(Gate::builder().id("g1").ws("127.0.0.1:0"))
        .node(node("n1")?)
        .node(node(HOSTILE)?)
        .master(Master::builder().listen("127.0.0.1:0"))
        .start()
        .await?;
    let client = Client::connect(app.addresses().next().context("no listener")?).await?;
    let asking = tokio::spawn({
        let client = client.clone();
        async move {
            while client.request::<_, RawBody>(RouteId(1), &RawBody::default()).await.is_ok() {
                // Its answer says no, as it should.
                let _ = client.request::<_, RawBody>(RouteId(2), &RawBody::default()).await;
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    });
    writeln!(std::io::stdout(), "{}", app.master_page().context("no master")?)?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    client.close().await;
    asking.await?;
    app.stop().await;
    Ok(())
}

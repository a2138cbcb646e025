//! The wallet by rpcx: a line of the configuration, and what others call it with.

use due::Backends;
use due::mesh::{Code, rpcx};
use due::registry::ConsulRegistry;
use serde::{Deserialize, Serialize};

use crate::process::Variables;
use crate::stories;
use crate::support::Consul;
use crate::world::{Registry, World};

/// The line.
fn by_rpcx() -> Variables {
    vec![("DUE_ETC_CLUSTER_MESH_TRANSPORTER", "rpcx".to_owned())]
}

/// What a process of Go has instead of our schema.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IncrCoin {
    uid: i64,
    coin: i64,
}

#[derive(Deserialize)]
struct Nothing {}

fn transporter(world: &World, process: &str) -> String {
    let said = world.processes[process].behind("mesh registered ").expect("a mesh says so");
    said.split_whitespace().find_map(|field| field.strip_prefix("transporter=")).expect("the field").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process_a_login_is_worth_its_coins() {
    let world = World::in_one_process_with(by_rpcx());
    assert_eq!(transporter(&world, "lobby"), "\"rpcx\"");
    stories::a_login_is_told_once(&world).await;
    assert_eq!(transporter(&World::in_one_process(), "lobby"), "\"grpc\"", "without the line");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_fleet_it_is_and_whoever_has_no_schema_gives_coins() {
    let consul = Consul::start();
    let registry = ConsulRegistry::new().addr(consul.addr());
    let world = World::on_with(Registry::Consul(consul), by_rpcx()).await;
    assert_eq!(transporter(&world, "wallet"), "\"rpcx\"");
    stories::a_login_is_told_once(&world).await;

    let backends = Backends::memory().registry(registry);
    let wallet = rpcx::Client::connect(&backends, "discovery://wallet", "Wallet").await.unwrap();
    let _: Nothing = wallet.call("IncrCoin", &IncrCoin { uid: 1000, coin: 7 }).await.unwrap();
    world.wait_for("wallet", "coins given uid=1000 coin=7");
    let refused = wallet.call::<Nothing>("IncrCoin", &IncrCoin { uid: 1000, coin: -7 }).await.map(|_| ()).unwrap_err();
    let text = "-7 coins cannot be given or taken: it must be positive";
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, text));
}

//! What each language reads of what the other has registered.

use due::registry::{ConsulRegistry, EtcdRegistry, Instance, InstanceRoute, Kind, Registry, State};
use due::{Cluster, Gid, Nid, Uid};
use serde_json::{Value, json};

use crate::node::NodeOf;
use crate::on_both;
use crate::world::{Fleet, GO_GATE, GO_NODE, Place, RUST_GATE, RUST_NODE, World};

on_both!(
    go_reads_what_we_registered,
    we_read_what_go_registered,
    go_reads_hundreds_of_routes,
    who_comes_later_reads_where_users_are,
);

async fn go_reads_what_we_registered(place: Place) {
    let fleet = Fleet::start(place).await;
    let [rust, go] = &fleet.nodes;
    let cluster = rust.cluster().expect("ours");
    let NodeOf::Go(process) = &go.of else { unreachable!("the second is of Go") };
    let node = &find(&cluster.instances(Kind::Node).await.unwrap(), RUST_NODE);
    let gate = &find(&cluster.instances(Kind::Gate).await.unwrap(), RUST_GATE);

    // Values of consul are short, so what may be long is cut, and has a number there.
    let oneway = if matches!(fleet.world.place, Place::Consul(_)) { "due-oneway-0" } else { "due.oneway" };
    let nodes = process.ask(json!({ "do": "nodes" })).await.unwrap();
    let mut read = read(&nodes, RUST_NODE);
    sort(&mut read);
    assert_eq!(
        read,
        json!({
            "id": RUST_NODE, "name": "node", "kind": "node", "alias": "game", "state": "work", "events": [1, 2, 3],
            "routes": [
                { "i": 1 }, { "i": 2 }, { "i": 3 }, { "i": 4, "s": true }, { "i": 5, "a": true }, { "i": 6, "s": true },
                { "i": 7 }, { "i": 8 }, { "i": 9 }, { "i": 10 }, { "i": 11 }, { "i": 13, "n": true }, { "i": 15 },
                { "i": 16 }, { "i": 31 },
            ],
            "endpoint": node.endpoint, "weight": 1, "metadata": { oneway: "11", "due-answers": "each" },
        })
    );
    let gates = process.ask(json!({ "do": "gates" })).await.unwrap();
    let mut expected = json!({
        "id": RUST_GATE, "name": "gate", "kind": "gate", "alias": "gate", "state": "work", "endpoint": gate.endpoint,
    });
    if !gate.metadata.is_empty() {
        expected["metadata"] = json!(gate.metadata);
    }
    assert_eq!(self::read(&gates, RUST_GATE), expected);
}

async fn we_read_what_go_registered(place: Place) {
    let fleet = Fleet::start(place).await;
    let cluster = fleet.nodes[0].cluster().expect("ours");
    let mut node = find(&cluster.instances(Kind::Node).await.unwrap(), GO_NODE);
    node.routes.sort_by_key(|route| route.id);
    node.events.sort_unstable();
    let plain = |id| InstanceRoute { id, ..InstanceRoute::default() };
    let mut expected = Instance::new(Kind::Node, GO_NODE);
    expected.alias = "game".into();
    expected.events = vec![1, 2, 3];
    expected.weight = 1;
    expected.endpoint.clone_from(&node.endpoint);
    expected.routes = (1..=11).chain([14, 15, 16, 31, 33]).map(plain).collect();
    for route in &mut expected.routes {
        route.stateful = [4, 6].contains(&route.id);
        route.authorized = route.id == 5;
        route.internal = route.id == 14;
    }
    assert_eq!(node, expected);
    assert!(node.endpoint.starts_with("drpc://127.0.0.1:") && node.endpoint.ends_with("?is_secure=false"));

    let gate = find(&cluster.instances(Kind::Gate).await.unwrap(), GO_GATE);
    let mut expected = Instance::new(Kind::Gate, GO_GATE);
    expected.endpoint.clone_from(&gate.endpoint);
    assert_eq!((&gate, gate.state), (&expected, State::Work));
}

async fn go_reads_hundreds_of_routes(place: Place) {
    let world = World::new(place);
    let go = world.go_node(GO_NODE, json!({})).await;
    let NodeOf::Go(process) = &go.of else { unreachable!("it is of Go") };
    let mut instance = Instance::new(Kind::Node, "n-many");
    instance.endpoint = "drpc://127.0.0.1:3553?is_secure=false".into();
    instance.routes = (0..400)
        .map(|id| InstanceRoute { id: id * 80, internal: id & 1 != 0, stateful: id & 2 != 0, authorized: id & 4 != 0 })
        .collect();
    instance.metadata = [("zone".to_owned(), "eu-1".to_owned())].into();
    // Nobody listens there.
    let registry: Box<dyn Registry> = match &world.place {
        Place::Consul(consul) => Box::new(ConsulRegistry::new().addr(consul.addr()).health_check(false)),
        Place::Etcd(etcd) => Box::new(EtcdRegistry::new().addrs([etcd.addr()])),
    };
    registry.register(instance.clone()).await.unwrap();
    go.ears.knows("node", &json!({ GO_NODE: "work", "n-many": "work" })).await;
    let mut read = read(&process.ask(json!({ "do": "nodes" })).await.unwrap(), "n-many");
    let routes = read["routes"].as_array_mut().unwrap();
    routes.sort_by_key(|route| route["i"].as_i64());
    assert_eq!(read, serde_json::to_value(&instance).unwrap());
}

async fn who_comes_later_reads_where_users_are(place: Place) {
    let fleet = Fleet::start(place).await;
    let [rust, go] = &fleet.nodes;
    let (at_ours, at_gos) = (fleet.go_player(RUST_GATE).await, fleet.rust_player(GO_GATE).await);
    at_ours.ask_text(3, "1001").await;
    at_gos.ask_text(3, "1002").await;
    rust.bind_node(1001, "game", RUST_NODE).await.unwrap();
    go.bind_node(1002, "game", GO_NODE).await.unwrap();

    // Nobody tells them any more: they look into redis.
    let theirs = fleet.world.go(json!({ "role": "mesh", "id": "m-go", "name": "mesh" })).await;
    let ours = Cluster::connect(&fleet.world.backends()).await.unwrap();
    for (uid, gid, nid) in [(1001, RUST_GATE, RUST_NODE), (1002, GO_GATE, GO_NODE)] {
        assert_eq!(theirs.ask(json!({ "do": "locate-gate", "uid": uid })).await, Ok(json!(gid)));
        let node = json!({ "do": "locate-node", "uid": uid, "name": "game" });
        assert_eq!(theirs.ask(node).await, Ok(json!(nid)));
        assert_eq!(ours.locate_gate(Uid(uid)).await.unwrap(), Some(Gid::from(gid)));
        assert_eq!(ours.locate_node(Uid(uid), "game").await.unwrap(), Some(Nid::from(nid)));
    }
}

fn find(list: &[Instance], id: &str) -> Instance {
    list.iter().find(|instance| instance.id == id).expect("registered").clone()
}

fn read(list: &Value, id: &str) -> Value {
    list.as_array().unwrap().iter().find(|instance| instance["id"] == id).expect("registered").clone()
}

/// Go's lists come in any order, and so may what it reads.
fn sort(instance: &mut Value) {
    for key in ["events", "routes"] {
        let list = instance[key].as_array_mut().unwrap();
        list.sort_by_key(|item| item["i"].as_i64().or(item.as_i64()));
    }
}

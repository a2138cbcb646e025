//! Who is there, in what state, with how many users.

use std::collections::BTreeMap;

use due::registry::{Instance, Kind, Registry};
use serde_json::{Value, json};

use crate::world::{World, ask, code, until};

async fn turns(client: &due::Client) -> BTreeMap<String, usize> {
    let mut turns = BTreeMap::new();
    for _ in 0..10 {
        *turns.entry(ask(client, 1, "").await).or_default() += 1;
    }
    turns
}

fn state_of(instances: &Value, id: &str) -> String {
    let instances = instances["instances"].as_array().unwrap();
    let found = instances.iter().find(|instance| instance["id"] == id);
    found.unwrap_or_else(|| panic!("{id} in {instances:?}"))["state"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_gets_no_stateless_request_until_it_works_again() {
    let world = World::start("hang").await;
    let client = world.client(0).await;
    let both = BTreeMap::from([("hang-n1".to_owned(), 5), ("hang-n2".to_owned(), 5)]);
    until(async || turns(&client).await == both).await;

    let answer = world.api.put("instances/node/hang-n1/state", json!({ "state": "hang" })).await;
    assert_eq!(answer, (200, json!({ "id": "hang-n1", "state": "hang" })));
    let other = BTreeMap::from([("hang-n2".to_owned(), 10)]);
    until(async || turns(&client).await == other).await;
    assert_eq!(turns(&client).await, other, "and it stays so");
    let (_, instances) = world.api.get("instances").await;
    assert_eq!(state_of(&instances, "hang-n1"), "hang");
    assert_eq!(state_of(&instances, "hang-n2"), "work");
    let (_, routes) = world.api.get("routes").await;
    let who = &routes["routes"][0];
    let nodes = json!([{ "id": "hang-n1", "state": "hang" }, { "id": "hang-n2", "state": "work" }]);
    assert_eq!((&who["id"], &who["name"], &who["nodes"]), (&json!(1), &json!("game"), &nodes));

    world.api.put("instances/node/hang-n1/state", json!({ "state": "work" })).await;
    until(async || turns(&client).await == both).await;
    client.close().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_says_who_is_left_and_may_be_asked_again() {
    let world = World::start("drain").await;
    let (player, ..) = world.player(0, 5).await;
    let anonymous = world.client(0).await;
    let drain = async || world.api.call("POST", "instances/gate/drain-g1/drain", None).await;
    let left = |sessions, users| json!({ "id": "drain-g1", "state": "hang", "left": { "sessions": sessions, "users": users } });
    until(async || drain().await == (200, left(2, 1))).await;
    player.close().await;
    until(async || drain().await == (200, left(1, 0))).await;
    anonymous.close().await;
    until(async || drain().await == (200, left(0, 0))).await;
    until(async || state_of(&world.api.get("instances").await.1, "drain-g1") == "hang").await;

    let node = world.api.call("POST", "instances/node/drain-n1/drain", None).await;
    assert_eq!(node, (200, json!({ "id": "drain-n1", "state": "hang", "left": null })));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_there_has_no_state() {
    let world = World::start("none").await;
    world.registry.register(Instance::new(Kind::Mesh, "m1")).await.unwrap();
    let put = async |path: &str, state: &str| {
        let answer = world.api.put(&format!("instances/{path}/state"), json!({ "state": state })).await;
        let (status, word) = code(&answer);
        (status, word.to_owned(), answer.1["message"].as_str().unwrap_or_default().to_owned())
    };
    let answer = put("node/n9", "hang").await;
    assert_eq!(answer, (404, "not_found".into(), "no node \"n9\" in the registry".into()));
    let answer = put("master/n9", "hang").await;
    assert_eq!(
        answer,
        (400, "bad_request".into(), "unknown word \"master\", expected one of [\"gate\", \"node\", \"mesh\"]".into())
    );
    until(async || put("mesh/m1", "hang").await.0 == 422).await;
    let (status, _, message) = put("node/none-n1", "shut").await;
    assert_eq!(status, 400);
    assert!(
        message.starts_with("the body: unknown variant `shut`, expected one of `work`, `busy`, `hang`"),
        "{message}"
    );
    assert_eq!(code(&world.api.get("instances/gate/none-n1").await), (404, "not_found"));
    // A path is one segment, and no text in it is anything but an id.
    assert_eq!(code(&world.api.get("instances/gate/..%2Fnode%2Fnone-n1").await), (404, "not_found"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_does_not_answer_is_named_and_the_others_are_counted() {
    let world = World::start("silent").await;
    let (one, ..) = world.player(0, 1).await;
    let (two, ..) = world.player(1, 2).await;
    let anonymous = world.client(1).await;
    let online = async || world.api.get("online").await.1;
    let all = json!({
        "sessions": 3, "users": 2, "silent": 0,
        "gates": [
            { "id": "silent-g1", "sessions": 1, "users": 1 },
            { "id": "silent-g2", "sessions": 2, "users": 1 },
        ],
    });
    until(async || online().await == all).await;
    let (_, gate) = world.api.get("instances/gate/silent-g2").await;
    assert_eq!(gate["online"], json!({ "sessions": 2, "users": 1 }));

    // Nobody listens there.
    let mut gone = Instance::new(Kind::Gate, "silent-g3");
    gone.endpoint = format!("drpc://127.0.0.1:{}?is_secure=false", crate::support::free_port());
    world.registry.register(gone).await.unwrap();
    until(async || online().await["silent"] == 1).await;
    let counted = online().await;
    assert_eq!((&counted["sessions"], &counted["users"]), (&json!(3), &json!(2)));
    assert_eq!(counted["gates"][2]["id"], "silent-g3");
    assert_eq!(counted["gates"][2].get("sessions"), None);
    assert!(!counted["gates"][2]["error"].as_str().unwrap().is_empty());
    let (status, overview) = world.api.get("overview").await;
    assert_eq!(status, 200);
    assert_eq!(overview["problems"][0]["who"], "gate silent-g3");
    let sum = world.api.post("broadcast", json!({ "message": { "route": 50 } })).await;
    assert_eq!(
        sum,
        (200, json!({ "message": "broadcast success, total: 2", "delivered": 2, "absent": 0, "failed": 1 }))
    );

    for client in [one, two, anonymous] {
        client.close().await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_found_at_his_gate_and_his_nodes() {
    let world = World::start("user").await;
    let (client, gid, _) = world.player(1, 7).await;
    let nid = ask(&client, 3, "").await;
    let (status, user) = world.api.get("users/7").await;
    let known = json!({ "uid": 7, "gate": "user-g2", "online": true, "ip": "127.0.0.1", "nodes": { "game": nid } });
    assert_eq!((status, &user), (200, &known));
    assert_eq!(gid, "user-g2");
    assert_eq!(code(&world.api.get("users/8").await), (404, "not_found"));
    for bad in ["x", "0", "-1", "9223372036854775808"] {
        assert_eq!(code(&world.api.get(&format!("users/{bad}")).await), (400, "bad_request"), "{bad}");
    }
    client.close().await;
    until(async || world.api.get("users/7").await.1["online"] == false).await;
    let (_, user) = world.api.get("users/7").await;
    assert_eq!((&user["gate"], &user["nodes"]["game"]), (&json!(null), &json!(nid)), "he is still bound to a node");
    world.stop().await;
}

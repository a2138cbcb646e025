//! Another client of consul, consulrs, in a program of its own: what ours writes it reads, and the other way round. The
//! test command builds it from `tests/support/consul/witness`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use due::registry::{ConsulRegistry, InstanceRoute, Kind, Registry, State};
use serde_json::{Value, json};

use crate::support::Consul;
use crate::{instance, until};

struct Witness(String);

impl Witness {
    fn of(server: &Consul) -> Self {
        Self(format!("http://{}", server.addr()))
    }

    fn run(&self, command: &str, args: &[&str], input: &str) -> String {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("consul-witness");
        let mut process = Command::new(&program);
        process.arg(command).arg(&self.0).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = process.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{command} {args:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_witness_reads_what_we_write() {
    let server = Consul::start();
    let witness = Witness::of(&server);
    let registry = ConsulRegistry::new().addr(server.addr());
    let mut node = instance(Kind::Node, "n1");
    node.routes = vec![InstanceRoute { id: 2, stateful: true, ..InstanceRoute::default() }];
    node.metadata = BTreeMap::from([("due.oneway".into(), "3,17".into()), ("k".into(), "v".into())]);
    let read = || serde_json::from_str::<Value>(&witness.run("read", &["node"], "")).unwrap();
    let expected = |state: &str| {
        json!([{
            "id": "node-n1", "name": "node", "address": "127.0.0.1", "port": 3553,
            "meta": {
                "id": "n1", "kind": "node", "alias": "node", "state": state,
                "endpoint": "drpc://127.0.0.1:3553?is_secure=false", "routes-0": "2-2", "_due-oneway-0": "3,17", "_k": "v",
            },
        }])
    };
    for state in [State::Work, State::Hang] {
        node.state = state;
        registry.register(node.clone()).await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(30), async {
            while read()["services"] != expected(state.as_str()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        told.await.unwrap_or_else(|_| panic!("{}", read()));
        assert_eq!(read()["checks"]["service:node-n1"], json!(["passing", "passed"]));
        assert!(read()["checks"]["service:node-n1:1"].is_array());
    }
    registry.deregister(Kind::Node, "n1").await.unwrap();
    let read = read();
    assert_eq!(read["checks"], json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_read_what_the_witness_writes() {
    let server = Consul::start();
    let witness = Witness::of(&server);
    let registry = ConsulRegistry::new().addr(server.addr());
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    let mut node = instance(Kind::Node, "n9");
    node.alias = "game".into();
    node.events = vec![1, 3];
    node.weight = 4;
    node.routes = vec![InstanceRoute { id: 300, internal: true, authorized: true, ..InstanceRoute::default() }];
    node.metadata = BTreeMap::from([("zone".into(), "7".into())]);
    let service = json!({
        "id": "node-n9", "name": "node", "address": "127.0.0.1", "port": 3553,
        "meta": {
            "id": "n9", "kind": "node", "alias": "game", "state": "work", "weight": "4", "events": "[1,3]",
            "endpoint": "drpc://127.0.0.1:3553?is_secure=false", "routes-0": "300-5", "_zone": "7",
        },
    });
    witness.run("write", &[], &service.to_string());
    assert_eq!(*until(&mut watch, |list| list.len() == 1).await, [node]);
    witness.run("deregister", &["node-n9"], "");
    until(&mut watch, <[_]>::is_empty).await;
}

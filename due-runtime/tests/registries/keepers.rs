//! Processes that die, runtimes that end.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use due::registry::{ConsulRegistry, EtcdRegistry, Kind, Registry};

use crate::support::{Consul, Etcd};
use crate::{Server, ids, instance, until};

/// Names the server to a child process of this test binary.
const OWNER: &str = "DUE_TEST_REGISTRY";

#[test]
fn etcd_forgets_a_process_that_is_killed() {
    match std::env::var(OWNER) {
        Ok(addr) => own(EtcdRegistry::new().addrs([addr]).retry_interval(Duration::from_secs(2))),
        Err(_) => a_killed_owner_disappears::<Etcd>("keepers::etcd_forgets_a_process_that_is_killed"),
    }
}

#[test]
fn consul_forgets_a_process_that_is_killed() {
    match std::env::var(OWNER) {
        Ok(addr) => {
            own(ConsulRegistry::new().addr(addr).health_check(false).heartbeat_check_interval(Duration::from_secs(2)))
        }
        Err(_) => a_killed_owner_disappears::<Consul>("keepers::consul_forgets_a_process_that_is_killed"),
    }
}

fn a_killed_owner_disappears<S: Server>(test: &str) {
    let server = S::start();
    let this = std::env::current_exe().unwrap();
    let child = Command::new(this).args(["--exact", test]).env(OWNER, server.addr()).stdout(Stdio::null()).spawn();
    let mut owner = KillOnDrop(child.unwrap());
    run(async {
        let registry = server.registry();
        let mut watch = registry.watch(Kind::Node).await.unwrap();
        assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["n1", "n2"]);
        owner.0.kill().unwrap();
        owner.0.wait().unwrap();
        until(&mut watch, <[_]>::is_empty).await;
    });
}

/// The child: registers two nodes, and lives until it is killed.
fn own(registry: impl Registry) {
    run(async {
        registry.register(instance(Kind::Node, "n1")).await.unwrap();
        registry.register(instance(Kind::Node, "n2")).await.unwrap();
        std::future::pending::<()>().await;
    });
}

#[test]
fn etcd_lives_on_when_the_first_runtime_ends() {
    lives_on_when_the_first_runtime_ends::<Etcd>();
}

#[test]
fn consul_lives_on_when_the_first_runtime_ends() {
    lives_on_when_the_first_runtime_ends::<Consul>();
}

fn lives_on_when_the_first_runtime_ends<S: Server>() {
    let server = S::start();
    let registry = server.registry();
    let first = run(async {
        registry.register(instance(Kind::Node, "n1")).await.unwrap();
        registry.watch(Kind::Node).await.unwrap()
    });
    run(async {
        let mut second = registry.watch(Kind::Node).await.unwrap();
        drop(first);
        registry.register(instance(Kind::Node, "n1")).await.unwrap();
        registry.register(instance(Kind::Node, "n2")).await.unwrap();
        assert_eq!(ids(&until(&mut second, |list| list.len() == 2).await), ["n1", "n2"]);
    });
}

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // It may be dead already, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

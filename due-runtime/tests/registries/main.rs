//! Registries behind real servers: what is in them byte for byte, servers that die and come back with and without their
//! data, entries that nobody should have written, gates and nodes over all that.

mod consul;
mod doors;
mod etcd;
mod keepers;
mod logs;
mod outages;
mod standin;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod unlisted;
mod witness;

use std::error::Error;
use std::time::Duration;

use due::registry::{ConsulRegistry, EtcdRegistry, Instance, Instances, Kind, Registry, Watch};
use support::{Consul, Etcd};

/// What awaited states have at most.
const SOON: Duration = Duration::from_secs(60);

/// A server, and registries on it that notice soon who died.
trait Server {
    type Registry: Registry + Clone;

    /// How long who is missing after an outage is awaited.
    const GRACE: Duration;

    fn start() -> Self;
    fn addr(&self) -> String;
    fn registry(&self) -> Self::Registry;
    fn kill(&mut self);
    fn start_again(&mut self);
    fn start_empty(&mut self);
    /// The state of an instance, as the server's own API shows it.
    fn state_of(&self, kind: Kind, id: &str) -> Option<String>;
}

impl Server for Etcd {
    type Registry = EtcdRegistry;

    const GRACE: Duration = Duration::from_secs(3);

    fn start() -> Self {
        Self::start()
    }

    fn addr(&self) -> String {
        self.addr()
    }

    fn registry(&self) -> EtcdRegistry {
        EtcdRegistry::new().addrs([self.addr()]).retry_interval(Duration::from_secs(2))
    }

    fn kill(&mut self) {
        self.kill();
    }

    fn start_again(&mut self) {
        self.start_again();
    }

    fn start_empty(&mut self) {
        self.start_empty();
    }

    fn state_of(&self, kind: Kind, id: &str) -> Option<String> {
        let (_, json, _) = self.dump().into_iter().find(|(key, ..)| *key == format!("/services/{kind}/{id}"))?;
        Some(serde_json::from_str::<Instance>(&json).unwrap().state.to_string())
    }
}

impl Server for Consul {
    type Registry = ConsulRegistry;

    const GRACE: Duration = Duration::from_secs(4);

    fn start() -> Self {
        Self::start()
    }

    fn addr(&self) -> String {
        self.addr()
    }

    fn registry(&self) -> ConsulRegistry {
        // Nobody listens at the endpoints of most tests.
        ConsulRegistry::new().addr(self.addr()).health_check(false).heartbeat_check_interval(Duration::from_secs(2))
    }

    fn kill(&mut self) {
        self.kill();
    }

    fn start_again(&mut self) {
        self.start_again();
    }

    fn start_empty(&mut self) {
        self.start_empty();
    }

    fn state_of(&self, kind: Kind, id: &str) -> Option<String> {
        let services = self.get("/v1/agent/services");
        Some(services.get(format!("{kind}-{id}"))?["Meta"]["state"].as_str()?.to_owned())
    }
}

fn instance(kind: Kind, id: &str) -> Instance {
    let mut instance = Instance::new(kind, id);
    instance.endpoint = "drpc://127.0.0.1:3553?is_secure=false".into();
    instance
}

fn ids(list: &Instances) -> Vec<&str> {
    let mut ids: Vec<_> = list.iter().map(|instance| instance.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

async fn until(watch: &mut Watch, fits: impl Fn(&[Instance]) -> bool) -> Instances {
    soon(async {
        loop {
            let list = watch.next().await.expect("an open registry");
            if fits(&list) {
                return list;
            }
        }
    })
    .await
}

/// Looks again and again, while the registry works.
async fn until_true(mut is_true: impl FnMut() -> bool) {
    soon(async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("a state in time")
}

/// An error with all its causes, as a log shows it.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

mod api;
mod layout;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::api::Api;
use self::layout::Registration;
use super::remote::{Backend, Complaints, End, Failure, Remote, View, jitter, until};
use super::{BoxFuture, Instance, Instances, Kind, Registry, RegistryError, RegistryTls, Watch};

/// Between two lists, at most: a busy catalog wakes a blocking query at once, every time.
const PAUSE: Duration = Duration::from_millis(250);

/// The registry in consul, through an agent, shared with processes of due v2.5.8.
///
/// ```
/// use due::Backends;
/// use due::registry::ConsulRegistry;
///
/// let backends = Backends::memory().registry(ConsulRegistry::new().addr("127.0.0.1:8500").token("secret"));
/// ```
///
/// An [`Instance`] is the service `KIND-ID` of the name `KIND`, with everything that describes it in its `Meta`. Routes are
/// packed into values of at most 512 bytes, the keys are `routes-0`, `routes-1` and so on; keys of the metadata begin with
/// `_`. `due.oneway` of the metadata, which processes in Go ignore, is spread over `_due-oneway-0` and so on.
///
/// The agent checks that the port is open ([`health_check`](Self::health_check)), and that the process says within the
/// [heartbeat interval](Self::heartbeat_check_interval) that it lives, which it does twice as often
/// ([`heartbeat_check`](Self::heartbeat_check)). A new service is listed when both have passed, and the first look at the
/// port may take its interval: until then a node has no traffic, and a gate accepts nobody. When the agent has forgotten a service, it is registered again, for ever.
///
/// # While consul is away
/// Watches keep the last list. All is tried again with pauses that grow to 2 s; that consul is lost is said once in the log,
/// and once that it is back. Instances that it does not list then have half a heartbeat, a [timeout](Self::timeout), and an
/// interval and a timeout of the health check to come back before watches drop them (23 s by default): an agent that lost
/// its memory, or that looks at every port anew, disturbs nobody. A server that starts meanwhile finds a gate or node that calls
/// it past their checks, and takes it for listed as long. [`register`](Registry::register) and
/// [`deregister`](Registry::deregister) fail with [`Unreachable`](RegistryError::Unreachable) after the
/// [timeout](Self::timeout); what was registered before stays what is kept, what was deregistered turns critical. So do
/// services of a process that dies, and of a registry value that is dropped with all its clones.
///
/// # What it cannot hold
/// Consul takes 64 keys in `Meta`, of at most 128 bytes (letters, digits, `_` and `-`), with values of at most 512 bytes.
/// Ids are not empty and have no `/`. The endpoint must name a host and a port. All else is
/// [`Unsuitable`](RegistryError::Unsuitable). Services that are no instances are skipped and named once in the log.
///
/// # Cancel safety
/// A `register` or `deregister` that is dropped may be done or not.
#[derive(Clone)]
pub struct ConsulRegistry {
    options: Arc<Options>,
    remote: Arc<OnceLock<Remote<Consul>>>,
}

#[derive(Clone)]
struct Options {
    addr: String,
    token: Option<String>,
    tls: Option<RegistryTls>,
    checks: Checks,
    wait: Duration,
    timeout: Duration,
}

/// How an agent finds out whether an instance lives.
#[derive(Clone, Debug)]
struct Checks {
    health: bool,
    health_interval: Duration,
    health_timeout: Duration,
    heartbeat: bool,
    heartbeat_interval: Duration,
    deregister_after: Duration,
}

impl Checks {
    /// At most, from a registration to the end of the first look.
    fn until_probed(&self) -> Duration {
        if self.health { self.health_interval + self.health_timeout } else { Duration::ZERO }
    }
}

impl Default for ConsulRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl ConsulRegistry {
    /// The registry of the agent at 127.0.0.1:8500. Nothing is dialled before the first call.
    pub fn new() -> Self {
        let options = Options {
            addr: "127.0.0.1:8500".to_owned(),
            token: None,
            tls: None,
            checks: Checks {
                health: true,
                health_interval: Duration::from_secs(10),
                health_timeout: Duration::from_secs(5),
                heartbeat: true,
                heartbeat_interval: Duration::from_secs(10),
                deregister_after: Duration::from_secs(30),
            },
            wait: Duration::from_secs(60),
            timeout: Duration::from_secs(3),
        };
        Self { options: Arc::new(options), remote: Arc::default() }
    }

    /// `host:port` of the agent. Default: `127.0.0.1:8500`.
    #[must_use]
    pub fn addr(self, addr: impl Into<String>) -> Self {
        self.with(|options| options.addr = addr.into())
    }

    /// The ACL token, which must allow to write the services `gate`, `node` and `mesh` and to read nodes. Default: none.
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> Self {
        self.with(|options| options.token = Some(token.into()))
    }

    /// Talks HTTPS. Default: no.
    #[must_use]
    pub fn tls(self, tls: RegistryTls) -> Self {
        self.with(|options| options.tls = Some(tls))
    }

    /// Whether the agent dials the endpoint of an instance. Default: yes.
    #[must_use]
    pub fn health_check(self, on: bool) -> Self {
        self.with(|options| options.checks.health = on)
    }

    /// How often it does. Default: 10 s.
    #[must_use]
    pub fn health_check_interval(self, interval: Duration) -> Self {
        self.with(|options| options.checks.health_interval = interval)
    }

    /// How long that may take. Default: 5 s.
    #[must_use]
    pub fn health_check_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.checks.health_timeout = timeout)
    }

    /// Whether an instance that says nothing for an interval is taken off the list. Default: yes.
    #[must_use]
    pub fn heartbeat_check(self, on: bool) -> Self {
        self.with(|options| options.checks.heartbeat = on)
    }

    /// That interval. Twice in it the agent is asked whether it still knows the instance, too. Default: 10 s, and at least
    /// 100 ms.
    #[must_use]
    pub fn heartbeat_check_interval(self, interval: Duration) -> Self {
        self.with(|options| options.checks.heartbeat_interval = interval.max(Duration::from_millis(100)))
    }

    /// When the agent forgets a service whose checks fail. Default: 30 s; consul makes it a minute at least.
    #[must_use]
    pub fn deregister_critical_service_after(self, time: Duration) -> Self {
        self.with(|options| options.checks.deregister_after = time)
    }

    /// How long consul may hold back an answer while nothing changes. Default: 60 s, at least 1 s, and consul allows 10
    /// minutes.
    #[must_use]
    pub fn wait(self, wait: Duration) -> Self {
        self.with(|options| options.wait = wait.max(Duration::from_secs(1)))
    }

    /// How long any other call may take; within it, it is tried again. Default: 3 s.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.timeout = timeout)
    }

    /// Clones share what they know; one with other options starts anew.
    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.options));
        self.remote = Arc::default();
        self
    }

    fn remote(&self) -> &Remote<Consul> {
        self.remote.get_or_init(|| {
            Remote::new(Consul {
                api: Api::new(&self.options),
                options: Arc::clone(&self.options),
                complaints: Complaints::default(),
            })
        })
    }
}

impl Registry for ConsulRegistry {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(self.remote().register(instance))
    }

    fn deregister<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(self.remote().deregister(kind, id))
    }

    fn list(&self, kind: Kind) -> BoxFuture<'_, Result<Instances, RegistryError>> {
        Box::pin(self.remote().list(kind))
    }

    fn watch(&self, kind: Kind) -> BoxFuture<'_, Result<Watch, RegistryError>> {
        Box::pin(self.remote().watch(kind))
    }

    fn is_listed(&self, kind: Kind, id: &str) -> bool {
        self.remote().is_listed(kind, id)
    }

    fn seek<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<bool, RegistryError>> {
        let remote = self.remote();
        Box::pin(async move {
            let registered = remote.backend().registered(kind).await?;
            let sought = registered.into_iter().find(|instance| instance.id == id);
            Ok(sought.is_some_and(|instance| remote.waits_for(instance)))
        })
    }

    /// 2 s, and an interval and a [timeout](Self::health_check_timeout) of the [health check](Self::health_check_interval)
    /// (17 s by default): nobody is listed before the first look at his port.
    fn admission(&self) -> Duration {
        self.latency() + self.options.checks.until_probed()
    }

    /// 2 s: processes in Go look at most once a second, ours four times, and the agent tells the servers at once.
    fn latency(&self) -> Duration {
        Duration::from_secs(2)
    }
}

impl fmt::Debug for ConsulRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { addr, checks, wait, timeout, .. } = &*self.options;
        f.debug_struct("ConsulRegistry")
            .field("addr", addr)
            .field("checks", checks)
            .field("wait", wait)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

struct Consul {
    api: Api,
    options: Arc<Options>,
    complaints: Complaints,
}

impl Backend for Consul {
    type Hold = ();

    const NAME: &'static str = "consul";

    fn refresh_interval(&self) -> Duration {
        self.options.checks.heartbeat_interval / 2
    }

    fn grace(&self) -> Duration {
        // It is noticed, done, and looked at.
        self.refresh_interval() + self.options.timeout + self.options.checks.until_probed()
    }

    fn check(&self, instance: &Instance) -> Result<(), String> {
        Registration::new(instance, &self.options.checks).map(|_| ())
    }

    async fn put(&self, instance: &Instance, (): &mut ()) -> Result<(), Failure> {
        let deadline = self.deadline();
        let service =
            Registration::new(instance, &self.options.checks).map_err(|reason| Failure::Refused(reason.into()))?;
        until(deadline, || self.api.register(&service)).await?;
        if self.options.checks.heartbeat {
            until(deadline, || self.api.pass(&service.id)).await?;
        }
        Ok(())
    }

    async fn refresh(&self, kind: Kind, id: &str, (): &mut ()) -> Result<(), Failure> {
        let service = layout::service_id(kind, id);
        match self.options.checks.heartbeat {
            true => until(self.deadline(), || self.api.pass(&service)).await,
            false => until(self.deadline(), || self.api.find(&service)).await,
        }
    }

    async fn remove(&self, kind: Kind, id: &str, (): &mut ()) -> Result<(), Failure> {
        let service = layout::service_id(kind, id);
        match until(self.deadline(), || self.api.deregister(&service)).await {
            Ok(()) | Err(Failure::Gone(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Instance>, Failure> {
        let answer = until(self.deadline(), || self.api.passing(kind, None)).await?;
        Ok(self.read(kind, answer.entries))
    }

    async fn follow(&self, kind: Kind, view: &View) -> End {
        let mut index = 0;
        loop {
            let answer = match index {
                0 => until(self.deadline(), || self.api.passing(kind, None)).await.map_err(End::Failed),
                _ => self.api.passing(kind, Some(index)).await.map_err(|_| End::Broken),
            };
            let answer = match answer {
                Ok(answer) => answer,
                Err(end) => return end,
            };
            // It is another server, or one without memory.
            let is_rewound = answer.index < index;
            if is_rewound {
                view.lost();
            }
            view.listed(self.read(kind, answer.entries));
            index = if is_rewound { 0 } else { answer.index };
            sleep(jitter(PAUSE)).await;
        }
    }
}

impl Consul {
    /// Whatever the checks say.
    async fn registered(&self, kind: Kind) -> Result<Vec<Instance>, Failure> {
        let entries = until(self.deadline(), || self.api.registered(kind)).await?;
        Ok(self.read(kind, entries))
    }

    /// Services that two agents know count once, as it was registered last.
    fn read(&self, kind: Kind, mut entries: Vec<layout::Entry>) -> Vec<Instance> {
        entries.sort_by_key(|entry| entry.service.modify_index);
        let prefix = format!("{kind}: ");
        let mut known = BTreeMap::new();
        let mut wrong = Vec::new();
        for layout::Entry { service } in entries {
            let key = format!("{prefix}{}", service.id);
            match service.read(kind) {
                Ok(instance) => {
                    self.complaints.right(&key);
                    known.insert(instance.id.clone(), instance);
                }
                Err(reason) => {
                    self.complaints.wrong(&key, &reason);
                    wrong.push(key);
                }
            }
        }
        self.complaints.keep(|key| !key.starts_with(&prefix) || wrong.iter().any(|wrong| wrong == key));
        known.into_values().collect()
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.timeout
    }
}

impl fmt::Debug for Consul {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consul").field("addr", &self.options.addr).finish_non_exhaustive()
    }
}

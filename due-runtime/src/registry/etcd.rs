use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use etcd_client::{
    Certificate, Client, ConnectOptions, Error, EventType, GetOptions, Identity, KeyValue, PutOptions, TlsOptions,
    WatchOptions,
};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::remote::{Backend, Change, Complaints, End, Failure, Remote, View, until};
use super::{BoxFuture, Instance, Instances, Kind, Registry, RegistryError, RegistryTls, Watch};

/// A value is a part of a request, and etcd takes requests of 1.5 MiB.
const MAX_VALUE: usize = 1 << 20;
/// Bytes of a list.
const MAX_LIST: usize = 64 << 20;
/// Pings tell a server that is gone from one that has nothing to say. etcd takes one every 5 s.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(3);

/// The registry in etcd (v3 API, 3.4 and later), shared with processes of due v2.5.8.
///
/// ```
/// use due::Backends;
/// use due::registry::EtcdRegistry;
///
/// let registry = EtcdRegistry::new().addrs(["10.0.0.1:2379", "10.0.0.2:2379"]).user("due", "secret");
/// let backends = Backends::memory().registry(registry);
/// ```
///
/// `/NAMESPACE/KIND/ID` holds the JSON of an [`Instance`], as `/services/node/n1`, on a lease of the
/// [retry interval](Self::retry_interval) and a second. The lease is kept alive every third of that; when it has ended,
/// or the server has lost it, the entry is written again on a new one, for ever. Entries of a process that dies, and of a
/// registry value that is dropped with all its clones, go with their lease.
///
/// # While etcd is away
/// Watches keep the last list. All is tried again with pauses that grow to 2 s; that etcd is lost is said once in the log,
/// and once that it is back. Instances that are missing then have one life of a lease to come back before watches drop
/// them, so an etcd that lost its data disturbs nobody. [`register`](Registry::register) and
/// [`deregister`](Registry::deregister) fail with [`Unreachable`](RegistryError::Unreachable) after the
/// [timeout](Self::timeout); what was registered before stays what is kept, what was deregistered lapses.
///
/// # What it cannot hold
/// Ids that are empty or contain `/`, and instances whose JSON exceeds 1 MiB: [`Unsuitable`](RegistryError::Unsuitable).
/// Two processes with one id overwrite each other. Entries that are no instances are skipped and named once in the log.
///
/// # Cancel safety
/// A `register` or `deregister` that is dropped may be done or not.
#[derive(Clone)]
pub struct EtcdRegistry {
    options: Arc<Options>,
    remote: Arc<OnceLock<Remote<Etcd>>>,
}

#[derive(Clone)]
struct Options {
    addrs: Vec<String>,
    dial_timeout: Duration,
    namespace: String,
    timeout: Duration,
    user: Option<(String, String)>,
    retry_interval: Duration,
    tls: Option<RegistryTls>,
}

impl Default for EtcdRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl EtcdRegistry {
    /// The registry of the etcd at 127.0.0.1:2379. Nothing is dialled before the first call.
    pub fn new() -> Self {
        let options = Options {
            addrs: vec!["127.0.0.1:2379".to_owned()],
            dial_timeout: Duration::from_secs(5),
            namespace: "services".to_owned(),
            timeout: Duration::from_secs(3),
            user: None,
            retry_interval: Duration::from_secs(10),
            tls: None,
        };
        Self { options: Arc::new(options), remote: Arc::default() }
    }

    /// The members of the cluster, `host:port` or a URL each. Default: `127.0.0.1:2379`.
    #[must_use]
    pub fn addrs<A: Into<String>>(self, addrs: impl IntoIterator<Item = A>) -> Self {
        self.with(|options| options.addrs = addrs.into_iter().map(Into::into).collect())
    }

    /// How long a connection may take. Default: 5 s.
    #[must_use]
    pub fn dial_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.dial_timeout = timeout)
    }

    /// The first part of every key. Default: `services`.
    #[must_use]
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.with(|options| options.namespace = namespace.into())
    }

    /// How long one call may take; within it, it is tried again. Default: 3 s.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.timeout = timeout)
    }

    /// Name and password. Default: none.
    #[must_use]
    pub fn user(self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.with(|options| options.user = Some((name.into(), password.into())))
    }

    /// Whole seconds that decide the life of a lease, which is one second more: how long others see a process that died.
    /// Default: 10 s, and at least 1 s. due also has `retryTimes`, after which it gives up; that never happens here.
    #[must_use]
    pub fn retry_interval(self, interval: Duration) -> Self {
        self.with(|options| options.retry_interval = interval.max(Duration::from_secs(1)))
    }

    /// Talks TLS. Default: no.
    #[must_use]
    pub fn tls(self, tls: RegistryTls) -> Self {
        self.with(|options| options.tls = Some(tls))
    }

    /// Clones share what they know; one with other options starts anew.
    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.options));
        self.remote = Arc::default();
        self
    }

    fn remote(&self) -> &Remote<Etcd> {
        self.remote.get_or_init(|| {
            Remote::new(Etcd {
                options: Arc::clone(&self.options),
                client: Mutex::default(),
                complaints: Complaints::default(),
            })
        })
    }
}

impl Registry for EtcdRegistry {
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

    /// 1 s: changes are pushed, and take milliseconds where nothing is overloaded.
    fn latency(&self) -> Duration {
        Duration::from_secs(1)
    }
}

impl fmt::Debug for EtcdRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { addrs, dial_timeout, namespace, timeout, retry_interval, .. } = &*self.options;
        f.debug_struct("EtcdRegistry")
            .field("addrs", addrs)
            .field("dial_timeout", dial_timeout)
            .field("namespace", namespace)
            .field("timeout", timeout)
            .field("retry_interval", retry_interval)
            .finish_non_exhaustive()
    }
}

struct Etcd {
    options: Arc<Options>,
    client: Mutex<Option<Connected>>,
    complaints: Complaints,
}

struct Connected {
    client: Client,
    /// A task that ends with the runtime that drives the connections.
    runtime: AbortHandle,
}

impl Backend for Etcd {
    /// The lease of the entry.
    type Hold = Option<i64>;

    const NAME: &'static str = "etcd";

    fn refresh_interval(&self) -> Duration {
        self.life() / 3
    }

    fn grace(&self) -> Duration {
        self.life()
    }

    fn check(&self, instance: &Instance) -> Result<(), String> {
        let size = json(instance).map_or_else(|error| Err(error.to_string()), |json| Ok(json.len()))?;
        match instance.id.as_str() {
            "" => Err("an id has at least one character".to_owned()),
            id if id.contains('/') => Err("the key ends in its id: give it one without a slash".to_owned()),
            _ if size > MAX_VALUE => {
                Err(format!("its JSON has {size} bytes of at most {MAX_VALUE}: serve less in one"))
            }
            _ => Ok(()),
        }
    }

    async fn put(&self, instance: &Instance, hold: &mut Option<i64>) -> Result<(), Failure> {
        let deadline = self.deadline();
        let value = json(instance).map_err(|error| Failure::Refused(error.into()))?;
        let key = self.key(instance.kind, &instance.id);
        let lease = match *hold {
            Some(lease) => lease,
            None => {
                let life = self.life().as_secs().try_into().unwrap_or(i64::MAX);
                let grant = |mut client: Client| async move { client.lease_grant(life, None).await };
                *hold.insert(self.call(deadline, grant).await?.id())
            }
        };
        let put = |mut client: Client| {
            let (key, value) = (key.clone(), value.clone());
            async move { client.put(key, value, Some(PutOptions::new().with_lease(lease))).await }
        };
        let result = self.call(deadline, put).await;
        if let Err(Failure::Gone(_)) = result {
            *hold = None;
        }
        result.map(|_| ())
    }

    async fn refresh(&self, _: Kind, _: &str, hold: &mut Option<i64>) -> Result<(), Failure> {
        let Some(lease) = *hold else { return Err(Failure::Gone("no lease".into())) };
        let refresh = |mut client: Client| async move { client.lease_keep_alive(lease).await };
        let result = self.call(self.deadline(), refresh).await;
        if let Err(Failure::Gone(_)) = result {
            *hold = None;
        }
        result.map(|_| ())
    }

    async fn remove(&self, kind: Kind, id: &str, hold: &mut Option<i64>) -> Result<(), Failure> {
        let deadline = self.deadline();
        // The key goes with the lease, unless somebody else has put it on his.
        if let Some(lease) = hold.take() {
            let revoke = |mut client: Client| async move { client.lease_revoke(lease).await };
            return match self.call(deadline, revoke).await {
                Ok(_) | Err(Failure::Gone(_)) => Ok(()),
                Err(failure) => Err(failure),
            };
        }
        let key = self.key(kind, id);
        let delete = |mut client: Client| {
            let key = key.clone();
            async move { client.delete(key, None).await }
        };
        self.call(deadline, delete).await.map(|_| ())
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Instance>, Failure> {
        Ok(self.list_at_revision(kind).await?.0)
    }

    async fn follow(&self, kind: Kind, view: &View) -> End {
        self.watch(kind, view).await.unwrap_or_else(End::Failed)
    }
}

impl Etcd {
    async fn watch(&self, kind: Kind, view: &View) -> Result<End, Failure> {
        let (list, revision) = self.list_at_revision(kind).await?;
        view.listed(list);
        let prefix = self.key(kind, "");
        let watch = |client: Client| {
            let options = WatchOptions::new().with_prefix().with_start_revision(revision + 1);
            let prefix = prefix.clone();
            async move { client.watch_client().max_decoding_message_size(MAX_LIST).watch(prefix, Some(options)).await }
        };
        let mut stream = self.call(self.deadline(), watch).await?;
        loop {
            let Ok(Some(message)) = stream.message().await else { return Ok(End::Broken) };
            match (message.compact_revision(), message.canceled()) {
                (0, false) => {}
                (0, true) => return Ok(End::Broken),
                _ => return Ok(End::Outdated),
            }
            let changes = message.events().iter().filter_map(|event| {
                let entry = event.kv()?;
                match event.event_type() {
                    EventType::Delete => self.removed(&prefix, entry),
                    EventType::Put => Some(match self.read(kind, &prefix, entry) {
                        Some(instance) => Change::Put(instance),
                        // What it was before is true no more.
                        None => return self.id(&prefix, entry).map(Change::Removed),
                    }),
                }
            });
            view.changed(changes);
        }
    }

    async fn list_at_revision(&self, kind: Kind) -> Result<(Vec<Instance>, i64), Failure> {
        let prefix = self.key(kind, "");
        let get = |client: Client| {
            let prefix = prefix.clone();
            async move {
                let mut client = client.kv_client().max_decoding_message_size(MAX_LIST);
                client.get(prefix, Some(GetOptions::new().with_prefix())).await
            }
        };
        let answer = self.call(self.deadline(), get).await?;
        let revision = answer.header().map_or(0, |header| header.revision());
        let keys: Vec<&[u8]> = answer.kvs().iter().map(KeyValue::key).collect();
        self.complaints.keep(|key| !key.starts_with(&prefix) || keys.contains(&key.as_bytes()));
        let list = answer.kvs().iter().filter_map(|entry| self.read(kind, &prefix, entry)).collect();
        Ok((list, revision))
    }

    fn read(&self, kind: Kind, prefix: &str, entry: &KeyValue) -> Option<Instance> {
        let key = String::from_utf8_lossy(entry.key());
        let id = key.strip_prefix(prefix)?;
        let reason = match serde_json::from_slice::<Instance>(entry.value()) {
            Err(error) => format!("no instance: {error}"),
            Ok(instance) if instance.kind != kind => format!("its kind is {}", instance.kind),
            Ok(instance) if instance.id != id => format!("its id is {:?}", instance.id),
            Ok(instance) => {
                self.complaints.right(&key);
                return Some(instance);
            }
        };
        self.complaints.wrong(&key, &reason);
        None
    }

    fn removed(&self, prefix: &str, entry: &KeyValue) -> Option<Change> {
        self.complaints.right(&String::from_utf8_lossy(entry.key()));
        self.id(prefix, entry).map(Change::Removed)
    }

    fn id(&self, prefix: &str, entry: &KeyValue) -> Option<String> {
        Some(String::from_utf8_lossy(entry.key()).strip_prefix(prefix)?.to_owned())
    }

    fn key(&self, kind: Kind, id: &str) -> String {
        format!("/{}/{kind}/{id}", self.options.namespace)
    }

    fn life(&self) -> Duration {
        Duration::from_secs(self.options.retry_interval.as_secs() + 1)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.timeout
    }

    async fn call<T, F>(&self, deadline: Instant, call: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        until(deadline, async || {
            let client = self.client().await?;
            call(client).await.map_err(failure)
        })
        .await
    }

    async fn client(&self) -> Result<Client, Failure> {
        let mut known = self.client.lock().await;
        if let Some(Connected { client, .. }) = known.as_ref().filter(|known| !known.runtime.is_finished()) {
            return Ok(client.clone());
        }
        let Options { addrs, dial_timeout, user, tls, .. } = &*self.options;
        let mut options = ConnectOptions::new()
            .with_connect_timeout(*dial_timeout)
            .with_keep_alive(PING, PONG)
            .with_require_leader(true);
        if let Some((name, password)) = user {
            options = options.with_user(name, password).with_auto_token_refresh(true);
        }
        if let Some(tls) = tls {
            let mut with = TlsOptions::new().ca_certificate(Certificate::from_pem(tls.roots()));
            if let Some((chain, key)) = tls.identity_pem() {
                with = with.identity(Identity::from_pem(chain, key));
            }
            options = options.with_tls(with);
        }
        let client = timeout(*dial_timeout, Client::connect(addrs, Some(options)))
            .await
            .map_err(|elapsed| Failure::Unreachable(elapsed.into()))?
            .map_err(failure)?;
        let runtime = tokio::spawn(std::future::pending::<()>()).abort_handle();
        Ok(known.insert(Connected { client, runtime }).client.clone())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.runtime.abort();
    }
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etcd").field("addrs", &self.options.addrs).finish_non_exhaustive()
    }
}

fn json(instance: &Instance) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(instance)
}

fn failure(error: Error) -> Failure {
    /// Of gRPC.
    const INVALID_ARGUMENT: i32 = 3;
    const NOT_FOUND: i32 = 5;
    const PERMISSION_DENIED: i32 = 7;
    const RESOURCE_EXHAUSTED: i32 = 8;
    const FAILED_PRECONDITION: i32 = 9;
    const UNAUTHENTICATED: i32 = 16;
    let code = match &error {
        // The only thing that is asked for by number.
        Error::LeaseKeepAliveError(_) => NOT_FOUND,
        Error::GRpcStatus(status) => i32::from(status.code()),
        Error::InvalidArgs(_) | Error::InvalidUri(_) | Error::InvalidMetadataValue(_) => INVALID_ARGUMENT,
        _ => 0,
    };
    match code {
        NOT_FOUND => Failure::Gone(error.into()),
        INVALID_ARGUMENT | PERMISSION_DENIED | RESOURCE_EXHAUSTED | FAILED_PRECONDITION | UNAUTHENTICATED => {
            Failure::Refused(error.into())
        }
        _ => Failure::Unreachable(error.into()),
    }
}

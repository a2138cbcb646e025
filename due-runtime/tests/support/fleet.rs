//! Gates and nodes in processes of their own. A test binary starts itself again with orders in its environment: its `main`
//! asks [`Orders::given`] first, and serves if there are any.
// Every suite uses a part of it.
#![allow(dead_code)]

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use due::codec::RawBody;
use due::event::RedisBus;
use due::locator::RedisLocator;
use due::redis::Redis;
use due::registry::{ConsulRegistry, EtcdRegistry};
use due::{App, Backends, Context, Gate, Nid, Node, NodeHandle, TcpLink, Uid};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::support::{freeze, signal, thaw};

const ORDERS: &str = "DUE_FLEET_ORDERS";
/// What a member says on its standard output when it serves; then the addresses of its listeners.
const READY: &str = "ready";
/// How long a member may take to serve, or to end, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bodies of all requests are texts: `player connection number`.
pub(crate) const ECHO: i32 = 1;
/// The body is the user's id; binds the user to this gate and node.
pub(crate) const LOGIN: i32 = 2;
/// As [`ECHO`], for users who are bound.
pub(crate) const PLAY: i32 = 3;

/// What one member of a fleet is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) id: String,
    pub(crate) role: Role,
    /// `host:port` of a redis-server.
    pub(crate) redis: String,
    pub(crate) registry: Where,
    /// An address of the loopback interface where others reach it.
    pub(crate) host: String,
    /// Every line of its log finds the disk full.
    pub(crate) full_disk: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Listens for clients on these addresses. `shared`: other members may as well.
    Gate { tcp: Option<String>, ws: Option<String>, shared: bool },
    /// Notes every request that it handles in its ledger; each takes so many milliseconds. When it stops, its users are bound
    /// to its heir.
    Node { work: u64, heir: Option<String> },
}

/// `host:port` of a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Where {
    Etcd(String),
    Consul(String),
}

/// A member that runs. It is killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    child: Child,
    id: String,
    folder: TempDir,
    addresses: Vec<String>,
}

impl Member {
    /// Starts this test binary again, and waits until the member serves.
    pub(crate) fn start(orders: &Orders) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = if orders.full_disk { "/dev/full".into() } else { folder.path().join("log") };
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(ORDERS, serde_json::to_string(&(orders, folder.path())).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = String::new();
        // The pipe ends with the process.
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let mut words = said.split_whitespace().map(str::to_owned);
        let is_ready = words.next().as_deref() == Some(READY);
        let this = Self { child, id: orders.id.clone(), folder, addresses: words.collect() };
        assert!(is_ready, "{} does not serve: {}", this.id, this.log());
        this
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Where clients connect to.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The requests that it has begun to handle, in that order; also of one that was killed.
    pub(crate) fn ledger(&self) -> Vec<String> {
        let text = fs::read_to_string(ledger(self.folder.path())).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The ends of sessions that it has heard of, in that order: `user gate`, user 0 for none.
    pub(crate) fn departures(&self) -> Vec<String> {
        let text = fs::read_to_string(departures(self.folder.path())).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// KiB that it has had in memory at most.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        peak.trim().trim_end_matches("kB").trim().parse().unwrap()
    }

    /// As a crash does (SIGKILL).
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop (SIGTERM).
    pub(crate) fn terminate(&self) {
        signal(self.child.id(), "-TERM");
    }

    /// Lets it stand still, with its connections open.
    pub(crate) fn freeze(&self) {
        freeze(self.child.id());
    }

    pub(crate) fn thaw(&self) {
        thaw(self.child.id());
    }

    /// Waits until it has ended, and says how and after what time.
    pub(crate) async fn ended(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, begun.elapsed());
            }
            assert!(begun.elapsed() < PATIENCE, "{} does not end: {}", self.id, self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}: {}", self.id, self.log());
        }
    }
}

impl Orders {
    /// What this process is to be, if it was started to be a member.
    pub(crate) fn given() -> Option<(Self, PathBuf)> {
        let orders = std::env::var(ORDERS).ok()?;
        Some(serde_json::from_str(&orders).expect("orders that a test has written"))
    }

    /// Serves until SIGTERM.
    pub(crate) fn serve(self, folder: &Path) {
        // What cannot be written is not complained of, for that could not be written either.
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).log_internal_errors(false).init();
        let redis = Redis::builder().addr(&self.redis).build().unwrap();
        let link = TcpLink::new().addr(format!("{}:0", self.host));
        let backends =
            Backends::memory().locator(RedisLocator::new(&redis)).event_bus(RedisBus::new(&redis)).link(link);
        let backends = match &self.registry {
            Where::Etcd(addr) => {
                let etcd = EtcdRegistry::new().addrs([addr.clone()]).retry_interval(Duration::from_secs(2));
                backends.registry(etcd)
            }
            Where::Consul(addr) => {
                let consul = ConsulRegistry::new()
                    .addr(addr.clone())
                    .health_check_interval(Duration::from_secs(1))
                    .health_check_timeout(Duration::from_secs(1))
                    .heartbeat_check_interval(Duration::from_secs(5));
                backends.registry(consul)
            }
        };
        let app = App::new().backends(backends);
        let app = match self.role {
            Role::Gate { tcp, ws, shared } => {
                let mut gate = Gate::builder().id(self.id).reuse_port(shared);
                if let Some(addr) = tcp {
                    gate = gate.tcp(addr);
                }
                if let Some(addr) = ws {
                    gate = gate.ws(addr);
                }
                app.gate(gate)
            }
            Role::Node { work, heir } => {
                BOOKS.get_or_init(|| Books::open(folder, Duration::from_millis(work)));
                let mut node = Node::builder().id(self.id).serve(due::routes![echo, login, play]).on_disconnect(left);
                if let Some(heir) = heir {
                    node = node.on_stop(move |node| hand_over_to(Nid::from(heir.as_str()), node));
                }
                app.node(node.build().unwrap())
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let served = runtime.block_on(app.run_with(|app| {
            let addresses: Vec<&str> = app.addresses().collect();
            let ready = format!("{READY} {}\n", addresses.join(" "));
            std::io::stdout().write_all(ready.as_bytes()).unwrap();
        }));
        served.unwrap();
    }
}

static BOOKS: std::sync::OnceLock<Books> = std::sync::OnceLock::new();

/// What a node notes before it does anything else: the ledger outlives a crash.
struct Books {
    ledger: Mutex<File>,
    departures: Mutex<File>,
    users: Mutex<BTreeSet<Uid>>,
    work: Duration,
}

impl Books {
    fn open(folder: &Path, work: Duration) -> Self {
        let [ledger, departures] =
            [ledger(folder), departures(folder)].map(|path| Mutex::new(File::create(path).unwrap()));
        Self { ledger, departures, users: Mutex::default(), work }
    }

    async fn handle(body: RawBody) -> RawBody {
        let books = BOOKS.get().expect("a node has books");
        // One write per line, so that a crash leaves whole lines.
        books.ledger.lock().unwrap().write_all(&[&body.0[..], b"\n"].concat()).unwrap();
        if !books.work.is_zero() {
            tokio::time::sleep(books.work).await;
        }
        body
    }
}

fn ledger(folder: &Path) -> PathBuf {
    folder.join("ledger")
}

fn departures(folder: &Path) -> PathBuf {
    folder.join("departures")
}

async fn left(ctx: Context) -> due::Result<()> {
    let line = format!("{} {}\n", ctx.uid().map_or(0, |uid| uid.0), ctx.gid());
    BOOKS.get().expect("a node has books").departures.lock().unwrap().write_all(line.as_bytes())?;
    Ok(())
}

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(Books::handle(body).await)
}

#[due::route(2)]
async fn login(ctx: &mut Context, uid: RawBody) -> due::Result<RawBody> {
    let uid = Uid(std::str::from_utf8(&uid.0)?.parse()?);
    ctx.bind(uid).await?;
    ctx.bind_node().await?;
    Ok(RawBody(ctx.nid().as_str().as_bytes().to_vec().into()))
}

/// Whoever plays here plays on there.
async fn hand_over_to(heir: Nid, node: NodeHandle) -> due::Result<()> {
    let users = BOOKS.get().expect("a node has books").users.lock().unwrap().clone();
    for uid in users {
        node.cluster().bind_node(uid, "node", &heir).await?;
    }
    Ok(())
}

#[due::route(3, stateful)]
async fn play(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    let uid = ctx.uid().expect("the route is stateful");
    BOOKS.get().expect("a node has books").users.lock().unwrap().insert(uid);
    Ok(Books::handle(body).await)
}

/// Requests of these players that a node has begun though one of its heirs had begun a later one of the same connection, going by
/// the order of inheritance.
pub(crate) fn overtaken(nodes: &[&Member], players: &std::ops::RangeInclusive<usize>) -> usize {
    let mut overtaken = 0;
    let mut first_of_heirs: HashMap<String, u64> = HashMap::new();
    for node in nodes.iter().rev() {
        let mut first_here = first_of_heirs.clone();
        for line in node.ledger() {
            let (connection, number) = line.rsplit_once(' ').expect("player, connection and number");
            let player = connection.split_once(' ').expect("player and connection").0;
            if !players.contains(&player.parse().unwrap()) {
                continue;
            }
            let number: u64 = number.parse().unwrap();
            overtaken += usize::from(first_of_heirs.get(connection).is_some_and(|first| number > *first));
            let first = first_here.entry(connection.to_owned()).or_insert(number);
            *first = number.min(*first);
        }
        first_of_heirs = first_here;
    }
    overtaken
}

/// What all nodes together have handled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Handled {
    /// Different requests.
    pub(crate) requests: HashMap<String, usize>,
    /// Requests that were handled more than once, by one node or by several.
    pub(crate) twice: usize,
    /// Requests that a node has begun after a later one of the same connection.
    pub(crate) out_of_order: usize,
}

impl Handled {
    pub(crate) fn by<'a>(nodes: impl IntoIterator<Item = &'a Member>) -> Self {
        Self::for_players(nodes, 1..=usize::MAX)
    }

    /// Of what these have asked. Whoever looks whether a node serves is player 0.
    pub(crate) fn for_players<'a>(
        nodes: impl IntoIterator<Item = &'a Member>,
        players: std::ops::RangeInclusive<usize>,
    ) -> Self {
        let mut this = Self::default();
        for node in nodes {
            let mut last: HashMap<String, u64> = HashMap::new();
            let is_theirs = |line: &String| {
                line.split_once(' ').is_some_and(|(player, _)| players.contains(&player.parse().unwrap()))
            };
            for line in node.ledger().into_iter().filter(is_theirs) {
                let (connection, number) = line.rsplit_once(' ').expect("player, connection and number");
                let number: u64 = number.parse().unwrap();
                let last = last.entry(connection.to_owned()).or_default();
                this.out_of_order += usize::from(number < *last);
                *last = number;
                *this.requests.entry(line).or_default() += 1;
            }
        }
        this.twice = this.requests.values().filter(|times| **times > 1).count();
        this
    }
}

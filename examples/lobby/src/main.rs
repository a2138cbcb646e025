//! `lobby` runs all servers in one process; `lobby gate`, `login`, `game`, `wallet` and `admin` one each; `lobby play` is a
//! client that plays everything once.

mod args;

use std::hash::{BuildHasher as _, RandomState};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use args::{Args, Command, Member};
use clap::Parser as _;
use due::mesh::MeshError;
use due::registry::RegistryError;
use due::{App, Cluster, RunningApp, StartError};
use lobby::servers::Directory;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the end waits for notices that are being told.
const TELLING: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,lobby=info"));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();

    let args = Args::parse();
    let Some(command) = args.command else {
        let directory = Directory::read(&args.etc)?;
        let app = directory.everything(args.gates, args.games)?;
        return run(app, "lobby", Some(Door::open(&directory).await?)).await;
    };
    match command {
        Command::Gate(member) => alone(member, "gate", |app, directory, id| Ok(app.gate(directory.gate(id)?))).await,
        Command::Login(member) => alone(member, "login", |app, directory, id| Ok(app.node(directory.login(id)?))).await,
        Command::Game(member) => alone(member, "game", |app, directory, id| Ok(app.node(directory.game(id)?))).await,
        Command::Wallet(member) => {
            alone(member, "wallet", |app, directory, id| Ok(app.mesh(directory.wallet(id)?))).await
        }
        Command::Admin(member) => {
            let (directory, id) = meet(member, "admin")?;
            let mut door = Door::open(&directory).await?;
            let backends = directory.backends()?;
            let cluster = Cluster::connect(&backends).await.map_err(|error| explained(error.into(), &id))?;

            door.cluster = Some(cluster);
            run(App::new().backends(backends), &id, Some(door)).await
        }
        Command::Play { url, admin } => lobby::play::play(&url, &admin, &mut |line| say(line)).await,
    }
}

/// One server.
async fn alone(
    member: Member,
    kind: &str,
    add: impl FnOnce(App, &Directory, &str) -> anyhow::Result<App>,
) -> anyhow::Result<()> {
    let (directory, id) = meet(member, kind)?;
    let app = add(directory.app()?, &directory, &id)?;
    run(app, &id, None).await
}

fn meet(member: Member, kind: &str) -> anyhow::Result<(Directory, String)> {
    let directory = Directory::read(&member.etc)?;
    directory.check_is_shared()?;
    // Not the process id, which is 1 in every container.
    let id = member.id.unwrap_or_else(|| format!("{kind}-{:08x}", RandomState::new().hash_one(kind) as u32));
    Ok((directory, id))
}

/// Serves until a signal comes, and stops without losing anything.
async fn run(app: App, id: &str, mut door: Option<Door>) -> anyhow::Result<()> {
    let (stop, stopped) = oneshot::channel();
    let mut telling = None;
    let started = app.run_with(|app| {
        for address in app.addresses() {
            say(&format!("serving {address}"));
        }
        telling = door.take().and_then(|door| door.serve(app, stopped));
        say(&format!("{id} is up; Ctrl-C stops"));
    });
    started.await.map_err(|error| explained(error, id))?;
    drop(stop);
    if let Some(telling) = telling {
        match timeout(TELLING, telling).await {
            Ok(ended) => ended??,
            Err(_) => say("a notice was still being told"),
        }
    }
    say("stopped");
    Ok(())
}

/// What to do about a server that does not start.
fn explained(error: StartError, id: &str) -> anyhow::Error {
    let hint = match &error {
        StartError::Registry(RegistryError::Unreachable(_))
        | StartError::Mesh(MeshError::Registry(RegistryError::Unreachable(_))) => {
            ": start consul first, or say where it is: `registry.consul.addr` of etc.toml, or DUE_ETC_REGISTRY_CONSUL_ADDR"
        }
        StartError::Listen(_) => {
            ": other addresses are chosen by `network.ws.server.addr` and `network.tcp.server.addr` of etc.toml, or \
             DUE_ETC_NETWORK_WS_SERVER_ADDR and DUE_ETC_NETWORK_TCP_SERVER_ADDR; 127.0.0.1:0 is any free port"
        }
        StartError::Hook(_) => {
            ": start redis first, or say where it is: `eventbus.redis.addrs` of etc.toml, or DUE_ETC_EVENTBUS_REDIS_ADDRS"
        }
        _ => "",
    };
    anyhow::Error::new(error).context(format!("{id} cannot serve{hint}"))
}

/// Where notices come in.
struct Door {
    listener: TcpListener,
    /// Default: that of the app.
    cluster: Option<Cluster>,
}

impl Door {
    async fn open(directory: &Directory) -> anyhow::Result<Self> {
        let addr = directory.admin_addr();
        let listener = TcpListener::bind(addr).await.with_context(|| {
            format!(
                "cannot take notices on {addr}; `admin.addr` of lobby.toml or LOBBY_ADMIN_ADDR chooses another address, as \
                 127.0.0.1:0 for any free port"
            )
        })?;
        Ok(Self { listener, cluster: None })
    }

    fn serve(self, app: &RunningApp, stopped: oneshot::Receiver<()>) -> Option<JoinHandle<std::io::Result<()>>> {
        let router = lobby::admin::router(self.cluster.or_else(|| app.cluster().cloned())?);
        if let Ok(addr) = self.listener.local_addr() {
            say(&format!("serving http://{addr}"));
        }
        Some(tokio::spawn(async move {
            let stop = async {
                // It is dropped, not sent.
                let _ = stopped.await;
            };
            axum::serve(self.listener, router).with_graceful_shutdown(stop).await
        }))
    }
}

/// Whether anybody reads it or not.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

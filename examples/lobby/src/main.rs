//! `lobby` runs all servers in one process; `lobby gate`, `login`, `game`, `wallet` and `admin` one each; `lobby play` is a
//! client that plays everything once.

mod args;

use std::hash::{BuildHasher as _, RandomState};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use args::{Args, Command, MEMORY, Member};
use clap::Parser as _;
use due::master::MasterError;
use due::mesh::MeshError;
use due::registry::RegistryError;
use due::{App, StartError};
use lobby::play::play;
use lobby::servers::Directory;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        // The master says where its page is.
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,lobby=info,due::master=info"));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();

    let args = Args::parse();
    let Some(command) = args.command else {
        let directory = Directory::read(&args.etc)?;
        return run(directory.everything(args.gates, args.games)?, "lobby").await;
    };
    match command {
        Command::Gate(member) => alone(member, "gate", |app, directory, id| Ok(app.gate(directory.gate(id)?))).await,
        Command::Login(member) => alone(member, "login", |app, directory, id| Ok(app.node(directory.login(id)?))).await,
        Command::Game(member) => alone(member, "game", |app, directory, id| Ok(app.node(directory.game(id)?))).await,
        Command::Wallet(member) => {
            alone(member, "wallet", |app, directory, id| Ok(app.mesh(directory.wallet(id)?))).await
        }
        Command::Admin(member) => alone(member, "admin", |app, directory, _| Ok(app.master(directory.admin()?))).await,
        Command::Play { url: Some(url), admin } => play(&url, admin.as_deref(), &mut |line| say(line)).await,
        Command::Play { url: None, .. } => tour().await,
    }
}

/// One server.
async fn alone(
    member: Member,
    kind: &str,
    add: impl FnOnce(App, &Directory, &str) -> anyhow::Result<App>,
) -> anyhow::Result<()> {
    let directory = Directory::read(&member.etc)?;
    directory.check_is_shared()?;
    // Not the process id, which is 1 in every container.
    let id = member.id.unwrap_or_else(|| format!("{kind}-{:08x}", RandomState::new().hash_one(kind) as u32));
    let app = add(directory.app()?, &directory, &id)?;
    run(app, &id).await
}

/// Serves until a signal comes, and stops without losing anything.
async fn run(app: App, id: &str) -> anyhow::Result<()> {
    let started = app.run_with(|app| {
        for address in app.addresses() {
            say(&format!("serving {address}"));
        }
        say(&format!("{id} is up; Ctrl-C stops"));
    });
    started.await.map_err(|error| explained(error, id))?;
    say("stopped");
    Ok(())
}

/// Everything once, in this process.
async fn tour() -> anyhow::Result<()> {
    let app = Directory::on_free_ports(Path::new(MEMORY))?.everything(1, 2)?.start().await?;
    say("gate, login, two game nodes, wallet and admin are up, all in this process");
    let url = app.addresses().find(|url| url.starts_with("ws://")).context("no listener for ws")?.to_owned();
    let played = play(&url, app.master_page().as_deref(), &mut |line| say(line)).await;
    app.stop().await;
    say("stopped");
    played
}

/// What to do about a server that does not start.
fn explained(error: StartError, id: &str) -> anyhow::Error {
    let hint = match &error {
        StartError::Registry(RegistryError::Unreachable(_))
        | StartError::Mesh(MeshError::Registry(RegistryError::Unreachable(_)))
        | StartError::Master(MasterError::Registry(RegistryError::Unreachable(_))) => {
            ": start its registry first, or say where that is: `registry.consul.addr` of etc.toml, or \
             DUE_ETC_REGISTRY_CONSUL_ADDR (of etcd: `registry.etcd.addrs`, DUE_ETC_REGISTRY_ETCD_ADDRS)"
        }
        StartError::Listen(_) => {
            ": other addresses are chosen by `network.ws.server.addr` and `network.tcp.server.addr` of etc.toml, or \
             DUE_ETC_NETWORK_WS_SERVER_ADDR and DUE_ETC_NETWORK_TCP_SERVER_ADDR; 127.0.0.1:0 is any free port"
        }
        StartError::Master(MasterError::Bind { .. }) => {
            ": another address is chosen by `cluster.master.addr` of etc.toml, or \
             DUE_ETC_CLUSTER_MASTER_ADDR; 127.0.0.1:0 is any free port"
        }
        StartError::Master(MasterError::NoToken(_) | MasterError::ShortToken(_)) => {
            ": choose `cluster.master.token` of etc.toml, or DUE_ETC_CLUSTER_MASTER_TOKEN"
        }
        StartError::Hook(_) => {
            ": start redis first, or say where it is: `eventbus.redis.addrs` of etc.toml, or DUE_ETC_EVENTBUS_REDIS_ADDRS"
        }
        _ => "",
    };
    anyhow::Error::new(error).context(format!("{id} cannot serve{hint}"))
}

/// Whether anybody reads it or not.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

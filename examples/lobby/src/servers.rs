//! The servers out of a directory: all in one process, or one alone.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use due::{App, Etc, Gate, Master, Mesh, Node};

use crate::admin;
use crate::game::{self, GameService};
use crate::generated;
use crate::login::{self, LoginService};
use crate::passwords::Passwords;
use crate::settings::Settings;
use crate::store::Store;
use crate::v1::WalletServer;
use crate::wallet::WalletService;

/// Any port that nobody else has, which other machines do not reach.
const FREE: &str = "127.0.0.1:0";

/// What a directory says, and the store that it names.
#[derive(Debug)]
pub struct Directory {
    etc: Etc,
    settings: Settings,
    store: Arc<dyn Store>,
}

impl Directory {
    /// Reads `etc.toml` and `lobby.toml`. Inside of a tokio runtime.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let hint = || format!("{}; --etc names a directory with etc.toml and lobby.toml", dir.display());
        ensure!(dir.is_dir(), "there is no directory {}", hint());
        let etc = Etc::from_dir(dir).with_context(hint)?;
        Self::new(etc, Settings::load(dir)?)
    }

    /// The same on any free ports of this machine, whatever the files and the environment say of them.
    ///
    /// # Errors
    /// Every mistake in the files.
    pub fn on_free_ports(dir: &Path) -> anyhow::Result<Self> {
        let keys = ["NETWORK_WS_SERVER", "NETWORK_TCP_SERVER", "CLUSTER_MASTER"];
        let variables = keys.map(|key| (format!("DUE_ETC_{key}_ADDR"), FREE.to_owned()));
        Self::new(Etc::from_dir_with(dir, variables)?, Settings::load(dir)?)
    }

    fn new(etc: Etc, settings: Settings) -> anyhow::Result<Self> {
        let store = settings.open_store()?;
        Ok(Self { etc, settings, store })
    }

    /// An app without servers.
    ///
    /// # Errors
    /// Backends that cannot be used.
    pub fn app(&self) -> anyhow::Result<App> {
        Ok(self.etc.app()?)
    }

    /// Keeps the clients.
    ///
    /// # Errors
    /// No listener, or one that cannot be.
    pub fn gate(&self, id: &str) -> anyhow::Result<Gate> {
        Ok(self.etc.gate()?.id(id).schema(generated::DUE_SCHEMA).build())
    }

    /// Knows who is who.
    ///
    /// # Errors
    /// A system without randomness.
    pub fn login(&self, id: &str) -> anyhow::Result<Node> {
        let service = LoginService::new(Arc::clone(&self.store), Passwords::new()?);
        Ok(login::serve(self.etc.node()?.id(id), service).build()?)
    }

    /// Has rooms.
    ///
    /// # Errors
    /// Settings of nodes that cannot be.
    pub fn game(&self, id: &str) -> anyhow::Result<Node> {
        Ok(game::serve(self.etc.node()?.id(id), GameService::new(Arc::clone(&self.store))).build()?)
    }

    /// Keeps the coins.
    ///
    /// # Errors
    /// Settings of meshes that cannot be.
    pub fn wallet(&self, id: &str) -> anyhow::Result<Mesh> {
        Ok(self.etc.mesh()?.id(id).serve(WalletServer::new(WalletService)).build())
    }

    /// Shows and steers the cluster, and takes notices.
    ///
    /// # Errors
    /// Settings of masters that cannot be.
    pub fn admin(&self) -> anyhow::Result<Master> {
        Ok(self.etc.master()?.routes(admin::router).build())
    }

    /// All of them in one app. Gates beyond the first need port 0.
    ///
    /// # Errors
    /// As of each server.
    pub fn everything(&self, gates: u16, games: u16) -> anyhow::Result<App> {
        let mut app = self.app()?.mesh(self.wallet("wallet")?).node(self.login("login")?);
        for number in 1..=games {
            app = app.node(self.game(&format!("game-{number}"))?);
        }
        for number in 1..=gates {
            app = app.gate(self.gate(&format!("gate-{number}"))?);
        }
        Ok(app.master(self.admin()?))
    }

    /// Says what to do where processes of their own would not find each other, or not know the same accounts.
    ///
    /// # Errors
    /// A directory that keeps its registry, its accounts or its rooms in memory.
    pub fn check_is_shared(&self) -> anyhow::Result<()> {
        let shared = !self.etc.is_in_memory() && self.settings.store.redis.is_some();
        ensure!(
            shared,
            "{} keeps things in memory, where other processes do not find them: etc.toml has to name a registry, lobby.toml \
             a redis, as those in etc/fleet do; or run `lobby` without a command, which is all servers in one process",
            self.etc.dir().display()
        );
        Ok(())
    }
}

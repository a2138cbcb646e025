//! The cluster over HTTP, for operators (feature `master`): who is there, in what state, with how many users; messages to
//! users; states and drains; configuration; metrics; and a page that shows it all.
//!
//! ```no_run
//! # async fn start(backends: due::Backends) -> Result<(), Box<dyn std::error::Error>> {
//! use due::{App, Master};
//!
//! let master = Master::builder().listen("10.0.0.7:7353").token(std::env::var("MASTER_TOKEN")?);
//! App::new().backends(backends).master(master).run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A master watches the registry and calls gates and nodes; it serves nobody in the cluster and is in no registry, so that
//! processes of due v2.5.8 in Go, which have no such part, see nothing of it. There may be several. In a process that also
//! has gates or nodes it starts last and stops first.
//!
//! # Who may ask
//!
//! Every request needs the header `Authorization: Bearer TOKEN`, but for the page `/` and the document `/openapi.json`,
//! which hold no facts of the cluster. There are no cookies, so that no other site can speak for a browser that was here.
//! Without [`MasterBuilder::token`] a master listens on the loopback interface only, and makes a token at every start: the
//! log names it, as the address `http://127.0.0.1:7353/#TOKEN` of the page. There is no TLS: put a proxy in front of a
//! master that is reached over networks of others.
//!
//! # What it answers
//!
//! JSON, described by `/openapi.json` (OpenAPI 3.1), below `/api/v1`:
//!
//! | | |
//! |---|---|
//! | `GET overview` | everything that the page shows |
//! | `GET instances`, `GET instances/{kind}/{id}` | gates, nodes and meshes, as the registry has them |
//! | `PUT instances/{kind}/{id}/state`, `POST instances/{kind}/{id}/drain` | `work`, `busy`, `hang`; the latter with what is left |
//! | `GET routes` | which nodes serve what, and where they disagree |
//! | `GET online` | sessions and users of each gate |
//! | `GET users/{uid}` | the gate and the nodes of a user |
//! | `POST push`, `multicast`, `broadcast`, `publish`, `kick` | messages to clients, and goodbyes |
//! | `GET config`, `GET config/{name}`, `PUT config/{name}` | the texts of [`MasterBuilder::config`] |
//!
//! `/metrics` has what this process counts ([`metrics`](crate::metrics)) and, of the cluster, `due_cluster_instances{kind,
//! state}`, `due_cluster_sessions{gid}`, `due_cluster_users{gid}` and `due_cluster_gates_silent`.
//!
//! What fails is `{"code": "not_found", "message": ".."}` with the status that fits. A body has at most 512 KiB; a request
//! takes at most 15 s, and a gate that does not answer within 2 s is named in the answer instead of being waited for.
//!
//! # Messages per second
//!
//! Gates and nodes say nothing of them to each other. Processes with [`App::metrics`](crate::App::metrics) note the address
//! of their metrics in the registry (metadata `due-metrics`), and the master reads them there, once a second at most, while
//! somebody asks.

mod configs;
mod desk;
mod document;
mod endpoint;
mod gauges;
mod instances;
mod messages;
mod online;
mod overview;
mod page;
mod refusal;
mod routes;
mod scrape;
mod table;
mod token;
mod traffic;
mod users;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

pub use axum;
use axum::Router;

use self::desk::Desk;
pub use self::token::ShortToken;
use self::token::Token;
use crate::cluster::{Backends, Cluster};
use crate::codec::Codec;
use crate::config::ConfigSource;
use crate::crypto::{Cipher, Encryptor};
use crate::http::HttpServer;
use crate::metrics::exposition::Exposition;
use crate::registry::RegistryError;

/// Shows and steers a cluster over HTTP; see the [module](self). [`App`](crate::App) starts and stops it.
#[must_use]
#[derive(Debug)]
pub struct Master {
    settings: MasterBuilder,
}

/// The settings of a [`Master`].
#[must_use]
pub struct MasterBuilder {
    listen: String,
    token: Option<String>,
    codec: Option<Codec>,
    cipher: Option<Cipher>,
    config: Option<Arc<dyn ConfigSource>>,
    routes: Vec<Routes>,
}

type Routes = Box<dyn FnOnce(Cluster) -> Router + Send>;

impl Master {
    /// A master on `127.0.0.1:7353` with a token of its own making.
    pub fn builder() -> MasterBuilder {
        MasterBuilder {
            listen: "127.0.0.1:7353".to_owned(),
            token: None,
            codec: None,
            cipher: None,
            config: None,
            routes: Vec::new(),
        }
    }

    /// Counts from now on, for [`Self::start`] to show.
    pub(crate) fn count() {
        if let Err(error) = Exposition::install() {
            tracing::warn!(%error, "/metrics of the master has the cluster's figures only");
        }
    }

    pub(crate) async fn start(self, backends: &Backends) -> Result<RunningMaster, MasterError> {
        let MasterBuilder { listen, token, codec, cipher, config, routes } = self.settings;
        let bind = |source| MasterError::Bind { addr: listen.clone(), source };
        let (listener, addr) = HttpServer::bind(&listen).await.map_err(bind)?;
        let (token, is_made) = match token {
            Some(token) => (Token::new(token)?, false),
            None if addr.ip().is_loopback() => (Token::random().map_err(MasterError::Random)?, true),
            None => return Err(MasterError::NoToken(addr)),
        };
        let desk = Desk::open(backends, codec, cipher, config).await?;
        let own = routes.into_iter().map(|routes| routes(desk.cluster.clone()));
        let own = own.fold(Router::new(), Router::merge);
        let router = endpoint::router(table::endpoints(), own, Arc::clone(&desk), token.clone());
        let server = HttpServer::serve(listener, addr, router);
        // Whoever reads the log of this machine may know a token that works on this machine alone, until the next start.
        let fragment = if is_made { format!("#{}", token.reveal()) } else { String::new() };
        tracing::info!(page = format!("http://{addr}/{fragment}"), "master serves");
        Ok(RunningMaster { server, desk, token })
    }
}

impl MasterBuilder {
    /// Where it listens, `host:port`. Default: `127.0.0.1:7353`, which only this machine reaches. Another interface needs a
    /// [`token`](Self::token).
    pub fn listen(mut self, addr: impl Into<String>) -> Self {
        self.listen = addr.into();
        self
    }

    /// What every request has to know, at least 16 bytes. Default: made at every start, and named in the log.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// How bodies of messages are written that are given as JSON. Default: the codec of the [`Backends`]. The codec `proto`
    /// needs a schema, which a master has not: such messages are given as bytes.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = Some(codec);
        self
    }

    /// Encrypts the bodies of messages; see [`crypto`](crate::crypto). Default: what the [`Backends`] have.
    pub fn encryptor(mut self, encryptor: impl Encryptor) -> Self {
        self.cipher = Some(Cipher::new(encryptor));
        self
    }

    /// The configuration that can be read, and written if its source allows. Default: none.
    pub fn config(mut self, source: impl ConfigSource) -> Self {
        self.config = Some(Arc::new(source));
        self
    }

    /// Further routes, behind the same token and with the same limits: the game's own administration.
    ///
    /// ```
    /// use due::master::axum::{Router, extract::Path, routing::post};
    /// use due::{Close, Cluster, Master, Uid};
    ///
    /// let master = Master::builder().routes(|cluster: Cluster| {
    ///     let ban = async move |Path(uid): Path<i64>| match cluster.disconnect(Uid(uid), Close::Force).await {
    ///         Ok(()) => "banned".to_owned(),
    ///         Err(error) => error.to_string(),
    ///     };
    ///     Router::new().route("/ban/{uid}", post(ban))
    /// });
    /// # let _ = master;
    /// ```
    ///
    /// # Panics
    /// At the start, if a path is taken: by `/`, `/metrics`, `/openapi.json`, `/api/v1`, or another router.
    pub fn routes(mut self, routes: impl FnOnce(Cluster) -> Router + Send + 'static) -> Self {
        self.routes.push(Box::new(routes));
        self
    }

    /// The master, not yet started.
    pub fn build(self) -> Master {
        Master { settings: self }
    }
}

impl From<MasterBuilder> for Master {
    fn from(builder: MasterBuilder) -> Self {
        builder.build()
    }
}

/// A master that serves.
pub(crate) struct RunningMaster {
    server: HttpServer,
    desk: Arc<Desk>,
    token: Token,
}

impl RunningMaster {
    /// Of the page, with the token.
    pub(crate) fn page(&self) -> String {
        format!("http://{}/#{}", self.server.addr(), self.token.reveal())
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.desk.cluster
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
        self.desk.cluster.leave().await;
    }
}

/// Why a master did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MasterError {
    /// The address is taken, is not ours, or is no address.
    #[error("the master cannot listen on {addr}")]
    Bind {
        /// As it was configured.
        addr: String,
        /// What the system says.
        source: io::Error,
    },
    /// Others reach the address, and anybody could steer the cluster.
    #[error(
        "a master on {0}, which is no loopback address, needs a token: MasterBuilder::token, or `etc.cluster.master.token`"
    )]
    NoToken(SocketAddr),
    /// The token could be guessed.
    #[error(transparent)]
    ShortToken(#[from] ShortToken),
    /// The system has no randomness for a token.
    #[error("no token could be made")]
    Random(#[source] io::Error),
    /// The registry gave no answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Without the token.
impl fmt::Debug for MasterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterBuilder")
            .field("listen", &self.listen)
            .field("codec", &self.codec)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::redis::cluster::ClusterClientBuilder;
use ::redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisError,
    TlsCertificates, TlsMode,
};

use super::server::Server;
use super::{FIRST_PAUSE, LONGEST_PAUSE, Redis};

/// A server of a cluster that stands still gets this part of the time, so that the others are asked while there is some.
const CLUSTER_SHARE: u32 = 4;

/// How a [`Redis`] is reached. The names are those of due's configuration (`locate.redis.addrs` and so on).
#[derive(Clone, Debug)]
#[must_use]
pub struct RedisBuilder {
    addrs: Vec<String>,
    db: i64,
    username: String,
    password: Secret,
    tls: Option<Tls>,
    max_retries: u32,
    timeout: Duration,
}

#[derive(Clone, Debug, Default)]
struct Tls {
    ca: Option<PathBuf>,
    /// Certificate and key.
    own: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, Default)]
struct Secret(String);

/// Why no [`Redis`] can be made of what a builder was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisSetupError {
    /// An address is not of the form `host:port`.
    #[error("{0:?} is not of the form host:port")]
    Addr(String),
    /// Neither a server nor a cluster.
    #[error("no address is given")]
    NoAddr,
    /// Clusters have no databases but 0.
    #[error("database {0} in a cluster, which has 0 only")]
    Db(i64),
    /// A certificate or a key cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Certificates or keys that cannot be used.
    #[error("the settings of redis cannot be used")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RedisBuilder {
    pub(super) fn new() -> Self {
        Self {
            addrs: vec!["127.0.0.1:6379".to_owned()],
            db: 0,
            username: String::new(),
            password: Secret::default(),
            tls: None,
            max_retries: 3,
            timeout: Duration::from_secs(3),
        }
    }

    /// The server, as `host:port`. Default: 127.0.0.1:6379.
    pub fn addr(self, addr: impl Into<String>) -> Self {
        self.addrs([addr])
    }

    /// One address: a single server. Several: some servers of a redis cluster, of which the others are learned when one
    /// of them answers. Changes are heard from the servers that are named here.
    pub fn addrs(mut self, addrs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.addrs = addrs.into_iter().map(Into::into).collect();
        self
    }

    /// The number of the database. Default: 0, the only one of a cluster.
    pub fn db(mut self, db: i64) -> Self {
        self.db = db;
        self
    }

    /// The user of redis' access lists. Default, or empty: the default user.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = username.into();
        self
    }

    /// Default, or empty: none.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Secret(password.into());
        self
    }

    /// TLS 1.2 or 1.3, by rustls. The certificate of the server, or in a cluster of every server, must be for the host of
    /// its address, and be signed by a root of this system, or of [`ca_file`](Self::ca_file). A process that has chosen no
    /// default provider for rustls gets ring.
    pub fn tls(mut self) -> Self {
        self.tls.get_or_insert_default();
        self
    }

    /// [`tls`](Self::tls), where these certificates in PEM are the only roots. Read when the [`Redis`] is made.
    pub fn ca_file(mut self, ca: impl AsRef<Path>) -> Self {
        self.tls.get_or_insert_default().ca = Some(ca.as_ref().to_owned());
        self
    }

    /// [`tls`](Self::tls), where this side shows a certificate as well: a chain in PEM, and its key. Read when the
    /// [`Redis`] is made.
    pub fn cert_files(mut self, cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.tls.get_or_insert_default().own = Some((cert.as_ref().to_owned(), key.as_ref().to_owned()));
        self
    }

    /// How often a call is tried again that found no connection, or lost it: after 8 ms, 16 ms and so on up to 512 ms.
    /// Default: 3.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// How long a call may take, with everything that it needs: connecting, and all attempts. Default: 3 s. One server of a
    /// cluster is waited for a quarter of that.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Reads what files there are; connects to nothing.
    ///
    /// # Errors
    /// When an address, a file or a combination of settings cannot be used.
    pub fn build(self) -> Result<Redis, RedisSetupError> {
        if self.db != 0 && self.addrs.len() > 1 {
            return Err(RedisSetupError::Db(self.db));
        }
        let tls = self.tls.as_ref().map(Tls::read).transpose()?;
        if tls.is_some() {
            // Which may be there already, as somebody else's choice.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let infos = self.addrs.iter().map(|addr| self.info(addr)).collect::<Result<Vec<_>, _>>()?;
        let client = |info: &ConnectionInfo| match &tls {
            Some(certificates) => Client::build_with_tls(info.clone(), certificates.clone()),
            None => Client::open(info.clone()),
        };
        let cluster = match &*infos {
            [] => return Err(RedisSetupError::NoAddr),
            [_] => None,
            infos => {
                let mut builder = ClusterClientBuilder::new(infos.to_vec())
                    .retries(self.max_retries)
                    .min_retry_wait(FIRST_PAUSE.as_millis() as u64)
                    .max_retry_wait(LONGEST_PAUSE.as_millis() as u64)
                    .retry_wait_formula(FIRST_PAUSE.as_millis() as u64, 2)
                    .connection_timeout(self.timeout / CLUSTER_SHARE)
                    .response_timeout(self.timeout / CLUSTER_SHARE);
                if let Some(certificates) = &tls {
                    builder = builder.tls(TlsMode::Secure).certs(certificates.clone());
                }
                Some(builder.build().map_err(unusable)?)
            }
        };
        let clients = infos.iter().map(client).collect::<Result<_, _>>().map_err(unusable)?;
        let server = Server { addrs: self.addrs.join(",").into(), clients, cluster };
        Ok(Redis::new(server, self.max_retries, self.timeout))
    }

    fn info(&self, addr: &str) -> Result<ConnectionInfo, RedisSetupError> {
        let bad = || RedisSetupError::Addr(addr.to_owned());
        let (host, port) = addr.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if host.is_empty() || (bare.is_none() && host.contains([':', '/'])) {
            return Err(bad());
        }
        let host = bare.unwrap_or(host).to_owned();
        let addr = match self.tls {
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            None => ConnectionAddr::Tcp(host, port),
        };
        let mut settings = RedisConnectionInfo::default().set_db(self.db).set_skip_set_lib_name();
        if !self.username.is_empty() {
            settings = settings.set_username(&self.username);
        }
        if !self.password.0.is_empty() {
            settings = settings.set_password(&self.password.0);
        }
        Ok(addr.into_connection_info().map_err(unusable)?.set_redis_settings(settings))
    }
}

impl Tls {
    fn read(&self) -> Result<TlsCertificates, RedisSetupError> {
        let client_tls = match &self.own {
            Some((cert, key)) => Some(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? }),
            None => None,
        };
        Ok(TlsCertificates { client_tls, root_cert: self.ca.as_deref().map(read).transpose()? })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, RedisSetupError> {
    std::fs::read(path).map_err(|source| RedisSetupError::File { path: path.to_owned(), source })
}

fn unusable(error: RedisError) -> RedisSetupError {
    RedisSetupError::Unusable(error.into())
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{NatsBus, subject};

/// How a [`NatsBus`] reaches its server. The names are those of due's configuration (`eventbus.nats.url` and so on).
#[derive(Clone)]
#[must_use]
pub struct NatsBuilder {
    url: String,
    timeout: Duration,
    prefix: String,
    ca: Option<PathBuf>,
    /// Certificate and key.
    own: Option<(PathBuf, PathBuf)>,
}

/// Why no [`NatsBus`] can be made of what a builder was given. No text has a password in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsSetupError {
    /// A server is not of the form `nats://[user:password@]host[:port]` or `tls://..`.
    #[error("server {number} of the url is not of the form nats://host:port or tls://host:port")]
    Url {
        /// Counted from 1.
        number: usize,
    },
    /// There is one login for all servers.
    #[error("servers of the url have different users, passwords or tokens")]
    Logins,
    /// Subjects cannot begin with it.
    #[error("{prefix:?} cannot be a prefix: {reason}")]
    Prefix {
        /// As it was given.
        prefix: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A certificate or a key cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: pem::Error,
    },
}

/// What is needed to connect, over and over.
pub(super) struct Setup {
    pub(super) servers: Vec<ServerAddr>,
    pub(super) timeout: Duration,
    login: Login,
    ca: Option<PathBuf>,
    own: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, PartialEq, Eq)]
enum Login {
    Nobody,
    Token(String),
    User(String, String),
}

impl NatsBuilder {
    pub(super) fn new() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            timeout: Duration::from_secs(2),
            prefix: "due:eventbus".to_owned(),
            ca: None,
            own: None,
        }
    }

    /// One server, or several of one nats cluster with commas between them: `nats://host:4222`, or `tls://host:4222` for a
    /// server that must speak TLS 1.2 or 1.3 with a certificate for `host`. `user:password@` before the host logs in, a
    /// word alone (`word@`) is a token; `%40` stands for `@`, and so on. Default: nats://127.0.0.1:4222.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// How long a call may take, with everything that it needs: connecting, or waiting until a lost connection is there
    /// again. Default: 2 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What subjects begin with, before a colon; may be empty. All processes of a cluster have the same one. Default:
    /// `due:eventbus`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// In TLS, these certificates in PEM are the only roots. Default: those of this system.
    pub fn ca_file(mut self, ca: impl AsRef<Path>) -> Self {
        self.ca = Some(ca.as_ref().to_owned());
        self
    }

    /// In TLS, this side shows a certificate as well: a chain in PEM, and its key.
    pub fn cert_files(mut self, cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.own = Some((cert.as_ref().to_owned(), key.as_ref().to_owned()));
        self
    }

    /// Reads what files there are; connects to nothing.
    ///
    /// # Errors
    /// When the url, the prefix or a file cannot be used.
    pub fn build(self) -> Result<NatsBus, NatsSetupError> {
        if !self.prefix.is_empty()
            && let Err(reason) = subject("", &self.prefix)
        {
            return Err(NatsSetupError::Prefix { prefix: self.prefix, reason });
        }
        for path in self.ca.iter().chain(self.own.as_ref().map(|(cert, _)| cert)) {
            let read = CertificateDer::pem_file_iter(path).and_then(|mut certs| certs.next().transpose());
            let found = read.and_then(|cert| cert.ok_or(pem::Error::NoItemsFound));
            found.map_err(|source| NatsSetupError::File { path: path.clone(), source })?;
        }
        if let Some((_, path)) = &self.own {
            let key = PrivateKeyDer::from_pem_file(path);
            key.map_err(|source| NatsSetupError::File { path: path.clone(), source })?;
        }
        let (mut servers, mut login) = (Vec::new(), None);
        for (at, url) in self.url.split(',').enumerate() {
            let (server, its) = server(url.trim()).ok_or(NatsSetupError::Url { number: at + 1 })?;
            if *login.get_or_insert_with(|| its.clone()) != its {
                return Err(NatsSetupError::Logins);
            }
            servers.push(server);
        }
        // Which may be there already, as somebody else's choice. A server asks for TLS when it likes to.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let login = login.unwrap_or(Login::Nobody);
        let setup = Setup { servers, timeout: self.timeout, login, ca: self.ca, own: self.own };
        Ok(NatsBus::with(setup, self.prefix))
    }
}

impl Setup {
    pub(super) fn options(&self) -> ConnectOptions {
        // So that a server that stands still leaves time for the others.
        let share = u32::try_from(self.servers.len()).map_or(self.timeout, |servers| self.timeout / servers.max(1));
        let mut options = ConnectOptions::new().name("due").connection_timeout(share);
        options = match &self.login {
            Login::Nobody => options,
            Login::Token(token) => options.token(token.clone()),
            Login::User(user, password) => options.user_and_password(user.clone(), password.clone()),
        };
        if let Some(ca) = &self.ca {
            options = options.add_root_certificates(ca.clone());
        }
        if let Some((cert, key)) = &self.own {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        options
    }

    /// For people.
    pub(super) fn names(&self) -> String {
        let names: Vec<_> = self.servers.iter().map(|server| format!("{}:{}", server.host(), server.port())).collect();
        names.join(",")
    }
}

/// The login does not stay in the address, which may be logged.
fn server(url: &str) -> Option<(ServerAddr, Login)> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let (login, host) = match rest.rsplit_once('@') {
        None => (Login::Nobody, rest),
        Some((login, host)) => match login.split_once(':') {
            None => (Login::Token(decoded(login)?), host),
            Some((user, password)) => (Login::User(decoded(user)?, decoded(password)?), host),
        },
    };
    let host = host.strip_suffix('/').unwrap_or(host);
    if !matches!(scheme, "nats" | "tls") || host.contains(['/', '?', '#']) {
        return None;
    }
    let server: ServerAddr = format!("{scheme}://{host}").parse().ok()?;
    (!server.host().is_empty()).then_some((server, login))
}

/// Without its percent signs.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Debug for NatsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The url has a password in it.
        let Self { url: _, timeout, prefix, ca, own } = self;
        f.debug_struct("NatsBuilder")
            .field("timeout", timeout)
            .field("prefix", prefix)
            .field("ca", ca)
            .field("own", own)
            .finish_non_exhaustive()
    }
}

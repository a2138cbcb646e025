use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Client;
use super::connection::{Connection, Settings};
use super::tap::{Tap, Traffic};
use crate::codec::Codec;
use crate::crypto::{Cipher, Encryptor};
use crate::packet::{Dialect, Format, HeartbeatTime};
use crate::skew::{Schema, Skew};
use crate::transport::mem::MemConnector;
use crate::transport::{PacketRead, PacketWrite};

#[cfg(all(feature = "tls", any(feature = "tcp", feature = "ws")))]
const NO_ROOTS: &str = "say with `ClientBuilder::tls` which servers are believed";

/// Collects the settings of a [`Client`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    format: Format,
    codec: Codec,
    cipher: Option<Cipher>,
    dialect: Dialect,
    timeout: Duration,
    connect_timeout: Duration,
    heartbeat: Duration,
    max_pending: usize,
    outbox: usize,
    pushes: usize,
    tap: Option<Tap>,
    schema: Option<Schema>,
    skew_timeout: Duration,
    skew_policy: SkewPolicy,
    #[cfg(feature = "kcp")]
    kcp: crate::transport::kcp::Settings,
    #[cfg(all(feature = "tls", any(feature = "tcp", feature = "ws")))]
    tls: Option<crate::transport::tls::TlsClient>,
}

impl ClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            format: Format::new(),
            codec: Codec::default(),
            cipher: None,
            dialect: Dialect::Sized,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            max_pending: 1024,
            outbox: 256,
            pushes: 256,
            tap: None,
            schema: None,
            skew_timeout: Duration::from_secs(3),
            skew_policy: SkewPolicy::default(),
            #[cfg(feature = "kcp")]
            kcp: crate::transport::kcp::Settings::default(),
            #[cfg(all(feature = "tls", any(feature = "tcp", feature = "ws")))]
            tls: None,
        }
    }

    /// The packet format of the cluster. Default: due's, [`Format::new`].
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// How bodies are written. Default: `proto`.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Encrypts the bodies that go to servers, and decrypts those of answers and pushes; see [`crypto`](crate::crypto).
    /// Default: nothing is encrypted.
    pub fn encryptor(self, encryptor: impl Encryptor) -> Self {
        self.cipher(Some(Cipher::new(encryptor)))
    }

    pub(crate) fn cipher(mut self, cipher: Option<Cipher>) -> Self {
        self.cipher = cipher;
        self
    }

    /// How ws messages are framed. Default: [`Dialect::Sized`]. Streams know that one only.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// How long a call waits for its answer unless it says so itself. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long connecting may take, handshake included. Default: 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// A heartbeat is sent every interval; a server that is silent for two is given up. Default: 10 s; zero switches
    /// both off. Gates give up silent clients by an interval of their own.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// Calls that may wait for their answers at a time; further ones fail. Default: 1024, or as many as there are seqs.
    pub fn max_pending(mut self, calls: usize) -> Self {
        self.max_pending = calls;
        self
    }

    /// Packets that may wait to be written; further ones make their senders wait. Default: 256.
    pub fn outbox(mut self, packets: usize) -> Self {
        self.outbox = packets;
        self
    }

    /// Pushes that may wait for a listener, per route; then the oldest are lost. Default: 256.
    pub fn push_buffer(mut self, packets: usize) -> Self {
        self.pushes = packets;
        self
    }

    /// Shows `see` everything that is written and read, in the order of the wire, before calls and listeners have it.
    /// It runs on the connection's own task: it must not block. Default: nobody looks.
    pub fn tap(mut self, see: impl Fn(Traffic<'_>) + Send + Sync + 'static) -> Self {
        self.tap = Some(Tap::new(see));
        self
    }

    /// The schema that this client was generated from, `DUE_SCHEMA` of the generated code. Every connection asks its gate
    /// how theirs differs, beside the calls: [`Client::skew`] tells, and a difference that breaks calls is warned of in the
    /// log. Default: none, and nothing is asked.
    ///
    /// Go gates drop the question, gates that were told no schema refuse it: then it is [`Skew::Unknown`].
    pub fn schema(mut self, schema: Schema) -> Self {
        self.schema = Some(schema);
        self
    }

    /// How long a gate may take to say how the schemas differ. Default: 3 s.
    pub fn skew_timeout(mut self, timeout: Duration) -> Self {
        self.skew_timeout = timeout;
        self
    }

    /// What becomes of a connection to a gate with another schema. Default: [`SkewPolicy::Warn`].
    pub fn skew_policy(mut self, policy: SkewPolicy) -> Self {
        self.skew_policy = policy;
        self
    }

    /// How `kcp://` connections are paced. Default: [`Settings::default`](crate::transport::kcp::Settings::default).
    #[cfg(feature = "kcp")]
    pub fn kcp(mut self, settings: crate::transport::kcp::Settings) -> Self {
        self.kcp = settings;
        self
    }

    /// Which servers are believed, for `tls://` and `wss://`. Default: none.
    #[cfg(all(feature = "tls", any(feature = "tcp", feature = "ws")))]
    pub fn tls(mut self, tls: crate::transport::tls::TlsClient) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Connects to `tcp://host:port`, `kcp://host:port` or `ws://host:port/path`; with TLS, to `tls://host:port` or
    /// `wss://host:port/path`.
    ///
    /// # Errors
    /// When the URL cannot be used, nobody accepts there, the handshake fails, or the [policy](Self::skew_policy) refuses the
    /// gate's schema.
    pub async fn connect(self, url: &str) -> Result<Client, ConnectError> {
        let unusable = |reason| ConnectError::Url { url: url.to_owned(), reason };
        let Some((scheme, _addr)) = url.split_once("://") else {
            return Err(unusable("no scheme; write `tcp://host:port` or `ws://host:port/path`"));
        };
        if matches!(scheme, "tcp" | "tls" | "kcp") && self.dialect == Dialect::Bare {
            return Err(unusable("the bare dialect is for ws only"));
        }
        match scheme {
            #[cfg(feature = "tcp")]
            "tcp" => {
                let addr = _addr.strip_suffix('/').unwrap_or(_addr);
                let format = self.shared_format();
                let (read, write) = self.within(url, crate::transport::tcp::connect(addr, format)).await?;
                self.meet(url, read, write).await
            }
            #[cfg(feature = "kcp")]
            "kcp" => {
                let addr = _addr.strip_suffix('/').unwrap_or(_addr);
                let (settings, format) = (self.kcp.clone(), self.shared_format());
                let (read, write) = self.within(url, crate::transport::kcp::connect(addr, settings, format)).await?;
                self.meet(url, read, write).await
            }
            #[cfg(feature = "ws")]
            "ws" => {
                let format = self.shared_format();
                let (read, write) = self.within(url, crate::transport::ws::connect(url, format)).await?;
                self.meet(url, read, write).await
            }
            #[cfg(all(feature = "tls", feature = "tcp"))]
            "tls" => {
                let addr = _addr.strip_suffix('/').unwrap_or(_addr);
                let format = self.shared_format();
                let tls = self.tls.as_ref().ok_or_else(|| unusable(NO_ROOTS))?;
                let (read, write) = self.within(url, crate::transport::tcp::connect_tls(addr, tls, format)).await?;
                self.meet(url, read, write).await
            }
            #[cfg(all(feature = "tls", feature = "ws"))]
            "wss" => {
                let format = self.shared_format();
                let tls = self.tls.as_ref().ok_or_else(|| unusable(NO_ROOTS))?;
                let (read, write) = self.within(url, crate::transport::ws::connect_tls(url, tls, format)).await?;
                self.meet(url, read, write).await
            }
            #[cfg(not(feature = "tcp"))]
            "tcp" => Err(unusable("this program is built without the feature `tcp` of due-runtime")),
            #[cfg(not(feature = "kcp"))]
            "kcp" => Err(unusable("this program is built without the feature `kcp` of due-runtime")),
            #[cfg(not(feature = "ws"))]
            "ws" => Err(unusable("this program is built without the feature `ws` of due-runtime")),
            #[cfg(not(all(feature = "tls", feature = "tcp")))]
            "tls" => Err(unusable("this program is built without the features `tls` and `tcp` of due-runtime")),
            #[cfg(not(all(feature = "tls", feature = "ws")))]
            "wss" => Err(unusable("this program is built without the features `tls` and `ws` of due-runtime")),
            _ => Err(unusable("unknown scheme; use `tcp://`, `tls://`, `kcp://`, `ws://` or `wss://`")),
        }
    }

    /// Connects to a gate of this process that listens in [memory](crate::transport::mem).
    ///
    /// # Errors
    /// When the gate is gone, or the [policy](Self::skew_policy) refuses its schema.
    pub async fn connect_mem(self, gate: &MemConnector) -> Result<Client, ConnectError> {
        let (read, write) = self.within("mem:", gate.connect(self.shared_format())).await?;
        self.meet("mem:", read, write).await
    }

    /// A client over a connection that stands already, as over a stream of your own with
    /// [`FramedRead`](crate::transport::FramedRead); made with the same [`format`](Self::format). It refuses no schema.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn over(self, read: impl PacketRead, write: impl PacketWrite) -> Client {
        let settings = Settings {
            format: self.shared_format(),
            codec: self.codec,
            cipher: self.cipher,
            dialect: self.dialect,
            timeout: self.timeout,
            heartbeat: self.heartbeat,
            max_pending: self.max_pending,
            outbox: self.outbox,
            pushes: self.pushes,
            tap: self.tap,
            schema: self.schema.map(|schema| (schema, self.skew_timeout)),
        };
        Client::new(Connection::spawn(settings, read, write))
    }

    async fn meet(self, url: &str, read: impl PacketRead, write: impl PacketWrite) -> Result<Client, ConnectError> {
        let policy = self.skew_policy;
        let client = self.over(read, write);
        if policy == SkewPolicy::Refuse {
            let skew = client.skew().await;
            if skew.is_breaking() {
                return Err(ConnectError::Skew { url: url.to_owned(), skew: Box::new(skew) });
            }
        }
        Ok(client)
    }

    /// Clients of the bare dialect send no time.
    fn shared_format(&self) -> Arc<Format> {
        Arc::new(self.format.clone().bare_heartbeat_time(HeartbeatTime::Off))
    }

    async fn within<T>(&self, url: &str, connect: impl Future<Output = io::Result<T>>) -> Result<T, ConnectError> {
        match timeout(self.connect_timeout, connect).await {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(source)) => Err(ConnectError::Io { url: url.to_owned(), source }),
            Err(_) => Err(ConnectError::Timeout { url: url.to_owned(), after: self.connect_timeout }),
        }
    }
}

/// What a client does about a gate whose schema breaks its calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SkewPolicy {
    /// It warns in the log and goes on; connecting waits for nothing.
    #[default]
    Warn,
    /// It connects only to gates that are not known to break its calls: connecting waits for the answer as well, and fails
    /// with [`ConnectError::Skew`].
    Refuse,
}

/// A client could not connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL or its scheme cannot be used.
    #[error("cannot connect to {url}: {reason}")]
    Url {
        /// What was asked for.
        url: String,
        /// What to write instead.
        reason: &'static str,
    },
    /// Nobody accepts there, or the handshake was refused.
    #[error("cannot connect to {url}")]
    Io {
        /// What was asked for.
        url: String,
        /// What the system or the handshake says.
        source: io::Error,
    },
    /// The gate has a schema that breaks this client's calls, and [`SkewPolicy::Refuse`] was asked for.
    #[error("{url} is not for this client: {skew}")]
    Skew {
        /// What was asked for.
        url: String,
        /// By which routes they differ.
        skew: Box<Skew>,
    },
    /// The server did not answer in time.
    #[error("cannot connect to {url} within {after:?}")]
    Timeout {
        /// What was asked for.
        url: String,
        /// [`ClientBuilder::connect_timeout`].
        after: Duration,
    },
}

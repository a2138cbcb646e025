use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::{Code, Status};

use crate::codec::{Codec, decode_serde, encode_serde};
use crate::mesh::typed::status;
use crate::mesh::{Channel, ConnectError};
use crate::registry::Registry;

/// Calls a service without a `.proto`, of Go or a [`Service`](super::Service), with serde types of your own. Cheap to
/// clone; clones share connections.
///
/// ```
/// # use due::mesh::{ConnectError, rpcx};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize)]
/// # struct IncrGold { #[serde(rename = "UID")] uid: i64, #[serde(rename = "Gold")] gold: i64 }
/// # #[derive(Deserialize)]
/// # struct Total { #[serde(rename = "Gold")] gold: i64 }
/// # async fn call(cluster: &due::Cluster) -> Result<(), Box<dyn std::error::Error>> {
/// let wallet = rpcx::Client::connect(cluster, "discovery://wallet", "Wallet").await?;
/// let total: Total = wallet.call("IncrGold", &IncrGold { uid: 1000, gold: 5 }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    path: Arc<str>,
}

impl Client {
    /// A client of `discovery://NAME`, `direct://HOST:PORT`, `direct://INSTANCE_ID`, `rpcx://HOST:PORT` or `HOST:PORT`: of
    /// those instances that speak rpcx. `path` is the service path.
    pub async fn connect<R>(registry: &R, target: &str, path: &str) -> Result<Self, ConnectError>
    where
        R: AsRef<dyn Registry> + ?Sized,
    {
        Ok(Self::new(Channel::connect_to(registry, target.parse::<crate::mesh::Target>()?.over_rpcx()).await?, path))
    }

    /// A client over a channel. A channel to an address has to be one of rpcx.
    pub fn new(channel: Channel, path: &str) -> Self {
        Self { channel, path: path.into() }
    }

    /// How long each call may take, finding an instance included. Default: 10 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.channel = self.channel.timeout(timeout);
        self
    }

    /// What servers that ask for one are shown. Default: nothing.
    #[must_use]
    pub fn token(mut self, token: impl Into<Arc<str>>) -> Self {
        self.channel = self.channel.token(token);
        self
    }

    /// How bodies are written: `msgpack-go` by default, `json` for peers that want it. Serde types have no form in `proto`.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.channel = self.channel.codec(codec);
        self
    }

    /// One request, one response. Dropping it gives up the response; the server may have handled the request.
    pub async fn call<R: DeserializeOwned>(&self, method: &str, request: &impl Serialize) -> Result<R, Status> {
        let codec = self.channel.rpcx_codec();
        let body = encode(request, codec)?;
        let response = self.channel.over_rpcx(&self.path, method, &body, false).await?;
        decode_serde(codec, &response).map_err(|err| status(Code::Internal, err))
    }

    /// A request that has no response. Done when it is handed to a connection: whether it arrives nobody knows.
    pub async fn send(&self, method: &str, request: &impl Serialize) -> Result<(), Status> {
        let body = encode(request, self.channel.rpcx_codec())?;
        self.channel.over_rpcx(&self.path, method, &body, true).await.map(drop)
    }
}

fn encode(request: &impl Serialize, codec: &Codec) -> Result<bytes::Bytes, Status> {
    let mut body = BytesMut::new();
    encode_serde(request, codec, &mut body).map_err(|err| status(Code::Internal, err))?;
    Ok(body.freeze())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("path", &self.path).field("channel", &self.channel).finish()
    }
}

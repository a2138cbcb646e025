//! Mesh services over rpcx, as Go processes of due have them (feature `rpcx`).
//!
//! A generated service needs nothing more: [`MeshBuilder::transporter`](super::MeshBuilder::transporter) (or
//! `etc.cluster.mesh.transporter`) says that its mesh speaks rpcx, and the endpoint in the registry says it to clients, which
//! go to instances of both kinds. On the wire the service path is `due.mesh`'s `path` (else the service's name without its
//! package), the method the rpc's name. Streams are gRPC's alone. What has no `.proto` is a [`Service`], and called by a
//! [`Client`].
//!
//! ```text
//! App::new().mesh(Mesh::builder().transporter(Transporter::Rpcx).serve(WalletServer::new(MyWallet)).build())
//!
//! let wallet = WalletClient::connect(ctx.cluster(), "discovery://wallet").await?;      // as over gRPC
//! let wallet = WalletClient::connect(ctx.cluster(), "rpcx://10.0.0.5:8011").await?;    // without a registry
//! ```
//!
//! | | |
//! |---|---|
//! | bodies | MessagePack, keyed by the names of Go's structs (`UserId` of `user_id`); a server answers JSON and protobuf in kind, and [`Channel::codec`](super::Channel::codec) has a client send them |
//! | compression | gzip of payloads above 1 KiB; a server compresses its answer if the request was compressed |
//! | deadline | travels as `__ServerTimeout`, in ms |
//! | errors | a text in `__rpcx_error__`; ours add the code as `due-code`. Of a peer without it: `unknown`, `unimplemented` where there is no such service or method |
//! | metadata | that of the [`Request`](super::Request), in text |
//! | token | `__AUTH`: [`MeshBuilder::token`](super::MeshBuilder::token), [`Channel::token`](super::Channel::token) |
//! | limits | a body has 4 MiB, before and after compression; metadata 64 KiB in 64 keys, a name 256 bytes; a frame is there within 30 s of its first byte; a connection has 128 calls of a client's, and a server 256 of each of its 4096 connections at work |
//!
//! A client has up to four connections to an instance, the next where each has 64 calls, and asks a server that is silent
//! while calls wait whether it lives, every 10 s. A server that stops says so to clients of ours, which call another; those
//! of Go it hears for another second. There is no TLS yet.

mod calls;
mod client;
mod connection;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod gzip;
mod limits;
mod metadata;
mod server;
mod service;
mod status;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Response, Status};

pub use self::client::Client;
use self::connection::CallError;
pub(super) use self::connection::Connection;
use self::frame::{Frame, Serialize};
pub(super) use self::limits::{BUSY, POOL};
pub(super) use self::server::Server;
pub use self::service::Service;
pub(super) use self::service::{Methods, Table};
use super::channel::NeverSent;
use crate::codec::Codec;

/// The metadata of a client that has to show who it is.
const AUTH: &str = "__AUTH";
/// The metadata of a deadline: milliseconds.
const TIMEOUT: &str = "__ServerTimeout";
/// What a server of ours says before it stops reading: no further calls, please. Clients of Go ignore what they are told.
const FAREWELL_METHOD: &str = "__due_farewell";

/// What a channel says of its calls over rpcx.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The service path of a generated client.
    pub(super) path: Option<&'static str>,
    pub(super) codec: Codec,
    pub(super) token: Option<Arc<str>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: None, codec: Codec::GoMsgPack, token: None }
    }
}

/// One request, as it may be sent to several instances until one takes it.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) path: &'a str,
    pub(super) method: &'a str,
    pub(super) metadata: &'a MetadataMap,
    pub(super) body: &'a Bytes,
    /// Nobody waits for a response.
    pub(super) is_oneway: bool,
    pub(super) settings: &'a Settings,
}

impl Connection {
    /// Connects to `host:port`.
    pub(super) async fn open(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream, address.to_owned()))
    }

    /// Sends it, and waits for the response if there is one, however long that takes. `left` is what the server is told.
    pub(super) async fn deliver(&self, call: Outgoing<'_>, left: Duration) -> Result<Response<Bytes>, Status> {
        let request = call.frame(left)?;
        if call.is_oneway {
            self.send(request).await.map_err(|error| call.failed(error))?;
            return Ok(Response::new(Bytes::new()));
        }
        let response = self.call(request).await.map_err(|error| call.failed(error))?;
        if response.is_error {
            return Err(status::of(&response));
        }
        let metadata = metadata::read(&response.metadata);
        Ok(Response::from_parts(metadata, response.payload, Extensions::new()))
    }
}

impl Outgoing<'_> {
    fn frame(&self, left: Duration) -> Result<Frame, Status> {
        let serialize = match &self.settings.codec {
            Codec::Json => 1,
            Codec::Proto => 2,
            Codec::MsgPack | Codec::GoMsgPack => 3,
            other => {
                let text = format!("rpcx has no codec {}: choose proto, json or msgpack-go", other.name());
                return Err(Status::invalid_argument(text));
            }
        };
        let mut metadata = metadata::write(self.metadata);
        // At least one: a server of Go takes 0 as over.
        let left = left.as_millis().max(1);
        metadata.push((TIMEOUT.to_owned(), left.to_string()));
        metadata.extend(self.settings.token.as_ref().map(|token| (AUTH.to_owned(), token.as_ref().to_owned())));
        Ok(Frame {
            is_oneway: self.is_oneway,
            gzip: true,
            serialize: Serialize(serialize),
            path: self.path.to_owned(),
            method: self.method.to_owned(),
            metadata,
            payload: self.body.clone(),
            ..Frame::default()
        })
    }

    fn failed(&self, error: CallError) -> Status {
        let (path, method) = (self.path, self.method);
        match error {
            CallError::NeverSent => NeverSent::status(format!("{path}.{method}: {error}")),
            CallError::Lost => Status::unavailable(format!("{path}.{method}: {error}")),
            CallError::Frame(_) => Status::out_of_range(format!("{path}.{method} cannot be sent: {error}")),
        }
    }
}

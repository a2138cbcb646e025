//! What can be said about bytes before they are read.

use serde::Serialize;

use crate::config::PacketOptions;

/// How bytes are read. `None` is for what the bytes themselves tell, as far as they do.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// Between whom the frames travel.
    pub wire: Option<Wire>,
    /// How client packets are framed.
    pub dialect: Option<Dialect>,
    /// Widths and byte order of client packets.
    pub packet: PacketOptions,
    /// Who speaks.
    pub direction: Option<Direction>,
    /// What the bodies are written in.
    pub codec: Option<BodyCodec>,
}

/// Between whom frames travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Wire {
    /// Client and gate.
    Client,
    /// Gates, nodes and meshes: drpc.
    Link,
}

/// How a client packet is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Dialect {
    /// With its size in front: due v2.1 and later, and everything on tcp and kcp.
    Sized,
    /// A ws message each, without a size: due of 2023.
    Bare,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Direction {
    /// A client or dialer.
    Request,
    /// The one that was asked.
    Response,
    /// A server, unasked.
    Push,
}

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BodyCodec {
    /// protobuf's binary form.
    Proto,
    /// protobuf's JSON.
    Json,
    /// MessagePack, with names of fields as keys.
    Msgpack,
    /// Not looked into: encrypted, say.
    Raw,
}

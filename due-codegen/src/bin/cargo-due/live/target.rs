//! The gate, and how it is spoken to.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use clap::{Args, ValueEnum};
use due::packet::{ByteOrder, Dialect, Format, RouteWidth, SeqWidth};
use due::{Client, ClientBuilder, Codec, ConnectError};
use due_codegen::{ClientCodec, Config, PacketOptions};

use crate::failure::Failure;
use crate::live::span;
use crate::live::trust::Trust;

/// Options of both verbs that speak to a gate.
#[derive(Args)]
pub(crate) struct Target {
    /// How ws messages are framed: due v2.1 and later, or 2023. Default: `[packet] dialect` of due.toml, else sized.
    #[arg(long, value_enum)]
    dialect: Option<DialectArg>,
    /// How bodies are written. Default: `[typescript] codec` of due.toml, else proto.
    #[arg(long, value_enum)]
    codec: Option<CodecArg>,
    /// How long connecting may take, and an answer.
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = span::positive)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    trust: Trust,
}

#[derive(Clone, Copy, ValueEnum)]
enum DialectArg {
    Sized,
    Bare,
}

#[derive(Clone, Copy, ValueEnum)]
enum CodecArg {
    Proto,
    Json,
    Msgpack,
}

/// What options and due.toml have decided.
#[derive(Clone)]
pub(crate) struct Manners {
    pub(crate) format: Format,
    pub(crate) codec: Codec,
    pub(crate) dialect: Dialect,
}

impl Target {
    /// Streams are sized whatever due.toml says of ws messages.
    pub(crate) fn manners(&self, url: &str, config: &Config) -> Result<Manners, Failure> {
        let is_ws = url.starts_with("ws://") || url.starts_with("wss://");
        if !is_ws && matches!(self.dialect, Some(DialectArg::Bare)) {
            return Err(Failure::text("--dialect bare is for ws:// and wss:// alone; leave it out"));
        }
        let codec = match self.codec {
            Some(CodecArg::Proto) => Codec::Proto,
            Some(CodecArg::Json) => Codec::Json,
            Some(CodecArg::Msgpack) => Codec::MsgPack,
            None => match config.typescript.as_ref().map(|options| options.codec) {
                Some(ClientCodec::Json) => Codec::Json,
                _ => Codec::Proto,
            },
        };
        let dialect = match self.dialect {
            Some(DialectArg::Bare) => Dialect::Bare,
            None if is_ws && config.packet.bare => Dialect::Bare,
            _ => Dialect::Sized,
        };
        Ok(Manners { format: format(&config.packet)?, codec, dialect })
    }

    /// A builder that lacks its URL alone.
    pub(crate) fn client(&self, url: &str, manners: &Manners) -> Result<ClientBuilder, Failure> {
        let builder = Client::builder()
            .format(manners.format.clone())
            .codec(manners.codec.clone())
            .dialect(manners.dialect)
            .timeout(self.timeout)
            .connect_timeout(self.timeout);
        let secure = url.starts_with("wss://") || url.starts_with("tls://");
        Ok(if secure { builder.tls(self.trust.client()?) } else { builder })
    }
}

fn format(packet: &PacketOptions) -> Result<Format, Failure> {
    let wrong = |error| Failure::Other(Box::new(error));
    Ok(Format::new()
        .byte_order(if packet.big_endian { ByteOrder::Big } else { ByteOrder::Little })
        .route_width(RouteWidth::try_from(packet.route_bytes).map_err(wrong)?)
        .seq_width(SeqWidth::try_from(packet.seq_bytes).map_err(wrong)?))
}

/// Why there is no connection, and what to look at.
pub(crate) fn unconnected(error: ConnectError) -> Failure {
    if let ConnectError::Url { .. } = error {
        return Failure::Other(Box::new(error));
    }
    let advice = match &error {
        ConnectError::Io { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
            "nobody listens there: start the gate, or look at host and port"
        }
        ConnectError::Io { source, .. } if source.to_string().contains("certificate") => {
            "--ca FILE believes an authority of your own, --insecure everybody"
        }
        ConnectError::Io { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
            "look whether the scheme of the URL is the one that the gate speaks on this port"
        }
        ConnectError::Timeout { .. } => "a firewall may be in between, or the scheme is another one",
        _ => "look at host, port, path and scheme",
    };
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    Failure::Unanswered(format!("{error}{cause}\nhelp: {advice}").into())
}

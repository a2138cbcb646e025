/// How a mesh is called: the scheme of its endpoint in the registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Transporter {
    /// gRPC over HTTP/2: protobuf, and streams.
    #[default]
    Grpc,
    /// rpcx over TCP: MessagePack, as Go processes of due use it; no streams. See [`rpcx`](super::rpcx).
    #[cfg(feature = "rpcx")]
    Rpcx,
}

impl Transporter {
    /// `grpc` or `rpcx`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            #[cfg(feature = "rpcx")]
            Self::Rpcx => "rpcx",
        }
    }

    /// The one of an endpoint such as `grpc://10.0.0.5:8011?is_secure=false`, if this build speaks it.
    pub(super) fn of(endpoint: &str) -> Option<Self> {
        match endpoint.split_once("://")?.0 {
            "grpc" => Some(Self::Grpc),
            #[cfg(feature = "rpcx")]
            "rpcx" => Some(Self::Rpcx),
            _ => None,
        }
    }
}

//! The answer to a request that gets no response: `due.Status` on route -1.

use crate::codec::{Body, Codec, DecodeError, EncodeError, ProstBody, SerdeBody};
use crate::error::{Code, Error};
use crate::id::{RouteId, Seq};

/// Why a request has no response. Travels on route -1 with the seq of the request; clients that know no such route
/// ignore it. It is never encrypted: gates write it as well, which have no key. In proto:
/// ```proto
/// message Status { int32 route = 1; int32 seq = 2; int32 code = 3; string message = 4; }
/// ```
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Status {
    /// The route of the request.
    #[prost(int32, tag = "1")]
    pub route: i32,
    /// The seq of the request, as in the packet.
    #[prost(int32, tag = "2")]
    pub seq: i32,
    /// A [`Code`], or a number of the game's own.
    #[prost(int32, tag = "3")]
    pub code: i32,
    /// For people; may be empty.
    #[prost(string, tag = "4")]
    pub message: String,
}

impl Status {
    pub(crate) fn of(route: RouteId, seq: Seq, error: &Error) -> Self {
        Self { route: route.0, seq: seq.0, code: error.code().0, message: error.message().to_owned() }
    }

    /// The code as a type.
    pub fn code(&self) -> Code {
        Code(self.code)
    }
}

impl Body for Status {
    const NAME: &'static str = "due.Status";

    const PLAIN: bool = true;

    fn encode_body(&self, codec: &Codec, out: &mut bytes::BytesMut) -> Result<(), EncodeError> {
        match codec {
            Codec::Proto => ProstBody(self.clone()).encode_body(codec, out),
            _ => SerdeBody(self.clone()).encode_body(codec, out),
        }
    }

    fn decode_body(codec: &Codec, body: &bytes::Bytes) -> Result<Self, DecodeError> {
        match codec {
            Codec::Proto => ProstBody::decode_body(codec, body).map(|ProstBody(status)| status),
            _ => SerdeBody::decode_body(codec, body).map(|SerdeBody(status)| status),
        }
    }
}

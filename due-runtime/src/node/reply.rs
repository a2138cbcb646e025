//! What a request is answered with.

use bytes::{Bytes, BytesMut};

use super::Context;
use super::request::{log_failure, undecodable};
use crate::cluster::{Origin, scratch};
use crate::codec::{Body, DecodeError};
use crate::error::{Code, Error, Result};

/// The answer of one request, ready for the wire: a packet, or nothing for `oneway` routes.
#[must_use]
#[derive(Debug)]
pub struct Reply {
    packet: Option<BytesMut>,
    code: Code,
    /// See [`Body::PLAIN`].
    is_plain: bool,
}

impl Reply {
    /// No answer, as of `oneway` routes. On any other route the client waits in vain.
    pub fn none() -> Self {
        Self { packet: None, code: Code::OK, is_plain: true }
    }

    /// [`Code::OK`], or the code of the error that the response carries in its `due.code` field.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Encrypted, if a client is to read it and the node encrypts.
    pub(super) async fn sealed(mut self, ctx: &Context) -> Result<Self> {
        if let (Origin::Gate { .. }, false) = (ctx.origin(), self.is_plain)
            && let Some(packet) = self.packet.take()
        {
            let packet = ctx.cluster().encrypted(ctx.route(), ctx.seq(), packet.freeze()).await?;
            self.packet = Some(packet.into());
        }
        Ok(self)
    }

    pub(super) fn into_packet(self) -> Option<BytesMut> {
        self.packet
    }
}

impl Context {
    /// The response of this request, for code that answers in place of its handler: middleware and default handlers.
    /// On the wire: a packet with the request's route and seq. The type must be the one that the caller expects.
    pub fn reply<B: Body>(&self, response: &B) -> Result<Reply> {
        // What another process is to get is copied soon.
        let buf = if self.origin().is_remote() { scratch::take() } else { BytesMut::new() };
        let packet = self.cluster().packet_in(buf, self.route(), self.seq(), response)?;
        Ok(Reply { packet: Some(packet), code: Code::OK, is_plain: B::PLAIN })
    }
}

/// For generated code and macros.
impl Context {
    /// Reads the body of the request. An undecodable one is [`Code::INTERNAL`], as in due's own samples.
    #[doc(hidden)]
    pub fn decode<B: Body>(&self, body: &Bytes) -> Result<B> {
        B::decode_body(self.codec(), body).map_err(|error| self.undecodable(B::NAME, &error))
    }

    /// Not generic, like all that generated code need not have once per message: a crate of 300 routes compiles faster.
    fn undecodable(&self, body: &str, error: &DecodeError) -> Error {
        tracing::debug!(route = %self.route(), cid = %self.cid(), body, %error, "undecodable body");
        undecodable()
    }

    /// Writes the response; an error becomes one if the type has a `due.code` field.
    #[doc(hidden)]
    pub fn finish<B: Body>(&mut self, result: Result<B>) -> Result<Reply> {
        let (response, code) = match result {
            Ok(response) => (response, Code::OK),
            Err(error) => match B::from_error(&error) {
                Some(response) => {
                    log_failure(self, &error);
                    (response, error.code())
                }
                None => return Err(error),
            },
        };
        Ok(Reply { code, ..self.reply(&response)? })
    }

    /// Ends a `oneway` request.
    #[doc(hidden)]
    pub fn finish_oneway(&mut self, result: Result<()>) -> Result<Reply> {
        result.map(|()| Reply::none())
    }
}

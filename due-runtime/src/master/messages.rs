//! Messages to clients, and goodbyes.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::desk::Desk;
use super::endpoint::Params;
use super::refusal::Refusal;
use crate::cluster::{Audience, Close, Cluster, Tally, Target, Then};
use crate::codec::{Body, Codec, DecodeError, EncodeError, SerdeBody};
use crate::error::Error;
use crate::id::{Cid, RouteId, Seq, Uid};

/// Users of one multicast.
const USERS: usize = 10_000;

/// What clients are sent: a route, and a body in one of two forms; without either the body is empty.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// Where clients expect it.
    #[schemars(range(min = 1))]
    route: i32,
    /// As JSON, written by the codec of the cluster. The codec `proto` needs a schema, which is not here.
    #[serde(default)]
    body: Option<Value>,
    /// As bytes, in base64.
    #[serde(default)]
    body_base64: Option<String>,
}

/// To one user, `uid`, or to one session, `gate` and `cid`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Push {
    #[serde(default)]
    #[schemars(range(min = 1))]
    uid: Option<i64>,
    #[serde(default)]
    gate: Option<String>,
    #[serde(default)]
    cid: Option<i64>,
    message: Message,
}

/// To many users.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Multicast {
    #[schemars(length(max = 10_000))]
    uids: Vec<i64>,
    message: Message,
}

/// To everybody.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Broadcast {
    #[serde(default)]
    audience: Everybody,
    message: Message,
}

/// All users, which is the default, or all sessions, also those without a user.
#[derive(Clone, Copy, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
enum Everybody {
    #[default]
    Users,
    Sessions,
}

/// To the members of a channel.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Publish {
    channel: String,
    message: Message,
}

/// Ends the session of one user, `uid`, or one session, `gate` and `cid`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Kick {
    #[serde(default)]
    #[schemars(range(min = 1))]
    uid: Option<i64>,
    #[serde(default)]
    gate: Option<String>,
    #[serde(default)]
    cid: Option<i64>,
    /// What the client is told before. Default: nothing.
    #[serde(default)]
    reason: Option<Reason>,
    /// Loses what is queued for the client. Not together with a reason.
    #[serde(default)]
    force: bool,
}

/// Why a client has to go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reason {
    code: i32,
    #[serde(default)]
    message: String,
}

/// It was done.
#[derive(Serialize, JsonSchema)]
pub(super) struct Done {
    message: &'static str,
}

/// What became of a message to many.
#[derive(Serialize, JsonSchema)]
pub(super) struct Delivered {
    /// For people, with the number that is `delivered`.
    message: String,
    /// Sessions that have it in their queue.
    delivered: u64,
    /// Targets without a session, and those that read too slowly.
    absent: u64,
    /// Targets of a multicast, else gates, that could not be asked.
    failed: u64,
}

pub(super) async fn push(desk: Arc<Desk>, _: Params, push: Push) -> Result<Done, Refusal> {
    let target = target(push.uid, push.gate, push.cid)?;
    let packet = push.message.packet(&desk.cluster)?;
    desk.cluster.push_packet(target, packet, Then::Stay).await?;
    Ok(Done { message: "push success" })
}

pub(super) async fn multicast(desk: Arc<Desk>, _: Params, to: Multicast) -> Result<Delivered, Refusal> {
    if to.uids.len() > USERS {
        return Err(Refusal::bad_request(format!("at most {USERS} users at a time, or a broadcast")));
    }
    let users: Vec<Uid> = to.uids.into_iter().map(Uid).collect();
    let packet = to.message.packet(&desk.cluster)?;
    Ok(Delivered::new("multicast", desk.cluster.multicast_packet(&users, packet).await))
}

pub(super) async fn broadcast(desk: Arc<Desk>, _: Params, to: Broadcast) -> Result<Delivered, Refusal> {
    let audience = match to.audience {
        Everybody::Users => Audience::Users,
        Everybody::Sessions => Audience::Sessions,
    };
    let packet = to.message.packet(&desk.cluster)?;
    Ok(Delivered::new("broadcast", desk.cluster.broadcast_packet(audience, packet).await))
}

pub(super) async fn publish(desk: Arc<Desk>, _: Params, to: Publish) -> Result<Delivered, Refusal> {
    let packet = to.message.packet(&desk.cluster)?;
    Ok(Delivered::new("publish", desk.cluster.publish_packet(&to.channel, packet).await?))
}

pub(super) async fn kick(desk: Arc<Desk>, _: Params, kick: Kick) -> Result<Done, Refusal> {
    let target = target(kick.uid, kick.gate, kick.cid)?;
    let whom = target.to_string();
    match kick.reason {
        Some(_) if kick.force => {
            return Err(Refusal::bad_request("a client that is forced out reads no reason: leave out one of them"));
        }
        Some(reason) => desk.cluster.disconnect_because(target, &Error::new(reason.code, reason.message)).await?,
        None => {
            let close = if kick.force { Close::Force } else { Close::Graceful };
            desk.cluster.disconnect(target, close).await?;
        }
    }
    tracing::info!(whom, "an operator closed a session");
    Ok(Done { message: "kick success" })
}

impl Message {
    fn packet(self, cluster: &Cluster) -> Result<Bytes, Refusal> {
        if self.route <= 0 {
            return Err(Refusal::bad_request(format!("route {} is none of a game: they are positive", self.route)));
        }
        let route = RouteId(self.route);
        let body = match (self.body, self.body_base64) {
            (Some(_), Some(_)) => return Err(Refusal::bad_request("`body` or `body_base64`, not both")),
            (Some(body), None) if *cluster.codec() != Codec::Proto => {
                return Ok(cluster.packet(route, Seq::NONE, &SerdeBody(body))?);
            }
            (Some(_), None) => {
                let text = "the codec is proto, which needs a schema to write `body`: give the bytes in `body_base64`";
                return Err(Refusal::unprocessable(text));
            }
            (None, Some(text)) => {
                let no_base64 = |error| Refusal::bad_request(format!("`body_base64` is no base64: {error}"));
                BASE64_STANDARD.decode(text).map_err(no_base64)?
            }
            (None, None) => Vec::new(),
        };
        Ok(cluster.packet(route, Seq::NONE, &Written(body.into()))?)
    }
}

/// A body as the codec would have written it: where bodies are encrypted, so is this one.
struct Written(Bytes);

impl Body for Written {
    const NAME: &'static str = "a message in base64";

    fn encode_body(&self, _: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.0);
        Ok(())
    }

    fn decode_body(_: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self(body.clone()))
    }
}

impl Delivered {
    fn new(what: &str, Tally { delivered, absent, failed }: Tally) -> Self {
        Self { message: format!("{what} success, total: {delivered}"), delivered, absent, failed }
    }
}

fn target(uid: Option<i64>, gate: Option<String>, cid: Option<i64>) -> Result<Target, Refusal> {
    match (uid, gate, cid) {
        (Some(uid), None, None) => Ok(Target::User(Uid(uid))),
        (None, Some(gate), Some(cid)) => Ok(Target::Session(gate.into(), Cid(cid))),
        _ => Err(Refusal::bad_request("to whom? a `uid`, or a `gate` and a `cid`")),
    }
}

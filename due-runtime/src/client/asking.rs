//! A client asks its gate whether their schemas are the same, beside everything else that it does.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::CallError;
use super::connection::Connection;
use crate::codec::{Body, Codec};
use crate::id::{RouteId, Seq};
use crate::skew::wire::{Answer, Greeting, Verdict, body, marked};
use crate::skew::{Schema, Skew};
use crate::status::Status;

/// What a body has besides the part of a shape: the mark, two tags, a number and a length.
const AROUND_PART: usize = 16;

pub(super) struct Asking {
    schema: Schema,
    timeout: Duration,
    outcome: OnceLock<Skew>,
    /// Cancelled when the outcome is there.
    known: CancellationToken,
    /// The gate speaks when it is asked: one place is enough.
    answers: mpsc::Sender<Answer>,
}

impl Asking {
    /// The answers are for [`ask`](Self::ask).
    pub(super) fn new(schema: Schema, timeout: Duration) -> (Self, mpsc::Receiver<Answer>) {
        let (answers, told) = mpsc::channel(1);
        (Self { schema, timeout, outcome: OnceLock::new(), known: CancellationToken::new(), answers }, told)
    }

    /// Takes what the gate says about schemas, and its refusal to. `false`: the packet is for others.
    pub(super) fn hear(&self, codec: &Codec, packet: &Bytes) -> bool {
        let answer = match marked(packet) {
            Some(answer) => prost::Message::decode(answer).unwrap_or_default(),
            None if self.outcome.get().is_some() => return false,
            None => match Status::decode_body(codec, packet) {
                // There is no route -1, a gate says that knows no schema.
                Ok(status) if status.route == RouteId::STATUS.0 => Answer::just(Verdict::Unknown),
                _ => return false,
            },
        };
        if self.answers.try_send(answer).is_err() {
            tracing::debug!("the gate speaks of schemas without being asked");
        }
        true
    }

    /// Asks until the gate has said how the schemas differ, for as long as it may take.
    pub(super) async fn ask(&self, connection: &Connection, answers: mpsc::Receiver<Answer>) {
        let skew = timeout(self.timeout, self.converse(connection, answers)).await;
        let skew = skew.unwrap_or(Ok(Skew::Unknown)).unwrap_or(Skew::Unknown);
        match &skew {
            skew if skew.is_breaking() => tracing::warn!("{skew}"),
            skew => tracing::debug!("{skew}"),
        }
        self.tell(skew);
    }

    /// What has become of it; waits for that.
    pub(super) async fn outcome(&self) -> Skew {
        self.known.cancelled().await;
        self.outcome.get().cloned().unwrap_or(Skew::Unknown)
    }

    /// The first outcome counts: that of a connection that has ended is [`Skew::Unknown`].
    pub(super) fn tell(&self, skew: Skew) {
        let _ = self.outcome.set(skew);
        self.known.cancel();
    }

    async fn converse(&self, connection: &Connection, mut answers: mpsc::Receiver<Answer>) -> Result<Skew, CallError> {
        let shape = self.schema.shape();
        let hash = format!("{:016x}", self.schema.hash());
        let mut greeting = Greeting { hash, size: shape.len() as u32, ..Greeting::default() };
        loop {
            let permit = connection.room().await?;
            permit.send(connection.format.encode(RouteId::STATUS, Seq::NONE, &body(&greeting))?);
            let answer = answers.recv().await.ok_or(CallError::Closed)?;
            if answer.verdict() != Verdict::More {
                let name = |route| self.schema.route_name(route).unwrap_or_default().to_owned();
                return Ok(answer.skew(name));
            }
            let room = connection.format.max_body_bytes().saturating_sub(AROUND_PART).max(1);
            let Some(rest) = shape.get(answer.offset as usize..).filter(|rest| !rest.is_empty()) else {
                return Ok(Skew::Unknown);
            };
            let part = &rest[..rest.len().min(answer.limit.max(1) as usize).min(room)];
            greeting = Greeting { offset: answer.offset, part: Bytes::from_static(part), ..Greeting::default() };
        }
    }
}

//! One request, from its bytes to its answer.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::actor::Seat;
use super::context::{Parties, Subject};
use super::router::Found;
use super::serve::NodeCore;
use super::{Context, Reply};
use crate::cluster::{Delivery, LinkError, NodeLink, NodeOp, Origin, Undelivered};
use crate::error::{Code, Error, Result};
use crate::future::{BoxFuture, catch_panics, unless_cancelled};
use crate::id::{Cid, Nid, RouteId, Uid};
use crate::packet::Packet;
use crate::session::Request;
use crate::status::Status;

/// Where the user of a stateful message is.
enum Owner {
    This,
    Other,
    Nobody,
}

impl NodeCore {
    /// Most messages need nothing but their handler: they cost no room for what stands before it.
    pub(super) fn serve(self: Arc<Self>, delivery: Delivery) -> BoxFuture<'static, ()> {
        if !self.is_plain(delivery.packet.route) {
            return Box::pin(self.handle(delivery, None));
        }
        let (ctx, body, until_answered) = self.open(delivery);
        Box::pin(Self::respond(ctx, Ok(body), until_answered))
    }

    /// Whether messages need nothing but their handler.
    pub(super) fn is_plain(&self, route: RouteId) -> bool {
        let is_plain = |found: Found<'_>| !found.spec.stateful && found.actor.is_none();
        self.router.find(route).is_none_or(is_plain) && self.cluster.cipher().is_none()
    }

    /// Never panics, whatever the handler does, and ends soon after the node does.
    /// `seat`: who has the turn, on a route of actors that came to it.
    pub(super) async fn handle(self: Arc<Self>, mut delivery: Delivery, seat: Option<Box<Seat>>) {
        let found = self.router.find(delivery.packet.route);
        let mut admitted = Ok(());
        let is_new = seat.is_none();
        let is_stateful = found.as_ref().is_some_and(|found| found.spec.stateful);
        if let (Some(uid), true) = (delivery.uid, is_stateful && is_new) {
            admitted = match unless_cancelled(&self.end.overdue, Box::pin(self.owner(uid))).await {
                Some(Ok(Owner::This)) => Ok(()),
                Some(Ok(Owner::Other | Owner::Nobody)) => match self.send_back(delivery) {
                    Some(kept) => {
                        delivery = kept;
                        let error = format!("the user is not bound to this node {:?}", self.name);
                        Err(Error::new(Code::NOT_FOUND, error))
                    }
                    None => return,
                },
                Some(Err(error)) => Err(error.into()),
                None => Err(stopping()),
            };
        }
        let mut clear = None;
        if is_new && admitted.is_ok() && self.cluster.cipher().is_some() {
            match Box::pin(self.reveal(&delivery, found.as_ref())).await {
                Ok(body) => clear = body,
                Err(error) => admitted = Err(error),
            }
        }
        if let (Some(kind), true) = (found.as_ref().and_then(|found| found.actor), is_new && admitted.is_ok()) {
            return Arc::clone(&self).hand_over(*kind, delivery, clear).await;
        }
        let (mut ctx, body, until_answered) = self.open(delivery);
        if let Some(seat) = seat {
            clear = seat.clear;
            match seat.actor {
                Ok(actor) => ctx.actor = Some(actor),
                Err(error) => admitted = Err(error),
            }
        }
        let body = admitted.map(|()| clear.unwrap_or(body));
        Box::pin(Self::respond(ctx, body, until_answered)).await;
    }

    /// A message that is going to be answered.
    fn open(self: Arc<Self>, delivery: Delivery) -> (Context, Bytes, Option<Request>) {
        let Delivery { origin, cid, uid, packet: Packet { route, seq, body }, request, turn, receipt } = delivery;
        receipt.inspect(|receipt| receipt.taken());
        drop(turn);
        let parties = Arc::new(Parties { node: self, origin });
        (Context::new(parties, cid, uid, Subject::Message(route, seq)), body, request)
    }

    /// Runs the handler, unless the message is not admitted, and answers.
    pub(super) async fn respond(mut ctx: Context, body: Result<Bytes>, _until_answered: Option<Request>) {
        let parties = Arc::clone(&ctx.parties);
        let this = &parties.node;
        let (cid, uid, route, seq) = (ctx.call.unwrap_or(ctx.cid), ctx.uid, ctx.route(), ctx.seq());
        let found = this.router.find(route);
        let measured = found.as_ref().and_then(|found| Some((found.metrics?, found.spec, Instant::now())));
        let outcome = match body.and_then(|body| admit(&ctx, found.as_ref()).map(|()| body)) {
            Ok(body) => match this.router.way(found.as_ref()) {
                Some(way) => {
                    let uid = uid.map(|uid| uid.0);
                    let span = tracing::debug_span!("request", %cid, uid, %route, %seq);
                    let gone = way.limits.filter(|limits| limits.cancel_when_gone);
                    let gone = gone.and_then(|_| ctx.departure().cloned());
                    // Both the making of the future and its polls are the handler's code. No function of its own around
                    // this: every async one has room for what it is handed twice.
                    let make = || catch_panics(|| way.go(&mut ctx, body));
                    let call = if span.is_disabled() { make() } else { span.in_scope(make) };
                    let outcome = match way.limits {
                        None if span.is_disabled() => {
                            unless_cancelled(&this.end.overdue, call).await.ok_or_else(stopping)
                        }
                        None => {
                            let done = unless_cancelled(&this.end.overdue, call).instrument(span);
                            Box::pin(done).await.ok_or_else(stopping)
                        }
                        Some(limits) => Box::pin(this.run_within(call, limits.deadline, gone)).instrument(span).await,
                    };
                    outcome.and_then(|done| done.unwrap_or_else(|_| Err(this.panicked(route))))
                }
                None => Err(Error::new(Code::NOT_FOUND, format!("no handler for route {route}"))),
            },
            Err(error) => Err(error),
        };
        let outcome = match outcome {
            Ok(reply) if this.cluster.cipher().is_some() => Box::pin(reply.sealed(&ctx)).await,
            outcome => outcome,
        };
        if let Some((metrics, spec, begun)) = measured {
            let code = outcome.as_ref().map_or_else(Error::code, Reply::code);
            metrics.answered(spec, code, begun);
        }
        match outcome {
            Ok(reply) => this.answer(&ctx, reply).await,
            Err(error) => this.refuse(&ctx, &error),
        }
    }

    /// Decrypts what a client sent, away from the threads that serve sockets, unless the message is refused anyway.
    async fn reveal(&self, delivery: &Delivery, found: Option<&Found<'_>>) -> Result<Option<Bytes>> {
        let from_client = matches!(delivery.origin, Origin::Gate { .. });
        let is_read = self.router.way(found).is_some() && !lacks_user(delivery.uid, from_client, found);
        let Some(cipher) = self.cluster.cipher().filter(|_| from_client && is_read) else { return Ok(None) };
        let decrypt = pin!(cipher.decrypt(delivery.packet.body.clone()));
        let clear = unless_cancelled(&self.end.overdue, decrypt).await.ok_or_else(stopping)?;
        clear.map(Some).map_err(|error| {
            tracing::debug!(route = %delivery.packet.route, cid = %delivery.cid, %error, "undecodable body");
            undecodable()
        })
    }

    /// Answers a message that does not come to its turn.
    pub(super) fn turn_away(self: Arc<Self>, delivery: Delivery, error: &Error) {
        let Delivery { origin, cid, uid, packet: Packet { route, seq, .. }, receipt, .. } = delivery;
        receipt.inspect(|receipt| receipt.taken());
        let parties = Arc::new(Parties { node: Arc::clone(&self), origin });
        self.refuse(&Context::new(parties, cid, uid, Subject::Message(route, seq)), error);
    }

    fn panicked(&self, route: RouteId) -> Error {
        let spec = self.router.find(route).map(|found| found.spec);
        let (service, method) = spec.map_or(("", "default handler"), |spec| (spec.service, spec.method));
        tracing::error!(%route, service, method, "the handler panicked");
        Error::new(Code::INTERNAL, "internal error")
    }

    async fn run_within<T>(
        &self,
        call: impl Future<Output = T>,
        deadline: Option<Duration>,
        gone: Option<CancellationToken>,
    ) -> Result<T> {
        let over = async {
            match deadline {
                Some(deadline) => sleep(deadline).await,
                None => pending().await,
            }
        };
        let gone = async {
            match &gone {
                Some(gone) => gone.cancelled().await,
                None => pending().await,
            }
        };
        // What ends a request comes first: it may have happened while the request waited for its turn.
        tokio::select! {
            biased;
            () = self.end.overdue.cancelled() => Err(stopping()),
            () = gone => Err(Error::new(Code::CANCELED, "the client is gone")),
            outcome = call => Ok(outcome),
            () = over => Err(Error::new(Code::DEADLINE_EXCEEDED, "the request took too long")),
        }
    }

    /// Code 1 and 2 of the link's answer to a message that belongs to another node.
    pub(super) async fn check_owner(&self, delivery: &Delivery) -> Result<(), LinkError> {
        let stateful = self.router.find(delivery.packet.route).is_some_and(|found| found.spec.stateful);
        if !stateful {
            return Ok(());
        }
        let Some(uid) = delivery.uid else {
            return Err(LinkError::Failed("a stateful route needs a user".to_owned()));
        };
        match self.owner(uid).await {
            Ok(Owner::This) => Ok(()),
            Ok(Owner::Other) => Err(LinkError::NoSession),
            Ok(Owner::Nobody) => Err(LinkError::Failed(format!("user {uid} is bound to no node {:?}", self.name))),
            Err(error) => Err(LinkError::Failed(error.to_string())),
        }
    }

    async fn owner(&self, uid: Uid) -> Result<Owner, crate::cluster::ClusterError> {
        if self.cluster.locate_node(uid, &self.name).await?.as_ref() == Some(&self.nid) {
            return Ok(Owner::This);
        }
        // What is remembered may be older than the binding that brought the message here.
        Ok(match self.cluster.locator().locate_node(uid, &self.name).await? {
            Some(nid) if nid == self.nid => Owner::This,
            Some(_) => Owner::Other,
            None => Owner::Nobody,
        })
    }

    /// A message that this node does not come to, or its actor, goes after its user, who may be bound to another node by now. `Some`: it
    /// stays.
    pub(super) async fn follow(&self, delivery: Delivery) -> Option<Delivery> {
        let stateful = self.router.find(delivery.packet.route).is_some_and(|found| found.spec.stateful);
        let Some(uid) = delivery.uid.filter(|_| stateful) else { return Some(delivery) };
        match unless_cancelled(self.limit(), Box::pin(self.owner(uid))).await {
            Some(Ok(Owner::Other)) => self.send_back(delivery),
            // That it does not come to it is what there is to say.
            _ => Some(delivery),
        }
    }

    /// The message goes back to the gate that looked its user up, which looks again. `Some`: there is no way back.
    fn send_back(&self, mut delivery: Delivery) -> Option<Delivery> {
        if delivery.receipt.take().is_some_and(|receipt| receipt.give_back()) {
            return None;
        }
        match &delivery.origin {
            // The gate may be waiting for room in this very lane: nothing here waits for the gate.
            Origin::Gate { gate, .. } if delivery.turn.is_some() => Arc::clone(gate).take_back(&self.nid, delivery),
            Origin::Gate { .. } | Origin::Node { .. } => Some(delivery),
        }
    }

    async fn answer(&self, ctx: &Context, reply: Reply) {
        let Some(packet) = reply.into_packet() else { return };
        match ctx.origin() {
            Origin::Gate { .. } => send(ctx, packet),
            Origin::Node { nid, node } => Box::pin(self.answer_node(ctx, nid, &**node, packet.freeze())).await,
        }
    }

    /// The answer travels as a message of its own: same route, same seq, same user.
    async fn answer_node(&self, ctx: &Context, nid: &Nid, node: &dyn NodeLink, packet: Bytes) {
        // Who serves the route would take the answer for a request, and answer that; unless it waits for it.
        let serves = || self.cluster.nodes().route(ctx.route()).is_some_and(|entry| entry.is_served_by(nid));
        if ctx.call.is_none() && (*nid == self.nid || serves()) {
            return;
        }
        let Some(delivery) = self.reply(ctx, ctx.route(), &packet) else { return };
        let lost = match node.deliver(delivery) {
            Ok(()) => return,
            Err(Undelivered::Full(delivery)) => match node.call(NodeOp::Deliver(delivery)).await {
                Ok(_) => return,
                Err(error) => error.to_string(),
            },
            Err(Undelivered::Gone(_)) => "it is gone".to_owned(),
        };
        log_lost(ctx, nid, &lost);
    }

    /// A message back to the node that sent one.
    fn reply(&self, ctx: &Context, route: RouteId, packet: &Bytes) -> Option<Delivery> {
        let packet = Packet { route, seq: ctx.seq(), body: packet.slice(self.cluster.format().header_len()..) };
        let origin = Origin::Node { nid: self.nid.clone(), node: self.this.upgrade()? };
        let cid = Cid(ctx.call.map_or(0, |number| -number.0));
        Some(Delivery { origin, cid, uid: ctx.uid, packet, request: None, turn: None, receipt: None })
    }

    /// The answer to a request that has no response: a status on route -1. Of nodes only those get one that wait for it: the
    /// log of others would not know what to do with it, and this one's does.
    fn refuse(&self, ctx: &Context, error: &Error) {
        log_failure(ctx, error);
        let is_told = match ctx.origin() {
            Origin::Gate { .. } => self.cluster.backends().statuses,
            Origin::Node { .. } => ctx.call.is_some(),
        };
        if !is_told {
            return;
        }
        let status = Status::of(ctx.route(), ctx.seq(), error);
        match (self.cluster.packet(RouteId::STATUS, ctx.seq(), &status), ctx.origin()) {
            (Ok(packet), Origin::Gate { .. }) => send(ctx, packet.into()),
            (Ok(packet), Origin::Node { nid, node }) => self.refuse_node(ctx, nid, node, &packet),
            (Err(error), _) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a status could not be written");
            }
        }
    }

    fn refuse_node(&self, ctx: &Context, nid: &Nid, node: &Arc<dyn NodeLink>, packet: &Bytes) {
        let Some(delivery) = self.reply(ctx, RouteId::STATUS, packet) else { return };
        match node.deliver(delivery) {
            Ok(()) => {}
            Err(Undelivered::Full(delivery)) => {
                let (ctx, nid, node) = (ctx.clone(), nid.clone(), Arc::clone(node));
                self.tasks.spawn(async move {
                    if let Err(error) = node.call(NodeOp::Deliver(delivery)).await {
                        log_lost(&ctx, &nid, &error.to_string());
                    }
                });
            }
            Err(Undelivered::Gone(_)) => log_lost(ctx, nid, "it is gone"),
        }
    }
}

fn log_lost(ctx: &Context, nid: &Nid, lost: &str) {
    let (route, seq) = (ctx.route(), ctx.seq());
    tracing::warn!(%nid, %route, %seq, lost, "an answer did not reach the node that asked");
}

/// What every handler may rely on. Nodes check for themselves whether a route needs a user, unless it is stateful.
fn admit(ctx: &Context, found: Option<&Found<'_>>) -> Result<()> {
    if lacks_user(ctx.uid, matches!(ctx.origin(), Origin::Gate { .. }), found) {
        return Err(Error::new(Code::UNAUTHORIZED, "log in first"));
    }
    Ok(())
}

fn lacks_user(uid: Option<Uid>, from_client: bool, found: Option<&Found<'_>>) -> bool {
    let needs_user = found.is_some_and(|found| found.spec.stateful || (found.spec.authorized && from_client));
    needs_user && uid.is_none()
}

/// One text for what does not decrypt and what does not decode: whoever sends texts of his own shall not learn which.
pub(super) fn undecodable() -> Error {
    Error::new(Code::INTERNAL, "undecodable body")
}

pub(super) fn stopping() -> Error {
    Error::new(Code::CANCELED, "the server is stopping")
}

fn send(ctx: &Context, packet: BytesMut) {
    let Origin::Gate { gate, .. } = ctx.origin() else { return };
    if let Err(error) = gate.answer(ctx.cid, packet) {
        tracing::debug!(cid = %ctx.cid, route = %ctx.route(), %error, "the client is gone before its answer");
    }
}

/// A cause means that the server failed; without one the handler has said no.
pub(super) fn log_failure(ctx: &Context, error: &Error) {
    let (route, cid, event) = (ctx.route(), ctx.cid(), ctx.event());
    match error.cause() {
        Some(_) => tracing::warn!(%route, %cid, ?event, %error, "request failed"),
        None => tracing::debug!(%route, %cid, ?event, %error, "request failed"),
    }
}

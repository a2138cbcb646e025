//! The messages of clients that one connection of a gate of another process brings, many at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Context;
use super::context::{Parties, Subject};
use super::lanes::LaneKey;
use super::serve::NodeCore;
use crate::cluster::{self, Delivery, NodeLink, Origin, Undelivered};
use crate::id::{Cid, RouteId, Uid};
use crate::packet::Packet;

pub(super) struct Entrance {
    parties: Arc<Parties>,
    /// The lane of the message before, whose handler did not wait: messages in a row enter it once.
    lane: Option<LaneKey>,
    /// The route of that message, which needs nothing but its handler.
    plain: Option<RouteId>,
}

impl Entrance {
    pub(super) fn new(node: Arc<NodeCore>, origin: Origin) -> Self {
        Self { parties: Arc::new(Parties { node, origin }), lane: None, plain: None }
    }
}

impl Parties {
    /// The lane of a session, if it can be had at once. `last`: the one that the caller has had until now.
    fn take_lane(&self, cid: Cid, last: Option<LaneKey>) -> Option<LaneKey> {
        let lanes = &self.node.lanes;
        if let Some(last) = last {
            if last.is_of(cid) && lanes.is_clear(&last) {
                return Some(last);
            }
            self.node.end_turn(last);
        }
        let key = self.node.lane_of(&self.origin, cid);
        lanes.occupy(&key).then_some(key)
    }
}

impl cluster::Entrance for Entrance {
    fn deliver(&mut self, cid: Cid, uid: Option<Uid>, packet: Packet) -> Result<(), Undelivered> {
        let Self { parties, lane, plain } = self;
        let node = &parties.node;
        if *plain != Some(packet.route) {
            *plain = Some(packet.route).filter(|route| node.is_plain(*route));
        }
        let is_simple = plain.is_some() && !node.end.is_closed.load(Ordering::Acquire);
        let Some(key) = is_simple.then(|| parties.take_lane(cid, lane.take())).flatten() else {
            let origin = parties.origin.clone();
            cluster::Entrance::end(self);
            let delivery = Delivery { origin, cid, uid, packet, request: None, turn: None, receipt: None };
            return self.parties.node.deliver(delivery);
        };
        node.hears_something();
        let ctx = Context::new(Arc::clone(parties), cid, uid, Subject::Message(packet.route, packet.seq));
        *lane = node.begin_here(key, Box::pin(NodeCore::respond(ctx, Ok(packet.body), None)));
        Ok(())
    }

    fn end(&mut self) {
        if let Some(key) = self.lane.take() {
            self.parties.node.end_turn(key);
        }
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        cluster::Entrance::end(self);
    }
}

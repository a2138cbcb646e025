//! Packets for the sessions of a gate: those that come in a row for one session are handed over together.

use std::collections::VecDeque;
use std::iter::from_fn;

use bytes::Bytes;

use crate::cluster::link::{GateServer, Unpushed};
use crate::id::Cid;
use crate::session::Wakes;

/// What the locks of a session are held for at a time.
const TOGETHER: usize = 64;

#[derive(Default)]
pub(super) struct Pushes {
    /// Whom the packets are for.
    cid: Option<Cid>,
    packets: VecDeque<Bytes>,
    pub(super) wakes: Wakes,
}

impl Pushes {
    /// Nobody has asked what becomes of the packet.
    pub(super) async fn add(&mut self, gate: &dyn GateServer, cid: Cid, packet: Bytes) {
        if self.cid != Some(cid) || self.packets.len() == TOGETHER {
            self.hand_over(gate).await;
            self.cid = Some(cid);
        }
        self.packets.push_back(packet);
    }

    /// Packets of a session keep their order: one that has to wait for room holds up what comes behind it.
    pub(super) async fn hand_over(&mut self, gate: &dyn GateServer) {
        let Some(cid) = self.cid.take() else { return };
        while !self.packets.is_empty() {
            let mut packets = from_fn(|| self.packets.pop_front());
            match gate.push_parts(cid, &mut packets, &mut self.wakes) {
                Ok(()) => {}
                // The session has ended.
                Err(Unpushed::Never(_)) => self.packets.clear(),
                Err(Unpushed::Busy(packet)) => {
                    self.wakes.wake_all();
                    let _ = gate.push_in_time(cid, packet).await;
                }
            }
        }
    }
}

//! Messages that only have to go on to another process leave as they came: those in a row together, if they are of one route.

use std::sync::Arc;

use super::GateCore;
use crate::cluster::{Answers, Candidate, Outward, RouteEntry};
use crate::id::{RouteId, Seq};
use crate::packet::Format;
use crate::session::Session;

/// What the locks on the way are held for at a time.
const TOGETHER: usize = 16;

/// Packets in a row, of one route.
struct Run<'a> {
    packets: [Outward<'a>; TOGETHER],
    seqs: [Seq; TOGETHER],
    /// How many bytes each of them and those before it are.
    ends: [usize; TOGETHER],
    len: usize,
}

impl GateCore {
    /// Hands client messages over as they came, where nothing is to be decided but which node of another process gets them, and
    /// says how many bytes of what was read are done with. If that are none, the first message is left to
    /// [`route`](Self::route), and to `picked` if there was a choice.
    pub(super) fn forward(&self, session: &Arc<Session>, read: &[u8], picked: &mut Option<Box<Candidate>>) -> usize {
        let Some((route, _)) = self.format.peek(read).filter(|(route, _)| *route != RouteId::STATUS) else { return 0 };
        let nodes = self.cluster.nodes();
        let uid = session.uid();
        let is_plain = |entry: &&RouteEntry| {
            entry.is_elsewhere && !entry.internal && !entry.stateful && (uid.is_some() || !entry.authorized)
        };
        let Some(entry) = nodes.route(route).filter(is_plain) else { return 0 };
        // One for each turn of a node.
        let most = if entry.has_choice() { 1 } else { TOGETHER };
        let run = Run::of(&self.format, route, read, most);
        let Some(first) = Some(entry).filter(|_| run.len > 0).and_then(RouteEntry::pick) else { return 0 };
        let Candidate { nid, node, answers, .. } = first;
        let left = session.send_all_away(route, &run.seqs[..run.len], nid, *answers);
        let taken = node.forward(session.cid(), uid, &run.packets[..left]);
        if *answers != Answers::None {
            for seq in &run.seqs[taken..left] {
                session.take_back(route, *seq);
            }
        }
        if taken == 0 {
            *picked = Some(Box::new(first.clone()));
            return 0;
        }
        let bytes = run.ends[taken - 1];
        self.metrics.received.count(taken, bytes);
        bytes
    }
}

impl<'a> Run<'a> {
    /// What `read` begins with: at most so many whole packets.
    fn of(format: &Format, route: RouteId, read: &'a [u8], most: usize) -> Self {
        let (packets, seqs) = ([Outward::AsItIs(&[]); TOGETHER], [Seq::NONE; TOGETHER]);
        let mut run = Self { packets, seqs, ends: [0; TOGETHER], len: 0 };
        let mut end = 0;
        for at in 0..most {
            let Some(packet) = format.first(&read[end..]) else { break };
            let Some((_, seq)) = format.peek(packet).filter(|(other, _)| *other == route) else { break };
            end += packet.len();
            (run.packets[at], run.seqs[at], run.ends[at]) = (Outward::AsItIs(packet), seq, end);
            run.len += 1;
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_whole_packets_of_one_route() {
        let format = Format::new();
        let packet = |route, seq| format.encode(RouteId(route), Seq(seq), b"body").unwrap().to_vec();
        let (one, other, heartbeat) = (packet(1, 7), packet(2, 9), vec![0, 0, 0, 1, 0x80]);
        let run = |read: &[u8], most| {
            let run = Run::of(&format, RouteId(1), read, most);
            for (packet, seq) in run.packets[..run.len].iter().zip(&run.seqs) {
                assert!(matches!(packet, Outward::AsItIs(sized) if *sized == one) && *seq == Seq(7));
            }
            assert!((0..run.len).all(|at| run.ends[at] == one.len() * (at + 1)));
            run.len
        };
        let three = one.repeat(3);
        assert_eq!([run(&three, TOGETHER), run(&three, 2), run(&one.repeat(40), TOGETHER)], [3, 2, TOGETHER]);
        for (stop, name) in [(&other, "another route"), (&heartbeat, "a heartbeat"), (&one[..5].to_vec(), "a part")] {
            let read = [&three[..], stop, &one].concat();
            assert_eq!(run(&read, TOGETHER), 3, "{name}");
            assert_eq!(run(stop, TOGETHER), 0, "{name}");
        }
        assert_eq!(run(&[0, 0, 0, 4, 0, 0, 1, 0, 7, 9, 9], TOGETHER), 0, "too short for a route");
        assert_eq!(run(&[], TOGETHER), 0);
    }
}

//! What comes back for a request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::BufMut;

use super::frame::{self, Frame, op};
use super::request::{state, state_byte};
use crate::cluster::link::{GateAnswer, LinkError};

const OK: u16 = 0;
const NO_SESSION: u16 = 1;
const INTERNAL: u16 = 2;
/// Size of the frame that [`op::PUBLISH`] answers with, also where a Go gate forgets the total.
pub(super) const PUBLISH_SIZE: u32 = 20;

/// Appends the answer to a request. Nodes answer with what gates do.
pub(super) fn put(buf: &mut Vec<u8>, opcode: u8, seq: u64, answer: &Result<GateAnswer, LinkError>) {
    frame::put(buf, opcode, seq, false, |buf| {
        buf.put_u16(match answer {
            Ok(_) => OK,
            Err(LinkError::NoSession) => NO_SESSION,
            Err(_) => INTERNAL,
        });
        match answer {
            Ok(GateAnswer::Total(0)) if opcode != op::PUBLISH => {}
            Ok(GateAnswer::Total(total)) => buf.put_u64(*total),
            Ok(GateAnswer::Ip(ip)) => put_ip(buf, *ip),
            Ok(GateAnswer::Online(online)) => buf.put_u8((*online).into()),
            Err(_) if opcode == op::IS_ONLINE => buf.put_u8(0),
            Ok(GateAnswer::State(state)) => buf.put_u8(state_byte(*state)),
            Ok(GateAnswer::Done) | Err(_) => {}
        }
    });
}

/// due reads 4 bytes: an IPv6 address follows where it does not look.
fn put_ip(buf: &mut Vec<u8>, ip: IpAddr) {
    match ip.to_canonical() {
        IpAddr::V4(ip) => buf.put_slice(&ip.octets()),
        IpAddr::V6(ip) => {
            buf.put_u32(0);
            buf.put_slice(&ip.octets());
        }
    }
}

/// What an answer says; `None` if it cannot be read. An omitted number is 0, an omitted address `0.0.0.0`.
pub(super) fn read(frame: &Frame<'_>) -> Option<Result<GateAnswer, LinkError>> {
    let (code, rest) = frame.payload.split_first_chunk()?;
    match u16::from_be_bytes(*code) {
        OK => {}
        NO_SESSION => return Some(Err(LinkError::NoSession)),
        code => return Some(Err(LinkError::Failed(format!("it answered with code {code}")))),
    }
    Some(Ok(match (frame.op, rest) {
        (op::STAT | op::MULTICAST | op::BROADCAST | op::PUBLISH, []) => GateAnswer::Total(0),
        (op::STAT | op::MULTICAST | op::BROADCAST | op::PUBLISH, rest) => {
            GateAnswer::Total(u64::from_be_bytes(rest.try_into().ok()?))
        }
        (op::IP, []) => GateAnswer::Ip(Ipv4Addr::UNSPECIFIED.into()),
        (op::IP, &[a, b, c, d]) => GateAnswer::Ip(Ipv4Addr::new(a, b, c, d).into()),
        (op::IP, &[0, 0, 0, 0, ref ip @ ..]) => {
            let ip: [u8; 16] = ip.try_into().ok()?;
            GateAnswer::Ip(Ipv6Addr::from(ip).into())
        }
        (op::IS_ONLINE, &[online]) => GateAnswer::Online(online == 1),
        (op::STATE, &[byte]) => GateAnswer::State(state(byte)?),
        (op::IP | op::IS_ONLINE | op::STATE, _) => return None,
        (_, []) => GateAnswer::Done,
        _ => return None,
    }))
}

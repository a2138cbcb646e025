//! What holds for every byte string that another server can send, for the fuzzer and for tests.

use super::frame::{self, op};
use super::{answer, request, secret};
use crate::packet::Format;

/// Takes the bytes for a stream, as a server and as a caller would.
///
/// # Panics
/// When a claim does not hold.
pub fn claims(stream: &[u8]) {
    const LIMIT: usize = 1 << 16;
    let mut rest = stream;
    while let Ok(Some(len)) = frame::measure(rest, LIMIT) {
        let (whole, behind) = rest.split_at(len);
        assert!(len > 4 && len <= 4 + LIMIT);
        for cut in 0..len.min(20) {
            assert!(matches!(frame::measure(&whole[..cut], LIMIT), Ok(None)), "a part of a frame is not a frame");
        }
        rest = behind;
        secret::claims(whole);
        let Some(frame) = frame::parse(whole) else {
            assert!(whole[4] & 0x80 != 0);
            continue;
        };
        let mut written = Vec::new();
        if let Ok(gate_op) = request::gate_op(&frame) {
            request::put_gate_op(&mut written, frame.seq, &gate_op);
            assert_eq!(request::gate_op(&frame::parse(&written).expect("our own frame")), Ok(gate_op));
        }
        if let Some(trigger) = request::trigger(&frame).ok().filter(|_| frame.op == op::TRIGGER) {
            written.clear();
            request::put_trigger(&mut written, frame.seq, &trigger);
            assert_eq!(request::trigger(&frame::parse(&written).expect("our own frame")), Ok(trigger));
        }
        if let Ok(deliver) = request::deliver(&frame) {
            assert!(deliver.packet.len() + 30 == len);
            let _ = Format::new().dissect(deliver.packet);
        }
        let _ = (request::handshake(&frame), request::set_state(&frame));
        if let Some(said) = answer::read(&frame) {
            written.clear();
            answer::put(&mut written, frame.op, frame.seq, &said);
            let again = answer::read(&frame::parse(&written).expect("our own frame"));
            assert_eq!(again.map(|again| again.is_ok()), Some(said.is_ok()));
        }
    }
}

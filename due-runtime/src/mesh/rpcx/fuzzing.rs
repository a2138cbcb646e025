//! What holds for every byte string that a peer can send, for the fuzzer and for tests.

use bytes::BytesMut;

use super::frame::Frame;
use super::limits::{MAX_BODY, MAX_FRAME, MAX_PAIRS};
use super::{metadata, status};

/// Takes the bytes for a stream, as a server and as a client would.
///
/// # Panics
/// When a claim does not hold.
pub fn claims(stream: &[u8]) {
    let mut buf = BytesMut::from(stream);
    loop {
        let whole = buf.clone();
        let Ok(Some(frame)) = Frame::take(&mut buf) else { break };
        let size = whole.len() - buf.len();
        assert!((32..=16 + MAX_FRAME).contains(&size));
        for cut in 0..size.min(40) {
            assert!(matches!(Frame::size(&whole[..cut]), Ok(None) | Ok(Some(_))), "a part of a frame is no mistake");
            assert!(matches!(Frame::take(&mut BytesMut::from(&whole[..cut])), Ok(None)), "nor a frame");
        }
        assert!(frame.payload.len() <= MAX_BODY && frame.metadata.len() <= MAX_PAIRS);
        let mut written = BytesMut::from(&frame.encode().expect("what was read can be written")[..]);
        let again = Frame::take(&mut written).expect("our own frame").expect("all of it");
        assert_eq!(Frame { gzip: frame.gzip, ..again }, frame);
        let _ = (status::of(&frame), metadata::timeout(&metadata::read(&frame.metadata)));
    }
}

use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

use super::hex;
use crate::cluster::drpc::frame::{Impossible, op};
use crate::cluster::drpc::incoming::{Incoming, ReadError, Unit};
use crate::cluster::drpc::{answer, frame};
use crate::cluster::link::{GateAnswer, LinkError};

const LIMIT: usize = 1 << 20;

/// Opcode, seq and payload bytes of the next frame.
async fn next(incoming: &mut Incoming<DuplexStream>) -> Option<(u8, u64, usize)> {
    match incoming.next().await.unwrap()? {
        Unit::Heartbeat => Some((0, 0, 0)),
        Unit::Frame(frame) => Some((frame.op, frame.seq, frame.payload.len())),
    }
}

fn state(seq: u64) -> Vec<u8> {
    let mut written = Vec::new();
    answer::put(&mut written, op::SET_STATE, seq, &Ok(GateAnswer::Done));
    written
}

#[tokio::test]
async fn chunks_make_no_difference() {
    let mut stream = Vec::new();
    for seq in 1..50 {
        frame::put(&mut stream, op::PUSH, seq, false, |buf| buf.resize(buf.len() + 37 * seq as usize, 1));
        stream.extend(frame::HEARTBEAT);
    }
    for chunk in [1, 2, 3, 5, 13, 14, 15, 100, 1000, stream.len()] {
        let (near, mut far) = duplex(64 * 1024);
        let mut incoming = Incoming::requests(near, LIMIT);
        let stream = stream.clone();
        let write = tokio::spawn(async move {
            for chunk in stream.chunks(chunk) {
                far.write_all(chunk).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        for seq in 1..50 {
            assert_eq!(next(&mut incoming).await, Some((op::PUSH, seq, 37 * seq as usize)));
            assert_eq!(next(&mut incoming).await, Some((0, 0, 0)));
        }
        assert_eq!(next(&mut incoming).await, None);
        write.await.unwrap();
    }
}

#[tokio::test]
async fn frames_that_are_kept_stay_as_they_are_when_more_is_read() {
    let (near, mut far) = duplex(64 * 1024);
    let mut incoming = Incoming::requests(near, LIMIT);
    let write = tokio::spawn(async move {
        for seq in 0..200 {
            let mut frame = Vec::new();
            frame::put(&mut frame, op::PUSH, seq, false, |buf| buf.resize(buf.len() + 3000, seq as u8));
            far.write_all(&frame).await.unwrap();
        }
    });
    let mut kept = Vec::new();
    while next(&mut incoming).await.is_some() {
        kept.push(incoming.share());
    }
    write.await.unwrap();
    assert_eq!(kept.len(), 200);
    for (seq, frame) in (0..).zip(kept) {
        assert_eq!(frame[frame::HEAD..], [seq; 3000]);
    }
}

#[tokio::test]
async fn impossible_sizes_end_the_stream_before_anything_is_reserved() {
    for (head, expected) in [
        ("00000000", "a frame of 0 bytes is too short"),
        ("00000001 00", "a frame of 1 bytes is too short"),
        ("00000009 00", "a frame of 9 bytes is too short"),
        ("00100001", "a frame of 1048577 bytes, at most 1048576 are accepted"),
        ("ffffffff", "a frame of 4294967295 bytes, at most 1048576 are accepted"),
    ] {
        let (near, mut far) = duplex(64);
        let mut incoming = Incoming::requests(near, LIMIT);
        far.write_all(&hex(head)).await.unwrap();
        let Err(ReadError::Impossible(error)) = incoming.ready().await else { panic!("{head}") };
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, Impossible::Short { .. } | Impossible::TooLarge { .. }));
    }
}

#[tokio::test]
async fn half_a_frame_is_an_error_and_none_is_an_end() {
    let (near, mut far) = duplex(64);
    let mut incoming = Incoming::requests(near, LIMIT);
    far.write_all(&state(1)[..9]).await.unwrap();
    drop(far);
    assert!(matches!(incoming.next().await, Err(ReadError::Io(_))));
}

/// What a Go gate answers to a publish that reached nobody: 8 bytes less than it says.
fn short(seq: u64, code: u16) -> Vec<u8> {
    [&hex("00000014 00 0b")[..], &seq.to_be_bytes(), &code.to_be_bytes()].concat()
}

fn full(seq: u64, total: u64) -> Vec<u8> {
    let mut written = Vec::new();
    answer::put(&mut written, op::PUBLISH, seq, &Ok(GateAnswer::Total(total)));
    written
}

#[tokio::test(start_paused = true)]
async fn answers_to_publishes_may_be_cut_short() {
    let (near, mut far) = duplex(1024);
    let mut incoming = Incoming::answers(near, LIMIT);
    // Between others.
    far.write_all(&[short(1, 0), state(2), short(3, 2), state(4), full(5, 2), full(6, 0), state(7)].concat())
        .await
        .unwrap();
    for expected in [
        (op::PUBLISH, 1, 2),
        (op::SET_STATE, 2, 2),
        (op::PUBLISH, 3, 2),
        (op::SET_STATE, 4, 2),
        (op::PUBLISH, 5, 10),
        (op::PUBLISH, 6, 10),
        (op::SET_STATE, 7, 2),
    ] {
        assert_eq!(next(&mut incoming).await, Some(expected));
    }
    // At the end of what comes.
    let begun = Instant::now();
    far.write_all(&short(8, 0)).await.unwrap();
    assert_eq!(next(&mut incoming).await, Some((op::PUBLISH, 8, 2)));
    assert_eq!(begun.elapsed(), Duration::from_millis(50));
    far.write_all(&state(9)).await.unwrap();
    assert_eq!(next(&mut incoming).await, Some((op::SET_STATE, 9, 2)));
    // An error needs no waiting.
    let begun = Instant::now();
    far.write_all(&short(10, 2)).await.unwrap();
    assert_eq!(next(&mut incoming).await, Some((op::PUBLISH, 10, 2)));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    far.write_all(&short(11, 0)).await.unwrap();
    assert_eq!(next(&mut incoming).await, Some((op::PUBLISH, 11, 2)));
    drop(far);
    assert_eq!(next(&mut incoming).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_full_answer_may_be_late() {
    for cut in 14..24 {
        let (near, mut far) = duplex(1024);
        let mut incoming = Incoming::answers(near, LIMIT);
        let answer = full(1, 0x0102_0304);
        far.write_all(&answer[..cut]).await.unwrap();
        let rest = [&answer[cut..], &state(2)].concat();
        let late = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            far.write_all(&rest).await.unwrap();
            far
        });
        let (opcode, seq, payload) = next(&mut incoming).await.unwrap();
        // 50 ms after the code it is taken for a short one, and its total for nothing.
        assert_eq!((opcode, seq, payload), (op::PUBLISH, 1, if (16..20).contains(&cut) { 2 } else { 10 }), "{cut}");
        assert_eq!(next(&mut incoming).await, Some((op::SET_STATE, 2, 2)), "{cut}");
        late.await.unwrap();
    }
}

#[test]
fn a_short_answer_is_a_total_of_none() {
    let short = short(1, 0);
    assert_eq!(answer::read(&frame::parse(&short).unwrap()), Some(Ok(GateAnswer::Total(0))));
    let failed = Some(Err(LinkError::Failed("it answered with code 2".to_owned())));
    assert_eq!(answer::read(&frame::parse(&self::short(1, 2)).unwrap()), failed);
}

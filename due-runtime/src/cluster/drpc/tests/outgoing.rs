use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::cluster::drpc::outgoing::{Outgoing, Refused};

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn append(out: &Outgoing, bytes: &[u8]) -> Result<(), Refused> {
    out.append(|buf| buf.extend_from_slice(bytes))
}

#[tokio::test]
async fn a_full_queue_takes_nothing_until_half_is_written() {
    let out = Outgoing::open(10);
    append(&out, &[1; 6]).unwrap();
    assert_eq!(append(&out, &[2; 5]), Err(Refused::Full));
    append(&out, &[3; 4]).unwrap();
    let mut room = pin!(out.room());
    assert!(poll(room.as_mut()).is_pending());
    let mut batch = Vec::new();
    assert!(out.take(&mut batch).await);
    assert_eq!(batch, [1, 1, 1, 1, 1, 1, 3, 3, 3, 3], "what was refused has left nothing");
    assert_eq!(append(&out, &[4; 5]), Err(Refused::Full), "what the writer holds counts");
    assert!(poll(room.as_mut()).is_pending());
    assert!(poll(pin!(out.take(&mut batch))).is_pending());
    assert!(poll(room.as_mut()).is_ready());
    append(&out, &[5; 50]).unwrap();
    assert_eq!(append(&out, &[6; 1]), Err(Refused::Full));
}

#[tokio::test]
async fn answers_have_room_where_others_have_none() {
    let out = Outgoing::open(10);
    append(&out, &[1; 10]).unwrap();
    assert_eq!(append(&out, &[2]), Err(Refused::Full));
    let answer = |len: usize| out.append_beyond(3, |buf| buf.resize(buf.len() + len, 3));
    assert_eq!([answer(15), answer(6), answer(5), answer(1)], [Ok(()), Err(Refused::Full), Ok(()), Err(Refused::Full)]);
    let mut batch = Vec::new();
    assert!(out.take(&mut batch).await);
    assert_eq!(batch.len(), 30);
}

/// Who was told to wait for room gets in when there is some.
#[tokio::test]
async fn room_is_enough_for_any_frame() {
    let out = Outgoing::open(10);
    append(&out, &[1; 5]).unwrap();
    assert!(poll(pin!(out.room())).is_ready());
    append(&out, &[2; 7]).unwrap();
    assert!(poll(pin!(out.room())).is_pending());
}

#[tokio::test]
async fn what_waits_survives_a_broken_connection_and_not_a_dead_one() {
    let out = Outgoing::idle(100);
    assert_eq!(append(&out, b"a"), Err(Refused::Idle));
    assert!(out.wake());
    assert!(!out.wake());
    append(&out, b"a").unwrap();
    let mut batch = Vec::new();
    out.take(&mut batch).await;
    append(&out, b"b").unwrap();
    assert_eq!(out.cut(|queue| queue.to_vec()), b"b");
    assert!(out.take(&mut batch).await);
    assert_eq!(batch, b"b");
    append(&out, b"c").unwrap();
    out.down();
    assert_eq!(append(&out, b"d"), Err(Refused::Down));
    assert!(poll(pin!(out.room())).is_ready(), "there is no use in waiting");
    out.up();
    append(&out, b"e").unwrap();
    assert!(!out.rest(), "something waits");
    out.finish();
    assert_eq!(append(&out, b"f"), Err(Refused::Closed));
    assert!(!out.is_done());
    assert!(out.take(&mut batch).await);
    assert_eq!(batch, b"e");
    assert!(!out.take(&mut batch).await);
    assert!(out.is_done());
}

#[tokio::test]
async fn what_is_lost_with_a_connection_makes_room() {
    let out = Outgoing::open(10);
    append(&out, &[1; 10]).unwrap();
    assert!(out.take(&mut Vec::new()).await);
    let mut room = pin!(out.room());
    assert!(poll(room.as_mut()).is_pending());
    out.cut(|queue| assert!(queue.is_empty()));
    assert!(poll(room.as_mut()).is_ready());
}

#[tokio::test]
async fn an_idle_queue_holds_no_buffer() {
    let out = Outgoing::open(10 << 20);
    let mut batch = Vec::new();
    let mut write = async |len: usize| {
        append(&out, &vec![1; len]).unwrap();
        assert!(out.take(&mut batch).await);
        assert_eq!(batch.len(), len);
        batch.capacity()
    };
    for len in [500_000, 2_000_000] {
        write(len).await;
    }
    for _ in 0..2 {
        assert!(write(10).await.max(write(10).await) >= 2_000_000, "the next may be as large");
        out.relax();
    }
    for _ in 0..2 {
        write(10).await;
    }
    assert!(write(10).await.max(write(10).await) < 1_000_000, "none was for a while");
    assert!(poll(pin!(out.take(&mut batch))).is_pending());
    assert_eq!(batch.capacity(), 0, "it lies in the queue, for the next batch or to be freed");
    out.relax();
    out.relax();
    append(&out, &[1]).unwrap();
    assert!(out.take(&mut batch).await);
    assert!(batch.capacity() < 100);
}

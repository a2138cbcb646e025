use std::pin::pin;

use super::*;
use crate::id::{RouteId, Seq};

impl Outbox {
    fn push(&self, packet: Bytes) -> Result<(), Refused> {
        self.queue(packet, Urgency::Now).map(|waker| waker.into_iter().for_each(Waker::wake))
    }
}

const PATIENCE: Duration = Duration::from_millis(500);

fn outbox(packets: usize, bytes: usize) -> Outbox {
    outbox_with(packets, bytes, Overflow::Disconnect)
}

fn outbox_with(packets: usize, bytes: usize, overflow: Overflow) -> Outbox {
    let limits = OutboxLimits { packets, bytes, ..OutboxLimits::default() };
    Outbox::new(Arc::new(OutboxRules::new(limits, overflow, Arc::new(Format::new()))))
}

fn packet(seq: i32, body: &'static [u8]) -> Bytes {
    Format::new().encode(RouteId(1), Seq(seq), body).unwrap()
}

#[test]
fn a_full_outbox_refuses_by_count_and_by_bytes() {
    let by_count = outbox(2, 100);
    assert_eq!(by_count.push(Bytes::from_static(b"a")), Ok(()));
    assert_eq!(by_count.push(Bytes::from_static(b"b")), Ok(()));
    assert_eq!(by_count.push(Bytes::from_static(b"c")), Err(Refused::Busy(Bytes::from_static(b"c"))));

    let by_bytes = outbox(10, 4);
    assert_eq!(by_bytes.push(Bytes::from_static(b"larger than all")), Ok(()));
    assert_eq!(by_bytes.push(Bytes::from_static(b"x")), Err(Refused::Busy(Bytes::from_static(b"x"))));
}

#[tokio::test(start_paused = true)]
async fn there_is_room_soon_where_a_client_reads() {
    let outbox = outbox(2, 100);
    outbox.push(Bytes::from_static(b"a")).unwrap();
    outbox.push(Bytes::from_static(b"b")).unwrap();
    let c = Bytes::from_static(b"c");
    let can_wait = |packet: &Bytes| outbox.queue(packet.clone(), Urgency::CanWait).map(drop);
    // The writer has not begun yet, whose fault that may be.
    assert_eq!(can_wait(&c), Err(Refused::Busy(c.clone())));
    tokio::time::advance(2 * PATIENCE).await;
    assert_eq!(can_wait(&c), Err(Refused::Busy(c.clone())));
    assert!(futures_poll(pin!(outbox.relief())).is_pending());

    outbox.take().await.unwrap();
    tokio::time::advance(PATIENCE / 2).await;
    assert_eq!(outbox.push(c.clone()), Err(Refused::Busy(c.clone())), "who cannot wait is told so");
    let mut relief = pin!(outbox.relief());
    assert_eq!(can_wait(&c), Err(Refused::Busy(c.clone())));
    assert!(futures_poll(relief.as_mut()).is_pending());
    assert!(futures_poll(pin!(outbox.take())).is_pending(), "the client has taken all");
    relief.await;
    assert_eq!(can_wait(&c), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_client_that_does_not_read() {
    for overflow in [Overflow::Disconnect, Overflow::DropOldestPush] {
        let outbox = outbox_with(2, 100, overflow);
        outbox.push(packet(0, b"a")).unwrap();
        outbox.take().await.unwrap();
        outbox.push(packet(0, b"b")).unwrap();
        let c = packet(0, b"c");
        let can_wait = || outbox.queue(c.clone(), Urgency::CanWait).map(drop);
        assert_eq!(can_wait(), Err(Refused::Busy(c.clone())));
        let begun = Instant::now();
        outbox.relief().await;
        assert_eq!(begun.elapsed(), PATIENCE);
        match overflow {
            Overflow::Disconnect => assert_eq!(can_wait(), Err(Refused::Full)),
            Overflow::DropOldestPush => assert_eq!(can_wait(), Ok(())),
        }
        outbox.relief().await;
        assert_eq!(begun.elapsed(), PATIENCE, "it is known already");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_is_no_reason_to_wait() {
    for end in [Outbox::finish, Outbox::close] {
        let outbox = outbox(1, 100);
        outbox.push(Bytes::from_static(b"a")).unwrap();
        let b = Bytes::from_static(b"b");
        assert_eq!(outbox.queue(b.clone(), Urgency::CanWait).map(drop), Err(Refused::Busy(b.clone())));
        let mut relief = pin!(outbox.relief());
        assert!(futures_poll(relief.as_mut()).is_pending());
        end(&outbox);
        assert!(futures_poll(relief.as_mut()).is_ready());
        assert_eq!(outbox.queue(b, Urgency::CanWait).map(drop), Err(Refused::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_room_while_its_client_reads() {
    let outbox = outbox(2, 100);
    for body in [b"a", b"b"] {
        outbox.push(Bytes::from_static(body)).unwrap();
    }
    let answer = || outbox.queue(Bytes::from_static(b"answer"), Urgency::Owed).map(drop);
    assert_eq!(answer(), Ok(()));
    outbox.take().await.unwrap();
    assert_eq!(answer(), Ok(()));
    tokio::time::advance(PATIENCE).await;
    assert_eq!(answer(), Err(Refused::Full));
}

#[tokio::test]
async fn what_the_writer_holds_counts_until_it_comes_back() {
    let outbox = outbox(2, 100);
    outbox.push(Bytes::from_static(b"a")).unwrap();
    outbox.push(Bytes::from_static(b"b")).unwrap();
    assert_eq!(outbox.take().await.unwrap().len(), 2);
    assert_eq!(outbox.push(Bytes::from_static(b"c")), Err(Refused::Busy(Bytes::from_static(b"c"))));
    outbox.finish();
    assert_eq!(outbox.take().await, None);
}

#[tokio::test]
async fn a_part_of_something_larger_is_copied_for_a_client_that_is_behind() {
    let outbox = outbox(8, 100);
    let whole = Bytes::from(b"ab".to_vec());
    let is_part = |packet: &Bytes| whole.as_ptr_range().contains(&packet.as_ptr());
    let queue = |part| outbox.queue_parts([(part, Urgency::Now)].into_iter(), &mut Wakes::default());
    queue(whole.slice(..1)).unwrap();
    let first = outbox.take().await.unwrap();
    queue(whole.slice(1..)).unwrap();
    let second = outbox.take().await.unwrap();
    assert_eq!([is_part(&first[0]), is_part(&second[0])], [true, false]);
    assert_eq!([first, second].concat(), ["a", "b"]);
}

#[tokio::test]
async fn parts_are_queued_as_far_as_there_is_room() {
    let outbox = outbox(2, 100);
    let mut parts = ["a", "b", "c", "d"].map(|part| (Bytes::from(part), Urgency::CanWait)).into_iter();
    let queued = outbox.queue_parts(parts.by_ref(), &mut Wakes::default());
    assert_eq!(queued, Err(Refused::Busy(Bytes::from_static(b"c"))));
    assert_eq!(parts.len(), 1, "what comes behind it was not looked at");
    assert_eq!(outbox.take().await.unwrap().concat(), b"ab");
}

#[tokio::test]
async fn finishing_flushes_and_closing_forgets() {
    let flushed = outbox(8, 100);
    flushed.push(Bytes::from_static(b"a")).unwrap();
    flushed.finish();
    assert_eq!(flushed.push(Bytes::from_static(b"b")), Err(Refused::Closed));
    assert_eq!(flushed.take().await.unwrap().len(), 1);
    assert_eq!(flushed.take().await, None);

    let forgotten = outbox(8, 100);
    forgotten.push(Bytes::from_static(b"a")).unwrap();
    forgotten.close();
    assert_eq!(forgotten.take().await, None);
}

#[tokio::test]
async fn the_reader_waits_for_room() {
    let outbox = outbox(4, 1000);
    for _ in 0..2 {
        outbox.push(Bytes::from_static(b"a")).unwrap();
    }
    let mut room = Box::pin(outbox.room());
    assert!(futures_poll(room.as_mut()).is_pending());
    outbox.take().await.unwrap();
    let mut more = Box::pin(outbox.take());
    assert!(futures_poll(more.as_mut()).is_pending());
    room.await;
}

#[tokio::test]
async fn nobody_is_read_far_ahead_of_his_answers() {
    let outbox = outbox(1024, 4 << 20);
    outbox.push(Bytes::from(vec![0; READ_AHEAD - 1])).unwrap();
    outbox.room().await;
    outbox.push(Bytes::from_static(b"a")).unwrap();
    assert!(futures_poll(pin!(outbox.room())).is_pending());
    assert_eq!(outbox.push(Bytes::from(vec![0; 2 << 20])), Ok(()), "a push still fits");
}

#[tokio::test]
async fn the_oldest_push_makes_room_and_no_answer_does() {
    let outbox = outbox_with(4, 1000, Overflow::DropOldestPush);
    for packet in [packet(1, b"a"), packet(0, b"b"), packet(0, b"c"), packet(2, b"d")] {
        outbox.push(packet).unwrap();
    }
    for (packet, pushed) in [
        (packet(0, b"e"), Ok(())),
        (packet(3, b"f"), Ok(())),
        (packet(4, b"g"), Ok(())),
        (packet(0, b"h"), Err(Refused::Dropped)),
        (packet(5, b"i"), Err(Refused::Busy(packet(5, b"i")))),
    ] {
        assert_eq!(outbox.push(packet), pushed);
    }
    assert_eq!(outbox.dropped(), 4);
    let batch = outbox.take().await.unwrap();
    let bodies: Vec<u8> = batch.iter().map(|packet| packet[9]).collect();
    assert_eq!(bodies, b"adfg");
}

#[tokio::test]
async fn pushes_that_can_be_dropped_keep_nobody_from_asking() {
    let outbox = outbox_with(4, 1000, Overflow::DropOldestPush);
    for _ in 0..9 {
        outbox.push(packet(0, b"push")).unwrap();
    }
    outbox.room().await;
    for seq in 1..=2 {
        outbox.push(packet(seq, b"answer")).unwrap();
    }
    assert!(futures_poll(pin!(outbox.room())).is_pending());
}

#[tokio::test]
async fn the_writer_leaves_what_it_cannot_write_yet() {
    let outbox = outbox_with(100, 1 << 20, Overflow::DropOldestPush);
    for _ in 0..100 {
        outbox.push(Format::new().encode(RouteId(1), Seq(0), &[0; 4000]).unwrap()).unwrap();
    }
    assert_eq!(outbox.take().await.unwrap().len(), 32);
    for _ in 0..100 {
        outbox.push(packet(0, b"newer")).unwrap();
    }
    assert_eq!(outbox.dropped(), 100);
    let batch = outbox.take().await.unwrap();
    assert!(batch.iter().all(|packet| &packet[9..] == b"newer"));
    assert_eq!(batch.len(), 68);
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

//! What one packet costs between bytes and frames, next to a copy of the same bytes: `cargo bench -p due-runtime --bench packet`.
//!
//! Nanoseconds per packet: the least and, in brackets, the median of many short rounds in which the columns take turns.
//! `copy` is a memcpy of the packet into a buffer that exists, `new copy` one into a buffer of its own. How many plain copies
//! something is worth compares the least of both.
#![allow(clippy::print_stdout)]

#[path = "support/stats.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod stats;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use due::packet::{Dialect, Format, Frame};
use due::{RouteId, Seq};
use stats::Rounds;

const BODIES: [usize; 4] = [16, 128, 1024, 4096];
const ROUNDS: usize = 200;
/// Packets per read, as a busy connection gives them.
const BATCH: usize = 64;
/// Batches per round.
const BATCHES: usize = 20;

fn main() {
    println!("| body, dialect | copy | new copy | encode | decode |\n|---|---|---|---|---|");
    for len in BODIES {
        for dialect in [Dialect::Sized, Dialect::Bare] {
            row(len, dialect);
        }
    }
}

fn row(len: usize, dialect: Dialect) {
    let (format, body) = (Format::new(), vec![7; len]);
    let encode = || format.in_dialect(dialect, format.encode(RouteId(1), Seq(2), black_box(&body)).expect("it fits"));
    let wire = encode();
    let mut room = vec![0; wire.len()];
    let mut columns: [Box<dyn FnMut() -> f64 + '_>; 4] = [
        Box::new(|| per_packet(|| (), |()| black_box(&mut room[..]).copy_from_slice(black_box(&wire)))),
        Box::new(|| per_packet(|| (), |()| drop(black_box(Bytes::copy_from_slice(black_box(&wire)))))),
        Box::new(|| per_packet(|| (), |()| drop(black_box(encode())))),
        Box::new(|| decode(&format, dialect, &wire)),
    ];
    let rounds: Vec<[f64; 4]> = (0..ROUNDS).map(|_| columns.each_mut().map(|run| run())).collect();
    let [copy, new_copy, encode, decode] = [0, 1, 2, 3].map(|at| Rounds::of(rounds.iter().map(|round| round[at])));
    let plain = |nanos: Rounds| format!("{:.1} ({:.1})", nanos.least, nanos.median);
    let worth = |nanos: Rounds| format!("{}, {:.1} copies", plain(nanos), nanos.least / copy.least);
    let (copy, new_copy) = (plain(copy), worth(new_copy));
    println!("| {len} B, {dialect:?} | {copy} | {new_copy} | {} | {} |", worth(encode), worth(decode));
}

/// From the bytes that reads have left in a buffer, or from a ws message, to a frame.
fn decode(format: &Format, dialect: Dialect, wire: &Bytes) -> f64 {
    let parse = |unit| assert!(matches!(black_box(format.parse(unit)), Ok(Frame::Packet(_))));
    match dialect {
        Dialect::Sized => {
            let read = wire.repeat(BATCH);
            let next = |stream: &mut BytesMut| format.split(stream).expect("our own frames").expect("a whole batch");
            per_packet(|| BytesMut::from(&read[..]), |stream| parse(next(black_box(stream))))
        }
        Dialect::Bare => per_packet(|| (), |()| parse(black_box(wire.clone()))),
    }
}

/// Nanoseconds of one call. What is prepared for a batch of calls is not counted.
fn per_packet<T>(mut prepare: impl FnMut() -> T, mut run: impl FnMut(&mut T)) -> f64 {
    let mut spent = Duration::ZERO;
    for _ in 0..BATCHES {
        let mut prepared = prepare();
        let begun = Instant::now();
        (0..BATCH).for_each(|_| run(&mut prepared));
        spent += begun.elapsed();
    }
    spent.as_nanos() as f64 / (BATCHES * BATCH) as f64
}

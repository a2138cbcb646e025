//! What one packet costs between bytes and frames: `cargo bench -p due-runtime --bench packet`.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use due::packet::{Dialect, Format, Frame};
use due::{RouteId, Seq};

const ROUNDS: usize = 2000;
/// Packets per read, as a busy connection gives them.
const BATCH: usize = 64;

fn main() {
    println!("{:>6} {:>10} {:>10} {:>10} {:>10}   ns per packet", "body", "encode", "split", "whole", "sniff");
    for len in [0, 64, 512, 4096] {
        let (format, body) = (Format::new(), vec![7; len]);
        let encode = measure(|| {
            black_box(format.encode(RouteId(1), Seq(2), black_box(&body))).expect("it fits");
        });

        let frame = format.encode(RouteId(1), Seq(2), &body).expect("it fits");
        let wire = frame.repeat(BATCH);
        let mut stream = BytesMut::new();
        let split = measure(|| {
            if stream.is_empty() {
                stream = BytesMut::from(&wire[..]);
            }
            let unit = format.split(&mut stream).expect("our own frames").expect("a whole batch");
            assert!(matches!(format.parse(unit), Ok(Frame::Packet(packet)) if packet.body.remaining() == len));
        });
        let whole = measure(|| {
            black_box(format.parse_sized(black_box(frame.clone()))).expect("our own frame");
        });
        let bare = format.in_dialect(Dialect::Bare, frame.clone());
        let sniff = measure(|| {
            black_box(format.sniff(black_box(&bare), |route| route.0 == 1));
        });
        println!("{len:>6} {encode:>10.1} {split:>10.1} {whole:>10.1} {sniff:>10.1}");
    }
}

/// The best of several runs, in nanoseconds per call.
fn measure(mut run: impl FnMut()) -> f64 {
    let once = |run: &mut dyn FnMut()| {
        let begun = Instant::now();
        for _ in 0..ROUNDS * BATCH {
            run();
        }
        begun.elapsed().as_nanos() as f64 / (ROUNDS * BATCH) as f64
    };
    (0..5).map(|_| once(&mut run)).fold(f64::INFINITY, f64::min)
}

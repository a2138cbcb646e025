//! Rows of the report, in the form of the README.

use crate::closed::Shape;
use crate::stats::Rounds;
use crate::targets::Target;

/// The target that the others are compared with.
const FLOOR: &str = "relay";

pub(crate) struct Closed {
    /// Messages per second.
    pub(crate) rate: f64,
    /// p50, p99 and p99.9, in microseconds.
    pub(crate) quantiles: [f64; 3],
    /// Time on a core of all threads of the server, per message.
    pub(crate) server_nanos: f64,
}

pub(crate) struct Paced {
    pub(crate) latency: [f64; 3],
    pub(crate) written: [f64; 3],
}

pub(crate) fn closed(shape: Shape, targets: &[&Target], measured: &[Vec<Closed>]) {
    println!(
        "\n| {shape} | messages/s | of the {FLOOR} | p50 / p99 / p99.9 us | server ns/message |\n|---|---|---|---|---|"
    );
    let floor = targets.iter().position(|target| target.name == FLOOR).map(|index| &measured[index]);
    for (target, rounds) in targets.iter().zip(measured) {
        let rate = Rounds::of(rounds.iter().map(|round| round.rate));
        // Neighbours in time had the same neighbours on the machine.
        let share =
            floor.map(|floor| Rounds::of(rounds.iter().zip(floor).map(|(round, floor)| round.rate / floor.rate)));
        let share = share
            .map_or(String::new(), |share| format!("{:.2} ({:.2} to {:.2})", share.median, share.least, share.most));
        let nanos = Rounds::of(rounds.iter().map(|round| round.server_nanos));
        let quantiles = quantiles(rounds.iter().map(|round| round.quantiles));
        let rate = format!("{:.0} ({:.0} to {:.0})", rate.median, rate.least, rate.most);
        println!("| {} | {rate} | {share} | {quantiles} | {:.0} |", target.name, nanos.median);
    }
}

pub(crate) fn paced(connections: usize, targets: &[&Target], measured: &[Vec<Paced>]) {
    println!("\n| {connections} connections | p50 / p99 / p99.9 | of it until written |\n|---|---|---|");
    for (target, rounds) in targets.iter().zip(measured) {
        let latency = quantiles(rounds.iter().map(|round| round.latency));
        let written = quantiles(rounds.iter().map(|round| round.written));
        println!("| {} | {latency} | {written} |", target.name);
    }
}

fn quantiles(rounds: impl Iterator<Item = [f64; 3]>) -> String {
    let rounds: Vec<_> = rounds.collect();
    let [p50, p99, p999] = [0, 1, 2].map(|at| Rounds::of(rounds.iter().map(|round| round[at])).median);
    format!("{p50:.0} / {p99:.0} / {p999:.0}")
}

//! The report as people read it in a terminal.

use std::io::{self, Write};
use std::time::Duration;

use super::report::{Cause, Line, Plan, Report};
use crate::live::span;
use crate::output::count;
use crate::table;

const CALLS: &[&str] = &["CALL", "ENDED", "PER SECOND", "ERRORS", "P50", "P90", "P99", "P99.9", "MAX"];
const ERRORS: &[&str] = &["TIMES", "CODE", "ERROR", "CALL", "SAYS"];

pub(super) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let end = if report.interrupted { ", then Ctrl-C" } else { "" };
    writeln!(out, "{}", report.url)?;
    writeln!(out, "{}; {:.1} s{end}", plan(&report.plan), report.seconds)?;
    writeln!(out)?;
    let mut lines: Vec<Vec<String>> = report.calls.iter().map(cells).collect();
    if lines.len() > 1 {
        lines.push(cells(&report.total));
    }
    table::write(out, CALLS, &lines)?;
    if !report.errors.is_empty() {
        let rows: Vec<Vec<String>> = (report.errors.iter())
            .map(|error| {
                let code = error.code.map_or_else(String::new, |code| code.to_string());
                vec![error.times.to_string(), code, error.name.clone(), error.call.clone(), error.text.clone()]
            })
            .collect();
        writeln!(out)?;
        table::write(out, ERRORS, &rows)?;
    }
    if report.unsent > 0 {
        writeln!(
            out,
            "\n{} due and not sent: for want of a connection, or the gate or this machine is too slow",
            calls(report.unsent)
        )?;
    }
    causes(out, "lost", &report.connections.lost)?;
    causes(out, "not opened", &report.connections.failed)
}

/// `10 connections, 500/s`.
pub(super) fn plan(plan: &Plan) -> String {
    let load = match plan.rate {
        Some(rate) => format!("{rate} calls per second, at most {} in flight on each", plan.in_flight),
        None => format!("{} in flight on each", count(plan.in_flight, "call")),
    };
    format!("{}, {load}", count(plan.connections, "connection"))
}

/// Of calls without answers there is nothing to measure.
pub(super) fn cells(line: &Line) -> Vec<String> {
    let mut cells =
        vec![line.call.clone(), line.ended.to_string(), format!("{:.1}", line.per_second), line.errors.to_string()];
    match &line.latency_us {
        Some(took) => cells.extend([took.p50, took.p90, took.p99, took.p999, took.max].map(micros)),
        None => cells.extend(["-"; 5].map(str::to_owned)),
    }
    cells
}

pub(super) fn micros(micros: u64) -> String {
    span::show(Duration::from_micros(micros))
}

fn calls(number: u64) -> String {
    if number == 1 { "1 call was".to_owned() } else { format!("{number} calls were") }
}

fn causes(out: &mut impl Write, what: &str, causes: &[Cause]) -> io::Result<()> {
    if causes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nconnections {what}")?;
    causes.iter().try_for_each(|cause| writeln!(out, "  {} times: {}", cause.times, cause.why))
}

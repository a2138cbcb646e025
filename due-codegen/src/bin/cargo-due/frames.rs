//! Frames as `cargo due decode` shows them to people.

use std::io::{self, Write};

use due_codegen::{BodyCodec, Direction, Frame, Part};

/// The fields of a frame, one a line, and what is said about them.
pub(crate) fn lines(out: &mut impl Write, frame: &Frame, depth: usize) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    parts(out, &frame.parts, &indent)?;
    if let Some(packet) = &frame.packet {
        writeln!(out, "{indent}packet: {}", packet.what)?;
        lines(out, packet, depth + 1)?;
    }
    if let Some(body) = &frame.body {
        let codec = match body.codec {
            BodyCodec::Proto => "proto",
            BodyCodec::Json => "json",
            BodyCodec::Msgpack => "msgpack",
            _ => "raw",
        };
        if let Some(message) = &body.message {
            let direction = match body.direction {
                Some(Direction::Request) => "request",
                Some(Direction::Response) => "response",
                Some(Direction::Push) => "push",
                _ => "body",
            };
            writeln!(out, "{indent}{direction} {message} ({codec})")?;
        }
        parts(out, &body.parts, &indent)?;
        if let Some(json) = &body.json {
            writeln!(out, "{indent}{json}")?;
        }
    }
    for note in &frame.notes {
        writeln!(out, "{indent}note: {note}")?;
    }
    if let Some(fault) = &frame.fault {
        writeln!(out, "{indent}error at byte {}: {}", fault.offset, fault.message)?;
    }
    Ok(())
}

fn parts(out: &mut impl Write, parts: &[Part], indent: &str) -> io::Result<()> {
    let name = parts.iter().map(|part| part.name.chars().count()).max().unwrap_or_default();
    let bytes = parts.iter().map(|part| shown(part).len()).max().unwrap_or_default();
    for part in parts {
        let line = format!("{indent}{:>6}  {:name$}  {:bytes$}  {}", part.offset, part.name, shown(part), part.value);
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The first bytes, two digits each.
fn shown(part: &Part) -> String {
    const MOST: usize = 12;
    let pairs: Vec<&str> =
        (0..part.bytes.len() / 2).take(MOST).filter_map(|at| part.bytes.get(at * 2..at * 2 + 2)).collect();
    let more = if part.length > MOST { " .." } else { "" };
    pairs.join(" ") + more
}

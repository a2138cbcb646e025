//! Durations and sizes as due writes them.

use std::time::Duration;

/// In nanoseconds. `d` is due's own.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 6e10),
    ("h", 3.6e12),
];
const DAY: f64 = 8.64e13;
/// Go holds no longer time, in nanoseconds.
const LONGEST: f64 = i64::MAX as f64;

/// Why a text is no time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoTime {
    /// A number alone.
    NoUnit,
    Negative,
    TooLong,
    Malformed,
}

/// Reads Go's syntax, as `1h30m`, `1.5s` and `300ms`, and days (`7d`).
pub(super) fn duration(text: &str) -> Result<Duration, NoTime> {
    let text = text.trim();
    let (is_negative, text) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut nanos, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(NoTime::NoUnit)?;
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| NoTime::Malformed)?;
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let found = UNITS.into_iter().chain([("d", DAY)]).find(|(name, _)| *name == unit);
        nanos += number * found.ok_or(NoTime::Malformed)?.1;
        rest = after;
    }
    match () {
        () if text.is_empty() => Err(NoTime::Malformed),
        () if nanos >= LONGEST => Err(NoTime::TooLong),
        () if is_negative && nanos > 0.0 => Err(NoTime::Negative),
        () => Ok(Duration::from_nanos(nanos.round() as u64)),
    }
}

/// Reads a number of bytes, or one of `B`, `K` or `KB`, `M` and so on, of 1024 each. `None`: it is none, or does not fit.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_uppercase();
    let power = match unit.strip_suffix('B').unwrap_or(&unit) {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        "E" => 6,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << (10 * power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_go_and_days() {
        let millis = |text| duration(text).map(|time| time.as_secs_f64() * 1000.0);
        for (text, expected) in [
            ("0", 0.0),
            ("0s", 0.0),
            ("10s", 10_000.0),
            ("1h30m", 5_400_000.0),
            ("1.5s", 1_500.0),
            (".5s", 500.0),
            ("300ms", 300.0),
            ("20us", 0.02),
            ("20\u{b5}s", 0.02),
            ("+7d", 604_800_000.0),
            ("1d12h", 129_600_000.0),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("10", NoTime::NoUnit),
            ("1m30", NoTime::NoUnit),
            ("-1s", NoTime::Negative),
            ("", NoTime::Malformed),
            ("-", NoTime::Malformed),
            ("s", NoTime::Malformed),
            (".s", NoTime::Malformed),
            ("1..5s", NoTime::Malformed),
            ("10 s", NoTime::Malformed),
            ("10S", NoTime::Malformed),
            ("ten seconds", NoTime::Malformed),
        ] {
            assert_eq!(duration(text), Err(expected), "{text}");
        }
        assert_eq!(duration("3000000h"), Err(NoTime::TooLong));
        assert_eq!(duration(&("9".repeat(400) + "s")), Err(NoTime::TooLong));
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in
            [("5000", 5000), ("4K", 4096), ("4kb", 4096), ("1M", 1 << 20), ("2 GB", 2 << 30), ("7B", 7)]
        {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "K", "4X", "-1", "1.5K", "16E", "1ZB", "99999999999999999999"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}

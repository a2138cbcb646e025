//! Spans of time as people write them: `500ms`, `5s`, `2m`, `1h`.

use std::time::Duration;

/// Clocks can be asked for this, and nobody waits for more.
const LONGEST: Duration = Duration::from_secs(1000 * 3600);

/// Reads a span of time with its unit. A form for clap and for scenarios.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no span of time; write it as 500ms, 5s, 2m or 1h");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(span) if span <= LONGEST => Ok(span),
        _ => Err(format!("`{text}` is too long: 1000h at most")),
    }
}

/// As [`parse`], of a span that is not empty.
pub(crate) fn positive(text: &str) -> Result<Duration, String> {
    parse(text).and_then(|span| if span.is_zero() { Err("must be longer than nothing".into()) } else { Ok(span) })
}

/// Three digits and a unit: `1.25 ms`.
pub(crate) fn show(span: Duration) -> String {
    let micros = span.as_secs_f64() * 1e6;
    let (value, unit) = match micros {
        ..1e3 => (micros, "µs"),
        ..1e6 => (micros / 1e3, "ms"),
        _ => (micros / 1e6, "s"),
    };
    let decimals = if value >= 100.0 || value == 0.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_need_a_unit() {
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "5", "s", "5 s", "-1s", "1.2.3s", "1e9h"] {
            assert!(parse(wrong).unwrap_err().contains("write it as 500ms"), "{wrong}");
        }
        assert_eq!(parse("1000h"), Ok(LONGEST));
        for long in ["1001h", "99999999999999999999h"] {
            assert_eq!(parse(long).unwrap_err(), format!("`{long}` is too long: 1000h at most"));
        }
        assert_eq!(positive("0s").unwrap_err(), "must be longer than nothing");
    }

    #[test]
    fn three_digits_are_shown() {
        let shown = [0, 7, 999, 1_250, 45_600, 345_000, 12_000_000].map(|micros| show(Duration::from_micros(micros)));
        assert_eq!(shown, ["0 µs", "7.00 µs", "999 µs", "1.25 ms", "45.6 ms", "345 ms", "12.0 s"]);
    }
}

//! What a run may be asked to hold.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::report::{Latency, Report};
use crate::live::span;

/// Options that decide the exit code.
#[derive(Args)]
pub(super) struct Limits {
    /// Errors that are allowed, as a number or as a share of all calls: 10, 0.5%. Calls that were due and not sent count.
    #[arg(long, value_name = "COUNT|PERCENT", default_value = "0", help_heading = "Limits")]
    max_errors: MaxErrors,
    /// The longest that half of the answers may take.
    #[arg(long, value_name = "SPAN", value_parser = span::positive, help_heading = "Limits")]
    p50: Option<Duration>,
    /// The longest that 99 % of the answers may take.
    #[arg(long, value_name = "SPAN", value_parser = span::positive, help_heading = "Limits")]
    p99: Option<Duration>,
    /// The longest that 99.9 % of the answers may take.
    #[arg(long, value_name = "SPAN", value_parser = span::positive, help_heading = "Limits")]
    p999: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum MaxErrors {
    Count(u64),
    Percent(f64),
}

impl Limits {
    /// What does not hold, in words.
    pub(super) fn broken(&self, report: &Report) -> Vec<String> {
        let mut broken = Vec::new();
        let (errors, calls) = (report.all_errors(), report.total.ended + report.unsent);
        let share = if calls == 0 { 0.0 } else { errors as f64 * 100.0 / calls as f64 };
        match self.max_errors {
            MaxErrors::Count(most) if errors > most => broken.push(format!("{errors} errors, and {most} are allowed")),
            MaxErrors::Percent(most) if share > most => {
                broken.push(format!("{share:.2} % errors, and {most} % are allowed"));
            }
            _ => {}
        }
        if report.total.ended == 0 {
            broken.push("no call was made".to_owned());
        }
        let latency = report.total.latency_us.as_ref();
        let mut quantile = |name: &str, limit: Option<Duration>, of: fn(&Latency) -> u64| {
            let Some(limit) = limit else { return };
            match latency.map(|latency| Duration::from_micros(of(latency))) {
                Some(took) if took <= limit => {}
                Some(took) => {
                    let (took, limit) = (span::show(took), span::show(limit));
                    broken.push(format!("{name} is {took}, and {limit} is allowed"));
                }
                None => broken.push(format!("{name} is unknown: no call was answered")),
            }
        };
        quantile("p50", self.p50, |latency| latency.p50);
        quantile("p99", self.p99, |latency| latency.p99);
        quantile("p999", self.p999, |latency| latency.p999);
        broken
    }
}

impl FromStr for MaxErrors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a number like 10 nor a share like 0.5%");
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
            Some(share) => match share.trim().parse() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(Self::Percent(share)),
                _ => Err(wrong()),
            },
        }
    }
}

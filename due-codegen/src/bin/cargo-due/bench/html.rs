//! The report as one page that needs nothing else.

use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};

use super::plot::{Axis, Series, plot};
use super::report::{Point, Report};
use super::text::{cells, micros, plan};
use crate::failure::Failure;

const PAGE: &str = include_str!("report.html.j2");

pub(super) fn page(report: &Report) -> Result<String, Failure> {
    let wrong = |error: minijinja::Error| Failure::Other(Box::new(error));
    let mut calls: Vec<Vec<String>> = report.calls.iter().map(cells).collect();
    if calls.len() > 1 {
        calls.push(cells(&report.total));
    }
    let mut environment = Environment::new();
    environment.add_template("report.html", PAGE).map_err(wrong)?;
    let template = environment.get_template("report.html").map_err(wrong)?;
    template
        .render(context! {
            report => Value::from(Serde(report)),
            plan => plan(&report.plan),
            calls,
            throughput => throughput(&report.timeline),
            latency => latency(&report.timeline),
            distribution => distribution(report),
        })
        .map_err(wrong)
}

fn throughput(timeline: &[Point]) -> String {
    let of = |value: fn(&Point) -> f64| timeline.iter().map(|point| (point.at, Some(value(point)))).collect();
    let most = timeline.iter().map(|point| point.per_second).fold(0.0, f64::max);
    let series = [
        Series { name: "calls per second", points: of(|point| point.per_second) },
        Series { name: "errors per second", points: of(|point| point.errors_per_second) },
    ];
    plot(&seconds(timeline), &Axis::beyond(most, |value| value.to_string()), &series)
}

fn latency(timeline: &[Point]) -> String {
    let of = |value: fn(&Point) -> Option<u64>| {
        timeline.iter().map(|point| (point.at, value(point).map(|micros| micros as f64))).collect()
    };
    let most = timeline.iter().filter_map(|point| point.max_us).max().unwrap_or(0);
    let series = [
        Series { name: "half", points: of(|point| point.p50_us) },
        Series { name: "99 %", points: of(|point| point.p99_us) },
        Series { name: "longest", points: of(|point| point.max_us) },
    ];
    plot(&seconds(timeline), &Axis::beyond(most as f64, |value| micros(value as u64)), &series)
}

/// Every mark to the right is a tenth of the calls to the left of it.
fn distribution(report: &Report) -> String {
    let most = report.distribution.last().map_or(0, |last| last.us);
    // The last one is all of them, and has no place on such an axis.
    let told = report.distribution.iter().filter(|told| told.quantile < 1.0);
    let place = |quantile: f64| -(1.0 - quantile).log10();
    let points: Vec<_> = told.map(|told| (place(told.quantile), Some(told.us as f64))).collect();
    let marks = [(0.0, "0"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];
    let end = points.last().map_or(1.0, |last| last.0.max(1.0));
    let marks = marks.into_iter().map(|(quantile, text)| (place(quantile), text.to_owned()));
    let marks = marks.filter(|mark| mark.0 <= end).collect();
    let axis = Axis::beyond(most as f64, |value| micros(value as u64));
    plot(&Axis { marks, end }, &axis, &[Series { name: "took no longer", points }])
}

fn seconds(timeline: &[Point]) -> Axis {
    Axis::up_to(timeline.last().map_or(0.0, |last| last.at), |at| format!("{at} s"))
}

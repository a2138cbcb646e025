//! The scenario: a file, overruled by options.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use due::Codec;
use serde::Deserialize;
use serde_json::Value;

use super::template::Template;
use crate::failure::Failure;
use crate::live::catalog::{Catalog, Route};
use crate::live::span;

/// Connections that one process can have at best.
const MOST_CONNECTIONS: u64 = 50_000;
/// Calls per second.
const RATES: RangeInclusive<f64> = 0.001..=1e6;
const MOST_IN_FLIGHT: u64 = 1024;
/// So that the weights of all calls have a sum.
const HEAVIEST: u32 = 1_000_000;
/// Each route costs memory for its latencies.
const MOST_CALLS: usize = 64;

/// What is written in the file. Everything may be left out but `mix`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) connections: Option<u64>,
    pub(super) ramp: Option<Span>,
    pub(super) duration: Option<Span>,
    pub(super) rate: Option<f64>,
    pub(super) in_flight: Option<u64>,
    pub(super) seed: Option<u64>,
    #[serde(default)]
    login: Vec<Entry>,
    #[serde(default)]
    mix: Vec<Entry>,
}

/// One call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    call: String,
    #[serde(default)]
    json: Option<Json>,
    weight: Option<u32>,
}

/// JSON as text, or as a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum Json {
    Text(String),
    Table(serde_json::Map<String, Value>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Span(pub(super) Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        span::parse(&text).map(Self)
    }
}

/// What is to be done, checked against the schema.
pub(super) struct Scenario {
    pub(super) connections: usize,
    /// Over which the connections are opened.
    pub(super) ramp: Duration,
    /// How long calls are made once they are open.
    pub(super) duration: Duration,
    /// Calls per second of all connections together; `None`: the next one after every answer.
    pub(super) rate: Option<f64>,
    /// Calls of one connection that may wait for their answers.
    pub(super) in_flight: usize,
    pub(super) seed: u64,
    /// First on each connection, in order.
    pub(super) login: Vec<Step>,
    pub(super) mix: Vec<Step>,
}

pub(super) struct Step {
    pub(super) route: Route,
    pub(super) template: Template,
    pub(super) weight: u32,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|err| Failure::new(&format!("`{shown}` cannot be read"), err))?;
        toml::from_str(&text).map_err(|error| Failure::text(format!("{shown}: {error}").trim_end()))
    }

    /// A call of the command line.
    pub(super) fn add(&mut self, call: &str, json: Option<String>) {
        self.mix.push(Entry { call: call.to_owned(), json: json.map(Json::Text), weight: None });
    }

    /// With the defaults in place of what was left out.
    pub(super) fn checked(self, catalog: &Catalog, codec: &Codec) -> Result<Scenario, Failure> {
        let steps = |what: &str, entries: Vec<Entry>| -> Result<Vec<Step>, Failure> {
            let step = |(index, entry): (usize, Entry)| {
                let place = |error: String| Failure::text(format!("{what} {}, {}: {error}", index + 1, entry.call));
                let route = catalog.route(&entry.call)?;
                let text = match &entry.json {
                    None => "{}".to_owned(),
                    Some(Json::Text(text)) => text.clone(),
                    Some(Json::Table(table)) => Value::Object(table.clone()).to_string(),
                };
                let template = Template::new(&text, &route.request, codec).map_err(place)?;
                Ok(Step { route, template, weight: entry.weight.unwrap_or(1) })
            };
            entries.into_iter().enumerate().map(step).collect()
        };
        let (login, mix) = (steps("login", self.login)?, steps("mix", self.mix)?);
        if let Some(step) = mix.iter().find(|step| step.weight > HEAVIEST) {
            return Err(Failure::text(format!(
                "the weight of {} is {}: {HEAVIEST} at most",
                step.route.name, step.weight
            )));
        }
        if mix.iter().all(|step| step.weight == 0) {
            return Err(Failure::text("no call to make: write a [[mix]] with a `call`, or name a SERVICE/METHOD"));
        }
        if mix.len() > MOST_CALLS {
            return Err(Failure::text(format!("{} calls in the mix: {MOST_CALLS} at most", mix.len())));
        }
        if self.rate.is_some_and(|rate| !RATES.contains(&rate)) {
            let (least, most) = (RATES.start(), RATES.end());
            return Err(Failure::text(format!("`rate` is from {least} to {most} calls per second")));
        }
        let in_flight = self.in_flight.unwrap_or(if self.rate.is_some() { 64 } else { 1 });
        let duration = self.duration.map_or(Duration::from_secs(10), |span| span.0);
        if duration.is_zero() {
            return Err(Failure::text("`duration` must be longer than nothing"));
        }
        Ok(Scenario {
            connections: within("connections", self.connections.unwrap_or(10), MOST_CONNECTIONS)?,
            ramp: self.ramp.map_or(Duration::ZERO, |span| span.0),
            duration,
            rate: self.rate,
            in_flight: within("in_flight", in_flight, MOST_IN_FLIGHT)?,
            seed: self.seed.unwrap_or(1),
            login,
            mix,
        })
    }
}

fn within(key: &str, value: u64, most: u64) -> Result<usize, Failure> {
    match usize::try_from(value) {
        Ok(number) if (1..=most).contains(&value) => Ok(number),
        _ => Err(Failure::text(format!("`{key}` is {value}: from 1 to {most}"))),
    }
}

//! Messages and errors of gates and nodes, out of what their processes count.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::scrape::fetch;
use crate::metrics::exposition::Exposition;
use crate::registry::{Instances, Kind};

/// Processes that are asked at a time.
const AT_ONCE: usize = 32;

/// By kind and id.
#[derive(Default)]
pub(super) struct Traffic {
    flows: HashMap<(Kind, String), Flow>,
    /// When it was read.
    pub(super) at: Option<SystemTime>,
    /// Processes that did not say what they count, by the address that they announce.
    pub(super) silent: Vec<(String, String)>,
}

/// What was counted since a server started: messages per second are the difference of two of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
pub(super) struct Flow {
    /// Of a gate packets of clients, of a node answered requests.
    messages: u64,
    /// Packets that a gate wrote to clients; of a node always 0.
    sent: u64,
    /// Of a gate messages that it refused and pushes that it dropped, of a node requests that failed.
    errors: u64,
}

impl Traffic {
    pub(super) async fn collect(own: Option<&Exposition>, instances: [Instances; 2]) -> Self {
        let mut traffic = Self::default();
        if let Some(own) = own {
            traffic.read(&own.render());
        }
        let instances = || instances.iter().flat_map(|list| list.iter());
        let urls: BTreeSet<String> = instances().filter_map(|found| found.metrics().map(str::to_owned)).collect();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut calls = JoinSet::new();
        for url in urls {
            let places = Arc::clone(&places);
            calls.spawn(async move {
                let _place = places.acquire().await;
                let text = fetch(&url).await;
                (url, text)
            });
        }
        for (url, text) in calls.join_all().await {
            match text {
                Ok(text) => traffic.read(&text),
                Err(error) => {
                    tracing::debug!(url, error = &error as &dyn std::error::Error, "metrics could not be read");
                    traffic.silent.push((url, error.to_string()));
                }
            }
        }
        traffic.at = Some(SystemTime::now());
        traffic.silent.sort();
        // A process may count for servers that have left it.
        let known: BTreeSet<(Kind, &str)> = instances().map(|found| (found.kind, found.id.as_str())).collect();
        traffic.flows.retain(|(kind, id), _| known.contains(&(*kind, id.as_str())));
        traffic
    }

    pub(super) fn of(&self, kind: Kind, id: &str) -> Option<Flow> {
        self.flows.get(&(kind, id.to_owned())).copied()
    }

    /// The figures of one process replace what another one said of the same servers.
    fn read(&mut self, text: &str) {
        let mut flows: HashMap<(Kind, String), Flow> = HashMap::new();
        for Sample { name, labels, value } in text.lines().filter_map(sample) {
            let label = |wanted: &str| labels.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
            let (kind, id) = match (label("gid"), label("nid")) {
                (Some(gid), None) => (Kind::Gate, gid),
                (None, Some(nid)) => (Kind::Node, nid),
                _ => continue,
            };
            let Flow { messages, sent, errors } = match name {
                "due_gate_received_packets_total" => Flow { messages: value, ..Flow::default() },
                "due_gate_sent_packets_total" => Flow { sent: value, ..Flow::default() },
                "due_gate_refused_total" | "due_gate_dropped_pushes_total" => Flow { errors: value, ..Flow::default() },
                "due_node_requests_total" => {
                    let has_failed = label("code").is_some_and(|code| code != "0");
                    Flow { messages: value, sent: 0, errors: if has_failed { value } else { 0 } }
                }
                _ => continue,
            };
            let flow = flows.entry((kind, id)).or_default();
            flow.messages = flow.messages.saturating_add(messages);
            flow.sent = flow.sent.saturating_add(sent);
            flow.errors = flow.errors.saturating_add(errors);
        }
        self.flows.extend(flows);
    }
}

struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, String)>,
    value: u64,
}

/// One line of the text format. `None`: it says something else, or is not understood.
fn sample(line: &str) -> Option<Sample<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let (name, mut rest) = line.split_at(line.find(['{', ' '])?);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.trim_start_matches(',').trim(), value));
            rest = after;
        }
        rest = &rest[1..];
    }
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    // Saturates, and makes 0 of what is no number.
    Some(Sample { name, labels, value: value as u64 })
}

/// Up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# TYPE due_gate_received_packets_total counter
due_gate_received_packets_total{gid="g1"} 7
due_gate_sent_packets_total{gid="g1"} 5
due_gate_sent_packets_total{gid="a \"quoted\\,} \n name"} 2
due_gate_refused_total{gid="g1",code="5"} 1
due_gate_dropped_pushes_total{gid="g1"} 2
due_node_requests_total{nid="n1",route="1",method="a.B.C",code="0"} 3
due_node_requests_total{nid="n1",route="1",method="a.B.C",code="6"} 1 1700000000

due_node_request_seconds_bucket{nid="n1",le="+Inf"} 4
due_gate_received_packets_total{gid="g2"} NaN
due_gate_received_packets_total{gid="g3" 1
due_gate_received_packets_total{gid="g4"}
due_gate_received_packets_total 9
no line at all
"#;

    #[test]
    fn counters_of_gates_and_nodes_are_added_and_the_rest_is_skipped() {
        let mut traffic = Traffic::default();
        traffic.read(TEXT);
        assert_eq!(traffic.of(Kind::Gate, "g1"), Some(Flow { messages: 7, sent: 5, errors: 3 }));
        assert_eq!(traffic.of(Kind::Node, "n1"), Some(Flow { messages: 4, sent: 0, errors: 1 }));
        assert_eq!(traffic.of(Kind::Gate, "a \"quoted\\,} \n name"), Some(Flow { sent: 2, ..Flow::default() }));
        assert_eq!(traffic.of(Kind::Gate, "g2"), Some(Flow::default()));
        assert_eq!(traffic.flows.len(), 4);
        traffic.read("due_gate_received_packets_total{gid=\"g1\"} 8");
        assert_eq!(traffic.of(Kind::Gate, "g1"), Some(Flow { messages: 8, ..Flow::default() }));
    }
}

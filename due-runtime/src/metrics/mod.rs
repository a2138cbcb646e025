//! What servers count, through the [`metrics`](https://docs.rs/metrics) facade: install any recorder before the servers
//! start, or none, and nothing is counted. With the feature `prometheus`, `App::metrics` installs
//! one and serves it to Prometheus.
//!
//! | name | kind | labels | counts |
//! |---|---|---|---|
//! | `due_gate_sessions` | gauge | `gid` | open sessions |
//! | `due_gate_sessions_total` | counter | `gid` | connections whose handshake succeeded |
//! | `due_gate_turned_away_total` | counter | `gid` | connections closed because there were too many |
//! | `due_gate_received_packets_total`, `due_gate_received_bytes_total` | counter | `gid` | packets of clients, heartbeats not included |
//! | `due_gate_sent_packets_total`, `due_gate_sent_bytes_total` | counter | `gid` | packets written to clients |
//! | `due_gate_refused_total` | counter | `gid`, `code` | messages that the gate itself answered with a status |
//! | `due_gate_dropped_pushes_total` | counter | `gid` | pushes lost to slow clients, where the gate drops them |
//! | `due_gate_closed_total` | counter | `gid`, `reason` | ended sessions; the reason is a [`CloseReason`] in lower case |
//! | `due_node_requests_total` | counter | `nid`, `route`, `method`, `code` | answered requests; `code` is 0 for success |
//! | `due_node_request_seconds` | histogram | `nid`, `route`, `method` | from the start of the handler to its answer |
//! | `due_link_connections` | gauge | `id`, `peer` | connections to another server that are up |
//! | `due_link_sent_bytes_total`, `due_link_sent_batches_total` | counter | `id`, `peer` | bytes written to it, and writes |
//! | `due_link_answers_total` | counter | `id`, `peer` | frames it answered with |
//! | `due_link_lost_total` | counter | `id`, `peer` | connections that broke, or that the other side has closed |
//! | `due_link_call_seconds` | histogram | `id`, `peer` | from a call to its answer |
//!
//! `id` is this server, `peer` kind and id of the other one, as `node n1`; `method` is `package.Service.Method`.
//!
//! Handles are made when a server starts; a count costs one atomic addition. Clocks are read only if the recorder has any
//! state, as every one that keeps histograms has.

#[cfg(feature = "prometheus")]
pub(crate) mod exposition;

use std::time::Instant;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::error::Code;
use crate::id::{Gid, Nid};
use crate::route::RouteSpec;
use crate::transport::CloseReason;

/// Of one gate.
pub(crate) struct GateMetrics {
    gid: String,
    open: Gauge,
    opened: Counter,
    pub(crate) turned_away: Counter,
    pub(crate) received: Flow,
    pub(crate) sent: Flow,
    pub(crate) dropped: Counter,
}

/// Packets or batches, and their bytes.
pub(crate) struct Flow {
    units: Counter,
    bytes: Counter,
}

/// Of one route of a node.
pub(crate) struct RouteMetrics {
    nid: String,
    succeeded: Counter,
    seconds: Histogram,
}

/// Of the connections from one server to another.
pub(crate) struct LinkMetrics {
    pub(crate) connections: Gauge,
    sent: Flow,
    pub(crate) answers: Counter,
    pub(crate) lost: Counter,
    call_seconds: Option<Histogram>,
}

impl GateMetrics {
    pub(crate) fn new(gid: &Gid) -> Self {
        let gid = gid.to_string();
        Self {
            open: gauge!("due_gate_sessions", "gid" => gid.clone()),
            opened: counter!("due_gate_sessions_total", "gid" => gid.clone()),
            turned_away: counter!("due_gate_turned_away_total", "gid" => gid.clone()),
            received: Flow {
                units: counter!("due_gate_received_packets_total", "gid" => gid.clone()),
                bytes: counter!("due_gate_received_bytes_total", "gid" => gid.clone()),
            },
            sent: Flow {
                units: counter!("due_gate_sent_packets_total", "gid" => gid.clone()),
                bytes: counter!("due_gate_sent_bytes_total", "gid" => gid.clone()),
            },
            dropped: counter!("due_gate_dropped_pushes_total", "gid" => gid.clone()),
            gid,
        }
    }

    pub(crate) fn opened(&self) {
        self.opened.increment(1);
        self.open.increment(1);
    }

    pub(crate) fn closed(&self, reason: CloseReason) {
        let reason = format!("{reason:?}").to_lowercase();
        counter!("due_gate_closed_total", "gid" => self.gid.clone(), "reason" => reason).increment(1);
        self.open.decrement(1);
    }

    pub(crate) fn refused(&self, code: Code) {
        counter!("due_gate_refused_total", "gid" => self.gid.clone(), "code" => code.0.to_string()).increment(1);
    }
}

impl Flow {
    pub(crate) fn count(&self, units: usize, bytes: usize) {
        self.units.increment(units as u64);
        self.bytes.increment(bytes as u64);
    }
}

impl RouteMetrics {
    /// `None`: nobody listens.
    pub(crate) fn new(nid: &Nid, spec: &RouteSpec) -> Option<Self> {
        if !anybody_listens() {
            return None;
        }
        let (nid, route) = (nid.to_string(), spec.id.to_string());
        let labels = [("nid", nid.clone()), ("route", route), ("method", method(spec))];
        let seconds = histogram!("due_node_request_seconds", &labels);
        let [nid_label, route, method] = labels;
        let succeeded = counter!("due_node_requests_total", &[nid_label, route, method, ("code", "0".to_owned())]);
        Some(Self { nid, succeeded, seconds })
    }

    /// One request of the route, which began then, was answered.
    pub(crate) fn answered(&self, spec: &RouteSpec, code: Code, begun: Instant) {
        self.seconds.record(begun.elapsed());
        if code == Code::OK {
            return self.succeeded.increment(1);
        }
        let labels = [
            ("nid", self.nid.clone()),
            ("route", spec.id.to_string()),
            ("method", method(spec)),
            ("code", code.0.to_string()),
        ];
        counter!("due_node_requests_total", &labels).increment(1);
    }
}

impl LinkMetrics {
    pub(crate) fn new(id: &str, peer: &str) -> Self {
        let labels = [("id", id.to_owned()), ("peer", peer.to_owned())];
        Self {
            connections: gauge!("due_link_connections", &labels),
            sent: Flow {
                units: counter!("due_link_sent_batches_total", &labels),
                bytes: counter!("due_link_sent_bytes_total", &labels),
            },
            answers: counter!("due_link_answers_total", &labels),
            lost: counter!("due_link_lost_total", &labels),
            call_seconds: anybody_listens().then(|| histogram!("due_link_call_seconds", &labels)),
        }
    }

    /// One batch was written.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.count(1, bytes);
    }

    pub(crate) fn begin(&self) -> Option<Instant> {
        self.call_seconds.is_some().then(Instant::now)
    }

    pub(crate) fn called(&self, begun: Option<Instant>) {
        if let (Some(seconds), Some(begun)) = (&self.call_seconds, begun) {
            seconds.record(begun.elapsed());
        }
    }
}

/// The recorder that stands in for none has no size.
fn anybody_listens() -> bool {
    metrics::with_recorder(|recorder| size_of_val(recorder) > 0)
}

fn method(spec: &RouteSpec) -> String {
    format!("{}.{}", spec.service, spec.method)
}

//! What servers count, through the [`metrics`](https://docs.rs/metrics) facade: install any recorder before the servers
//! start, or none, and nothing is counted.
//!
//! | name | kind | labels | counts |
//! |---|---|---|---|
//! | `due_gate_sessions` | gauge | `gid` | open sessions |
//! | `due_gate_sessions_total` | counter | `gid` | connections whose handshake succeeded |
//! | `due_gate_turned_away_total` | counter | `gid` | connections closed because there were too many |
//! | `due_gate_received_packets_total`, `due_gate_received_bytes_total` | counter | `gid` | packets of clients, heartbeats not included |
//! | `due_gate_sent_packets_total`, `due_gate_sent_bytes_total` | counter | `gid` | packets written to clients |
//! | `due_gate_refused_total` | counter | `gid`, `code` | messages that the gate itself answered with a status |
//! | `due_gate_slow_clients_total` | counter | `gid` | times an outbox was full |
//! | `due_node_requests_total` | counter | `nid`, `route`, `method`, `code` | answered requests; `code` is 0 for success |
//! | `due_node_request_seconds` | histogram | `nid`, `route`, `method` | from the start of the handler to its answer |
//! | `due_link_connections` | gauge | `id`, `peer` | connections to another server that are up |
//! | `due_link_sent_frames_total`, `due_link_sent_bytes_total` | counter | `id`, `peer` | frames written to it |
//! | `due_link_received_frames_total`, `due_link_received_bytes_total` | counter | `id`, `peer` | frames it answered with |
//! | `due_link_lost_total` | counter | `id`, `peer` | connections that broke |
//! | `due_link_call_seconds` | histogram | `id`, `peer` | from a call to its answer |
//!
//! Handles are made when a server starts; a count costs one atomic addition.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::error::Code;
use crate::id::{Gid, Nid};
use crate::route::RouteSpec;

/// Of one gate.
pub(crate) struct GateMetrics {
    gid: String,
    pub(crate) open: Gauge,
    pub(crate) opened: Counter,
    pub(crate) turned_away: Counter,
    pub(crate) received: Flow,
    pub(crate) sent: Flow,
    pub(crate) slow_clients: Counter,
}

/// Packets or frames, and their bytes.
pub(crate) struct Flow {
    units: Counter,
    bytes: Counter,
}

/// Of one route of a node.
pub(crate) struct RouteMetrics {
    nid: String,
    succeeded: Counter,
    pub(crate) seconds: Histogram,
}

/// Of the connections from one server to another.
pub(crate) struct LinkMetrics {
    pub(crate) connections: Gauge,
    pub(crate) sent: Flow,
    pub(crate) received: Flow,
    pub(crate) lost: Counter,
    pub(crate) call_seconds: Histogram,
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
            slow_clients: counter!("due_gate_slow_clients_total", "gid" => gid.clone()),
            gid,
        }
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
    pub(crate) fn new(nid: &Nid, spec: &RouteSpec) -> Self {
        let (nid, route) = (nid.to_string(), spec.id.to_string());
        let labels = [("nid", nid.clone()), ("route", route), ("method", method(spec))];
        let seconds = histogram!("due_node_request_seconds", &labels);
        let [nid_label, route, method] = labels;
        let succeeded = counter!("due_node_requests_total", &[nid_label, route, method, ("code", "0".to_owned())]);
        Self { nid, succeeded, seconds }
    }

    /// One request of the route was answered.
    pub(crate) fn answered(&self, spec: &RouteSpec, code: Code) {
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
                units: counter!("due_link_sent_frames_total", &labels),
                bytes: counter!("due_link_sent_bytes_total", &labels),
            },
            received: Flow {
                units: counter!("due_link_received_frames_total", &labels),
                bytes: counter!("due_link_received_bytes_total", &labels),
            },
            lost: counter!("due_link_lost_total", &labels),
            call_seconds: histogram!("due_link_call_seconds", &labels),
        }
    }
}

fn method(spec: &RouteSpec) -> String {
    format!("{}.{}", spec.service, spec.method)
}

//! `/metrics`: what this process counts, and figures of the cluster.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};

use super::desk::Desk;
use super::online::Online;
use super::refusal::Refusal;
use crate::registry::{Kind, State};

pub(super) async fn show(desk: Arc<Desk>) -> Result<Response, Refusal> {
    let mut text = desk.exposition.as_ref().map_or_else(String::new, |own| own.render());
    let online = desk.online().await;
    write_cluster(&mut text, &desk, &online).expect("a string takes everything");
    Ok(text.into_response())
}

fn write_cluster(text: &mut String, desk: &Desk, online: &Online) -> std::fmt::Result {
    text.push_str("# TYPE due_cluster_instances gauge\n");
    for kind in [Kind::Gate, Kind::Node, Kind::Mesh] {
        let mut states = BTreeMap::from([State::Work, State::Busy, State::Hang, State::Shut].map(|state| (state, 0)));
        for instance in desk.instances(kind).iter() {
            *states.entry(instance.state).or_default() += 1;
        }
        for (state, count) in states {
            writeln!(text, "due_cluster_instances{{kind=\"{kind}\",state=\"{state}\"}} {count}")?;
        }
    }
    let counts = || online.gates.iter().filter_map(|gate| Some((escaped(&gate.id), gate.count?)));
    text.push_str("# TYPE due_cluster_sessions gauge\n");
    for (id, count) in counts() {
        writeln!(text, "due_cluster_sessions{{gid=\"{id}\"}} {}", count.sessions)?;
    }
    text.push_str("# TYPE due_cluster_users gauge\n");
    for (id, count) in counts() {
        writeln!(text, "due_cluster_users{{gid=\"{id}\"}} {}", count.users)?;
    }
    writeln!(text, "# TYPE due_cluster_gates_silent gauge\ndue_cluster_gates_silent {}", online.silent)
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

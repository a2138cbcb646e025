//! Where one user is.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::desk::Desk;
use super::endpoint::Params;
use super::refusal::Refusal;
use crate::cluster::{ClusterError, Target};
use crate::id::Uid;

/// The whereabouts of a user.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User")]
pub(super) struct UserView {
    uid: i64,
    /// The gate that holds the user's session, as the locator has it.
    gate: Option<String>,
    /// Whether that gate says so too.
    online: bool,
    /// Where the client connected from.
    ip: Option<String>,
    /// The nodes that the user is bound to, by name.
    nodes: BTreeMap<String, String>,
}

pub(super) async fn show(desk: Arc<Desk>, params: Params) -> Result<UserView, Refusal> {
    let given = params.get("uid");
    let uid = given.parse().map(Uid).map_err(|_| Refusal::bad_request(format!("{given:?} is no user id")))?;
    let cluster = &desk.cluster;
    let (gate, nodes) = tokio::join!(cluster.locate_gate(uid), cluster.locator().locate_nodes(uid));
    let (gate, nodes) = (gate?, nodes?);
    if gate.is_none() && nodes.is_empty() {
        return Err(Refusal::not_found(format!("nobody knows where user {uid} is")));
    }
    let ip = match cluster.ip(uid).await {
        Ok(ip) => Some(ip),
        Err(ClusterError::NoSession(Target::User(_)) | ClusterError::NoGate(_)) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(UserView {
        uid: uid.0,
        gate: gate.map(|gate| gate.to_string()),
        online: ip.is_some(),
        ip: ip.map(|ip| ip.to_string()),
        nodes: nodes.into_iter().map(|(name, nid)| (name, nid.to_string())).collect(),
    })
}

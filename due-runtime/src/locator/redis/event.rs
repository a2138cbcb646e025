//! What is published of changes: JSON, as Go's encoder writes it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::id::{Gid, Nid, Uid};
use crate::locator::Change;

pub(super) const GATE: &str = "gate";
pub(super) const NODE: &str = "node";

const GATE_BOUND: i64 = 1;
const NODE_BOUND: i64 = 2;
const GATE_UNBOUND: i64 = 3;
const NODE_UNBOUND: i64 = 4;

#[derive(Serialize)]
pub(super) struct Event<'a> {
    pub(super) uid: i64,
    #[serde(rename = "type")]
    kind: i64,
    #[serde(rename = "insID")]
    ins_id: &'a str,
    #[serde(rename = "insKind")]
    pub(super) ins_kind: &'static str,
    #[serde(rename = "insName")]
    ins_name: &'a str,
}

impl<'a> Event<'a> {
    pub(super) fn gate_bound(uid: Uid, gid: &'a Gid) -> Self {
        Self::of_gate(uid, GATE_BOUND, gid)
    }

    pub(super) fn gate_unbound(uid: Uid, gid: &'a Gid) -> Self {
        Self::of_gate(uid, GATE_UNBOUND, gid)
    }

    pub(super) fn node_bound(uid: Uid, name: &'a str, nid: &'a Nid) -> Self {
        Self::of_node(uid, NODE_BOUND, name, nid)
    }

    pub(super) fn node_unbound(uid: Uid, name: &'a str, nid: &'a Nid) -> Self {
        Self::of_node(uid, NODE_UNBOUND, name, nid)
    }

    fn of_gate(uid: Uid, kind: i64, gid: &'a Gid) -> Self {
        Self { uid: uid.0, kind, ins_id: gid.as_str(), ins_kind: GATE, ins_name: "" }
    }

    fn of_node(uid: Uid, kind: i64, name: &'a str, nid: &'a Nid) -> Self {
        Self { uid: uid.0, kind, ins_id: nid.as_str(), ins_kind: NODE, ins_name: name }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and strings are valid JSON")
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("not the JSON of a change")]
    Json(#[from] serde_json::Error),
    #[error("a change of type {0}")]
    Type(i64),
}

/// What anybody published.
pub(super) fn read(payload: &[u8]) -> Result<Change, ReadError> {
    /// Members that mean nothing here are not looked at.
    #[derive(Deserialize)]
    struct Read<'a> {
        uid: i64,
        #[serde(rename = "type")]
        kind: i64,
        #[serde(rename = "insID", borrow)]
        id: Cow<'a, str>,
        #[serde(rename = "insName", borrow, default)]
        name: Cow<'a, str>,
    }
    let Read { uid, kind, id, name } = serde_json::from_slice(payload)?;
    let uid = Uid(uid);
    Ok(match kind {
        GATE_BOUND => Change::GateBound { uid, gid: id.into() },
        GATE_UNBOUND => Change::GateUnbound { uid, gid: id.into() },
        NODE_BOUND => Change::NodeBound { uid, name: name.into_owned(), nid: id.into() },
        NODE_UNBOUND => Change::NodeUnbound { uid, name: name.into_owned(), nid: id.into() },
        other => return Err(ReadError::Type(other)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_has_the_bytes_of_due() {
        let (uid, gid, nid) = (Uid(1001), Gid::from("g1"), Nid::from("n1"));
        for (event, json, change) in [
            (
                Event::gate_bound(uid, &gid),
                r#"{"uid":1001,"type":1,"insID":"g1","insKind":"gate","insName":""}"#,
                Change::GateBound { uid, gid: gid.clone() },
            ),
            (
                Event::node_bound(uid, "game", &nid),
                r#"{"uid":1001,"type":2,"insID":"n1","insKind":"node","insName":"game"}"#,
                Change::NodeBound { uid, name: "game".into(), nid: nid.clone() },
            ),
            (
                Event::gate_unbound(uid, &gid),
                r#"{"uid":1001,"type":3,"insID":"g1","insKind":"gate","insName":""}"#,
                Change::GateUnbound { uid, gid: gid.clone() },
            ),
            (
                Event::node_unbound(uid, "game", &nid),
                r#"{"uid":1001,"type":4,"insID":"n1","insKind":"node","insName":"game"}"#,
                Change::NodeUnbound { uid, name: "game".into(), nid: nid.clone() },
            ),
        ] {
            assert_eq!(String::from_utf8(event.to_json()).unwrap(), json);
            assert_eq!(read(json.as_bytes()).unwrap(), change);
        }
    }

    #[test]
    fn changes_of_others_are_read_in_any_dress() {
        let json = br#" {"insName":"\u003cgame\u003e", "extra":[1,{}], "insID":"n\"1", "uid":-7, "type":2} "#;
        let change = Change::NodeBound { uid: Uid(-7), name: "<game>".into(), nid: "n\"1".into() };
        assert_eq!(read(json).unwrap(), change);
    }

    #[test]
    fn what_is_no_change_is_an_error() {
        let deep = [b'['; 100_000];
        for garbage in
            [&b""[..], b"null", b"{}", b"[]", b"\xff\xfe", b"{\"uid\":\"7\",\"type\":1,\"insID\":\"g\"}", &deep]
        {
            assert!(matches!(read(garbage), Err(ReadError::Json(_))));
        }
        let unknown = read(br#"{"uid":7,"type":5,"insID":"g1","insKind":"gate","insName":""}"#);
        assert_eq!(unknown.unwrap_err().to_string(), "a change of type 5");
    }
}

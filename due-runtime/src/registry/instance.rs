use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::RouteId;
use crate::route::RouteSpec;

/// One running gate, node or mesh, as every registry stores it.
///
/// Its JSON is that of due v2.5.8 (members that are empty or zero are left out):
/// ```json
/// {"id":"n1","name":"node","kind":"node","alias":"game","state":"work","events":[1,3],"routes":[{"i":1},{"i":2,"s":true}],
///  "endpoint":"drpc://192.168.1.5:46545?is_secure=false","weight":1,"metadata":{"k":"v"}}
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// Unique among the instances of its kind.
    pub id: String,
    /// The key it is found by: the word of its kind.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The configured name. For a node the group whose routes it serves, and the locator's field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alias: String,
    /// Whether it takes traffic.
    pub state: State,
    /// Nodes: the session events it handles, 1 connect, 2 reconnect, 3 disconnect.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub events: Vec<i32>,
    /// Nodes: what it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub routes: Vec<InstanceRoute>,
    /// Meshes: the discovery names it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub services: Vec<String>,
    /// `scheme://host:port?is_secure=false`, the scheme is drpc, grpc or rpcx.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// Nodes: the share of traffic under weighted dispatch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: i32,
    /// What the operator adds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Instance {
    /// A working instance without routes, services or endpoint; its name is the word of its kind, its alias too.
    pub fn new(kind: Kind, id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: kind.as_str().to_owned(),
            kind,
            alias: kind.as_str().to_owned(),
            state: State::Work,
            events: Vec::new(),
            routes: Vec::new(),
            services: Vec::new(),
            endpoint: String::new(),
            weight: 0,
            metadata: BTreeMap::new(),
        }
    }

    /// Says which of its routes are never answered. due knows no such flag: it travels in the metadata, as
    /// `due.oneway` = `3,17`, where Go processes ignore it.
    pub(crate) fn set_oneway_routes(&mut self, routes: impl Iterator<Item = RouteId>) {
        let routes: Vec<String> = routes.map(|route| route.to_string()).collect();
        if !routes.is_empty() {
            self.metadata.insert(ONEWAY.to_owned(), routes.join(","));
        }
    }

    pub(crate) fn oneway_routes(&self) -> Vec<i32> {
        let routes = self.metadata.get(ONEWAY).map_or("", String::as_str);
        routes.split(',').filter_map(|route| route.parse().ok()).collect()
    }

    /// Says that no request stays without an answer. due knows no such thing: it travels in the metadata, as
    /// `due-answers` = `each`, where Go processes ignore it.
    pub(crate) fn set_answers_each(&mut self) {
        self.metadata.insert(ANSWERS.to_owned(), EACH.to_owned());
    }

    pub(crate) fn answers_each(&self) -> bool {
        self.metadata.get(ANSWERS).is_some_and(|answers| answers == EACH)
    }

    /// Says where its process says what it counts, if it does.
    pub(crate) fn set_metrics(&mut self, url: Option<&str>) {
        self.metadata.extend(url.map(|url| (METRICS.to_owned(), url.to_owned())));
    }

    /// Where its process says what it counts, in the text format of Prometheus: the metadata `due-metrics`.
    pub fn metrics(&self) -> Option<&str> {
        self.metadata.get(METRICS).map(String::as_str)
    }

    /// `host:port` of the endpoint, as it is dialled; `None` where there is no such part.
    pub fn address(&self) -> Option<&str> {
        let (_, rest) = self.endpoint.split_once("://")?;
        let address = rest.split(['?', '/']).next()?;
        address.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())?;
        Some(address)
    }

    /// Whether the endpoint asks for TLS: only `is_secure=true` does.
    pub fn is_secure(&self) -> bool {
        self.endpoint.split_once('?').is_some_and(|(_, query)| query.split('&').any(|pair| pair == "is_secure=true"))
    }
}

/// A key that consul takes as it is.
const METRICS: &str = "due-metrics";
const ANSWERS: &str = "due-answers";
const EACH: &str = "each";
pub(super) const ONEWAY: &str = "due.oneway";

/// One route of a node, with what a gate must know of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceRoute {
    /// The number on the wire.
    #[serde(rename = "i", skip_serializing_if = "is_zero")]
    pub id: i32,
    /// Other nodes only.
    #[serde(rename = "n", skip_serializing_if = "is_false")]
    pub internal: bool,
    /// Only the node that the user is bound to.
    #[serde(rename = "s", skip_serializing_if = "is_false")]
    pub stateful: bool,
    /// Only for sessions with a user.
    #[serde(rename = "a", skip_serializing_if = "is_false")]
    pub authorized: bool,
}

impl InstanceRoute {
    /// The number on the wire.
    pub fn route(&self) -> RouteId {
        RouteId(self.id)
    }
}

impl From<&RouteSpec> for InstanceRoute {
    fn from(spec: &RouteSpec) -> Self {
        Self { id: spec.id.0, internal: spec.internal, stateful: spec.stateful, authorized: spec.authorized }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The word in registries and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownWord { word: word.to_owned(), known: &[$($word),*] }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
words!(
    /// What an instance is; also the name it is found by.
    Kind {
        /// Keeps client connections.
        Gate = "gate",
        /// Serves routes.
        Node = "node",
        /// Serves rpc services.
        Mesh = "mesh",
    }
);
words!(
    /// Whether an instance takes traffic.
    State {
        /// Takes everything; the first choice for stateless routes.
        Work = "work",
        /// Would rather not have new users: stateless routes come here only if nobody works.
        Busy = "busy",
        /// Drains: keeps the users bound to it, gets no stateless routes.
        Hang = "hang",
        /// Stopped.
        Shut = "shut",
    }
);

/// A word that names no [`Kind`] or [`State`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown word {word:?}, expected one of {known:?}")]
pub struct UnknownWord {
    word: String,
    known: &'static [&'static str],
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Go writes a nil slice or map as `null`.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_that_of_due() {
        let mut node = Instance::new(Kind::Node, "n1");
        node.alias = "game".into();
        node.events = vec![1, 3];
        node.routes = vec![
            InstanceRoute { id: 1, ..InstanceRoute::default() },
            InstanceRoute { id: 2, stateful: true, ..InstanceRoute::default() },
            InstanceRoute { id: 3, internal: true, authorized: true, ..InstanceRoute::default() },
        ];
        node.endpoint = "drpc://192.168.1.5:46545?is_secure=false".into();
        node.weight = 1;
        node.metadata = BTreeMap::from([("k".into(), "v".into())]);
        let text = concat!(
            r#"{"id":"n1","name":"node","kind":"node","alias":"game","state":"work","events":[1,3],"#,
            r#""routes":[{"i":1},{"i":2,"s":true},{"i":3,"n":true,"a":true}],"#,
            r#""endpoint":"drpc://192.168.1.5:46545?is_secure=false","weight":1,"metadata":{"k":"v"}}"#,
        );
        assert_eq!(serde_json::to_string(&node).unwrap(), text);
        assert_eq!(serde_json::from_str::<Instance>(text).unwrap(), node);

        let mut gate = Instance::new(Kind::Gate, "g1");
        gate.endpoint = "drpc://192.168.1.5:46546?is_secure=false".into();
        let text = concat!(
            r#"{"id":"g1","name":"gate","kind":"gate","alias":"gate","state":"work","#,
            r#""endpoint":"drpc://192.168.1.5:46546?is_secure=false"}"#,
        );
        assert_eq!(serde_json::to_string(&gate).unwrap(), text);
        assert_eq!(serde_json::from_str::<Instance>(text).unwrap(), gate);
    }

    #[test]
    fn json_of_others_is_read() {
        let text = r#"{"id":"n1","kind":"node","state":"hang","routes":null,"metadata":null,"zone":7}"#;
        let node = serde_json::from_str::<Instance>(text).unwrap();
        assert_eq!((node.state, node.routes.len(), node.weight), (State::Hang, 0, 0));
        let error = serde_json::from_str::<Instance>(r#"{"id":"n1","kind":"master","state":"work"}"#).unwrap_err();
        assert!(error.to_string().contains("unknown variant `master`, expected one of `gate`, `node`, `mesh`"));
        assert_eq!(InstanceRoute::default(), serde_json::from_str("{}").unwrap());
        assert_eq!(serde_json::to_string(&InstanceRoute::default()).unwrap(), "{}");
    }

    #[test]
    fn endpoints_are_taken_apart() {
        let with = |endpoint: &str| {
            let mut instance = Instance::new(Kind::Mesh, "m1");
            instance.endpoint = endpoint.into();
            (instance.address().map(str::to_owned), instance.is_secure())
        };
        assert_eq!(with("grpc://10.0.0.5:80?is_secure=true"), (Some("10.0.0.5:80".into()), true));
        assert_eq!(with("grpc://[::1]:80?is_secure=false"), (Some("[::1]:80".into()), false));
        assert_eq!(with("grpc://host:80"), (Some("host:80".into()), false));
        assert_eq!(with("grpc://host:80?is_secure=TRUE"), (Some("host:80".into()), false));
        assert_eq!(with("grpc://host"), (None, false));
        assert_eq!(with("grpc://:80"), (None, false));
        assert_eq!(with("grpc://host:http"), (None, false));
        assert_eq!(with(""), (None, false));
    }

    #[test]
    fn words_are_parsed_and_named() {
        assert_eq!("mesh".parse(), Ok(Kind::Mesh));
        let error = "Work".parse::<State>().unwrap_err();
        assert_eq!(error.to_string(), r#"unknown word "Work", expected one of ["work", "busy", "hang", "shut"]"#);
    }
}

//! How an instance is laid out in consul.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::Checks;
use crate::registry::instance::ONEWAY;
use crate::registry::{Instance, InstanceRoute, Kind, State};

/// Limits of consul for `Meta`.
const MAX_KEYS: usize = 64;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 512;

const ROUTES: &str = "routes-";
/// Consul allows no dots in keys.
const ONEWAY_KEYS: &str = "_due-oneway-";

const INTERNAL: u8 = 1;
const STATEFUL: u8 = 2;
const AUTHORIZED: u8 = 4;

/// The body of `agent/service/register`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Registration {
    #[serde(rename = "ID")]
    pub(super) id: String,
    name: String,
    address: String,
    port: u16,
    #[serde(serialize_with = "as_map")]
    tagged_addresses: [(String, TaggedAddress); 1],
    #[serde(serialize_with = "as_map")]
    meta: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Check>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaggedAddress {
    address: String,
    port: u16,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Check {
    Tcp {
        #[serde(rename = "TCP")]
        tcp: String,
        #[serde(rename = "Interval")]
        interval: String,
        #[serde(rename = "Timeout")]
        timeout: String,
        #[serde(rename = "DeregisterCriticalServiceAfter")]
        deregister_after: String,
    },
    Ttl {
        #[serde(rename = "CheckID")]
        id: String,
        #[serde(rename = "TTL")]
        ttl: String,
        #[serde(rename = "DeregisterCriticalServiceAfter")]
        deregister_after: String,
    },
}

pub(super) fn service_id(kind: Kind, id: &str) -> String {
    format!("{kind}-{id}")
}

impl Registration {
    /// Or what to change.
    pub(super) fn new(instance: &Instance, checks: &Checks) -> Result<Self, String> {
        let Instance { id, kind, endpoint, .. } = instance;
        if id.is_empty() {
            return Err("an id has at least one character".to_owned());
        }
        if id.contains('/') {
            return Err("an agent takes ids with a slash apart: give it one without".to_owned());
        }
        let (Some(tcp), Some((scheme, _))) = (instance.address(), endpoint.split_once("://")) else {
            return Err(format!("its endpoint {endpoint:?} names no host and port: give its link an address"));
        };
        let (host, port) = tcp.rsplit_once(':').unwrap_or((tcp, ""));
        let address = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port.parse().map_err(|_| format!("its endpoint {endpoint:?} has no port"))?;
        let service = service_id(*kind, id);
        let deregister_after = duration(checks.deregister_after);
        let mut list = Vec::new();
        if checks.health {
            let (interval, timeout) = (duration(checks.health_interval), duration(checks.health_timeout));
            list.push(Check::Tcp {
                tcp: tcp.to_owned(),
                interval,
                timeout,
                deregister_after: deregister_after.clone(),
            });
        }
        if checks.heartbeat {
            let id = format!("service:{service}");
            list.push(Check::Ttl { id, ttl: duration(checks.heartbeat_interval), deregister_after });
        }
        Ok(Self {
            id: service,
            name: kind.to_string(),
            address: address.clone(),
            port,
            tagged_addresses: [(scheme.to_owned(), TaggedAddress { address, port })],
            meta: meta(instance)?,
            checks: list,
        })
    }
}

fn meta(instance: &Instance) -> Result<Vec<(String, String)>, String> {
    let Instance { id, kind, alias, state, events, routes, services, endpoint, weight, metadata, .. } = instance;
    let mut meta = Vec::new();
    let mut put = |key: &str, value: String| meta.push((key.to_owned(), value));
    put("id", id.clone());
    put("kind", kind.to_string());
    put("alias", alias.clone());
    put("state", state.to_string());
    put("endpoint", endpoint.clone());
    if *weight > 0 {
        put("weight", weight.to_string());
    }
    if !events.is_empty() {
        put("events", json(events)?);
    }
    if !services.is_empty() {
        put("services", json(services)?);
    }
    let items = routes.iter().map(|route| format!("{}-{}", route.id, flags(route)));
    for (index, value) in pack(items).into_iter().enumerate() {
        put(&format!("{ROUTES}{index}"), value);
    }
    for (key, value) in metadata {
        if key != ONEWAY {
            put(&format!("_{key}"), value.clone());
            continue;
        }
        for (index, value) in pack(value.split(',').map(str::to_owned)).into_iter().enumerate() {
            put(&format!("{ONEWAY_KEYS}{index}"), value);
        }
    }
    for (key, value) in &meta {
        if value.len() > MAX_VALUE {
            let size = value.len();
            return Err(format!("{key:?} has {size} bytes, and consul holds {MAX_VALUE} in one value: shorten it"));
        }
        if key.len() > MAX_KEY {
            return Err(format!("the key {key:?} has more than the {MAX_KEY} bytes that consul allows: shorten it"));
        }
        if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            return Err(format!("consul allows letters, digits, _ and - in a key, so rename {key:?}"));
        }
    }
    match meta.len() {
        0..=MAX_KEYS => Ok(meta),
        count => Err(format!(
            "it takes {count} keys, and consul holds {MAX_KEYS}: spread its {} routes over several nodes, or give it less \
             metadata",
            routes.len()
        )),
    }
}

/// As many items in each value as it holds.
fn pack(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for item in items {
        match values.last_mut() {
            Some(value) if value.len() + 1 + item.len() <= MAX_VALUE => {
                value.push(',');
                value.push_str(&item);
            }
            _ => values.push(item),
        }
    }
    values
}

fn flags(route: &InstanceRoute) -> u8 {
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    flag(route.internal, INTERNAL) + flag(route.stateful, STATEFUL) + flag(route.authorized, AUTHORIZED)
}

fn json<T: Serialize>(value: &T) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

/// In the words of Go.
fn duration(time: Duration) -> String {
    match time.subsec_nanos() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis().max(1)),
    }
}

fn as_map<S: Serializer, T: Serialize>(pairs: &[(String, T)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (key, value) in pairs {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// One of `health/service/NAME`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    pub(super) service: Service,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Service {
    #[serde(rename = "ID", default)]
    pub(super) id: String,
    #[serde(default)]
    meta: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) modify_index: u64,
}

impl Service {
    /// What is missing is empty, what is unknown is passed over.
    pub(super) fn read(self, kind: Kind) -> Result<Instance, String> {
        let meta = self.meta.unwrap_or_default();
        let id = meta.get("id").filter(|id| !id.is_empty()).ok_or("no id in its Meta")?;
        let mut instance = Instance::new(kind, id.as_str());
        instance.alias = String::new();
        // Who says nothing is given no traffic.
        instance.state = State::Hang;
        let mut routes = BTreeMap::new();
        let mut oneway = BTreeMap::new();
        for (key, value) in &meta {
            let wrong = |error: &dyn std::fmt::Display| format!("{key} is {value:?}: {error}");
            match key.as_str() {
                "kind" if *value == kind.as_str() => {}
                "kind" => return Err(format!("its kind is {value:?}")),
                "alias" => instance.alias.clone_from(value),
                "state" => instance.state = value.parse().map_err(|error| wrong(&error))?,
                "endpoint" => instance.endpoint.clone_from(value),
                "weight" => instance.weight = value.parse().map_err(|error| wrong(&error))?,
                "events" => instance.events = list(value).map_err(|error| wrong(&error))?,
                "services" => instance.services = list(value).map_err(|error| wrong(&error))?,
                key => {
                    if let Some(index) = index(key, ROUTES) {
                        routes.insert(index, value);
                    } else if let Some(index) = index(key, ONEWAY_KEYS) {
                        oneway.insert(index, value.as_str());
                    } else if let Some(key) = key.strip_prefix('_') {
                        instance.metadata.insert(key.to_owned(), value.clone());
                    }
                }
            }
        }
        for item in routes.values().flat_map(|value| value.split(',')).filter(|item| !item.is_empty()) {
            instance.routes.push(route(item).ok_or_else(|| format!("{item:?} is no route"))?);
        }
        if !oneway.is_empty() {
            let values: Vec<&str> = oneway.into_values().collect();
            instance.metadata.insert(ONEWAY.to_owned(), values.join(","));
        }
        Ok(instance)
    }
}

fn index(key: &str, prefix: &str) -> Option<usize> {
    key.strip_prefix(prefix)?.parse().ok()
}

/// Go writes a nil slice as `null`.
fn list<T: serde::de::DeserializeOwned>(json: &str) -> Result<Vec<T>, serde_json::Error> {
    Ok(serde_json::from_str::<Option<Vec<T>>>(json)?.unwrap_or_default())
}

fn route(item: &str) -> Option<InstanceRoute> {
    let (id, flags) = item.rsplit_once('-')?;
    let flags: u8 = flags.parse().ok()?;
    Some(InstanceRoute {
        id: id.parse().ok()?,
        internal: flags & INTERNAL != 0,
        stateful: flags & STATEFUL != 0,
        authorized: flags & AUTHORIZED != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKS: Checks = Checks {
        health: true,
        health_interval: Duration::from_secs(10),
        health_timeout: Duration::from_secs(5),
        heartbeat: true,
        heartbeat_interval: Duration::from_secs(10),
        deregister_after: Duration::from_secs(30),
    };

    fn node() -> Instance {
        let mut node = Instance::new(Kind::Node, "n1");
        node.alias = "game".into();
        node.events = vec![1, 3];
        node.services = vec!["wallet".into()];
        node.routes = vec![
            InstanceRoute { id: 1, ..InstanceRoute::default() },
            InstanceRoute { id: 2, stateful: true, ..InstanceRoute::default() },
            InstanceRoute { id: 3, internal: true, authorized: true, ..InstanceRoute::default() },
        ];
        node.endpoint = "drpc://192.168.1.5:46545?is_secure=false".into();
        node.weight = 1;
        node.metadata = BTreeMap::from([("k".into(), "v".into())]);
        node
    }

    fn read_back(instance: &Instance) -> Instance {
        let meta = meta(instance).unwrap().into_iter().collect();
        Service { id: String::new(), meta: Some(meta), modify_index: 0 }.read(instance.kind).unwrap()
    }

    #[test]
    fn the_layout_is_that_of_due() {
        let expected = concat!(
            r#"{"ID":"node-n1","Name":"node","Address":"192.168.1.5","Port":46545,"#,
            r#""TaggedAddresses":{"drpc":{"Address":"192.168.1.5","Port":46545}},"#,
            r#""Meta":{"id":"n1","kind":"node","alias":"game","state":"work","#,
            r#""endpoint":"drpc://192.168.1.5:46545?is_secure=false","weight":"1","events":"[1,3]","#,
            r#""services":"[\"wallet\"]","routes-0":"1-0,2-2,3-5","_k":"v"},"#,
            r#""Checks":[{"TCP":"192.168.1.5:46545","Interval":"10s","Timeout":"5s","DeregisterCriticalServiceAfter":"30s"},"#,
            r#"{"CheckID":"service:node-n1","TTL":"10s","DeregisterCriticalServiceAfter":"30s"}]}"#,
        );
        let registration = Registration::new(&node(), &CHECKS).unwrap();
        assert_eq!(serde_json::to_string(&registration).unwrap(), expected);
        assert_eq!(read_back(&node()), node());
    }

    #[test]
    fn an_address_of_six_has_no_brackets_but_where_it_is_dialled() {
        let mut gate = Instance::new(Kind::Gate, "g1");
        gate.endpoint = "drpc://[::1]:80?is_secure=false".into();
        let expected = concat!(
            r#"{"ID":"gate-g1","Name":"gate","Address":"::1","Port":80,"TaggedAddresses":{"drpc":{"Address":"::1","Port":80}},"#,
            r#""Meta":{"id":"g1","kind":"gate","alias":"gate","state":"work","endpoint":"drpc://[::1]:80?is_secure=false"},"#,
            r#""Checks":[{"TCP":"[::1]:80","Interval":"1500ms","Timeout":"5s","DeregisterCriticalServiceAfter":"30s"}]}"#,
        );
        let checks = Checks { heartbeat: false, health_interval: Duration::from_millis(1500), ..CHECKS };
        assert_eq!(serde_json::to_string(&Registration::new(&gate, &checks).unwrap()).unwrap(), expected);
    }

    #[test]
    fn routes_fill_values_of_512_bytes() {
        let mut node = node();
        // 8 bytes each, a comma between two: 57 take 512 bytes.
        let route = |id| InstanceRoute { id: 100_000 + id, ..InstanceRoute::default() };
        node.routes = (0..58).map(route).collect();
        let meta = meta(&node).unwrap();
        let values: Vec<_> = meta.iter().filter(|(key, _)| key.starts_with(ROUTES)).collect();
        assert_eq!(
            values.iter().map(|(key, value)| (key.as_str(), value.len())).collect::<Vec<_>>(),
            [("routes-0", 512), ("routes-1", 8)]
        );
        assert_eq!(read_back(&node).routes, node.routes);
        // More than ten values: their order is that of numbers.
        node.routes = (0..57 * 12).map(route).collect();
        assert_eq!(read_back(&node), node);
        node.routes = vec![InstanceRoute { id: -5, stateful: true, ..InstanceRoute::default() }];
        assert_eq!(read_back(&node), node);
    }

    #[test]
    fn oneway_routes_are_spread_over_keys_and_joined_again() {
        let mut node = node();
        let routes: Vec<String> = (10_000..10_300).map(|id: i32| id.to_string()).collect();
        node.metadata.insert(ONEWAY.into(), routes.join(","));
        let meta = meta(&node).unwrap();
        let keys: Vec<_> = meta.iter().filter(|(key, _)| key.starts_with('_')).map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["_due-oneway-0", "_due-oneway-1", "_due-oneway-2", "_due-oneway-3", "_k"]);
        assert_eq!(read_back(&node), node);
        assert_eq!(read_back(&node).oneway_routes().len(), 300);
    }

    #[test]
    fn what_consul_cannot_hold_is_told_with_what_to_do() {
        let reason = |change: fn(&mut Instance)| {
            let mut node = node();
            change(&mut node);
            Registration::new(&node, &CHECKS).err().unwrap()
        };
        assert_eq!(reason(|node| node.id.clear()), "an id has at least one character");
        assert_eq!(
            reason(|node| node.id = "../n1".into()),
            "an agent takes ids with a slash apart: give it one without"
        );
        assert_eq!(
            reason(|node| node.endpoint = "memory:n1".into()),
            r#"its endpoint "memory:n1" names no host and port: give its link an address"#
        );
        assert_eq!(
            reason(|node| node.services = vec!["x".repeat(512)]),
            r#""services" has 516 bytes, and consul holds 512 in one value: shorten it"#
        );
        assert_eq!(
            reason(|node| drop(node.metadata.insert("zone.a".into(), String::new()))),
            r#"consul allows letters, digits, _ and - in a key, so rename "_zone.a""#
        );
        let long = reason(|node| drop(node.metadata.insert("x".repeat(128), String::new())));
        assert!(long.ends_with("has more than the 128 bytes that consul allows: shorten it"), "{long}");
        assert_eq!(
            reason(|node| {
                node.routes = (0..57 * 56).map(|id| InstanceRoute { id: 100_000 + id, ..Default::default() }).collect();
            }),
            "it takes 65 keys, and consul holds 64: spread its 3192 routes over several nodes, or give it less metadata"
        );
    }

    #[test]
    fn entries_of_others_are_read_or_named() {
        let read = |meta: &[(&str, &str)]| {
            let meta = meta.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
            Service { id: "any".into(), meta: Some(meta), modify_index: 0 }.read(Kind::Node)
        };
        let bare =
            read(&[("id", "n1"), ("zone", "7"), ("routes-x", "?"), ("events", "null"), ("routes-3", "7-1")]).unwrap();
        assert_eq!((bare.state, bare.alias.as_str(), bare.routes.len()), (State::Hang, "", 1));
        for (meta, reason) in [
            (&[][..], "no id in its Meta"),
            (&[("id", "")], "no id in its Meta"),
            (&[("id", "n1"), ("kind", "gate")], r#"its kind is "gate""#),
            (&[("id", "n1"), ("weight", "heavy")], r#"weight is "heavy": invalid digit found in string"#),
            (&[("id", "n1"), ("routes-0", "1-0,two")], r#""two" is no route"#),
            (&[("id", "n1"), ("events", "[")], r#"events is "[": EOF while parsing a list at line 1 column 1"#),
        ] {
            assert_eq!(read(meta).unwrap_err(), reason);
        }
        let state = read(&[("id", "n1"), ("state", "idle")]).unwrap_err();
        assert!(state.starts_with(r#"state is "idle": unknown word"#), "{state}");
        let none = Service { id: String::new(), meta: None, modify_index: 0 };
        assert_eq!(none.read(Kind::Node).unwrap_err(), "no id in its Meta");
    }
}

use std::fmt::Write as _;

use super::report::{Place, Report};
use super::schema::{self, Effect, KEYS, Kind, Known, PREFIX, UNSUPPORTED};
use super::{Etc, source};
use crate::codec::Codec;
use crate::gate::Gate;
use crate::node::Node as GameNode;
use crate::packet::Format;

/// Words for people instead of a value.
const NO_VALUES: [&str; 15] = [
    "crypto.ecc.signer.delimiter",
    "crypto.rsa.signer.delimiter",
    "cluster.gate.id",
    "cluster.node.id",
    "cluster.mesh.id",
    "cluster.node.name",
    "cluster.registry",
    "cluster.gate.linger",
    "cluster.gate.listen",
    "metrics.addr",
    "network.kcp.server.readBuffer",
    "network.kcp.server.writeBuffer",
    "transport.grpc.server.addr",
    "transport.rpcx.server.addr",
    "cluster.mesh.transporter",
];

/// `UPDATE=1` writes the table anew.
#[test]
fn the_documentation_has_every_key() {
    let mut table = String::new();
    let mut section = "";
    for key in KEYS {
        let (of, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        if of != section || table.is_empty() {
            section = of;
            let title = if of.is_empty() { PREFIX.to_owned() } else { format!("{PREFIX}.{of}") };
            if !table.is_empty() {
                table.push('\n');
            }
            writeln!(table, "`{title}`\n\n| key | takes | default | |\n|---|---|---|---|").unwrap();
        }
        let note = match key.effect {
            Effect::Used => "",
            Effect::Note(note) => note,
            Effect::Ours(purpose) => &format!("not in due: {purpose}"),
            Effect::None(instead) => &format!("does nothing: {instead}"),
        };
        let default = if key.default.is_empty() { "none" } else { key.default };
        writeln!(table, "| `{name}` | {} | {default} | {note} |", key.kind.wants()).unwrap();
    }
    let unsupported: Vec<_> = UNSUPPORTED.iter().map(|section| format!("`{section}`")).collect();
    writeln!(table, "\nSections of due that are accepted with a warning, and do nothing: {}.", unsupported.join(", "))
        .unwrap();
    let path = "src/etc/keys.md";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), table, "run it again with UPDATE=1");
}

fn with_all_defaults(others: &[(&str, &str)]) -> Etc {
    with_defaults(|_| true, others)
}

fn with_defaults(of: impl Fn(&str) -> bool, others: &[(&str, &str)]) -> Etc {
    let dir = tempfile::tempdir().unwrap();
    let values = KEYS.iter().filter(|key| !NO_VALUES.contains(&key.path) && key.kind != Kind::Table && of(key.path));
    let variables = values.map(|key| (source::variable(key.path), key.default.to_owned()));
    let variables = variables.chain(others.iter().map(|(path, text)| (source::variable(path), (*text).to_owned())));
    Etc::from_dir_with(dir.path(), variables).unwrap()
}

/// What says all defaults does what says nothing.
#[test]
fn the_defaults_of_the_table_are_those_of_the_builders() {
    let told = with_all_defaults(&[]);
    assert_eq!(told.warnings(), [], "what does nothing is not mentioned at its default");
    assert_eq!(told.format(), Format::default());
    let ours = GameNode::builder().codec(Codec::Proto);
    assert_eq!(shown(&told.node().unwrap()), shown(&ours));
    for wire in ["tcp", "ws", "kcp"].into_iter().filter(|wire| is_compiled(wire)) {
        let gate = with_all_defaults(&[("cluster.gate.listen", wire)]).gate().unwrap();
        assert_eq!(shown(&gate), shown(&Gate::builder()), "{wire}");
    }
    #[cfg(feature = "mesh")]
    assert_eq!(
        shown(&with_all_defaults(&[("cluster.registry", "memory")]).mesh().unwrap()),
        shown(&crate::Mesh::builder())
    );
}

#[cfg(all(feature = "etcd", feature = "consul", feature = "redis", feature = "link"))]
#[test]
fn the_defaults_of_the_table_are_those_of_the_backends() {
    use crate::TcpLink;
    use crate::registry::{ConsulRegistry, EtcdRegistry, Kind};

    // There is one event bus.
    let of = |path: &str| !path.starts_with("eventbus.nats");
    let told = with_defaults(of, &[("cluster.registry", "consul")]);
    let backends = told.backends().unwrap();
    assert_eq!(shown(&backends.registry), shown(&ConsulRegistry::new()));
    let kinds = |link: TcpLink| link.of(Kind::Gate, |link| link).of(Kind::Node, |link| link);
    assert_eq!(shown(&backends.link), shown(&kinds(TcpLink::new())));
    let etcd = with_defaults(of, &[("cluster.registry", "etcd")]).backends().unwrap();
    assert_eq!(shown(&etcd.registry), shown(&EtcdRegistry::new()));
    for section in ["locate.redis", "eventbus.redis"] {
        let redis = told.redis_builder(section, &mut Report::default());
        assert_eq!(shown(&redis), shown(&crate::redis::Redis::builder()));
    }
    assert_eq!(
        shown(&backends.locator),
        shown(&crate::locator::RedisLocator::new(&crate::redis::Redis::builder().build().unwrap()))
    );
}

#[cfg(feature = "nats")]
#[test]
fn the_defaults_of_the_table_are_those_of_nats() {
    let told = with_all_defaults(&[]).nats_builder(&mut Report::default());
    assert_eq!(shown(&told.build().unwrap()), shown(&crate::event::NatsBus::builder().build().unwrap()));
}

fn shown(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

fn is_compiled(wire: &str) -> bool {
    match wire {
        "tcp" => cfg!(feature = "tcp"),
        "ws" => cfg!(feature = "ws"),
        _ => cfg!(feature = "kcp"),
    }
}

#[test]
fn every_key_of_due_is_known() {
    // Sections 16 of the semantics and 6 of the wire: the prefix, then the keys.
    let due = [
        ("", "pid mode timezone shutdownMaxWaitTime"),
        ("cluster.gate", "id name dispatch addr expose metadata"),
        ("cluster.gate", LINK),
        ("cluster.node", "id name codec weight addr expose metadata"),
        ("cluster.node", LINK),
        ("cluster.mesh", "id name codec expose metadata"),
        ("cluster.mesh", LINK),
        ("cluster.client", "id name codec"),
        ("packet", "byteOrder routeBytes seqBytes bufferBytes heartbeatTime"),
        ("network.tcp.server", "addr certFile keyFile"),
        ("network.tcp.server", SERVER),
        ("network.ws.server", "addr path origins certFile keyFile"),
        ("network.ws.server", SERVER),
        ("network.kcp.server", "addr maxConnNum heartbeatInterval heartbeatMechanism authorizeTimeout"),
        ("network.kcp.server", "mtu noDelay ackNoDelay writeDelay windowSize readBuffer writeBuffer"),
        ("network.tcp.client", "addr caFile serverName dialTimeout writeTimeout writeQueueSize heartbeatInterval"),
        ("network.ws.client", "url dialTimeout writeTimeout writeQueueSize heartbeatInterval"),
        (
            "network.kcp.client",
            "addr timeout heartbeatInterval mtu noDelay ackNoDelay writeDelay windowSize readBuffer",
        ),
        ("task", "size nonblocking disablePurge"),
        ("registry.consul", "addr healthCheck healthCheckInterval healthCheckTimeout heartbeatCheck"),
        ("registry.consul", "heartbeatCheckInterval deregisterCriticalServiceAfter"),
        ("registry.etcd", "addrs dialTimeout namespace timeout username password retryTimes retryInterval"),
        ("registry.nacos", "urls clusterName groupName timeout namespaceId endpoint regionId accessKey secretKey"),
        ("locate.redis", REDIS),
        ("config.file", "path mode"),
        ("config.consul", "addr path mode"),
        ("config.etcd", "addrs dialTimeout path mode username password"),
        ("config.nacos", "urls mode"),
        ("transport.grpc.server", "addr expose keyFile certFile"),
        ("transport.grpc.client", "caFile serverName"),
        ("transport.rpcx.server", "addr expose keyFile certFile"),
        ("transport.rpcx.client", "poolSize caFile serverName"),
        ("eventbus.redis", REDIS),
        ("eventbus.nats", "url timeout prefix"),
        ("eventbus.kafka", "addrs version prefix autoCreateTopic"),
        ("cache.redis", REDIS),
        ("cache.redis", "nilValue nilExpiration minExpiration maxExpiration"),
        ("cache.memcache", "addrs prefix nilValue nilExpiration minExpiration maxExpiration"),
        ("lock.redis", REDIS),
        ("lock.redis", "expiration acquireInterval acquireMaxRetries"),
        ("lock.memcache", "addrs prefix expiration acquireInterval acquireMaxRetries"),
        ("crypto.rsa.encryptor", "hash padding label blockSize publicKey privateKey"),
        ("crypto.rsa.signer", "hash padding publicKey privateKey delimiter"),
        ("crypto.ecc.encryptor", "s1 s2 publicKey privateKey"),
        ("log", "level stackLevel timeFormat callSkip callFullPath terminals"),
        ("log.console", "format"),
        ("log.file", "path format maxAge maxSize rotate compress"),
        ("log.aliyun", "endpoint accessKeyID accessKeySecret project logstore topic source"),
        ("log.tencent", "endpoint accessKeyID accessKeySecret topicID"),
        ("pprof", "addr"),
        ("http", "name addr keyFile certFile console bodyLimit concurrency readBufferSize writeBufferSize"),
        ("http.trustProxyConfig", "proxies linkLocal loopback private"),
        ("http.cors", "enable allowOrigins"),
        ("http.swagger", "enable title"),
    ];
    let mut report = Report::default();
    for (section, keys) in due {
        for key in keys.split(' ') {
            let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            let mut prefixes = path.match_indices('.').map(|(end, _)| &path[..end]).chain([&*path]);
            let is_known = prefixes.any(|path| matches!(schema::lookup(path), Known::Key(_) | Known::Unsupported));
            if !is_known {
                report.error(&Place::whole(&*path), "is not known");
            }
        }
    }
    assert_eq!(report.finish().map_err(|error| error.to_string()), Ok(Vec::new()));
}

const LINK: &str = "connNum callTimeout dialTimeout dialRetryTimes writeTimeout writeQueueSize faultRecoveryTime";
const SERVER: &str = "maxConnNum writeTimeout writeQueueSize heartbeatInterval heartbeatMechanism authorizeTimeout";
const REDIS: &str = "addrs db username password certFile keyFile caFile maxRetries prefix";

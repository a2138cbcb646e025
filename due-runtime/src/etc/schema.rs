//! Every key there is: what it takes, what it is without the file, and whether it does anything.

use super::nearest::nearest;

/// The prefix of all keys, and the name of the file.
pub(super) const PREFIX: &str = "etc";

pub(super) struct Key {
    /// Without [`PREFIX`].
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// As a file would say it; lists with commas. Where it is words for people, the kind takes any text.
    pub(super) default: &'static str,
    pub(super) effect: Effect,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Bool,
    /// From, to.
    Int(i64, i64),
    /// Some numbers of these ranges.
    Ints(&'static [(i64, i64)]),
    /// Zero, or at least so many milliseconds.
    Time(u64),
    /// At least so many milliseconds.
    Span(u64),
    /// [`Span`](Self::Span), where a number counts seconds.
    Seconds(u64),
    /// Bytes.
    Size,
    Text,
    Texts,
    /// One of these.
    Word(&'static [&'static str]),
    /// Some of these.
    Words(&'static [&'static str]),
    /// `host:port`, where the host may be missing.
    Addr,
    /// `host:port`, each.
    Servers,
    /// `host:port`.
    Server,
    /// No, or the host that others dial.
    Expose,
    /// Whatever the user likes.
    Table,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    Used,
    /// Used, and there is something to say.
    Note(&'static str),
    /// Due does not have it; the text says what it is for.
    Ours(&'static str),
    /// Accepted; the text says what happens instead.
    None(&'static str),
}

use Effect::{None as Without, Note, Ours, Used};
use Kind::{
    Addr, Bool, Expose, Int, Ints, Seconds, Server, Servers, Size, Span, Table, Text, Texts, Time, Word, Words,
};

const BALANCES: Kind = Word(&["random", "rr", "wrr"]);
const MECHANISMS: Kind = Word(&["resp", "tick"]);
const PATIENCE: &str =
    "how long nodes that push more than `writeQueueSize` wait for a client that takes nothing; at 0s half a second";
const LINK_QUEUE: &str = "up to 8 MiB wait for each connection";
const DIALS: &str = "connecting is tried three times before what waits is given up, and then goes on";
const LINK_TLS: &str = "mutual TLS between processes, all three or none; see `TcpLink::tls`";
const REGISTRY_TLS: &str = "TLS, and whose certificates are believed; PEM";
const IDENTITY: &str = "shown to a server that asks; PEM";
const HASHES: Kind = Word(&["sha1", "sha224", "sha256", "sha384", "sha512"]);
const PUBLIC: &str = "of the other end, as PEM or the name of a file; without it that of the private key";
const PRIVATE: &str = "PEM, or the name of a file";
const ECC_SIGNER: &str = "due looks for this in `crypto.rsa.signer`";
const COUNT: Kind = Int(1, u32::MAX as i64);

const fn key(path: &'static str, kind: Kind, default: &'static str, effect: Effect) -> Key {
    Key { path, kind, default, effect }
}

pub(super) static KEYS: &[Key] = &[
    key("pid", Text, "", Note("the file of the process id")),
    key("mode", Word(&["debug", "release", "test"]), "debug", Without("there are no modes")),
    key("timezone", Text, "Local", Without("what is logged is up to the subscriber")),
    key("shutdownMaxWaitTime", Time(1), "0s", Note("0 means the builders' own `drain`, where due waits for ever")),
    key("cluster.dir", Text, "", Ours("a directory that the processes of one machine share instead of servers")),
    key(
        "cluster.registry",
        Word(&["memory", "dir", "etcd", "consul"]),
        "the one that has a section",
        Ours("where `registry` has several sections"),
    ),
    key("cluster.secret", Text, "", Ours("what all processes know, at least 16 bytes; see `TcpLink::secret`")),
    key("cluster.caFile", Text, "", Ours(LINK_TLS)),
    key("cluster.certFile", Text, "", Ours(LINK_TLS)),
    key("cluster.keyFile", Text, "", Ours(LINK_TLS)),
    key("cluster.gate.id", Text, "random", Used),
    key("cluster.gate.name", Text, "gate", Used),
    key("cluster.gate.dispatch", BALANCES, "rr", Note("due's default is random")),
    key(
        "cluster.gate.duplicateLogin",
        Word(&["close", "keep"]),
        "close",
        Ours("what becomes of the older session of a user; due keeps it"),
    ),
    key(
        "cluster.gate.listen",
        Words(&["tcp", "ws", "kcp"]),
        "those that have a section",
        Ours("where `network` has more sections than the gate has listeners"),
    ),
    key("cluster.gate.reusePort", Bool, "false", Ours("whether another process may take the ports of tcp and ws")),
    key(
        "cluster.gate.linger",
        Time(0),
        "10s with reusePort, else 0s",
        Ours("how long clients that are told to go are served"),
    ),
    key("cluster.gate.addr", Addr, ":0", Note("for other servers; with `cluster.dir` 127.0.0.1:0")),
    key("cluster.gate.expose", Expose, "false", Used),
    key("cluster.gate.metadata", Table, "{}", Note("texts that others find in the registry")),
    key("cluster.gate.connNum", Int(1, 1024), "5", Used),
    key("cluster.gate.callTimeout", Time(1), "3s", Used),
    key("cluster.gate.dialTimeout", Span(1), "3s", Used),
    key("cluster.gate.dialRetryTimes", Int(0, i64::MAX), "3", Without(DIALS)),
    key("cluster.gate.writeTimeout", Time(1), "0s", Without(LINK_QUEUE)),
    key("cluster.gate.writeQueueSize", Int(0, i64::MAX), "2048", Without(LINK_QUEUE)),
    key("cluster.gate.faultRecoveryTime", Time(0), "5s", Without(DIALS)),
    key("cluster.node.id", Text, "random", Used),
    key("cluster.node.name", Text, "what its routes agree on, else node", Used),
    key("cluster.node.codec", Text, "proto", Used),
    key("cluster.node.weight", Int(1, i32::MAX as i64), "1", Used),
    key("cluster.node.addr", Addr, ":0", Note("for other servers; with `cluster.dir` 127.0.0.1:0")),
    key("cluster.node.expose", Expose, "false", Used),
    key("cluster.node.metadata", Table, "{}", Note("texts that others find in the registry")),
    key("cluster.node.connNum", Int(1, 1024), "5", Used),
    key("cluster.node.callTimeout", Time(1), "3s", Used),
    key("cluster.node.dialTimeout", Span(1), "3s", Used),
    key("cluster.node.dialRetryTimes", Int(0, i64::MAX), "3", Without(DIALS)),
    key("cluster.node.writeTimeout", Time(1), "0s", Without(LINK_QUEUE)),
    key("cluster.node.writeQueueSize", Int(0, i64::MAX), "2048", Without(LINK_QUEUE)),
    key("cluster.node.faultRecoveryTime", Time(0), "5s", Without(DIALS)),
    key("cluster.mesh.id", Text, "random", Used),
    key("cluster.mesh.name", Text, "mesh", Used),
    key("cluster.mesh.codec", Text, "proto", Without("gRPC is protobuf, rpcx what its client sends")),
    key(
        "cluster.mesh.transporter",
        Word(&["grpc", "rpcx"]),
        "rpcx if only that has a section, else grpc",
        Ours("how meshes are called; due has it in code"),
    ),
    key(
        "cluster.mesh.expose",
        Expose,
        "false",
        Without("`expose` of `transport.grpc.server`, or of rpcx, is what counts"),
    ),
    key("cluster.mesh.metadata", Table, "{}", Note("texts that others find in the registry")),
    key("cluster.mesh.connNum", Int(1, 1024), "5", Without("meshes do not call gates and nodes")),
    key("cluster.mesh.callTimeout", Time(1), "3s", Without("meshes do not call gates and nodes")),
    key("cluster.mesh.dialTimeout", Span(1), "3s", Without("meshes do not call gates and nodes")),
    key("cluster.mesh.dialRetryTimes", Int(0, i64::MAX), "3", Without("meshes do not call gates and nodes")),
    key("cluster.mesh.writeTimeout", Time(1), "0s", Without("meshes do not call gates and nodes")),
    key("cluster.mesh.writeQueueSize", Int(0, i64::MAX), "2048", Without("meshes do not call gates and nodes")),
    key("cluster.mesh.faultRecoveryTime", Time(0), "5s", Without("meshes do not call gates and nodes")),
    key(
        "cluster.master.addr",
        Addr,
        "127.0.0.1:7353",
        Ours("where the master listens; what is no loopback address needs a token"),
    ),
    key("cluster.master.token", Text, "", Ours("what every request to the master has to know, at least 16 bytes")),
    key("cluster.master.codec", Text, "proto", Ours("of messages that the master is given as JSON")),
    key("config.file.path", Text, "./config", Note("the texts that the master shows")),
    key("config.file.mode", Word(&["read-only", "write-only", "read-write"]), "read-only", Note("all may be read")),
    key("metrics.addr", Addr, "", Ours("where this process serves what it counts to Prometheus")),
    key("packet.byteOrder", Word(&["big", "little"]), "big", Used),
    key("packet.routeBytes", Word(&["1", "2", "4"]), "2", Used),
    key("packet.seqBytes", Word(&["0", "1", "2", "4"]), "2", Used),
    key("packet.bufferBytes", Int(0, u32::MAX as i64), "5000", Note("bytes of the longest body that is sent")),
    key("packet.heartbeatTime", Bool, "false", Used),
    key("network.tcp.server.addr", Addr, ":3553", Used),
    key("network.tcp.server.certFile", Text, "", Used),
    key("network.tcp.server.keyFile", Text, "", Used),
    key("network.tcp.server.maxConnNum", COUNT, "5000", Used),
    key("network.tcp.server.writeTimeout", Time(1), "0s", Note(PATIENCE)),
    key("network.tcp.server.writeQueueSize", COUNT, "1024", Note("packets; due's default is 512")),
    key("network.tcp.server.heartbeatInterval", Time(1), "10s", Used),
    key("network.tcp.server.heartbeatMechanism", MECHANISMS, "resp", Used),
    key("network.tcp.server.authorizeTimeout", Time(1), "0s", Used),
    key("network.ws.server.addr", Addr, ":3553", Used),
    key("network.ws.server.path", Text, "/", Used),
    key("network.ws.server.origins", Texts, "*", Used),
    key("network.ws.server.certFile", Text, "", Used),
    key("network.ws.server.keyFile", Text, "", Used),
    key("network.ws.server.maxConnNum", COUNT, "5000", Used),
    key("network.ws.server.writeTimeout", Time(1), "0s", Note(PATIENCE)),
    key("network.ws.server.writeQueueSize", COUNT, "1024", Note("packets")),
    key("network.ws.server.heartbeatInterval", Time(1), "10s", Used),
    key("network.ws.server.heartbeatMechanism", MECHANISMS, "resp", Used),
    key("network.ws.server.authorizeTimeout", Time(1), "0s", Used),
    key("network.kcp.server.addr", Addr, ":3553", Used),
    key("network.kcp.server.maxConnNum", COUNT, "5000", Used),
    key("network.kcp.server.heartbeatInterval", Time(1), "10s", Used),
    key("network.kcp.server.heartbeatMechanism", MECHANISMS, "resp", Used),
    key("network.kcp.server.authorizeTimeout", Time(1), "0s", Used),
    key("network.kcp.server.mtu", Int(128, 9000), "1400", Note("bytes")),
    key(
        "network.kcp.server.noDelay",
        Ints(&[(0, 1), (10, 5000), (0, 255), (0, 1)]),
        "0,100,0,0",
        Note("no delay, interval in ms, fast resend, no congestion control"),
    ),
    key("network.kcp.server.ackNoDelay", Bool, "false", Used),
    key("network.kcp.server.writeDelay", Bool, "false", Used),
    key("network.kcp.server.windowSize", Ints(&[(1, 4096), (1, 4096)]), "32,32", Note("segments: to send, to receive")),
    key("network.kcp.server.readBuffer", Size, "the system's", Used),
    key("network.kcp.server.writeBuffer", Size, "the system's", Used),
    key("registry.consul.addr", Server, "127.0.0.1:8500", Used),
    key("registry.consul.token", Text, "", Ours("the ACL token")),
    key("registry.consul.caFile", Text, "", Ours(REGISTRY_TLS)),
    key("registry.consul.certFile", Text, "", Ours(IDENTITY)),
    key("registry.consul.keyFile", Text, "", Ours(IDENTITY)),
    key("registry.consul.healthCheck", Bool, "true", Used),
    key("registry.consul.healthCheckInterval", Seconds(1000), "10", Used),
    key("registry.consul.healthCheckTimeout", Seconds(1000), "5", Used),
    key("registry.consul.heartbeatCheck", Bool, "true", Used),
    key("registry.consul.heartbeatCheckInterval", Seconds(1000), "10", Used),
    key("registry.consul.deregisterCriticalServiceAfter", Seconds(1000), "30", Used),
    key("registry.etcd.addrs", Servers, "127.0.0.1:2379", Used),
    key("registry.etcd.dialTimeout", Span(1), "5s", Used),
    key("registry.etcd.namespace", Text, "services", Used),
    key("registry.etcd.timeout", Span(1), "3s", Used),
    key("registry.etcd.username", Text, "", Used),
    key("registry.etcd.password", Text, "", Used),
    key("registry.etcd.caFile", Text, "", Ours(REGISTRY_TLS)),
    key("registry.etcd.certFile", Text, "", Ours(IDENTITY)),
    key("registry.etcd.keyFile", Text, "", Ours(IDENTITY)),
    key("registry.etcd.retryTimes", Int(0, i64::MAX), "3", Without("it is tried for ever")),
    key("registry.etcd.retryInterval", Span(1000), "10s", Used),
    key("locate.redis.addrs", Servers, "127.0.0.1:6379", Used),
    key("locate.redis.db", Int(0, i32::MAX as i64), "0", Used),
    key("locate.redis.username", Text, "", Used),
    key("locate.redis.password", Text, "", Used),
    key("locate.redis.certFile", Text, "", Used),
    key("locate.redis.keyFile", Text, "", Used),
    key("locate.redis.caFile", Text, "", Used),
    key("locate.redis.maxRetries", Int(0, 100), "3", Used),
    key("locate.redis.prefix", Text, "due:locate", Used),
    key("eventbus.redis.addrs", Servers, "127.0.0.1:6379", Used),
    key("eventbus.redis.db", Int(0, i32::MAX as i64), "0", Used),
    key("eventbus.redis.username", Text, "", Used),
    key("eventbus.redis.password", Text, "", Used),
    key("eventbus.redis.certFile", Text, "", Used),
    key("eventbus.redis.keyFile", Text, "", Used),
    key("eventbus.redis.caFile", Text, "", Used),
    key("eventbus.redis.maxRetries", Int(0, 100), "3", Used),
    key("eventbus.redis.prefix", Text, "due:eventbus", Used),
    key("eventbus.nats.url", Text, "nats://127.0.0.1:4222", Used),
    key("eventbus.nats.timeout", Span(1), "2s", Used),
    key("eventbus.nats.prefix", Text, "due:eventbus", Used),
    key("eventbus.nats.certFile", Text, "", Ours("what is shown to a `tls://` server that asks for a certificate")),
    key("eventbus.nats.keyFile", Text, "", Ours("the key of `certFile`")),
    key("eventbus.nats.caFile", Text, "", Ours("the roots of a `tls://` server, instead of those of the system")),
    key(
        "crypto.encryptor",
        Word(&["none", "rsa", "ecc"]),
        "none",
        Ours("what encrypts bodies between clients and servers"),
    ),
    key("crypto.rsa.encryptor.hash", HASHES, "sha256", Used),
    key("crypto.rsa.encryptor.padding", Word(&["NORMAL", "OAEP"]), "NORMAL", Note("choose OAEP for a new game")),
    key("crypto.rsa.encryptor.label", Text, "", Used),
    key("crypto.rsa.encryptor.blockSize", Int(0, 512), "0", Note("0: as much as fits")),
    key("crypto.rsa.encryptor.publicKey", Text, "", Note(PUBLIC)),
    key("crypto.rsa.encryptor.privateKey", Text, "", Note(PRIVATE)),
    key("crypto.rsa.signer.hash", HASHES, "sha256", Used),
    key("crypto.rsa.signer.padding", Word(&["PSS", "PKCS"]), "PSS", Used),
    key(
        "crypto.rsa.signer.delimiter",
        Text,
        "\" \"",
        Note("of signatures of ecc, where there is no `crypto.ecc.signer`"),
    ),
    key("crypto.rsa.signer.publicKey", Text, "", Note(PUBLIC)),
    key("crypto.rsa.signer.privateKey", Text, "", Note(PRIVATE)),
    key("crypto.ecc.encryptor.s1", Text, "", Used),
    key("crypto.ecc.encryptor.s2", Text, "", Used),
    key("crypto.ecc.encryptor.publicKey", Text, "", Note(PUBLIC)),
    key("crypto.ecc.encryptor.privateKey", Text, "", Note(PRIVATE)),
    key("crypto.ecc.signer.hash", HASHES, "sha256", Ours(ECC_SIGNER)),
    key("crypto.ecc.signer.delimiter", Text, "\" \"", Ours(ECC_SIGNER)),
    key("crypto.ecc.signer.publicKey", Text, "", Ours(ECC_SIGNER)),
    key("crypto.ecc.signer.privateKey", Text, "", Ours(ECC_SIGNER)),
    key("transport.grpc.server.addr", Addr, "127.0.0.1:0, with etcd or consul :0", Used),
    key("transport.grpc.server.expose", Expose, "false", Used),
    key("transport.grpc.server.certFile", Text, "", Used),
    key("transport.grpc.server.keyFile", Text, "", Used),
    key("transport.rpcx.server.addr", Addr, "127.0.0.1:0, with etcd or consul :0", Used),
    key("transport.rpcx.server.expose", Expose, "false", Used),
    key("transport.rpcx.server.certFile", Text, "", Used),
    key("transport.rpcx.server.keyFile", Text, "", Used),
    key("transport.rpcx.server.token", Text, "", Ours("what clients have to show in each call, as `__AUTH`")),
    key(
        "transport.rpcx.client.poolSize",
        Int(1, 1024),
        "10",
        Without("calls share up to four connections to each instance"),
    ),
    key(
        "transport.rpcx.client.caFile",
        Text,
        "",
        Without("meshes have no TLS; one whose endpoint asks for it is not called"),
    ),
    key("transport.rpcx.client.serverName", Text, "", Without("meshes have no TLS")),
];

/// Sections of due of which nothing does anything.
pub(super) static UNSUPPORTED: &[&str] = &[
    "cache",
    "cluster.client",
    "config.consul",
    "config.etcd",
    "config.nacos",
    "crypto.ecc.decryptor",
    "crypto.ecc.verifier",
    "crypto.rsa.decryptor",
    "crypto.rsa.verifier",
    "eventbus.kafka",
    "http",
    "lock",
    "log",
    "network.kcp.client",
    "network.tcp.client",
    "network.ws.client",
    "pprof",
    "registry.nacos",
    "task",
    "transport.grpc.client",
];

pub(super) enum Known {
    Key(&'static Key),
    Section,
    Unsupported,
    Not,
}

pub(super) fn lookup(path: &str) -> Known {
    if let Some(key) = KEYS.iter().find(|key| key.path == path) {
        return Known::Key(key);
    }
    if UNSUPPORTED.contains(&path) {
        return Known::Unsupported;
    }
    match all().any(|known| below(known, path).is_some()) {
        true => Known::Section,
        false => Known::Not,
    }
}

/// The child of a section whose name is most like another one.
pub(super) fn nearest_in(section: &str, name: &str) -> Option<&'static str> {
    let children = all().filter_map(|path| below(path, section)?.split('.').next());
    nearest(name, children)
}

fn all() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.path).chain(UNSUPPORTED.iter().copied())
}

/// What follows a section in a path.
fn below(path: &'static str, section: &str) -> Option<&'static str> {
    if section.is_empty() { Some(path) } else { path.strip_prefix(section)?.strip_prefix('.') }
}

impl Kind {
    pub(super) fn is_list(self) -> bool {
        matches!(self, Ints(_) | Texts | Words(_) | Servers)
    }

    /// What it takes, for people.
    pub(super) fn wants(self) -> String {
        match self {
            Bool => "true or false".to_owned(),
            Int(0, i64::MAX) => "a number from 0".to_owned(),
            Int(from, to) => format!("a number from {from} to {to}"),
            Ints(ranges) => {
                let ranges: Vec<_> = ranges.iter().map(|(from, to)| format!("{from} to {to}")).collect();
                format!("a list of {} numbers: {}", ranges.len(), ranges.join(", "))
            }
            Time(0) => "a time such as \"10s\"".to_owned(),
            Time(least) => format!("0 or a time of at least {}, such as \"10s\"", millis(least)),
            Span(least) => format!("a time of at least {}, such as \"10s\"", millis(least)),
            Seconds(least) => format!("seconds, or a time such as \"10s\"; at least {}", millis(least)),
            Size => "a size such as 65536 or \"64KB\"".to_owned(),
            Text => "text".to_owned(),
            Texts => "a list of texts".to_owned(),
            Word(words) => format!("one of {}", words.join(", ")),
            Words(words) => format!("a list of some of {}", words.join(", ")),
            Addr => "an address, \"host:port\" or \":port\"".to_owned(),
            Server => "an address, \"host:port\"".to_owned(),
            Servers => "a list of addresses, \"host:port\" each".to_owned(),
            Expose => "false, or the host that others dial".to_owned(),
            Table => "a table".to_owned(),
        }
    }
}

fn millis(millis: u64) -> String {
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

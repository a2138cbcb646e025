//! What is not compiled in is said with the name of its feature.

use super::{directory, load, text};

#[test]
fn a_section_without_its_part_names_the_feature() {
    let dir = directory(&[("etc.toml", "[network.kcp.server]\naddr = \":0\"\n")]);
    let etc = load(dir.path()).unwrap();
    assert_eq!(
        text(&etc.gate().unwrap_err(), dir.path()),
        "the configuration cannot be used\n\
         etc.toml:1: `etc.network.kcp.server` needs the cargo feature `kcp` of due-runtime"
    );
    assert!(etc.app().is_ok(), "nodes do not listen for clients");

    let dir = directory(&[("etc.toml", "[network.kcp.server]\n[cluster.gate]\nlisten = []\n")]);
    assert!(load(dir.path()).unwrap().gate().is_ok(), "nobody wants it");
}

#[cfg(not(any(feature = "etcd", feature = "consul", feature = "redis", feature = "nats", feature = "link")))]
#[test]
fn all_missing_backends_are_said_at_once() {
    let file = "[registry.etcd]\n[locate.redis]\n[eventbus.redis]\n[eventbus.nats]\n";
    let dir = directory(&[("etc.toml", file)]);
    assert_eq!(
        text(&load(dir.path()).unwrap().app().unwrap_err(), dir.path()),
        "the configuration cannot be used\n\
         etc.toml:1: `etc.registry.etcd` needs the cargo feature `link` of due-runtime\n\
         etc.toml:1: `etc.registry.etcd` needs the cargo feature `etcd` of due-runtime\n\
         etc.toml:2: `etc.locate.redis` needs the cargo feature `redis` of due-runtime\n\
         etc.toml:3: `etc.eventbus.redis` needs the cargo feature `redis` of due-runtime\n\
         etc.toml:4: `etc.eventbus.redis` and `etc.eventbus.nats` are both event buses; leave one out\n\
         etc.toml:4: `etc.eventbus.nats` needs the cargo feature `nats` of due-runtime"
    );
    let dir = directory(&[("etc.toml", "[registry.consul]\n")]);
    assert_eq!(
        text(&load(dir.path()).unwrap().app().unwrap_err(), dir.path()),
        "the configuration cannot be used\n\
         etc.toml:1: `etc.registry.consul` needs the cargo feature `link` of due-runtime\n\
         etc.toml:1: `etc.registry.consul` needs the cargo feature `consul` of due-runtime"
    );
    let dir = directory(&[("etc.toml", "cluster.dir = \"/tmp/game\"\n")]);
    assert_eq!(
        text(&load(dir.path()).unwrap().app().unwrap_err(), dir.path()),
        "the configuration cannot be used\n\
         etc.toml:1: `etc.cluster.dir` needs the cargo feature `link` of due-runtime"
    );
}

#[cfg(not(any(feature = "rsa", feature = "ecc")))]
#[test]
fn so_are_encryptors() {
    for name in ["rsa", "ecc"] {
        let dir = directory(&[("etc.toml", &format!("[crypto]\nencryptor = '{name}'\n"))]);
        assert_eq!(
            text(&load(dir.path()).unwrap().app().unwrap_err(), dir.path()),
            format!(
                "the configuration cannot be used\n\
                 etc.toml:2: `etc.crypto.encryptor` = {name} needs the cargo feature `{name}` of due-runtime"
            )
        );
    }
}

#[cfg(not(any(feature = "tcp", feature = "ws")))]
#[test]
fn so_are_listeners() {
    let dir = directory(&[("etc.toml", "network.tcp.server.addr = \":1\"\nnetwork.ws.server.addr = \":2\"\n")]);
    assert_eq!(
        text(&load(dir.path()).unwrap().gate().unwrap_err(), dir.path()),
        "the configuration cannot be used\n\
         etc.toml:1: `etc.network.tcp.server` needs the cargo feature `tcp` of due-runtime\n\
         etc.toml:2: `etc.network.ws.server` needs the cargo feature `ws` of due-runtime"
    );
}

#[cfg(not(feature = "prometheus"))]
#[test]
fn metrics_that_cannot_be_served_are_no_secret() {
    let dir = directory(&[("etc.toml", "[metrics]\naddr = \"127.0.0.1:9000\"\n")]);
    assert_eq!(
        text(&load(dir.path()).unwrap().app().unwrap_err(), dir.path()),
        "the configuration cannot be used\n\
         etc.toml:2: to serve metrics on 127.0.0.1:9000, `etc.metrics.addr` needs the cargo feature `prometheus` of \
         due-runtime"
    );
}

#[cfg(all(feature = "mesh", not(feature = "rpcx")))]
#[test]
fn so_is_a_transporter() {
    let dir = directory(&[("etc.toml", "[transport.rpcx.server]\naddr = \":8011\"\n")]);
    assert_eq!(
        text(&load(dir.path()).unwrap().mesh().unwrap_err(), dir.path()),
        "the configuration cannot be used\n\
         etc.toml:1: a mesh of rpcx needs the cargo feature `rpcx` of due-runtime"
    );
    let dir = directory(&[("etc.toml", "[transport.rpcx.server]\n[transport.grpc.server]\n")]);
    assert!(load(dir.path()).unwrap().mesh().is_ok(), "nobody wants it");
}

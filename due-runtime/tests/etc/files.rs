//! Formats, names of files, and the environment.

use std::fs;

use due::etc::Etc;

use super::{directory, load, text, variables};

const TOML: &str = r#"
shutdownMaxWaitTime = "7s"
[cluster.gate]
id = "g1"
dispatch = "wrr"
connNum = 3
[cluster.node]
id = "1001"
weight = 4
codec = "json"
[packet]
byteOrder = "little"
routeBytes = 4
heartbeatTime = true
[network.ws.server]
addr = "127.0.0.1:0"
origins = ["https://a.example", "https://b.example"]
maxConnNum = 70
heartbeatInterval = "20s"
heartbeatMechanism = "tick"
"#;

const YAML: &str = r#"
# The same
shutdownMaxWaitTime: 7s
cluster:
  gate: {id: g1, dispatch: wrr, connNum: 3}
  node:
    id: 1001
    weight: 4
    codec: json
packet: &packet
  byteOrder: little
  routeBytes: 4
  heartbeatTime: true
network:
  ws:
    server:
      addr: "127.0.0.1:0"
      origins:
        - https://a.example
        - https://b.example
      maxConnNum: 70
      heartbeatInterval: 20s
      heartbeatMechanism: tick
"#;

const JSON: &str = r#"{
  "shutdownMaxWaitTime": "7s",
  "cluster": {
    "gate": {"id": "g1", "dispatch": "wrr", "connNum": 3},
    "node": {"id": "1001", "weight": 4, "codec": "json"}
  },
  "packet": {"byteOrder": "little", "routeBytes": 4, "heartbeatTime": true},
  "network": {"ws": {"server": {
    "addr": "127.0.0.1:0", "origins": ["https://a.example", "https://b.example"], "maxConnNum": 70,
    "heartbeatInterval": "20s", "heartbeatMechanism": "tick"
  }}}
}"#;

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<etc>
  <!-- The same -->
  <shutdownMaxWaitTime>7s</shutdownMaxWaitTime>
  <cluster>
    <gate><id>g1</id><dispatch>wrr</dispatch><connNum>3</connNum></gate>
    <node><id><![CDATA[1001]]></id><weight> 4 </weight><codec>json</codec></node>
  </cluster>
  <packet><byteOrder>&#108;ittle</byteOrder><routeBytes>4</routeBytes><heartbeatTime>true</heartbeatTime></packet>
  <network><ws><server>
    <addr>127.0.0.1:0</addr>
    <origins>https://a.example</origins>
    <origins>https://b.example</origins>
    <maxConnNum>70</maxConnNum>
    <heartbeatInterval>20s</heartbeatInterval>
    <heartbeatMechanism>tick</heartbeatMechanism>
  </server></ws></network>
</etc>
"#;

/// Everything that a program sees of it.
#[cfg(feature = "ws")]
fn shown(etc: &Etc) -> String {
    let gate = etc.gate().unwrap();
    let gate = format!("{gate:?} {:?}", etc.gate().unwrap().build());
    let node = format!("{:?} {:?}", etc.node().unwrap(), etc.node().unwrap().build().unwrap());
    format!("{:?} {gate} {node}", etc.app().unwrap())
}

#[cfg(feature = "ws")]
#[test]
fn all_formats_say_the_same() {
    let of = |name: &str, text: &str| shown(&load(directory(&[(name, text)]).path()).unwrap());
    let toml = of("etc.toml", TOML);
    for part in ["\"g1\"", "\"1001\"", "Weighted", "Little", "7s", "max_sessions: 70", "20s", "Tick", "Nanos", "Json"] {
        assert!(toml.contains(part), "{part} is missing in {toml}");
    }
    for (name, text) in
        [("etc.yaml", YAML), ("etc.yml", YAML), ("etc.json", JSON), ("etc.xml", XML), ("below/etc.toml", TOML)]
    {
        assert_eq!(of(name, text), toml, "{name}");
        assert_eq!(of(name, &format!("\u{feff}{text}")), toml, "{name} with a byte order mark");
        assert_eq!(of(name, &text.replace('\n', "\r\n")), toml, "{name} with the line ends of Windows");
    }
}

#[test]
fn a_gate_may_share_its_ports_and_linger() {
    let dir = directory(&[("etc.toml", "[cluster.gate]\nreusePort = true\nlinger = \"3s\"\n")]);
    let gate = format!("{:?}", load(dir.path()).unwrap().gate().unwrap());
    assert!(gate.contains("reuse_port: true, linger: Some(3s)"), "{gate}");
}

#[test]
fn servers_have_metadata() {
    let toml = "[cluster.gate.metadata]\nzone = \"eu\"\nrack = 7\n[cluster.node]\nmetadata = { canary = true }\n";
    let dir =
        directory(&[("etc.toml", toml), ("etc.cluster.gate.xml", "<etc><metadata><zone>us</zone></metadata></etc>")]);
    let etc = load(dir.path()).unwrap();
    let gate = format!("{:?}", etc.gate().unwrap());
    assert!(gate.contains(r#"metadata: {"rack": "7", "zone": "us"}"#), "{gate}");
    let node = format!("{:?}", etc.node().unwrap());
    assert!(node.contains(r#"metadata: {"canary": "true"}"#), "{node}");
}

#[test]
fn longer_names_go_before_shorter_ones_key_by_key() {
    let dir = directory(&[
        ("etc.toml", "cluster.gate.id = \"a\"\ncluster.gate.name = \"a\"\ncluster.gate.dispatch = \"random\"\n"),
        ("etc.cluster.yaml", "gate: {id: b, name: b}\n"),
        ("etc.cluster.gate.json", "{\"id\": \"c\"}"),
        ("game.toml", "this = is not ours"),
        (".etc.toml", "nor this"),
        ("etcetera.toml", "nor that"),
        ("etc.ini", "nor that"),
    ]);
    let gate = format!("{:?}", load(dir.path()).unwrap().gate().unwrap().build());
    assert!(gate.contains("\"c\"") && gate.contains("Random"), "{gate}");
    let builder = format!("{:?}", load(dir.path()).unwrap().gate().unwrap());
    assert!(builder.contains("name: \"b\""), "{builder}");
}

#[test]
fn the_environment_goes_before_all_files() {
    let dir = directory(&[("etc.cluster.gate.toml", "id = \"file\"\n"), ("etc.toml", "packet.routeBytes = 1\n")]);
    let of = |pairs: &[(&str, &str)]| {
        let etc = Etc::from_dir_with(dir.path(), variables(pairs)).unwrap();
        assert_eq!(etc.warnings(), []);
        format!("{:?} {:?}", etc.gate().unwrap().build(), etc.backends().unwrap())
    };
    assert!(of(&[("DUE_ETC", "elsewhere"), ("PATH", "/bin")]).contains("\"file\""));
    assert!(of(&[("DUE_ETC_CLUSTER_GATE_ID", "env")]).contains("\"env\""));
    assert!(of(&[("due_etc_cluster_gate_id", "env")]).contains("\"env\""));
    assert!(of(&[("DUE_ETC_PACKET_ROUTEBYTES", "4")]).contains("route: Four"));
    assert!(of(&[("DUE_ETC_PACKET_ROUTE_BYTES", "4")]).contains("route: Four"));
    assert!(of(&[]).contains("route: One"));
}

#[test]
fn no_directory_is_wrong_only_if_somebody_named_it() {
    let dir = directory(&[]);
    load(dir.path()).expect("an empty one says nothing");
    let error = load(&dir.path().join("gone")).unwrap_err();
    assert_eq!(error.findings().len(), 1);
    assert_eq!(error.findings()[0].line(), None);
    assert!(text(&error, dir.path()).contains("gone: cannot read the directory: "), "{error}");
}

#[test]
fn files_that_are_too_long_or_no_text_are_said_to_be() {
    let dir = directory(&[]);
    for name in ["etc.toml", "etc.packet.json", "etc.network.yaml", "etc.cluster.xml"] {
        fs::write(dir.path().join(name), " ".repeat(256 * 1024 + 1)).unwrap();
    }
    fs::write(dir.path().join("etc.registry.toml"), b"a = 1\nb = \"\xff\"\n").unwrap();
    fs::write(dir.path().join("etc.locate.toml"), b"a\0=1").unwrap();
    let error = load(dir.path()).unwrap_err();
    let said = text(&error, dir.path());
    for line in [
        "etc.toml: is longer than 256 KiB",
        "etc.cluster.xml: is longer than 256 KiB",
        "etc.registry.toml:2: is no UTF-8",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is missing in {said}");
    }
    assert_eq!(
        error.findings().iter().filter(|finding| finding.source().ends_with("etc.locate.toml")).count(),
        1,
        "{said}"
    );
}

/// Deep nesting, and everything that a cut or changed file can be: it is read or refused, and nothing panics.
#[test]
fn broken_files_do_no_harm() {
    let deep = 100_000;
    let dir = directory(&[
        ("etc.a.toml", &format!("a = {}", "[".repeat(deep))),
        ("etc.b.json", &"[".repeat(deep)),
        ("etc.c.json", &"{\"a\":".repeat(20_000)),
        ("etc.d.yaml", &"[".repeat(deep)),
        ("etc.e.yaml", &(0..400).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>()),
        ("etc.f.xml", &"<a>".repeat(50_000)),
        (
            "etc.g.yaml",
            "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e]\n",
        ),
        ("etc.h.json", &format!("{}1{}", "{\"a\":".repeat(1000), "}".repeat(1000))),
    ]);
    let error = load(dir.path()).unwrap_err();
    for name in ["a.toml", "b.json", "c.json", "d.yaml", "e.yaml", "f.xml", "g.yaml", "h.json"] {
        let is_said = error.findings().iter().any(|finding| finding.source().ends_with(name));
        assert!(is_said, "{name} is missing in {error}");
    }

    for (name, whole) in [("etc.toml", TOML), ("etc.yaml", YAML), ("etc.json", JSON), ("etc.xml", XML)] {
        let dir = directory(&[]);
        let path = dir.path().join(name);
        for end in (0..whole.len()).step_by(3).filter(|end| whole.is_char_boundary(*end)) {
            for text in
                [whole[..end].to_owned(), whole[end..].to_owned(), format!("{}\0{}", &whole[..end], &whole[end..])]
            {
                fs::write(&path, text).unwrap();
                if let Ok(etc) = load(dir.path()) {
                    drop((etc.app(), etc.gate(), etc.node()));
                }
            }
        }
    }
}

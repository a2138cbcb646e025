//! Servers that were started out of a directory, and a client of theirs.

use due::codec::SerdeBody;
use due::etc::Etc;
use due::registry::Kind;
use due::{App, Client, Codec, Context, RouteId};

use super::{directory, load};

#[derive(serde::Deserialize, serde::Serialize)]
struct Greet {
    name: String,
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Greeting {
    text: String,
}

#[due::route(1)]
async fn greet(_ctx: &mut Context, request: Greet) -> due::Result<Greeting> {
    Ok(Greeting { text: format!("hello {}", request.name) })
}

async fn call(url: &str) -> String {
    let client = Client::builder().codec(Codec::Json).connect(url).await.unwrap();
    let request = SerdeBody(Greet { name: url[..2].to_owned() });
    let greeting: SerdeBody<Greeting> = client.request(RouteId(1), &request).await.unwrap();
    client.close().await;
    greeting.0.text
}

fn serving(app: App, etc: &Etc) -> App {
    let node = etc.node().unwrap().serve(due::routes![greet]).build().unwrap();
    app.gate(etc.gate().unwrap()).node(node)
}

#[tokio::test]
async fn gate_and_node_of_a_directory_answer_a_call() {
    let dir = directory(&[]);
    let pid = dir.path().join("game.pid");
    let file = format!(
        "pid = '{}'\n[cluster.node]\ncodec = 'json'\n[network.ws.server]\naddr = '127.0.0.1:0'\npath = '/game'\n\
         [network.tcp.server]\naddr = '127.0.0.1:0'\n",
        pid.display()
    );
    std::fs::write(dir.path().join("etc.toml"), file).unwrap();
    let app = App::from_etc_dir(dir.path()).unwrap();
    let app = serving(app, &load(dir.path()).unwrap()).start().await.unwrap();
    assert_eq!(std::fs::read_to_string(&pid).unwrap(), format!("{}\n", std::process::id()));
    let addresses: Vec<_> = app.addresses().map(str::to_owned).collect();
    assert_eq!(addresses.len(), 2);
    assert!(addresses[0].starts_with("tcp://") && addresses[1].ends_with("/game"), "{addresses:?}");
    for address in addresses {
        assert_eq!(call(&address).await, format!("hello {}", &address[..2]));
    }
    app.stop().await;
    assert!(!pid.exists());

    let etc = load(dir.path()).unwrap();
    let app = serving(etc.app().unwrap(), &etc).start().await.unwrap();
    std::fs::write(&pid, "1\n").unwrap();
    app.stop().await;
    assert_eq!(std::fs::read_to_string(&pid).unwrap(), "1\n", "the process that took over needs it");

    std::fs::write(dir.path().join("etc.toml"), "pid = '/no/such/folder/game.pid'\n").unwrap();
    let error = load(dir.path()).unwrap().app().unwrap().start().await.unwrap_err();
    assert_eq!(error.to_string(), "cannot write the process id to /no/such/folder/game.pid");
}

#[tokio::test]
async fn gate_and_node_of_one_process_have_links_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let files = directory(&[(
        "etc.toml",
        &format!(
            "[cluster]\ndir = '{}'\ngate.expose = 'gate.example'\nnode.expose = 'node.example'\n\
             node.addr = '127.0.0.1:0'\nnode.codec = 'json'\n[network.tcp.server]\naddr = '127.0.0.1:0'\n",
            dir.path().display()
        ),
    )]);
    let etc = load(files.path()).unwrap();
    let app = serving(etc.app().unwrap(), &etc).start().await.unwrap();
    let cluster = app.cluster().unwrap();
    for (kind, host) in [(Kind::Gate, "drpc://gate.example:"), (Kind::Node, "drpc://node.example:")] {
        let instances = cluster.instances(kind).await.unwrap();
        assert!(instances.len() == 1 && instances[0].endpoint.starts_with(host), "{instances:?}");
    }
    app.stop().await;
}

/// Two apps that share nothing but what their files name.
async fn apart(gate: &str, node: &str) {
    let (gate_dir, node_dir) = (directory(&[("etc.toml", gate)]), directory(&[("etc.toml", node)]));
    let (gate, node) = (load(gate_dir.path()).unwrap(), load(node_dir.path()).unwrap());
    let node = node.app().unwrap().node(node.node().unwrap().serve(due::routes![greet]).build().unwrap());
    let node = node.start().await.unwrap();
    let gate = gate.app().unwrap().gate(gate.gate().unwrap()).start().await.unwrap();
    let address = gate.addresses().next().unwrap().to_owned();
    assert_eq!(call(&address).await, "hello tc");
    gate.stop().await;
    node.stop().await;
}

#[tokio::test]
async fn a_line_of_a_file_makes_it_two_processes() {
    let dir = tempfile::tempdir().unwrap();
    let shared = format!("[cluster]\ndir = '{}'\n", dir.path().display());
    let gate = format!("{shared}[network.tcp.server]\naddr = '127.0.0.1:0'\n");
    apart(&gate, &format!("{shared}node.codec = 'json'\n")).await;
}

#[cfg(all(feature = "redis", feature = "etcd"))]
#[tokio::test(flavor = "multi_thread")]
async fn so_do_sections_of_redis_and_etcd() {
    let (redis, etcd) = (super::support::redis::Server::start(), super::support::Etcd::start());
    let shared = format!(
        "[registry.etcd]\naddrs = ['{}']\n[locate.redis]\naddrs = ['{redis}']\n[eventbus.redis]\naddrs = '{redis}'\n",
        etcd.addr(),
        redis = redis.addr(),
    );
    let gate = format!("{shared}[cluster.gate]\naddr = '127.0.0.1:0'\n[network.tcp.server]\naddr = '127.0.0.1:0'\n");
    apart(&gate, &format!("{shared}[cluster.node]\naddr = '127.0.0.1:0'\ncodec = 'json'\n")).await;
}

#[cfg(feature = "master")]
#[tokio::test]
async fn a_master_of_a_directory_shows_its_configuration() {
    let dir = directory(&[]);
    std::fs::create_dir(dir.path().join("config")).unwrap();
    let file = format!(
        "[metrics]\naddr = '127.0.0.1:0'\n[cluster.master]\naddr = '127.0.0.1:0'\ntoken = '0123456789abcdef'\n\
         [config.file]\npath = '{}'\nmode = 'read-write'\n",
        dir.path().join("config").display()
    );
    std::fs::write(dir.path().join("etc.toml"), file).unwrap();
    let etc = load(dir.path()).unwrap();
    assert_eq!(etc.warnings(), []);
    let master = etc.master().unwrap();
    let shown = format!("{master:?}");
    assert!(shown.contains("listen: \"127.0.0.1:0\"") && shown.contains("is_writable: true"), "{shown}");
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
    let app = etc.app().unwrap().master(master).start().await.unwrap();
    assert!(app.master_page().unwrap().ends_with("/#0123456789abcdef"));
    assert!(app.metrics_url().unwrap().starts_with("http://127.0.0.1:"));
    app.stop().await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn events_go_through_nats_where_a_section_says_so() {
    let nats = super::support::Nats::start();
    let file = format!("[eventbus.nats]\nurl = 'nats://{}'\nprefix = 'game'\ntimeout = '10s'\n", nats.addr());
    let dir = directory(&[("etc.toml", &file)]);
    let etc = load(dir.path()).unwrap();
    assert_eq!(etc.warnings(), []);
    let app = etc.app().unwrap().node(etc.node().unwrap().build().unwrap()).start().await.unwrap();
    let mut raw = nats.raw().await;
    raw.ask("SUB game:login 1\r\n").await;
    app.cluster().unwrap().events().publish("login", "1001").await.unwrap();
    assert!(raw.line().await.starts_with("MSG game:login 1 "));
    app.stop().await;
}

#[cfg(feature = "rpcx")]
#[tokio::test]
async fn a_line_decides_how_a_mesh_is_called() {
    use due::mesh::rpcx;
    use due::registry::{MemoryRegistry, Registry as _};

    let rpcx_alone = "[transport.rpcx.server]\naddr = '127.0.0.1:0'\ntoken = 'open sesame'\n";
    let both = format!("{rpcx_alone}[transport.grpc.server]\naddr = '127.0.0.1:0'\n");
    let chosen = |transporter| format!("{both}[cluster.mesh]\ntransporter = '{transporter}'\n");
    for (file, scheme) in [
        (rpcx_alone.to_owned(), "rpcx://127.0.0.1:"),
        (both.clone(), "grpc://127.0.0.1:"),
        (chosen("rpcx"), "rpcx://127.0.0.1:"),
        (chosen("grpc"), "grpc://127.0.0.1:"),
        (String::new(), "grpc://127.0.0.1:"),
    ] {
        let dir = directory(&[("etc.toml", &file)]);
        let etc = load(dir.path()).unwrap();
        let registry = MemoryRegistry::new();
        let backends = etc.backends().unwrap().registry(registry.clone());
        let mesh = etc.mesh().unwrap().build().start(&backends).await.unwrap();
        let list = registry.list(Kind::Mesh).await.unwrap();
        assert!(list[0].endpoint.starts_with(scheme), "{}: {file}", list[0].endpoint);
        mesh.stop().await;
    }

    let dir = directory(&[("etc.toml", rpcx_alone)]);
    let etc = load(dir.path()).unwrap();
    let backends = etc.backends().unwrap();
    let echo = rpcx::Service::new("echo", "Echo")
        .method("Say", |text: due::mesh::Request<String>| async move { Ok(text.into_inner()) });
    let mesh = etc.mesh().unwrap().serve_rpcx(echo).build().start(&backends).await.unwrap();
    let client = rpcx::Client::connect(&backends, "discovery://echo", "Echo").await.unwrap();
    assert!(client.call::<String>("Say", &"hi").await.is_err(), "it does not know the token");
    assert_eq!(client.token("open sesame").call::<String>("Say", &"hi").await.unwrap(), "hi");
    mesh.stop().await;
}

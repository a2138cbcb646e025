//! What a consul does only once in a while: an agent of a few lines that does it when it shall.

use std::time::Duration;

use due::registry::{ConsulRegistry, Kind, Registry};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::logs::Logs;
use crate::{ids, soon, until};

/// One question of the registry, which waits for its answer.
struct Question {
    stream: BufReader<TcpStream>,
    target: String,
}

struct Agent(TcpListener);

impl Agent {
    async fn start() -> (Self, ConsulRegistry) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let registry = ConsulRegistry::new().addr(listener.local_addr().unwrap().to_string());
        (Self(listener), registry.wait(Duration::from_secs(5)))
    }

    async fn question(&self) -> Question {
        let (stream, _) = soon(self.0.accept()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut lines = String::new();
        while !lines.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut lines).await.unwrap(), 0);
        }
        Question { target: lines.split(' ').nth(1).unwrap().to_owned(), stream }
    }
}

impl Question {
    async fn answer(mut self, status: &str, index: &str, nodes: &[&str]) {
        let service =
            |id: &&str| format!(r#"{{"Service":{{"ID":"node-{id}","Meta":{{"id":"{id}","state":"work"}}}}}}"#);
        let body = format!("[{}]", nodes.iter().map(service).collect::<Vec<_>>().join(","));
        let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{index}\r\n", body.len());
        self.stream.write_all((head + &body).as_bytes()).await.unwrap();
        self.stream.shutdown().await.unwrap();
    }
}

const FIRST: &str = "/v1/health/service/node?passing=1";

#[tokio::test]
async fn an_index_that_goes_backwards_begins_anew() {
    let (logs, _guard) = Logs::listen();
    let (agent, registry) = Agent::start().await;
    let (watch, ()) = tokio::join!(registry.watch(Kind::Node), async {
        agent.question().await.answer("200 OK", "X-Consul-Index: 40\r\n", &["n1", "n2"]).await;
    });
    let mut watch = watch.unwrap();
    let ask = async |target: &str, index: &str, nodes: &[&str]| {
        let question = agent.question().await;
        assert_eq!(question.target, target);
        question.answer("200 OK", index, nodes).await;
    };
    ask(FIRST, "X-Consul-Index: 40\r\n", &["n1", "n2"]).await;
    ask(&format!("{FIRST}&index=40&wait=5000ms"), "X-Consul-Index: 41\r\n", &["n1", "n2", "n3"]).await;
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 3).await), ["n1", "n2", "n3"]);
    // Those who are missing now are awaited, as after an outage.
    ask(&format!("{FIRST}&index=41&wait=5000ms"), "X-Consul-Index: 7\r\n", &["n4"]).await;
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 4).await), ["n1", "n2", "n3", "n4"]);
    ask(FIRST, "X-Consul-Index: 8\r\n", &["n4", "n1"]).await;
    ask(&format!("{FIRST}&index=8&wait=5000ms"), "X-Consul-Index: 9\r\n", &["n4"]).await;
    assert_eq!(ids(&watch.latest()), ["n1", "n2", "n3", "n4"]);
    // One that is no number is asked for without.
    ask(&format!("{FIRST}&index=9&wait=5000ms"), "X-Consul-Index: ?\r\n", &["n4"]).await;
    ask(FIRST, "", &["n4"]).await;
    ask(FIRST, "X-Consul-Index: 3\r\n", &["n4"]).await;
    ask(&format!("{FIRST}&index=3&wait=5000ms"), "X-Consul-Index: 3\r\n", &["n4"]).await;
    ask(&format!("{FIRST}&index=3&wait=5000ms"), "X-Consul-Index: 3\r\n", &["n4"]).await;
    assert_eq!(logs.all(), "");
}

#[tokio::test]
async fn an_agent_without_a_leader_is_asked_again() {
    let (logs, _guard) = Logs::listen();
    let (agent, registry) = Agent::start().await;
    let (watch, ()) = tokio::join!(registry.watch(Kind::Node), async {
        agent.question().await.answer("500 Internal Server Error", "", &[]).await;
        agent.question().await.answer("429 Too Many Requests", "", &[]).await;
        agent.question().await.answer("200 OK", "X-Consul-Index: 1\r\n", &["n1"]).await;
    });
    let mut watch = watch.unwrap();
    agent.question().await.answer("200 OK", "X-Consul-Index: 1\r\n", &["n1"]).await;
    agent.question().await.answer("500 Internal Server Error", "", &[]).await;
    agent.question().await.answer("200 OK", "X-Consul-Index: 2\r\n", &["n2"]).await;
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["n1", "n2"]);
    assert_eq!(logs.all(), "", "it was never away for long");
}

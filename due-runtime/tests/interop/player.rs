use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use due::codec::RawBody;
use due::packet::Format;
use due::{CallError, Client, Codec, RouteId};
use serde_json::{Value, json};

use crate::ears::{Ears, bytes64, text64};
use crate::go::Go;
use crate::node::PUSH;

/// A client of either language.
pub(crate) struct Player {
    ears: Arc<Ears>,
    of: Of,
}

enum Of {
    Rust(Client),
    /// The process, the number of the connection, and the last seq.
    Go(Arc<Go>, i64, AtomicI64),
}

impl Player {
    pub(crate) async fn rust(url: &str, format: &Format) -> Self {
        // Statuses are in the codec of the gate.
        let client = Client::builder().codec(Codec::Json).format(format.clone()).heartbeat(Duration::from_secs(1));
        let client = client.connect(url).await.unwrap();
        let ears = Arc::new(Ears::default());
        let mut pushes = client.listen(RouteId(PUSH));
        let heard = Arc::clone(&ears);
        // Ends with the connection.
        tokio::spawn(async move {
            while let Some(Ok(body)) = pushes.next().await {
                heard.say(json!({ "say": "message", "route": PUSH, "seq": 0, "body": text64(&body) }));
            }
            heard.say(json!({ "say": "closed" }));
        });
        Self { ears, of: Of::Rust(client) }
    }

    /// One more connection of a process of Go.
    pub(crate) async fn go(go: &Arc<Go>, url: &str) -> Self {
        let (_, addr) = url.split_once("://").expect("a URL");
        let conn = go.ask(json!({ "do": "dial", "addr": addr })).await.unwrap().as_i64().expect("a number");
        Self { ears: Arc::clone(&go.ears), of: Of::Go(Arc::clone(go), conn, AtomicI64::new(0)) }
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self, route: i32, body: &[u8]) -> Vec<u8> {
        self.try_ask(route, body).await.unwrap_or_else(|error| panic!("route {route}: {error}"))
    }

    /// The same where a client of ours may be told that there is no answer.
    pub(crate) async fn try_ask(&self, route: i32, body: &[u8]) -> Result<Vec<u8>, CallError> {
        match &self.of {
            Of::Rust(client) => {
                let request = RawBody(body.to_vec().into());
                client.request(RouteId(route), &request).await.map(|RawBody(answer)| answer.to_vec())
            }
            Of::Go(_, conn, last) => {
                let seq = last.fetch_add(1, Ordering::Relaxed) + 1;
                self.send_numbered(route, seq, body).await;
                let is_answer = |line: &Value| is_of(line, *conn) && line["route"] == route && line["seq"] == seq;
                Ok(bytes64(&self.ears.hear(is_answer).await["body"]))
            }
        }
    }

    pub(crate) async fn ask_text(&self, route: i32, body: &str) -> String {
        String::from_utf8(self.ask(route, body.as_bytes()).await).unwrap()
    }

    /// Sends a message that waits for no answer.
    pub(crate) async fn send(&self, route: i32, body: &[u8]) {
        self.send_numbered(route, 0, body).await;
    }

    /// The same with a seq, as if it did.
    pub(crate) async fn send_numbered(&self, route: i32, seq: i64, body: &[u8]) {
        match &self.of {
            Of::Rust(client) => client.send_packet(RouteId(route), due::Seq(seq as i32), body).await.unwrap(),
            Of::Go(go, conn, _) => {
                let command = json!({ "do": "push", "conn": conn, "route": route, "seq": seq, "body": text64(body) });
                go.ask(command).await.unwrap();
            }
        }
    }

    /// The body of the next push; its seq is 0.
    pub(crate) async fn push(&self) -> Vec<u8> {
        let line = match &self.of {
            Of::Rust(_) => self.ears.hear_a("message").await,
            Of::Go(_, conn, _) => self.ears.hear(|line| is_of(line, *conn) && line["route"] == PUSH).await,
        };
        assert_eq!((&line["route"], &line["seq"]), (&json!(PUSH), &json!(0)));
        bytes64(&line["body"])
    }

    /// The next message of a route that is neither an answer nor a push of the tests; of Go's clients.
    pub(crate) async fn message(&self, route: RouteId) -> Value {
        match &self.of {
            Of::Rust(_) => unreachable!("ours keeps statuses to itself"),
            Of::Go(_, conn, _) => self.ears.hear(|line| is_of(line, *conn) && line["route"] == route.0).await,
        }
    }

    /// Waits until the gate has closed the connection.
    pub(crate) async fn closed(&self) {
        match &self.of {
            Of::Rust(client) => drop(client.closed().await),
            Of::Go(_, conn, _) => drop(self.ears.hear(|line| line["say"] == "closed" && line["conn"] == *conn).await),
        }
    }

    /// A client of Go sends a letter, and reads the answer; with the number of the connection.
    pub(crate) async fn ask_letter(&self, route: i32, letter: &Value) -> Value {
        let Of::Go(_, conn, last) = &self.of else { unreachable!("ours has types for that") };
        let seq = last.fetch_add(1, Ordering::Relaxed) + 1;
        self.send_letter(route, seq, letter).await;
        let answer = self.ears.hear(|line| is_of(line, *conn) && line["seq"] == seq).await;
        assert_eq!(answer["error"], Value::Null);
        answer["letter"].clone()
    }

    /// A client of Go sends a letter.
    pub(crate) async fn send_letter(&self, route: i32, seq: i64, letter: &Value) {
        let Of::Go(go, conn, _) = &self.of else { unreachable!("ours has types for that") };
        let command = json!({ "do": "push", "conn": conn, "route": route, "seq": seq, "letter": letter });
        go.ask(command).await.unwrap();
    }

    /// The letter that a client of Go is pushed next.
    pub(crate) async fn pushed_letter(&self, route: i32) -> Value {
        let push = self.message(RouteId(route)).await;
        assert_eq!((&push["seq"], &push["error"]), (&json!(0), &Value::Null));
        push["letter"].clone()
    }

    pub(crate) async fn close(self) {
        match &self.of {
            Of::Rust(client) => drop(client.close().await),
            Of::Go(go, conn, _) => drop(go.ask(json!({ "do": "close", "conn": conn })).await.unwrap()),
        }
    }
}

fn is_of(line: &Value, conn: i64) -> bool {
    line["say"] == "message" && line["conn"] == conn
}

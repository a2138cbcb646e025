//! What nodes do besides answering clients, seen by real clients and other nodes of the same process.

#[cfg(all(feature = "link", feature = "tcp"))]
mod apart;
mod events;
mod layers;
mod lifecycle;
mod limits;
mod peers;
mod tasks;

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError};
use due::{Body, BoxFuture, Client, Codec, Context, HandlerFuture, Push, Reply, RouteId, RouteSpec, Routes};
use tokio::sync::mpsc;

/// A body or push of plain text.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Text(String);

impl Body for Text {
    const NAME: &'static str = "Text";

    fn encode_body(&self, _: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(())
    }

    fn decode_body(_: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        Ok(text(body))
    }
}

impl Push for Text {
    const ROUTE: RouteId = RouteId::new(100);
}

fn text(text: impl AsRef<[u8]>) -> Text {
    Text(String::from_utf8_lossy(text.as_ref()).into_owned())
}

/// Asks and gives the answer, or what the status says.
async fn ask(client: &Client, route: i32, body: &str) -> String {
    match client.request::<_, Text>(RouteId(route), &text(body)).await {
        Ok(Text(answer)) => answer,
        Err(due::CallError::Status(status)) => format!("{} {}", status.code, status.message),
        Err(other) => other.to_string(),
    }
}

/// What handlers note down, in order.
#[derive(Clone)]
struct Diary(mpsc::UnboundedSender<String>);

impl Diary {
    fn new() -> (Self, Entries) {
        let (notes, entries) = mpsc::unbounded_channel();
        (Self(notes), Entries(entries))
    }

    fn note(&self, entry: impl ToString) {
        self.0.send(entry.to_string()).unwrap();
    }
}

struct Entries(mpsc::UnboundedReceiver<String>);

impl Entries {
    async fn next(&mut self) -> String {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), self.0.recv()).await;
        next.expect("nothing more was noted").expect("nobody notes any more")
    }

    async fn expect(&mut self, entries: &[&str]) {
        for entry in entries {
            assert_eq!(self.next().await, *entry);
        }
    }

    fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

type Handler = Box<dyn for<'a> Fn(&'a mut Context, String) -> BoxFuture<'a, due::Result<String>> + Send + Sync>;

/// Routes of one test, with closures behind them.
struct Table {
    specs: Vec<RouteSpec>,
    handlers: Vec<Handler>,
}

impl Table {
    fn new() -> Self {
        Self { specs: Vec::new(), handlers: Vec::new() }
    }

    fn on<F>(mut self, spec: RouteSpec, handler: F) -> Self
    where
        F: for<'a> Fn(&'a mut Context, String) -> BoxFuture<'a, due::Result<String>> + Send + Sync + 'static,
    {
        self.specs.push(spec);
        self.handlers.push(Box::new(handler));
        self
    }
}

impl Routes for Table {
    fn specs(&self) -> &[RouteSpec] {
        &self.specs
    }

    fn call<'a>(&'a self, index: usize, ctx: &'a mut Context, body: Bytes) -> HandlerFuture<'a> {
        Box::pin(async move {
            let answer = self.handlers[index](ctx, text(body).0).await?;
            if self.specs[index].oneway { Ok(Reply::none()) } else { ctx.reply(&text(answer)) }
        })
    }
}

const fn route(id: i32) -> RouteSpec {
    RouteSpec::new(RouteId::new(id), "tests.Table", "Route")
}

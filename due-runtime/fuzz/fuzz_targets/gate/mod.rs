//! A gate and a node that live as long as the fuzzer, and a bystander that must never notice the other clients.

mod doors;
mod routes;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use due::codec::RawBody;
use due::packet::{ByteOrder, Dialect, Format, Frame, HeartbeatTime, Packet, RouteWidth, SeqWidth};
use due::{App, Audience, Backends, Body, Client, Codec, Gate, Node, RouteId, RunningApp, Status};
use tokio::runtime::{Builder, Runtime};

use doors::{Knock, Messages, Stream};
use routes::{ECHO, LATER};

pub(crate) struct Server {
    runtime: Runtime,
    app: RunningApp,
    format: Format,
    streams: Knock<Stream>,
    messages: Knock<Messages>,
    bystander: Client,
}

impl Server {
    pub(crate) fn start(settings: u8) -> Self {
        let format = match settings {
            0 => Format::new(),
            1 => Format::new().byte_order(ByteOrder::Little).heartbeat_time(HeartbeatTime::Nanos),
            2 => Format::new().route_width(RouteWidth::One).seq_width(SeqWidth::One).max_frame(64),
            _ => Format::new().route_width(RouteWidth::Four).seq_width(SeqWidth::Zero).buffer_bytes(60),
        };
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let guard = runtime.enter();
        let ((door, streams), (hatch, messages)) = (doors::open(Some(Dialect::Sized)), doors::open(None));
        let gate = Gate::builder().heartbeat_interval(Duration::ZERO).transport(door).transport(hatch).build();
        let node = Node::builder().lane(3).serve(routes::table()).build().expect("each route once");
        let app = App::new().backends(Backends::memory().format(format.clone())).gate(gate).node(node);
        let app = runtime.block_on(app.start()).expect("everything is in memory");
        let (read, write) = streams.connect(&format);
        let bystander = Client::builder().heartbeat(Duration::ZERO).format(format.clone()).over(read, write);
        drop(guard);
        Self { runtime, app, format, streams, messages, bystander }
    }

    /// Every packet is answered once, and nothing else comes back.
    pub(crate) fn stream(&self, bytes: &[u8], chunk: usize) {
        let answers = self.runtime.block_on(self.streams.exchange(bytes, chunk));
        let (mut asked, mut heartbeats) = (Vec::new(), 0);
        let mut rest = BytesMut::from(bytes);
        let broken = loop {
            match self.format.split(&mut rest) {
                Ok(Some(unit)) => match self.format.parse(unit) {
                    Ok(Frame::Packet(packet)) => asked.push(packet),
                    Ok(Frame::Heartbeat) => heartbeats += 1,
                    Ok(Frame::KeepAlive) => {}
                    Err(error) if error.is_fatal() => break true,
                    Err(_) => {}
                },
                Ok(None) => break !rest.is_empty(),
                Err(_) => break true,
            }
        };
        let mut answers = BytesMut::from(&answers[..]);
        while let Some(unit) = self.format.split(&mut answers).expect("our own framing") {
            match self.format.parse(unit).expect("our own packet") {
                Frame::Packet(answer) => self.settle(&mut asked, answer),
                _ => heartbeats -= 1,
            }
        }
        assert!(answers.is_empty(), "half an answer: {answers:?}");
        // Nobody waits for the last requests of a peer that cannot be understood any more.
        let given_up = broken && asked.iter().any(|packet| packet.route == LATER);
        assert!(asked.is_empty() || given_up, "not answered: {asked:?}");
        assert_eq!(heartbeats, 0);
        self.nobody_noticed();
    }

    fn settle(&self, asked: &mut Vec<Packet>, answer: Packet) {
        let route = match answer.route {
            RouteId::STATUS => {
                let status = Status::decode_body(&Codec::Proto, &answer.body).expect("our own status");
                RouteId(status.route)
            }
            route => route,
        };
        let at = asked.iter().position(|packet| packet.route == route && packet.seq == answer.seq);
        let packet = asked.remove(at.unwrap_or_else(|| panic!("nobody asked for {answer:?}")));
        if route == ECHO {
            assert_eq!(answer.route == ECHO, packet.body.len() <= self.format.max_body_bytes());
            assert!(answer.route != ECHO || answer.body == packet.body);
        }
    }

    /// As from ws: whole messages, in a dialect that the gate has to find out.
    pub(crate) fn messages(&self, bytes: &[u8], longest: usize) {
        let sent: Vec<Bytes> = cut_up(bytes, longest).map(Bytes::copy_from_slice).collect();
        let count = sent.len();
        let answers = self.runtime.block_on(self.messages.exchange(sent));
        assert!(answers.len() <= count, "{} answers to {count} messages", answers.len());
        for answer in answers {
            let parsed = (self.format.parse(answer.clone()), self.format.parse_sized(answer));
            assert!(parsed.0.is_ok() || parsed.1.is_ok(), "{parsed:?}");
        }
        self.nobody_noticed();
    }

    fn nobody_noticed(&self) {
        self.runtime.block_on(async {
            let asked = RawBody(Bytes::from_static(b"still here"));
            let answer: RawBody = self.bystander.request(ECHO, &asked).await.expect("the gate is alive");
            assert_eq!(answer, asked);
            let cluster = self.app.cluster().expect("a node");
            for _ in 0..100 {
                if cluster.stat(Audience::Sessions).await.delivered == 1 {
                    assert_eq!(cluster.stat(Audience::Users).await.delivered, 0);
                    return;
                }
                tokio::task::yield_now().await;
            }
            panic!("a session stays behind");
        });
    }
}

/// Pieces of `length | bytes`, none longer than `longest`.
fn cut_up(mut bytes: &[u8], longest: usize) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first()?;
        let (piece, rest) = rest.split_at(usize::from(*length).min(longest).min(rest.len()));
        bytes = rest;
        Some(piece)
    })
}

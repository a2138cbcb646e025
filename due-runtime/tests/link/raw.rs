//! Servers without any code of ours: sockets, and numbers written the long way.

use std::net::SocketAddr;

use due::registry::{Instance, InstanceRoute, Kind, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::World;

/// Route 1, seq 2, "hi".
pub(crate) const PACKET: &str = "0000000700000100026869";

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// One connection of the link, from either side.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    /// Calls a server where the registry says it is.
    pub(crate) async fn dial(world: &World, kind: Kind, id: &str) -> Self {
        let instances = world.registry.list(kind).await.unwrap();
        let instance = instances.iter().find(|instance| instance.id == id).unwrap();
        assert!(instance.endpoint.starts_with("drpc://127.0.0.1:"), "{}", instance.endpoint);
        assert!(instance.endpoint.ends_with("?is_secure=false"), "{}", instance.endpoint);
        Self(TcpStream::connect(instance.address().unwrap()).await.unwrap())
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(&hex(text)).await.unwrap();
    }

    #[track_caller]
    pub(crate) fn expect<'a>(&'a mut self, text: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let expected = hex(text);
            let mut got = vec![0; expected.len()];
            self.0.read_exact(&mut got).await.unwrap();
            assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string(), "at {caller}");
        }
    }

    #[track_caller]
    pub(crate) fn asks<'a>(&'a mut self, request: &'a str, answer: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            self.send(request).await;
            let expected = hex(answer);
            let mut got = vec![0; expected.len()];
            self.0.read_exact(&mut got).await.unwrap();
            assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string(), "at {caller}: {request}");
        }
    }

    /// Whatever was sent before has got no answer, for this one comes first.
    #[track_caller]
    pub(crate) fn is_alive(&mut self) -> impl Future<Output = ()> + '_ {
        self.asks("0000000a 00 10 00000000000000ff", "0000000d 00 10 00000000000000ff 0000 01")
    }

    /// A whole frame.
    pub(crate) async fn frame(&mut self) -> Vec<u8> {
        let mut frame = vec![0; 4];
        self.0.read_exact(&mut frame).await.unwrap();
        let size = u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize;
        frame.resize(4 + size, 0);
        self.0.read_exact(&mut frame[4..]).await.unwrap();
        frame
    }

    /// The server closes, with nothing more to say; then this side does.
    pub(crate) async fn closed(mut self) {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = self.0.read_to_end(&mut rest).await;
        assert_eq!(rest.escape_ascii().to_string(), "");
    }
}

/// A server that only the registry believes in.
pub(crate) struct Fake {
    listener: TcpListener,
    pub(crate) instance: Instance,
}

impl Fake {
    pub(crate) async fn gate(world: &World, id: &str) -> Self {
        Self::register(world, Instance::new(Kind::Gate, id)).await
    }

    /// Serves routes 1, and 2 for users that are bound to it.
    pub(crate) async fn node(world: &World, id: &str) -> Self {
        let mut instance = Instance::new(Kind::Node, id);
        instance.weight = 1;
        instance.events = vec![1, 2, 3];
        instance.routes = vec![
            InstanceRoute { id: 1, ..InstanceRoute::default() },
            InstanceRoute { id: 2, stateful: true, ..InstanceRoute::default() },
        ];
        Self::register(world, instance).await
    }

    async fn register(world: &World, mut instance: Instance) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        instance.endpoint = format!("drpc://{}?is_secure=false", listener.local_addr().unwrap());
        world.registry.register(instance.clone()).await.unwrap();
        Self { listener, instance }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next caller, before its handshake is answered.
    pub(crate) async fn accept(&self) -> Peer {
        Peer(self.listener.accept().await.unwrap().0)
    }

    /// The next caller, who says that it is this.
    pub(crate) async fn greet(&self, kind: u8, id: &str) -> Peer {
        let mut peer = self.accept().await;
        let hello = [&hex("00 01 0000000000000001")[..], &[kind], id.as_bytes()].concat();
        let hello = [&(hello.len() as u32).to_be_bytes()[..], &hello].concat();
        assert_eq!(peer.frame().await.escape_ascii().to_string(), hello.escape_ascii().to_string());
        peer.send("0000000c 00 01 0000000000000001 0000").await;
        peer
    }
}

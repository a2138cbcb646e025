//! What every transport promises.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// A transport and the way to connect to it.
trait Kind {
    type Transport: Transport;
    type Read: PacketRead;
    type Write: PacketWrite;
    type Address;

    async fn listen() -> (Self::Transport, Self::Address);
    async fn connect(address: &Self::Address, format: Arc<Format>) -> io::Result<(Self::Read, Self::Write)>;
}

struct OverMem;

impl Kind for OverMem {
    type Transport = mem::Mem;
    type Read = mem::MemRead;
    type Write = mem::MemWrite;
    type Address = mem::MemConnector;

    async fn listen() -> (mem::Mem, mem::MemConnector) {
        mem::listener()
    }

    async fn connect(address: &mem::MemConnector, format: Arc<Format>) -> io::Result<(Self::Read, Self::Write)> {
        address.connect(format).await
    }
}

#[cfg(feature = "tcp")]
struct OverTcp;

#[cfg(feature = "tcp")]
impl Kind for OverTcp {
    type Transport = super::super::tcp::Tcp;
    type Read = FramedRead<StreamRead>;
    type Write = FramedWrite<StreamWrite>;
    type Address = String;

    async fn listen() -> (Self::Transport, String) {
        let transport = super::super::tcp::Tcp::bind("127.0.0.1:0").await.unwrap();
        let url = transport.local_addr();
        (transport, url.strip_prefix("tcp://").unwrap().to_owned())
    }

    async fn connect(address: &String, format: Arc<Format>) -> io::Result<(Self::Read, Self::Write)> {
        super::super::tcp::connect(address, format).await
    }
}

/// Patient as the defaults are, 30 MB would take minutes.
#[cfg(feature = "kcp")]
struct OverKcp;

#[cfg(feature = "kcp")]
impl OverKcp {
    fn settings() -> super::super::kcp::Settings {
        super::super::kcp::Settings::fast().windows(1024, 1024).receive_buffer(4 << 20)
    }
}

#[cfg(feature = "kcp")]
impl Kind for OverKcp {
    type Transport = super::super::kcp::Kcp;
    type Read = super::super::kcp::KcpRead;
    type Write = super::super::kcp::KcpWrite;
    type Address = String;

    async fn listen() -> (Self::Transport, String) {
        let transport = super::super::kcp::Kcp::bind("127.0.0.1:0").await.unwrap().settings(Self::settings());
        let url = transport.local_addr();
        (transport, url.strip_prefix("kcp://").unwrap().to_owned())
    }

    async fn connect(address: &String, format: Arc<Format>) -> io::Result<(Self::Read, Self::Write)> {
        super::super::kcp::connect(address, Self::settings(), format).await
    }
}

#[cfg(feature = "ws")]
struct OverWs;

#[cfg(feature = "ws")]
impl Kind for OverWs {
    type Transport = super::super::ws::Ws;
    type Read = super::super::ws::WsRead<Stream>;
    type Write = super::super::ws::WsWrite<Stream>;
    type Address = String;

    async fn listen() -> (Self::Transport, String) {
        let transport = super::super::ws::Ws::bind("127.0.0.1:0").await.unwrap();
        let url = transport.local_addr();
        (transport, url)
    }

    async fn connect(address: &String, format: Arc<Format>) -> io::Result<(Self::Read, Self::Write)> {
        super::super::ws::connect(address, format).await
    }
}

/// tcp and ws again, over TLS.
#[cfg(all(feature = "tls", feature = "tcp", feature = "ws"))]
mod secure {
    use super::super::super::tls::{TlsClient, TlsServer};
    use super::*;

    pub(super) struct OverTls;
    pub(super) struct OverWss;

    fn pair() -> (TlsServer, TlsClient) {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
        let client = TlsClient::from_pem(chain.as_bytes()).unwrap().server_name("localhost").unwrap();
        (TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).unwrap(), client)
    }

    impl Kind for OverTls {
        type Transport = super::super::super::tcp::Tcp;
        type Read = FramedRead<StreamRead>;
        type Write = FramedWrite<StreamWrite>;
        type Address = (String, TlsClient);

        async fn listen() -> (Self::Transport, Self::Address) {
            let (server, client) = pair();
            let transport = super::super::super::tcp::Tcp::bind("127.0.0.1:0").await.unwrap().tls(server);
            let url = transport.local_addr();
            (transport, (url.strip_prefix("tls://").unwrap().to_owned(), client))
        }

        async fn connect((addr, tls): &Self::Address, format: Arc<Format>) -> io::Result<(Self::Read, Self::Write)> {
            super::super::super::tcp::connect_tls(addr, tls, format).await
        }
    }

    impl Kind for OverWss {
        type Transport = super::super::super::ws::Ws;
        type Read = super::super::super::ws::WsRead<Stream>;
        type Write = super::super::super::ws::WsWrite<Stream>;
        type Address = (String, TlsClient);

        async fn listen() -> (Self::Transport, Self::Address) {
            let (server, client) = pair();
            let transport = super::super::super::ws::Ws::bind("127.0.0.1:0").await.unwrap().tls(server);
            let url = transport.local_addr();
            (transport, (url, client))
        }

        async fn connect((url, tls): &Self::Address, format: Arc<Format>) -> io::Result<(Self::Read, Self::Write)> {
            super::super::super::ws::connect_tls(url, tls, format).await
        }
    }
}

type Ends<K> = (
    (<K as Kind>::Read, <K as Kind>::Write),
    (
        <<<K as Kind>::Transport as Transport>::Incoming as Incoming>::Read,
        <<<K as Kind>::Transport as Transport>::Incoming as Incoming>::Write,
    ),
);

/// A client and its session.
async fn connected<K: Kind>(client: Arc<Format>, session: Arc<Format>) -> Ends<K> {
    let (mut transport, address) = K::listen().await;
    let accept = async {
        let (incoming, _) = transport.accept().await;
        let opened = incoming.open(session).await.unwrap();
        (opened.read, opened.write)
    };
    let (client, session) = tokio::join!(K::connect(&address, client), accept);
    (client.unwrap(), session)
}

async fn packets_arrive_in_order<K: Kind>() {
    let format = format();
    let ((mut client_read, mut client_write), (mut session_read, mut session_write)) =
        connected::<K>(format.clone(), format.clone()).await;
    for lens in [vec![3], vec![0, 5000, 1, 4999, 2], vec![10; 2000]] {
        let bodies: Vec<Vec<u8>> = lens.iter().enumerate().map(|(i, len)| vec![i as u8; *len]).collect();
        let mut batch: Vec<Bytes> = bodies.iter().zip(1..).map(|(body, seq)| packet(&format, seq, body)).collect();
        let echo = async {
            for (body, seq) in bodies.iter().zip(1..) {
                assert_eq!(next(&mut session_read, &format).await, (seq, Bytes::copy_from_slice(body)));
                session_write.write(&mut vec![packet(&format, seq, body)], Dialect::Sized).await.unwrap();
            }
        };
        let back = async {
            for (body, seq) in bodies.iter().zip(1..) {
                assert_eq!(next(&mut client_read, &format).await, (seq, Bytes::copy_from_slice(body)));
            }
        };
        let (wrote, (), ()) = tokio::join!(client_write.write(&mut batch, Dialect::Sized), echo, back);
        wrote.unwrap();
        assert!(batch.is_empty());
    }
}

async fn a_batch_is_read_without_waiting_again<K: Kind>() {
    let format = format();
    let ((_read, mut write), (mut read, _write)) = connected::<K>(format.clone(), format.clone()).await;
    let mut batch = (1..=20).map(|seq| packet(&format, seq, b"x")).collect();
    write.write(&mut batch, Dialect::Sized).await.unwrap();
    assert_eq!(next(&mut read, &format).await.0, 1);
    for seq in 2..=20 {
        let inbound = read.buffered().expect("written together").unwrap();
        assert_eq!(seq_and_body(frame(&format, inbound)).0, seq);
    }
    assert!(read.buffered().is_none());
    write.write(&mut vec![packet(&format, 21, b"x")], Dialect::Sized).await.unwrap();
    assert_eq!(next(&mut read, &format).await.0, 21, "looking for more has lost no wake-up");
}

async fn a_dropped_read_loses_nothing<K: Kind>() {
    let format = format();
    let ((_read, mut write), (mut read, _write)) = connected::<K>(format.clone(), format.clone()).await;
    for seq in 1..=3 {
        assert!(poll_once(read.read()).is_pending());
        write.write(&mut vec![packet(&format, seq, b"x")], Dialect::Sized).await.unwrap();
        assert_eq!(next(&mut read, &format).await.0, seq);
    }
}

async fn closing_one_end_ends_the_other<K: Kind>() {
    let format = format();
    let ((client_read, mut client_write), (mut read, _write)) = connected::<K>(format.clone(), format.clone()).await;
    client_write.write(&mut vec![packet(&format, 1, b"last words")], Dialect::Sized).await.unwrap();
    client_write.close(CloseReason::Normal).await;
    drop((client_read, client_write));
    assert_eq!(next(&mut read, &format).await.0, 1);
    assert!(read.read().await.unwrap().is_none());

    let ((mut read, _write), session) = connected::<K>(format.clone(), format.clone()).await;
    drop(session);
    assert!(read.read().await.unwrap().is_none(), "also without goodbye");
}

async fn a_slow_reader_makes_the_writer_wait<K: Kind>() {
    const PACKETS: i32 = 6_000;
    let format = format();
    let ((_read, mut write), (mut read, _write)) = connected::<K>(format.clone(), format.clone()).await;
    let mut batch: Vec<Bytes> = (1..=PACKETS).map(|seq| packet(&format, seq, &[7; 5000])).collect();
    {
        let mut write = pin!(write.write(&mut batch, Dialect::Sized));
        for _ in 0..1000 {
            assert!(poll_once(write.as_mut()).is_pending(), "nobody reads 30 MB");
            tokio::task::yield_now().await;
        }
        let all = async {
            for seq in 1..=PACKETS {
                assert_eq!(next(&mut read, &format).await.0, seq);
            }
        };
        let (wrote, ()) = tokio::join!(write, all);
        wrote.unwrap();
    }
    assert!(batch.is_empty());
}

/// A gate's packets are parts of what it has read from a node at once.
async fn what_has_to_wait_keeps_nothing_else<K: Kind>() {
    const PACKETS: usize = 100;
    let format = format();
    let ((_read, mut write), (mut read, _write)) = connected::<K>(format.clone(), format.clone()).await;
    let whole = Bytes::from(packet(&format, 1, &[7; 1000]).repeat(PACKETS));
    let mut batch = Vec::new();
    let parts = || whole.chunks(whole.len() / PACKETS).map(|part| whole.slice_ref(part));
    {
        let mut writing = pin!(async {
            loop {
                batch.extend(parts());
                write.write(&mut batch, Dialect::Sized).await.unwrap();
            }
        });
        for _ in 0..1000 {
            assert!(poll_once(writing.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
        assert!(whole.is_unique(), "parts of it are kept");
        let reading = async {
            for _ in 0..PACKETS * 20 {
                assert_eq!(next(&mut read, &format).await, (1, Bytes::from_static(&[7; 1000])));
            }
        };
        tokio::select! {
            () = writing => unreachable!("it goes on for ever"),
            () = reading => {}
        }
    }
}

async fn too_large_a_frame_is_fatal<K: Kind>() {
    let roomy = Arc::new(Format::new().buffer_bytes(200_000));
    let ((_read, mut write), (mut read, mut session_write)) = connected::<K>(roomy.clone(), format()).await;
    write.write(&mut vec![packet(&roomy, 1, &[0; 65_531])], Dialect::Sized).await.unwrap();
    assert_eq!(next(&mut read, &format()).await.1.len(), 65_531);
    write.write(&mut vec![packet(&roomy, 2, &[0; 65_532])], Dialect::Sized).await.unwrap();
    let err = read.read().await.unwrap_err();
    assert!(matches!(err, ReadError::Frame(DecodeError::TooLarge { size: 65_537, limit: 65_536 })), "{err:?}");
    assert_eq!(err.close_reason(), CloseReason::TooLarge);
    session_write.close(err.close_reason()).await;
}

async fn nobody_listens<K: Kind>() {
    let (transport, address) = K::listen().await;
    drop(transport);
    let err = K::connect(&address, format()).await.map(|_| ()).unwrap_err();
    assert_eq!(err.kind(), io::ErrorKind::ConnectionRefused);
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

macro_rules! contract {
    ($($test:ident),*; of sockets: $($socket:ident),*) => {
        contract!(@kind over_mem OverMem, $($test),*);
        contract!(@sockets $($test,)* $($socket),*);
    };
    (@sockets $($test:ident),*) => {
        #[cfg(feature = "tcp")]
        contract!(@kind over_tcp OverTcp, $($test),*);
        #[cfg(feature = "kcp")]
        contract!(@kind over_kcp OverKcp, $($test),*);
        #[cfg(feature = "ws")]
        contract!(@kind over_ws OverWs, $($test),*);
        #[cfg(all(feature = "tls", feature = "tcp", feature = "ws"))]
        contract!(@kind over_tls secure::OverTls, $($test),*);
        #[cfg(all(feature = "tls", feature = "tcp", feature = "ws"))]
        contract!(@kind over_wss secure::OverWss, $($test),*);
    };
    (@kind $kind:ident $type:path, $($test:ident),*) => {
        mod $kind {
            use super::*;

            $(
                #[tokio::test]
                async fn $test() {
                    super::$test::<$type>().await;
                }
            )*
        }
    };
}

contract!(
    packets_arrive_in_order,
    a_batch_is_read_without_waiting_again,
    a_dropped_read_loses_nothing,
    closing_one_end_ends_the_other,
    a_slow_reader_makes_the_writer_wait,
    too_large_a_frame_is_fatal,
    nobody_listens;
    of sockets: what_has_to_wait_keeps_nothing_else
);

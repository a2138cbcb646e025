use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::super::tcp::Tcp;
use super::*;

async fn raw() -> (TcpStream, impl PacketRead) {
    let mut transport = Tcp::bind("127.0.0.1:0").await.unwrap();
    let url = transport.local_addr();
    let client = TcpStream::connect(url.strip_prefix("tcp://").unwrap()).await.unwrap();
    client.set_nodelay(true).unwrap();
    let (incoming, peer) = transport.accept().await;
    assert_eq!(peer, Peer::Addr(client.local_addr().unwrap()));
    (client, incoming.open(format()).await.unwrap().read)
}

#[tokio::test]
async fn byte_by_byte_is_a_packet_too() {
    let (mut client, mut read) = raw().await;
    let format = format();
    let send = async {
        for byte in packet(&format, 7, b"slow") {
            client.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        client.write_all(&[0; 4]).await.unwrap();
    };
    let receive = async {
        assert_eq!(next(&mut read, &format).await, (7, Bytes::from_static(b"slow")));
        assert_eq!(read.read().await.unwrap(), Some(Inbound::Unit(Bytes::new())), "a keep-alive");
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn a_packet_cut_off_is_an_error() {
    let (mut client, mut read) = raw().await;
    client.write_all(&packet(&format(), 7, b"half")[..9]).await.unwrap();
    drop(client);
    assert!(matches!(read.read().await, Err(ReadError::Io(err)) if err.kind() == io::ErrorKind::UnexpectedEof));
}

#[tokio::test]
async fn an_impossible_size_is_fatal_before_its_body_comes() {
    let (mut client, mut read) = raw().await;
    client.write_all(&[0xff, 0xff, 0xff, 0xfc]).await.unwrap();
    let err = read.read().await.unwrap_err();
    assert!(matches!(err, ReadError::Frame(DecodeError::TooLarge { size: 0xffff_fffc, .. })), "{err:?}");
}

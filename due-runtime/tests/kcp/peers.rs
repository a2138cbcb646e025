//! Another implementation of KCP at the other end.

use due::transport::kcp::Settings;
use due::{Client, RouteId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_kcp::{KcpConfig, KcpListener, KcpNoDelayConfig, KcpStream};

use crate::world::{ECHO, World, echoes, heartbeat, packet};

fn config(stream: bool) -> KcpConfig {
    KcpConfig { nodelay: KcpNoDelayConfig::fastest(), flush_write: true, stream, ..KcpConfig::default() }
}

#[tokio::test]
async fn its_client_is_served_by_our_gate() {
    for (settings, stream) in [(Settings::fast(), true), (Settings::fast(), false), (Settings::default(), true)] {
        let world = World::with(settings, |gate| gate).await;
        let mut client = KcpStream::connect(&config(stream), world.addr()).await.unwrap();
        client.write_all(&heartbeat()).await.unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, *heartbeat());
        for (seq, len) in [1, 0, 5000, 1376, 3000, 2, 4999].into_iter().enumerate() {
            let packet = packet(ECHO, seq as i32, &vec![seq as u8; len]);
            client.write_all(&packet).await.unwrap();
            let mut answer = vec![0; packet.len()];
            client.read_exact(&mut answer).await.unwrap();
            assert!(answer == packet, "{len} bytes");
        }
        world.until(1, 0).await;
        world.app.stop().await;
    }
}

#[tokio::test]
async fn its_server_serves_our_client() {
    for stream in [true, false] {
        let mut listener = KcpListener::bind(config(stream), "127.0.0.1:0").await.unwrap();
        let url = format!("kcp://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut buf = [0; 4096];
            while let Ok(len @ 1..) = client.read(&mut buf).await {
                client.write_all(&buf[..len]).await.unwrap();
            }
        });
        for settings in [Settings::fast()] {
            let client = Client::builder().kcp(settings).connect(&url).await.unwrap();
            for len in [1, 0, 5000, 1376, 3000, 2, 4999] {
                echoes(&client, vec![len as u8; len]).await;
            }
            // Packets that nobody asked for come as well.
            let mut pushes = client.listen(RouteId::new(9));
            client.send_packet(RouteId::new(9), due::Seq::NONE, b"push").await.unwrap();
            assert_eq!(pushes.next().await.unwrap().unwrap(), &b"push"[..]);
            client.close().await;
        }
        server.abort();
    }
}

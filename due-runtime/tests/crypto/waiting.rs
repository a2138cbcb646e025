use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use due::codec::{BoxError, RawBody};
use due::crypto::Encryptor;
use due::testing::Harness;
use due::{Client, Context, RouteId};

use crate::mirrored;

/// Decrypts `slow` when it is told to.
#[derive(Clone, Debug)]
struct Patient {
    begun: Arc<Mutex<Sender<()>>>,
    go: Arc<Mutex<Receiver<()>>>,
}

impl Encryptor for Patient {
    fn name(&self) -> &str {
        "patient"
    }

    fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(mirrored(data))
    }

    fn decrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        match data {
            b"slow" => {
                self.begun.lock().unwrap().send(())?;
                self.go.lock().unwrap().recv()?;
            }
            b"broken" => panic!("as it was told"),
            _ => {}
        }
        Ok(data.to_vec())
    }
}

#[due::route(11)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

struct World {
    harness: Harness,
    begun: Receiver<()>,
    go: Sender<()>,
}

async fn world() -> World {
    let ((begins, begun), (go, goes)) = (channel(), channel());
    let encryptor = Patient { begun: Arc::new(Mutex::new(begins)), go: Arc::new(Mutex::new(goes)) };
    let harness = Harness::builder().encryptor(encryptor).serve(due::routes![echo]).start().await.unwrap();
    World { harness, begun, go }
}

impl World {
    /// One that says what is on the wire.
    async fn client(&self) -> Client {
        self.harness.client_with(Client::builder()).await.unwrap()
    }
}

async fn ask(client: &Client, body: &'static str) -> String {
    let RawBody(answer) = client.request(RouteId(11), &RawBody(body.into())).await.unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}

/// All of the program has one thread, which a decryption would hold.
#[tokio::test]
async fn a_decryption_that_takes_long_keeps_no_other_session_waiting() {
    let world = world().await;
    let (slow, quick) = (world.client().await, world.client().await);
    let slow = tokio::spawn(async move { ask(&slow, "slow").await });
    while world.begun.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&quick, "").await, "");
    assert!(!slow.is_finished());
    world.go.send(()).unwrap();
    assert_eq!(slow.await.unwrap(), "slow");
    world.harness.stop().await;
}

#[tokio::test]
async fn what_one_session_sends_stays_in_order() {
    let world = world().await;
    let client = world.client().await;
    let asked = [(); 8].map(|()| client.clone()).into_iter().enumerate().map(async |(i, client)| {
        let answer = ask(&client, if i == 0 { "slow" } else { "" }).await;
        (i, answer)
    });
    let mut answers = futures_util::stream::FuturesUnordered::from_iter(asked);
    let first = tokio::join!(futures_util::StreamExt::next(&mut answers), async {
        while world.begun.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        world.go.send(()).unwrap();
    });
    assert_eq!(first.0, Some((0, "slow".to_owned())), "seven need no decryption, and wait for it");
    let rest: Vec<_> = futures_util::StreamExt::collect(answers).await;
    assert_eq!(rest.len(), 7);
    world.harness.stop().await;
}

#[tokio::test]
async fn an_encryptor_that_panics_costs_that_message() {
    let world = world().await;
    let client = world.client().await;
    let broken = client.request::<_, RawBody>(RouteId(11), &RawBody("broken".into())).await.unwrap_err();
    assert_eq!(broken.to_string(), "the server answers internal error: undecodable body");
    assert_eq!(ask(&client, "still here").await, "still here");
    world.harness.stop().await;
}

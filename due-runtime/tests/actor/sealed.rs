//! Rooms whose members encrypt what they say.

use due::Client;
use due::codec::BoxError;
use due::crypto::Encryptor;

use crate::{World, ask};

#[derive(Debug)]
struct Reversed;

impl Encryptor for Reversed {
    fn name(&self) -> &str {
        "reversed"
    }

    fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(data.iter().rev().copied().collect())
    }

    fn decrypt(&self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        match data.is_ascii() {
            true => self.encrypt(data),
            false => Err("not reversed".into()),
        }
    }
}

#[tokio::test]
async fn a_room_reads_what_its_members_encrypt() {
    let mut world = World::start_with::<4096>(|builder| builder.encryptor(Reversed)).await;
    let users = world.room("a", &[1, 2]).await;
    assert_eq!(ask(&users[0], 11, "12").await, "12");
    assert_eq!(ask(&users[1], 11, "30").await, "42");
    let plain = world.harness.client_with(Client::builder()).await.unwrap();
    assert_eq!(ask(&plain, 1, "3").await, "enod", "on the wire");
    assert_eq!(ask(&plain, 3, "a").await, "enod");
    assert_eq!(ask(&plain, 11, "85").await, "001");
    assert_eq!(ask(&plain, 11, "é").await, "6 undecodable body");
    assert_eq!(ask(&users[0], 11, "0").await, "100");
    world.harness.stop().await;
}

//! Through a line that loses, doubles and reorders.

use std::time::Duration;

use due::transport::kcp::Settings;
use due::{Client, Disconnect};
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::line::{Line, Weather};
use crate::world::{NOTIFY, Note, World, echoes};

const FINE: Weather = Weather { lost: 0, doubled: 0, late: 0 };

#[tokio::test]
async fn nothing_is_lost_doubled_or_out_of_order() {
    for (seed, lost) in [(1, 5), (2, 20), (3, 35)] {
        let world = World::start().await;
        let line = Line::to(world.addr(), Weather { lost, doubled: 10, late: 20 }, seed).await;
        let client = Client::builder().kcp(Settings::fast()).timeout(Duration::from_secs(60));
        let client = client.connect(&line.url()).await.unwrap();
        let mut dice = Dice::new(seed);
        let mut calls = JoinSet::new();
        for number in 0..100u8 {
            let (client, body) = (client.clone(), vec![number; dice.below(4000) as usize]);
            calls.spawn(async move { echoes(&client, body).await });
        }
        calls.join_all().await;
        let mut notes = client.pushes::<Note>();
        for number in 0..20u8 {
            let body = due::codec::RawBody(vec![number; 10].into());
            let _: due::codec::RawBody = client.request(NOTIFY, &body).await.unwrap();
            for _ in 0..2 {
                assert_eq!(notes.next().await.unwrap().unwrap(), Note(vec![number; 10].into()));
            }
        }
        assert!(line.lost() > 0);
        assert_eq!(world.sessions(), (1, 0));
        client.close().await;
        world.app.stop().await;
    }
}

#[tokio::test]
async fn the_defaults_survive_a_bad_line_too() {
    let world = World::with(Settings::default(), |gate| gate).await;
    let line = Line::to(world.addr(), Weather { lost: 10, doubled: 10, late: 10 }, 5).await;
    let client = Client::builder().timeout(Duration::from_secs(60)).connect(&line.url()).await.unwrap();
    let mut calls = JoinSet::new();
    for number in 0..20u8 {
        let client = client.clone();
        calls.spawn(async move { echoes(&client, vec![number; 500]).await });
    }
    calls.join_all().await;
    client.close().await;
    world.app.stop().await;
}

#[tokio::test]
async fn a_line_that_falls_silent_is_noticed_at_both_ends() {
    let interval = Duration::from_millis(200);
    let world = World::with(Settings::fast(), |gate| gate.heartbeat_interval(interval)).await;
    let line = Line::to(world.addr(), FINE, 1).await;
    let client = Client::builder().kcp(Settings::fast()).heartbeat(interval).connect(&line.url()).await.unwrap();
    echoes(&client, vec![1; 100]).await;
    line.fall_silent();
    assert!(matches!(client.closed().await, Disconnect::Silent));
    world.until(1, 1).await;
    world.app.stop().await;
}

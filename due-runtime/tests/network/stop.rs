//! A gate that stops while some of its clients are out of reach.

use std::time::Duration;

use due::locator::Locator;
use due::{Audience, Disconnect, PushExt, Uid};
use tokio::time::{Instant, sleep};

use crate::game::{Game, INTERVAL, Tick, WORK, ask};
use crate::sim::Weather;

const DRAIN: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn clients_out_of_reach_hold_a_stop_up_no_longer_than_its_deadline() {
    let game = Game::start_with(21, |gate| gate.drain(DRAIN)).await;
    let mut clients = Vec::new();
    for index in 0..12 {
        let (client, line) = game.user(Uid(1 + index), Weather::FINE).await;
        match index % 4 {
            0 => line.up.swallow(),
            1 => line.down.swallow(),
            2 => line.down.stall(),
            _ => {}
        }
        clients.push((client, line));
    }
    for _ in 0..200 {
        Tick.broadcast(game.cluster(), Audience::Sessions).await.unwrap();
        tokio::task::yield_now().await;
    }
    let asked = clients[3].0.clone();
    let asked = tokio::spawn(async move { ask(&asked, WORK, "2000").await });
    sleep(Duration::from_secs(1)).await;

    let begun = Instant::now();
    let locator = game.locator.clone();
    game.app.stop().await;
    assert!(begun.elapsed() <= DRAIN + Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(asked.await.unwrap().unwrap(), "2000", "what was accepted is answered");
    for (index, (client, _)) in clients.iter().enumerate() {
        assert_eq!(locator.locate_gate(Uid(1 + index as i64)).await.unwrap(), None);
        match index % 4 {
            // The goodbye does not reach them.
            1 | 2 => {}
            _ => assert!(matches!(client.closed().await, Disconnect::GoingAway(_))),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_a_storm_is_a_stop() {
    let game = Game::start_with(22, |gate| gate.drain(DRAIN)).await;
    let mut clients = Vec::new();
    for index in 0..20u32 {
        let weather = Weather { loss: 300, ..Weather::delayed(INTERVAL / 4, INTERVAL / 4) };
        let (client, line) = game.client(Weather::FINE).await;
        line.up.weather(weather);
        line.down.weather(weather);
        let calls = (0..30).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, WORK, &index.to_string()).await })
        });
        clients.push((calls.collect::<Vec<_>>(), client, line));
    }
    sleep(INTERVAL / 2).await;
    let begun = Instant::now();
    game.app.stop().await;
    assert!(begun.elapsed() <= DRAIN + Duration::from_secs(12), "{:?}", begun.elapsed());
    for (calls, client, _line) in clients {
        client.closed().await;
        for call in calls {
            drop(call.await.unwrap());
        }
    }
}

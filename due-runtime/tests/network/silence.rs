//! Half-open connections: one side is gone and the other is not told.

use std::time::Duration;

use due::{CallError, Client, Close, Disconnect, PushExt, Uid};
use tokio::time::{Instant, sleep};

use crate::game::{ECHO, Game, INTERVAL, LOGIN, Tick, WORK, ask, user};
use crate::sim::Weather;

const USER: Uid = Uid(7);

#[tokio::test(start_paused = true)]
async fn a_client_that_fell_silent_is_given_up_and_its_user_comes_back() {
    let game = Game::start(11).await;
    let (silent, line) = game.user(USER, Weather::FINE).await;
    sleep(INTERVAL / 4).await;
    line.up.swallow();
    let found = game.until_empty().await;
    assert!((2 * INTERVAL..=3 * INTERVAL).contains(&found), "{found:?}");
    assert!(!game.is_known(USER).await);
    silent.closed().await;

    let (back, _line) = game.user(USER, Weather::FINE).await;
    assert!(game.is_known(USER).await);
    let mut ticks = back.pushes::<Tick>();
    Tick.push(game.cluster(), USER).await.unwrap();
    ticks.next().await.unwrap().unwrap();
    game.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_need_not_wait_until_his_last_connection_is_given_up() {
    let game = Game::start(12).await;
    for net in [&game.net, &game.other] {
        let (_silent, line) = game.user(USER, Weather::FINE).await;
        sleep(INTERVAL / 4).await;
        line.up.swallow();
        line.down.swallow();
        let (back, _line) = user(net, USER, Weather::FINE).await;
        let mut ticks = back.pushes::<Tick>();
        for round in 0..40 {
            Tick.push(game.cluster(), USER).await.unwrap();
            ticks.next().await.unwrap().unwrap();
            assert!(round == 0 || game.sessions().await == 1, "the silent one goes at once");
            sleep(Duration::from_secs(1)).await;
        }
        assert!(game.is_known(USER).await, "the silent one took nothing along");
        back.close().await;
        game.until_empty().await;
        assert!(!game.is_known(USER).await);
    }
    game.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_fell_silent_is_noticed_and_its_calls_fail() {
    let game = Game::start(13).await;
    let (read, write, line) = game.net.connect(&game.format, Weather::FINE).await.unwrap();
    let client = Client::builder().heartbeat(INTERVAL).timeout(Duration::from_secs(600)).over(read, write);
    ask(&client, LOGIN, "7").await.unwrap();
    let (work, echo) = (client.clone(), client.clone());
    let work = tokio::spawn(async move { ask(&work, WORK, "60000").await });
    let mut ticks = client.pushes::<Tick>();
    line.down.swallow();
    let begun = Instant::now();
    let echo = tokio::spawn(async move { ask(&echo, ECHO, "hello?").await });
    for call in [work, echo] {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Closed));
        assert_eq!(error.to_string(), "the connection is closed");
    }
    assert!((2 * INTERVAL..=3 * INTERVAL).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert!(matches!(client.closed().await, Disconnect::Silent));
    assert!(ticks.next().await.is_none());
    assert!(matches!(ask(&client, ECHO, "again").await, Err(CallError::Closed)), "later calls fail at once");
    game.until_empty().await;
    assert!(!game.is_known(USER).await);
    game.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_ends_of_a_dead_line_both_notice() {
    let game = Game::start(14).await;
    let (client, line) = game.user(USER, Weather::FINE).await;
    sleep(INTERVAL / 4).await;
    line.up.swallow();
    line.down.swallow();
    let found = game.until_empty().await;
    assert!((2 * INTERVAL..=3 * INTERVAL).contains(&found), "{found:?}");
    assert!(!game.is_known(USER).await);
    assert!(matches!(client.closed().await, Disconnect::Silent));
    game.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_unheard_is_given_up_as_well() {
    let game = Game::start(15).await;
    let (client, line) = game.user(USER, Weather::FINE).await;
    line.up.swallow();
    client.close().await;
    assert_eq!(game.sessions().await, 1, "the gate was not told");
    assert!(game.until_empty().await <= 3 * INTERVAL);
    assert!(!game.is_known(USER).await);
    game.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_stalls_for_less_than_an_interval_loses_nothing() {
    let game = Game::start(16).await;
    let (client, line) = game.user(USER, Weather::FINE).await;
    for round in 0..50 {
        let way = if round % 2 == 0 { &line.up } else { &line.down };
        way.stall();
        let asking = client.clone();
        let asked = tokio::spawn(async move { ask(&asking, ECHO, "patience").await });
        sleep(INTERVAL - Duration::from_secs(1)).await;
        way.resume();
        assert_eq!(asked.await.unwrap().unwrap(), "patience");
    }
    client.close().await;
    game.until_empty().await;
    game.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_go_and_does_not_listen_goes_as_well() {
    let game = Game::start(17).await;
    let (client, line) = game.user(USER, Weather::FINE).await;
    sleep(INTERVAL / 4).await;
    line.down.stall();
    for _ in 0..200 {
        Tick.push(game.cluster(), USER).await.unwrap();
    }
    game.cluster().disconnect(USER, Close::Graceful).await.unwrap();
    let gone = game.until_empty().await;
    assert!(gone <= 3 * INTERVAL, "{gone:?}");
    assert!(!game.is_known(USER).await);
    line.down.resume();
    assert!(matches!(client.closed().await, Disconnect::ByPeer | Disconnect::Silent));
    game.app.stop().await;
}

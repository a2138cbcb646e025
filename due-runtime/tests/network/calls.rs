//! Requests and pushes on lines that are slow, lossy or stuck.

use std::time::Duration;

use due::{Audience, CallError, OutboxLimits, PushExt, Pushes, RouteId, Uid};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::game::{ECHO, Game, INTERVAL, Tick, WORK, ask, running};
use crate::sim::Weather;

const SLOW: Weather = Weather::delayed(Duration::from_millis(200), Duration::from_millis(150));

#[tokio::test(start_paused = true)]
async fn however_slow_the_line_everything_is_answered_once_and_in_order() {
    const REQUESTS: i32 = 2000;
    let game = Game::start(1).await;
    let (mut answers, mut requests, _line) = game.raw(SLOW).await;
    let body = |seq: i32| (seq % 40).to_string();
    let send = async {
        for seq in 1..=REQUESTS {
            let route = if seq % 7 == 0 { WORK } else { ECHO };
            requests.send(route, seq, &body(seq)).await.unwrap();
        }
    };
    let receive = async {
        for seq in 1..=REQUESTS {
            let answer = answers.next().await.unwrap();
            assert_eq!((answer.seq.0, &answer.body[..]), (seq, body(seq).as_bytes()));
        }
    };
    tokio::join!(send, receive);
    assert!(timeout(INTERVAL, answers.next()).await.is_err(), "nothing else comes");
    game.app.stop().await;
    assert_eq!(answers.next().await.unwrap().route, RouteId::STATUS, "the gate is stopping");
    assert_eq!(answers.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_is_not_a_silent_one() {
    let game = Game::start(2).await;
    let seconds_away = Weather::delayed(Duration::from_secs(2), Duration::from_secs(2));
    let (client, _line) = game.user(Uid(7), seconds_away).await;
    let idle = timeout(Duration::from_secs(3600), client.closed());
    assert!(idle.await.is_err(), "nobody closes an idle connection");
    assert_eq!(ask(&client, ECHO, "still here").await.unwrap(), "still here");
    client.close().await;
    game.until_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_or_answer_is_a_timeout_and_disturbs_nobody() {
    let game = Game::start(3).await;
    let (client, line) = game.user(Uid(7), Weather::FINE).await;
    for way in [&line.up, &line.down] {
        way.weather(Weather { loss: 1000, ..Weather::FINE });
        let begun = Instant::now();
        let lost = ask(&client, ECHO, "lost").await;
        assert!(matches!(lost, Err(CallError::Timeout { after }) if after == begun.elapsed()), "{lost:?}");
        way.weather(Weather::FINE);
        assert_eq!(ask(&client, ECHO, "next").await.unwrap(), "next");
    }
    assert!(game.is_known(Uid(7)).await, "the session is the same");
    client.close().await;
    game.until_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_nobodys() {
    let game = Game::start(4).await;
    let (read, write, line) = game.net.connect(&game.format, Weather::FINE).await.unwrap();
    let client = due::Client::builder().timeout(Duration::from_secs(1)).over(read, write);
    let mut strays: Pushes<bytes::Bytes> = client.listen(ECHO);
    line.down.stall();
    for round in 0..3 {
        let late = ask(&client, ECHO, &format!("late {round}")).await;
        assert!(matches!(late, Err(CallError::Timeout { .. })), "{late:?}");
    }
    line.down.resume();
    for round in 0..200 {
        let body = format!("in time {round}");
        assert_eq!(ask(&client, ECHO, &body).await.unwrap(), body);
    }
    client.close().await;
    assert!(strays.next().await.is_none(), "a late answer is no push");
}

#[tokio::test(start_paused = true)]
async fn a_cut_in_the_middle_of_a_burst_leaves_nothing_behind() {
    let game = Game::start(5).await;
    let (client, line) = game.user(Uid(7), SLOW).await;
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        calls.spawn(async move { ask(&client, WORK, "500").await });
    }
    let mut answered = 0;
    while answered < 5 {
        calls.join_next().await.unwrap().unwrap().unwrap();
        answered += 1;
    }
    assert_eq!(running(), 1, "one request of a session at a time");
    line.cut();
    while let Some(call) = calls.join_next().await {
        assert!(matches!(call.unwrap(), Err(CallError::Closed)));
    }
    // What was delivered may still be worked off, half a second each.
    assert!(game.until_empty().await <= Duration::from_secs(40));
    assert!(!game.is_known(Uid(7)).await);
    game.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_waits_for_nobody_who_is_stalled() {
    const CLIENTS: usize = 30;
    const ROUNDS: usize = 300;
    let limits = OutboxLimits { packets: 100, ..OutboxLimits::default() };
    let game = Game::start_with(6, |gate| gate.outbox(limits)).await;
    let (mut listening, mut stalled, mut kept) = (JoinSet::new(), Vec::new(), Vec::new());
    for index in 0..CLIENTS {
        let (client, line) = game.user(Uid(1 + index as i64), SLOW).await;
        let mut ticks = client.pushes::<Tick>();
        if index % 3 == 0 {
            line.down.stall();
            stalled.push(line.clone());
        } else {
            listening.spawn(async move {
                for _ in 0..ROUNDS {
                    ticks.next().await.unwrap().unwrap();
                }
                Instant::now()
            });
        }
        kept.push((client, line));
    }
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let before = Instant::now();
        let tally = Tick.broadcast(game.cluster(), Audience::Sessions).await.unwrap();
        assert!(tally.delivered as usize >= CLIENTS - stalled.len());
        assert_eq!(before.elapsed(), Duration::ZERO, "a broadcast waits for no client");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sent = begun.elapsed();
    while let Some(done) = listening.join_next().await {
        assert!(done.unwrap() - begun <= sent + Duration::from_millis(350), "held up by others");
    }
    assert_eq!(game.sessions().await as usize, CLIENTS - stalled.len(), "who let too much pile up is gone");
    game.app.stop().await;
}

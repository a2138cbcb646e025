use due::{Cid, Gid};

use super::*;

const TICK: Duration = Duration::from_millis(50);

fn session(cid: i64) -> Sender {
    Sender::Session(Gid::from("gate"), Cid(cid))
}

/// A board without sparks, and players who are in already.
fn with(names: &[&str]) -> World {
    let mut world = World::new(7);
    world.sparks.clear();
    for (cid, name) in (1..).zip(names) {
        let (id, _) = world.join(session(cid), name, b"").unwrap();
        world.enter(id);
    }
    world.tick(Duration::ZERO);
    world
}

fn put(world: &mut World, id: u32, at: (f32, f32)) {
    let seat = world.seats.get_mut(&id).unwrap();
    (seat.at, seat.shown, seat.course) = (at, point(at), None);
}

fn target(x: i32, y: i32) -> Option<Course> {
    Some(Course::Target(Point { x, y }))
}

fn heading(x: i32, y: i32) -> Option<Course> {
    Some(Course::Heading(Heading { x, y }))
}

/// Where the only one who moved is now.
fn moved(news: &[News]) -> (u32, i32, i32) {
    let [News::Moved(Moved { moves })] = news else { panic!("{news:?}") };
    let [Move { id, at: Some(at) }] = moves[..] else { panic!("{moves:?}") };
    (id, at.x, at.y)
}

fn said(id: u32, text: &str) -> News {
    News::Said(Said { id, text: text.to_owned() })
}

#[test]
fn names_are_trimmed_counted_and_numbered() {
    let mut world = World::new(1);
    let mut name = |cid, name: &str| world.join(session(cid), name, b"");
    assert_eq!(name(1, "  Ann \n Lee "), Ok((1, "Ann Lee".to_owned())));
    assert_eq!(name(2, "ann lee"), Ok((2, "ann lee 2".to_owned())));
    assert_eq!(name(3, "Ann Lee"), Ok((3, "Ann Lee 3".to_owned())));
    assert_eq!(name(4, "ÄÖÜäöüßÄÖÜäöüßÄÖ"), Ok((4, "ÄÖÜäöüßÄÖÜäöüßÄÖ".to_owned())));
    assert_eq!(name(5, "ÄÖÜäöüßÄÖÜäöüßÄÖ"), Ok((5, "ÄÖÜäöüßÄÖÜäöüß 2".to_owned())));
    assert_eq!(name(6, "👩\u{200d}🚀"), Ok((6, "👩\u{200d}🚀".to_owned())));
    for bad in ["", " \t ", "seventeen letters", "a\0b", "\u{200d}", "Ann\u{200b}", "\u{202e}nnA"] {
        assert_eq!(name(7, bad), Err(Refusal::BadName), "{bad:?}");
    }
}

#[test]
fn a_newcomer_sees_the_scene_and_the_others_see_the_newcomer() {
    let mut world = with(&["Ann"]);
    let (id, _) = world.join(session(2), "Ben", b"").unwrap();
    assert_eq!(world.tick(TICK), [], "nobody hears of a player who has not entered");
    world.enter(id);
    let news = world.tick(TICK);
    let [News::Scene(2, scene), News::Joined(Joined { player: Some(ben) })] = &news[..] else { panic!("{news:?}") };
    assert_eq!(scene.players.iter().map(|player| &player.name[..]).collect::<Vec<_>>(), ["Ann", "Ben"]);
    assert_eq!(scene.players[1], *ben);
    assert_ne!(scene.players[0].hue, ben.hue);
    assert_eq!(world.tick(TICK), []);
}

#[test]
fn a_full_arena_lets_nobody_in_until_somebody_leaves() {
    let mut world = World::new(1);
    for cid in 1..=32 {
        world.join(session(cid), "Ann", b"").unwrap();
    }
    assert_eq!(world.join(session(33), "Ben", b""), Err(Refusal::Full));
    world.leave(7, &session(7));
    assert_eq!(world.join(session(33), "Ben", b""), Ok((33, "Ben".to_owned())));
}

#[test]
fn a_target_is_reached_at_full_speed_and_no_faster() {
    let mut world = with(&["Ann"]);
    put(&mut world, 1, (100.0, 500.0));
    world.steer(1, target(134, 500));
    assert_eq!(moved(&world.tick(TICK)), (1, 117, 500));
    assert_eq!(moved(&world.tick(TICK)), (1, 134, 500));
    assert_eq!(world.tick(TICK), [], "there is nothing to tell of who stays");
}

#[test]
fn a_heading_holds_until_the_next_one() {
    let mut world = with(&["Ann"]);
    put(&mut world, 1, (500.0, 500.0));
    world.steer(1, heading(100, 0));
    assert_eq!(moved(&world.tick(TICK)), (1, 517, 500));
    world.steer(1, heading(0, -50));
    assert_eq!(moved(&world.tick(TICK * 2)), (1, 517, 483), "half a heading is half as fast");
    world.steer(1, heading(i32::MAX, 0));
    assert_eq!(moved(&world.tick(TICK)), (1, 534, 483), "and a long one no faster");
    for still in [heading(0, 0), None] {
        world.steer(1, still);
        assert_eq!(world.tick(TICK), []);
    }
}

#[test]
fn nobody_leaves_the_board() {
    let mut world = with(&["Ann"]);
    put(&mut world, 1, (990.0, 10.0));
    world.steer(1, heading(100, -100));
    assert_eq!(moved(&world.tick(TICK)), (1, 1000, 0));
    assert_eq!(world.tick(TICK), []);
    world.steer(1, target(i32::MAX, i32::MIN));
    assert_eq!(world.tick(TICK), []);
}

#[test]
fn a_stalled_server_moves_nobody_far() {
    let mut world = with(&["Ann"]);
    put(&mut world, 1, (0.0, 0.0));
    world.steer(1, target(1000, 0));
    assert_eq!(moved(&world.tick(Duration::from_secs(60))), (1, 85, 0));
}

#[test]
fn many_moves_are_told_at_once() {
    let mut world = with(&["Ann", "Ben", "Cid"]);
    for id in [1, 3] {
        put(&mut world, id, (500.0, 500.0));
        world.steer(id, heading(0, 100));
    }
    let news = world.tick(TICK);
    let [News::Moved(Moved { moves })] = &news[..] else { panic!("{news:?}") };
    assert_eq!(moves.iter().map(|change| change.id).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn the_nearest_player_catches_a_spark() {
    let mut world = with(&["Ann", "Ben"]);
    world.sparks = vec![(500.0, 500.0)];
    put(&mut world, 1, (535.0, 500.0));
    put(&mut world, 2, (500.0, 480.0));
    let news = world.tick(TICK);
    let [News::Caught(Caught { id: 2, score: 1, spark: Some(spark) })] = &news[..] else { panic!("{news:?}") };
    assert_eq!(spark.at, Some(point(world.sparks[0])));
    world.sparks = vec![(900.0, 900.0)];
    assert_eq!(world.tick(TICK), [], "out of reach");
}

#[test]
fn what_is_said_is_trimmed_and_bounded() {
    let mut world = with(&["Ann"]);
    let longest = "ä".repeat(200);
    assert_eq!(world.say(1, " hi "), Ok(()));
    assert_eq!(world.say(1, &longest), Ok(()));
    for bad in ["", "  ", "one\nline", &"a".repeat(201)] {
        assert_eq!(world.say(1, bad), Err(Refusal::BadText), "{bad:?}");
    }
    assert_eq!(world.tick(TICK), [said(1, "hi"), said(1, &longest)]);
}

#[test]
fn five_messages_at_once_and_then_one_a_second() {
    let mut world = with(&["Ann", "Ben"]);
    for _ in 0..5 {
        assert_eq!(world.say(1, "hi"), Ok(()));
    }
    assert_eq!(world.say(1, "hi"), Err(Refusal::TooFast));
    assert_eq!(world.say(2, "hi"), Ok(()), "others are not held up");
    world.tick(Duration::from_millis(999));
    assert_eq!(world.say(1, "hi"), Err(Refusal::TooFast));
    world.tick(Duration::from_millis(1));
    assert_eq!(world.say(1, "hi"), Ok(()));
    assert_eq!(world.say(1, "hi"), Err(Refusal::TooFast));
}

#[test]
fn who_leaves_is_forgotten() {
    let mut world = with(&["Ann", "Ben"]);
    world.say(2, "bye").unwrap();
    world.leave(2, &session(2));
    assert_eq!(world.tick(TICK), [said(2, "bye"), News::Left(Left { id: 2 })]);
    world.leave(2, &session(2));
    world.steer(2, heading(1, 1));
    assert_eq!(world.say(2, "hi"), Ok(()));
    assert_eq!(world.tick(TICK), []);
}

#[test]
fn the_same_key_takes_the_place_that_was_left_behind() {
    let mut world = World::new(1);
    world.join(session(1), "Ann", b"secret").unwrap();
    world.enter(1);
    world.tick(TICK);
    assert_eq!(world.join(session(2), "Ann", b"other"), Ok((2, "Ann 2".to_owned())));
    assert_eq!(world.join(session(3), "Ann", b""), Ok((3, "Ann 3".to_owned())));
    assert_eq!(world.join(session(4), "Ann", b"secret"), Ok((1, "Ann".to_owned())));
    world.enter(1);
    world.leave(1, &session(1));
    let news = world.tick(TICK);
    assert!(matches!(news[..], [News::Scene(1, _)]), "nobody came or went: {news:?}");
    world.leave(1, &session(4));
    assert_eq!(world.tick(TICK), [News::Left(Left { id: 1 })]);
    assert_eq!(world.join(session(5), "Ann", &[7; 33]), Err(Refusal::BadKey));
}

//! What both worlds do alike.

use due::codec::RawBody;
use due::{Code, Disconnect, RouteId};
use futures_util::FutureExt as _;
use lobby::v1::{
    CreateRoomCode, JoinRoomCode, LoginCode, LoginResponse, MemberJoined, MemberLeft, Notify, RegisterCode,
    RegisterResponse, Said, Unauthorized,
};
use tokio::time::timeout;

use crate::player::{PASSWORD, Player, connect, login, name, next, refusal, register};
use crate::process::DEADLINE;
use crate::world::World;

pub(crate) async fn all(world: &World) {
    accounts_are_made_once(world).await;
    logins_are_checked(world).await;
    a_login_is_told_once(world).await;
    nobody_plays_without_a_login(world).await;
    notices_reach_those_who_are_meant(world).await;
    requests_are_refused_in_words(world).await;
    a_room_is_on_one_node(world).await;
    names_and_rooms_are_known_on_all_nodes(world).await;
    the_newest_login_wins(world).await;
    who_comes_back_is_still_in_his_room(world).await;
    the_client_of_the_program_plays_it_all(world).await;
}

async fn accounts_are_made_once(world: &World) {
    let clients = [connect(world, 0).await, connect(world, 1).await];
    let account = name("account");
    let first = register(&clients[0], &account, PASSWORD).await;
    assert_eq!((first.code(), &first.account), (RegisterCode::Ok, &account));
    assert!(first.id > 0);
    for client in &clients {
        let exists = RegisterResponse { code: RegisterCode::AccountExists.into(), ..RegisterResponse::default() };
        assert_eq!(register(client, &account, "another").await, exists);
    }
    let failed = RegisterResponse { code: RegisterCode::Failed.into(), ..RegisterResponse::default() };
    let long = "x".repeat(129);
    for (account, password) in [("", PASSWORD), (&account[..], ""), (&long[..65], PASSWORD), ("long", &long)] {
        assert_eq!(register(&clients[0], account, password).await, failed);
    }
    let no_message = RawBody("\u{7f}".into());
    assert_eq!(clients[0].request::<_, RegisterResponse>(RouteId(1), &no_message).await.unwrap(), failed);

    let next = register(&clients[1], &name("account"), PASSWORD).await;
    assert_eq!(next.id, first.id + 1, "ids are counted");
}

async fn logins_are_checked(world: &World) {
    let client = connect(world, 0).await;
    let account = name("account");
    let id = i64::from(register(&client, &account, PASSWORD).await.id);
    for (account, password) in [("nobody", PASSWORD), (&account[..], "654321"), (&account[..], ""), ("", "")] {
        assert_eq!(login(&client, account, password).await, (LoginCode::WrongAccountOrPassword, 0), "{account}");
    }
    let no_message = RawBody("\u{7f}".into());
    let response: LoginResponse = client.request(RouteId(2), &no_message).await.unwrap();
    assert_eq!(response, LoginResponse { code: LoginCode::Failed.into(), ..LoginResponse::default() });
    assert_eq!(login(&client, &account, PASSWORD).await, (LoginCode::Ok, id));
}

pub(crate) async fn a_login_is_told_once(world: &World) {
    let first = Player::new(world, 0).await.uid;
    let last = Player::new(world, 1).await.uid;
    let heard = |uid| format!("somebody has logged in id={uid}");
    let given = |uid| format!("coins given uid={uid} coin=10");
    // What was told first has come when the last is there.
    world.wait_for("login", &heard(last));
    world.wait_for("wallet", &given(last));
    for uid in [first, last] {
        assert_eq!((world.count(&heard(uid)), world.count(&given(uid))), (1, 1));
    }
}

async fn nobody_plays_without_a_login(world: &World) {
    let client = connect(world, 0).await;
    let stranger = Player { client: client.clone(), account: String::new(), uid: 0 };
    let mut pushes = client.pushes::<Unauthorized>();
    assert_eq!(stranger.create_room("castle").await.unwrap(), (CreateRoomCode::Failed, 0));
    assert_eq!(next(&mut pushes).await, Unauthorized {});
    assert_eq!(stranger.join(1).await, JoinRoomCode::Failed);
    assert_eq!(next(&mut pushes).await, Unauthorized {});
    assert_eq!(refusal(stranger.say("hi").await).code(), Code::UNAUTHORIZED);
    for internal in [13, 14] {
        let refused = client.request::<_, RawBody>(RouteId(internal), &RawBody("".into())).await;
        assert_eq!(refusal(refused).code(), Code::ILLEGAL_REQUEST);
    }
}

async fn notices_reach_those_who_are_meant(world: &World) {
    let [first, second, stranger] = [Player::new(world, 0).await, Player::new(world, 1).await, {
        Player { client: connect(world, 1).await, account: String::new(), uid: 0 }
    }];
    let mut heard = [&first, &second, &stranger].map(|player| player.client.pushes::<Notify>());
    let notice = |text: &str| Notify { message: text.to_owned() };

    let (a, b) = (first.uid, second.uid);
    assert_eq!(told(world, "/push", &format!(r#"{{"uid":{a},"message":"to one"}}"#)), "push success");
    assert_eq!(next(&mut heard[0]).await, notice("to one"));
    let users = format!(r#"{{"uids":[{a},999999,{b}],"message":"to some"}}"#);
    assert_eq!(told(world, "/multicast", &users), "multicast success, total: 2");
    for heard in &mut heard[..2] {
        assert_eq!(next(heard).await, notice("to some"));
    }

    // Players of other stories leave in their own time.
    let mut announced = 0;
    timeout(DEADLINE, async {
        while told(world, "/broadcast", r#"{"message":"to all"}"#) != "broadcast success, total: 2" {
            announced += 1;
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("two users are left");
    for heard in &mut heard[..2] {
        for _ in 0..=announced {
            assert_eq!(next(heard).await, notice("to all"));
        }
    }
    // An answer comes after everything that was pushed before.
    assert_eq!(stranger.join(1).await, JoinRoomCode::Failed);
    assert!(heard[2].next().now_or_never().is_none(), "nobody tells a stranger");

    let form =
        world.post("/multicast", "application/x-www-form-urlencoded", &format!("uids={a}&uids={b}&message=a+form"));
    assert_eq!((form.status, &*form.body), (200, r#"{"message":"multicast success, total: 2"}"#));
    for heard in &mut heard[..2] {
        assert_eq!(next(heard).await, notice("a form"));
    }
}

/// The text of an answer of 200.
fn told(world: &World, path: &str, body: &str) -> String {
    let answer = world.post(path, "application/json", body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let text = answer.body.strip_prefix(r#"{"message":""#).and_then(|text| text.strip_suffix(r#""}"#));
    text.unwrap_or_else(|| panic!("{}", answer.body)).to_owned()
}

async fn requests_are_refused_in_words(world: &World) {
    let answer = world.post_with("/broadcast", &[("Content-Type", "application/json")], r#"{"message":"hi"}"#);
    assert_eq!(answer.status, 401, "{}", answer.body);
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(6000));
    for (path, kind, body, said) in [
        ("/push", json, r#"{"uid":999999,"message":"hi"}"#, "user 999999 is not connected"),
        ("/push", json, r#"{"uid":0,"message":"hi"}"#, "0 is no user id: it must be positive"),
        ("/push", json, r#"{"message":"hi"}"#, "`uid` is missing"),
        ("/push", json, r#"{"uid":1}"#, "`message` is missing"),
        ("/push", form, "uid=one&message=hi", r#"`uid`: \"one\" is no number"#),
        ("/push", form, "user=1", "unknown field `user`, expected `uid`, `uids` or `message`"),
        ("/push", "text/plain", "hi", "Expected request with `Content-Type: application/json`"),
        ("/push", json, "{", "Failed to parse the request body as JSON"),
        ("/multicast", json, r#"{"message":"hi"}"#, "`uids` is missing"),
        ("/multicast", json, r#"{"uids":[-1],"message":"hi"}"#, "-1 is no user id: it must be positive"),
        ("/broadcast", json, r#"{"message":""}"#, "`message` is missing"),
        ("/broadcast", json, &long, "the message does not fit the packet"),
    ] {
        let answer = world.post(path, kind, body);
        assert_eq!(answer.status, 400, "{path} {body}");
        assert!(answer.body.starts_with(&format!(r#"{{"message":"{said}"#)), "{path} {body}: {}", answer.body);
    }
}

async fn a_room_is_on_one_node(world: &World) {
    let host = Player::new(world, 0).await;
    let mut joins = host.client.pushes::<MemberJoined>();
    let mut heard = host.client.pushes::<Said>();
    let mut left = host.client.pushes::<MemberLeft>();
    assert_eq!(refusal(host.say("hi").await).message, "the user is bound to no node \"game\"");
    let room = host.opens().await;
    let node = host.says("0").await;
    assert_eq!(next(&mut heard).await, Said { room, uid: host.uid, text: "0".to_owned() });

    // Each of them asks another node, by another gate.
    let mut members = vec![host.uid];
    let mut guests = Vec::new();
    for number in 0..4 {
        let guest = Player::new(world, number % 2).await;
        let mut own = guest.client.pushes::<MemberJoined>();
        assert_eq!(guest.join(room).await, JoinRoomCode::Ok);
        members.push(guest.uid);
        let joined = MemberJoined { room, uid: guest.uid, members: members.clone() };
        assert_eq!((next(&mut joins).await, next(&mut own).await), (joined.clone(), joined));
        guests.push((guest.client.pushes::<Said>(), guest));
    }
    for number in 1..20 {
        let text = number.to_string();
        let speaker = guests.get(number % 5).map_or(&host, |(_, guest)| guest);
        assert_eq!(speaker.says(&text).await, node, "message {number}");
        let said = Said { room, uid: speaker.uid, text };
        assert_eq!(next(&mut heard).await, said);
        for (heard, _) in &mut guests {
            assert_eq!(next(heard).await, said);
        }
    }

    let (_, guest) = guests.pop().unwrap();
    // He opens a room of his own, which takes him out of this one.
    let own = guest.opens().await;
    assert_eq!(next(&mut left).await, MemberLeft { room, uid: guest.uid });
    assert_eq!(guest.join(own).await, JoinRoomCode::Ok, "he is in");
    assert_eq!(guest.join(room).await, JoinRoomCode::Ok);
    assert_eq!(next(&mut joins).await.members, members);
    assert_eq!(guest.says("here again").await, node);
    assert_eq!(host.join(own).await, JoinRoomCode::RoomMissing, "nobody was left in it");
}

async fn names_and_rooms_are_known_on_all_nodes(world: &World) {
    let [first, second] = [Player::new(world, 0).await, Player::new(world, 1).await];
    let name = name("castle");
    let (code, id) = first.create_room(&name).await.unwrap();
    assert_eq!(code, CreateRoomCode::Ok);
    for _ in 0..4 {
        assert_eq!(second.create_room(&name).await.unwrap(), (CreateRoomCode::NameExists, 0));
        assert_eq!(second.join(id + 1000).await, JoinRoomCode::RoomMissing);
    }
    for bad in ["", &"x".repeat(65)] {
        assert_eq!(second.create_room(bad).await.unwrap(), (CreateRoomCode::Failed, 0));
    }
    // An empty room is closed, and its name is free.
    lobby::v1::RoomClient::new(&first.client).leave_room(lobby::v1::LeaveRoomRequest {}).await.unwrap();
    assert_eq!(second.join(id).await, JoinRoomCode::RoomMissing);
    assert_eq!(second.create_room(&name).await.unwrap().0, CreateRoomCode::Ok);
}

async fn the_newest_login_wins(world: &World) {
    for gate in [0, 1] {
        let older = Player::new(world, 0).await;
        let newer = older.again(world, gate).await;
        match timeout(DEADLINE, older.client.closed()).await.expect("it is closed") {
            Disconnect::Dismissed(status) => {
                let said = (status.code(), &*status.message);
                assert_eq!(said, (Code::UNAUTHORIZED, "the user has logged in elsewhere"));
            }
            other => panic!("{other:?}"),
        }
        let mut heard = newer.client.pushes::<Notify>();
        let body = format!(r#"{{"uid":{},"message":"over here"}}"#, newer.uid);
        assert_eq!(told(world, "/push", &body), "push success");
        assert_eq!(next(&mut heard).await.message, "over here");
    }
}

async fn who_comes_back_is_still_in_his_room(world: &World) {
    let [host, guest] = [Player::new(world, 0).await, Player::new(world, 1).await];
    let room = host.opens().await;
    assert_eq!(guest.join(room).await, JoinRoomCode::Ok);
    let mut heard = guest.client.pushes::<Said>();
    let node = host.says("hello").await;
    assert_eq!(next(&mut heard).await.text, "hello");
    host.client.close().await;
    world.wait_for(&node, &format!("a member is away uid={} room={room}", host.uid));

    let host = host.again(world, 1).await;
    world.wait_for(&node, &format!("a member is back uid={} room={room}", host.uid));
    assert_eq!(host.says("hello again").await, node);
    assert_eq!(next(&mut heard).await.text, "hello again");
}

async fn the_client_of_the_program_plays_it_all(world: &World) {
    let mut said = Vec::new();
    let url = world.gate("tcp://", 0);
    lobby::play::play(&url, Some(&world.admin()), &mut |line| said.push(line.to_owned())).await.unwrap();
    assert_eq!(said.first(), Some(&format!("connected to {url}")));
    assert_eq!(said.last().map(String::as_str), Some("all is well"));
}

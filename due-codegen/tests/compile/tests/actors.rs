//! Generated services of actors: each actor keeps its state between the messages of its users.

use due::testing::Harness;
use due::{ActorRef, BuildError, Code, Context, Node, Result, Routes as _, SpawnError, Uid};
use due_codegen_compile::rooms::*;

struct Doorman;

impl Lobby for Doorman {
    async fn open(&self, ctx: &mut Context, request: open::Request) -> Result<Count> {
        ctx.bind(Uid(request.uid)).await?;
        let room = match ctx.node().spawn_actor(request.uid.to_string(), Table::default()) {
            Err(SpawnError::Exists { .. }) => return Err(due::Error::new(Code(11), "it is open")),
            room => room?,
        };
        ctx.bind_actor(&room).await?;
        Ok(Count::default())
    }
}

#[derive(Default)]
struct Table {
    me: Option<ActorRef<Self>>,
    count: i64,
}

impl due::Actor for Table {
    async fn started(&mut self, me: &ActorRef<Self>) -> Result<()> {
        self.me = Some(me.clone());
        Ok(())
    }
}

impl Room for Table {
    async fn add(&mut self, ctx: &mut Context, request: Count) -> Result<Count> {
        assert_eq!(ctx.actor::<Self>().unwrap().members(), [ctx.user()?]);
        self.count += request.count;
        Ok(Count { code: 0, count: self.count })
    }

    async fn reset(&mut self, _: &mut Context, _: Count) -> Result<()> {
        self.count = 0;
        Ok(())
    }
}

impl Chat for Table {
    async fn started(&mut self, _: &mut Context, _: Count) -> Result<Count> {
        let id = self.me.as_ref().unwrap().id().parse()?;
        Ok(Count { code: 0, count: id })
    }
}

#[tokio::test]
async fn an_actor_keeps_its_state_between_the_messages_of_its_users() {
    let builder = Harness::builder().serve(LobbyRoutes::new(Doorman)).serve(RoomRoutes::<Table>::new());
    let harness = builder.serve(ChatRoutes::<Table>::new()).start().await.unwrap();
    let mut players = Vec::new();
    for uid in [7, 8] {
        let connection = harness.client().await.unwrap();
        let lobby = LobbyClient::new(&connection);
        assert_eq!(lobby.open(open::Request { uid }).await.unwrap().code, 0);
        assert_eq!(lobby.open(open::Request { uid }).await.unwrap().code, 11);
        players.push((uid, RoomClient::new(&connection), ChatClient::new(&connection)));
    }
    for round in 1..=3 {
        for (uid, room, chat) in &players {
            assert_eq!(room.add(Count { code: 0, count: *uid }).await.unwrap().count, round * uid);
            assert_eq!(chat.started(Count::default()).await.unwrap().count, *uid);
        }
    }
    let (_, room, _) = &players[0];
    room.reset(Count::default()).await.unwrap();
    assert_eq!(room.add(Count { code: 0, count: 1 }).await.unwrap().count, 1);
    harness.stop().await;
}

struct Usher;

impl Lobby for Usher {
    async fn open(&self, ctx: &mut Context, request: open::Request) -> Result<Count> {
        ctx.bind(Uid(request.uid)).await?;
        ctx.bind_actor(&ctx.node().actor::<RoomMock>("1").unwrap()).await?;
        Ok(Count::default())
    }
}

#[tokio::test]
async fn a_mock_of_an_actor_answers_real_calls() {
    let mock = RoomMock::new();
    mock.add().answers(|request| Ok(Count { code: 0, count: -request.count }));
    let builder = Harness::builder().serve(LobbyRoutes::new(Usher)).serve(RoomRoutes::<RoomMock>::new());
    let harness = builder.start().await.unwrap();
    let room = harness.node().spawn_actor("1", mock.clone()).unwrap();
    assert_eq!(format!("{room:?}"), "room/1");
    let connection = harness.client().await.unwrap();
    assert_eq!(LobbyClient::new(&connection).open(open::Request { uid: 7 }).await.unwrap().code, 0);
    assert_eq!(RoomClient::new(&connection).add(Count { code: 0, count: 3 }).await.unwrap().count, -3);
    assert_eq!(mock.add().requests(), [Count { code: 0, count: 3 }]);
    harness.stop().await;
}

#[test]
fn actors_of_one_kind_are_of_one_type() {
    let node = Node::builder().serve(RoomRoutes::<Table>::new()).serve(ChatRoutes::<ChatMock>::new()).build();
    let Err(BuildError::Actors { first, second }) = node else { panic!("two types") };
    assert!(first.ends_with(r#"Table as "room""#) && second.ends_with(r#"ChatMock as "room""#), "{first} {second}");
    let rooms = RoomRoutes::<Table>::default().with_options(due::RouteOptions::new());
    let node = Node::builder().serve(rooms).serve(ActorRoutes::<ActorMock>::new()).build().unwrap();
    assert_eq!((node.name(), node.routes().count()), ("rooms", 3));
    let wrong = Node::builder().name("hall").serve(RoomRoutes::<Table>::new()).build();
    assert!(matches!(wrong, Err(BuildError::WrongName { .. })));
}

mod readme {
    use due_codegen_compile::room;
    use due_codegen_compile::room::v1::{HallClient, RoomClient};

    include!(concat!(env!("OUT_DIR"), "/readme/room.rs"));

    #[tokio::test]
    async fn the_rooms_of_the_readme_are_open() {
        assert_eq!(node().unwrap().name(), "game");
        let builder = super::Harness::builder().node(|node| node.name("game"));
        let builder = builder.serve(HallRoutes::new(Doorman)).serve(RoomRoutes::<Chat>::new());
        let harness = builder.start().await.unwrap();
        let connection = harness.client().await.unwrap();
        let (hall, room) = (HallClient::new(&connection), RoomClient::new(&connection));
        let opened = hall.open(OpenRequest { uid: 7, room: "r1".into() }).await.unwrap();
        assert_eq!(opened, OpenResponse { code: 0 });
        for lines in 1..=3 {
            let said = room.say(SayRequest { line: "hi".into() }).await.unwrap();
            assert_eq!(said, SayResponse { code: 0, lines });
        }
        harness.stop().await;
    }
}

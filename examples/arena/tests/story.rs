//! Players through a real gate and node, and the generated client.

use arena::v1::steer_request::Course;
use arena::v1::{
    ArenaClient, JoinRequest, JoinResponse, Joined, Left, Moved, Player, Point, Refusal, Said, SayRequest, Scene,
    SteerRequest,
};
use arena::{World, play};
use due::testing::Harness;
use due::{CallError, Client, Code, Push, Pushes};

async fn harness() -> Harness {
    Harness::builder().node(|node| play(node, World::new(7))).start().await.unwrap()
}

/// One browser, so to say.
struct Visitor {
    client: Client,
    arena: ArenaClient,
    scenes: Pushes<Scene>,
}

impl Visitor {
    async fn new(harness: &Harness) -> Self {
        let client = harness.client().await.unwrap();
        Self { arena: ArenaClient::new(client.clone()), scenes: client.pushes(), client }
    }

    async fn join(&mut self, name: &str, key: &str) -> (JoinResponse, Scene) {
        let request = JoinRequest { name: name.to_owned(), key: key.as_bytes().to_vec() };
        let response = self.arena.join(request).await.unwrap();
        assert_eq!(response.refusal(), Refusal::None, "{response:?}");
        (response, next(&mut self.scenes).await)
    }

    async fn say(&self, text: &str) -> Refusal {
        self.arena.say(SayRequest { text: text.to_owned() }).await.unwrap().refusal()
    }
}

async fn next<P: Push>(pushes: &mut Pushes<P>) -> P {
    pushes.next().await.unwrap().unwrap()
}

fn place_of(players: &[Player], id: u32) -> Point {
    players.iter().find(|player| player.id == id).and_then(|player| player.at).unwrap()
}

#[tokio::test]
async fn two_players_see_each_other_move_speak_and_leave() {
    let harness = harness().await;
    let (mut ann, mut ben) = (Visitor::new(&harness).await, Visitor::new(&harness).await);
    let mut joined = ann.client.pushes::<Joined>();
    let mut moved = ben.client.pushes::<Moved>();
    let mut said = ben.client.pushes::<Said>();
    let mut left = ann.client.pushes::<Left>();

    let (JoinResponse { id: ann_id, .. }, scene) = ann.join("Ann", "").await;
    assert_eq!(next(&mut joined).await.player, Some(scene.players[0].clone()));
    let (JoinResponse { id: ben_id, name, .. }, scene) = ben.join(" Ben ", "").await;
    assert_eq!(name, "Ben");
    assert_eq!(next(&mut joined).await.player, Some(scene.players[1].clone()));

    let start = place_of(&scene.players, ann_id);
    let goal = Point { x: start.x + if start.x < 500 { 100 } else { -100 }, y: start.y };
    ann.arena.steer(SteerRequest { course: Some(Course::Target(goal)) }).await.unwrap();
    let mut steps = 0;
    loop {
        let moves = next(&mut moved).await.moves;
        assert_eq!(moves.iter().map(|one| one.id).collect::<Vec<_>>(), [ann_id]);
        steps += 1;
        if moves[0].at == Some(goal) {
            break;
        }
    }
    assert!(steps > 1, "she does not jump");

    assert_eq!(ann.say("  hello  ").await, Refusal::None);
    assert_eq!(next(&mut said).await, Said { id: ann_id, text: "hello".to_owned() });

    ben.client.close().await;
    assert_eq!(next(&mut left).await, Left { id: ben_id });
    harness.stop().await;
}

#[tokio::test]
async fn what_is_not_allowed_is_answered() {
    let harness = harness().await;
    let mut ann = Visitor::new(&harness).await;
    let stranger = ann.arena.say(SayRequest { text: "hi".to_owned() }).await.unwrap_err();
    assert!(matches!(&stranger, CallError::Status(status) if status.code() == Code::UNAUTHORIZED), "{stranger:?}");

    let nameless = ann.arena.join(JoinRequest::default()).await.unwrap();
    assert_eq!((nameless.refusal(), &nameless.message[..]), (Refusal::BadName, "A name has 1 to 16 characters."));
    ann.join("Ann", "").await;
    let again = ann.arena.join(JoinRequest { name: "Eve".to_owned(), key: Vec::new() }).await.unwrap();
    assert_eq!(again.refusal(), Refusal::AlreadyIn);

    assert_eq!(ann.say(&"a".repeat(201)).await, Refusal::BadText);
    let mut answers = Vec::new();
    while answers.last() != Some(&Refusal::TooFast) {
        answers.push(ann.say("hi").await);
    }
    assert!(answers.len() > 5, "{answers:?}");
    ann.arena.ping(()).await.unwrap();
    harness.stop().await;
}

#[tokio::test]
async fn who_lost_the_connection_comes_back_to_the_same_place() {
    let harness = harness().await;
    let (mut before, mut after) = (Visitor::new(&harness).await, Visitor::new(&harness).await);
    let (first, scene) = before.join("Ann", "key").await;
    let (second, again) = after.join("Ann", "key").await;
    assert_eq!((second.id, second.name, again), (first.id, first.name, scene));

    // The end of the connection before changes nothing: its player has moved on.
    let mut joined = after.client.pushes::<Joined>();
    let mut left = after.client.pushes::<Left>();
    before.client.close().await;
    let mut ben = Visitor::new(&harness).await;
    let (JoinResponse { id: ben_id, .. }, scene) = ben.join("Ben", "").await;
    assert_eq!(scene.players.len(), 2);
    assert_eq!(next(&mut joined).await.player.map(|player| player.id), Some(ben_id));
    ben.client.close().await;
    assert_eq!(next(&mut left).await, Left { id: ben_id });
    harness.stop().await;
}

//! Nodes that deliver to nodes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use due::locator::{LocateError, Locator, MemoryLocator};
use due::testing::Harness;
use due::{Backends, BoxFuture, Bytes, ClusterError, Context, Gid, Nid, Node, RouteId, Sender, Target, Uid};

use crate::{Diary, Table, ask, route, text};

#[tokio::test]
async fn a_message_from_a_node_has_a_sender_and_no_session() {
    let (diary, mut entries) = Diary::new();
    let other = Table::new().on(route(5).internal().authorized(), move |ctx, body| {
        let diary = diary.clone();
        Box::pin(async move {
            diary.note(format!("{body} of {:?}", ctx.uid()));
            assert_eq!(ctx.sender(), Sender::Node(Nid::from("a")));
            assert_eq!((ctx.gid().as_str(), ctx.cid().0, ctx.route()), ("", 0, RouteId(5)));
            let nobody = ctx.push(&text("unheard"));
            assert!(matches!(nobody, Err(ClusterError::NoSession(_))), "{nobody:?}");
            assert!(matches!(ctx.bind(Uid(9)).await, Err(ClusterError::NoSession(_))));
            if ctx.uid().is_some() {
                assert_eq!(ctx.session(), Target::User(Uid(7)));
                diary.note(format!("from {}", ctx.client_ip().await?));
                ctx.cluster().push(ctx.session(), &text("found you")).await?;
                ctx.unbind().await?;
                assert_eq!(ctx.uid(), None);
            } else {
                assert!(matches!(ctx.client_ip().await, Err(ClusterError::NoSession(_))));
            }
            Ok(String::new())
        })
    });
    let login = Table::new().on(route(1), |ctx, _| {
        Box::pin(async move {
            ctx.bind(Uid(7)).await?;
            Ok("welcome".to_owned())
        })
    });
    let harness = Harness::builder()
        .node(|node| node.id("a").serve(login))
        .other_node(Node::builder().id("b").serve(other).build().unwrap())
        .start()
        .await
        .unwrap();
    let client = harness.client().await.unwrap();
    let mut pushes = client.pushes::<crate::Text>();
    assert_eq!(ask(&client, 1, "").await, "welcome");
    assert_eq!(ask(&client, 5, "").await, "9 this route is not for clients");

    let cluster = harness.cluster();
    cluster.deliver(RouteId(5), Some(Uid(7)), &text("routed")).await.unwrap();
    entries.expect(&["routed of Some(Uid(7))", "from 127.0.0.1"]).await;
    assert_eq!(pushes.next().await.unwrap().unwrap(), text("found you"));
    cluster.deliver_to(&Nid::from("b"), RouteId(5), None, &text("direct")).await.unwrap();
    entries.expect(&["direct of None"]).await;

    assert!(matches!(cluster.deliver(RouteId(6), None, &text("")).await, Err(ClusterError::NoRoute(RouteId(6)))));
    assert!(matches!(cluster.deliver_to(&"c".into(), RouteId(5), None, &text("")).await, Err(ClusterError::NoNode(_))));
    harness.stop().await;
}

/// Route 5 of the nodes called lobby: `NID` binds the user there and says where it was handled.
fn lobby() -> Table {
    Table::new().on(route(5).stateful(), |ctx, body| {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if !body.is_empty() {
                ctx.cluster().bind_node(ctx.user()?, "lobby", &Nid::from(&*body)).await?;
            }
            Ok(format!("handled by {}", ctx.nid()))
        })
    })
}

async fn two_lobbies() -> Harness {
    let login = Table::new().on(route(1), |ctx, body| {
        Box::pin(async move {
            ctx.bind(Uid(body.parse()?)).await?;
            ctx.bind_node().await?;
            Ok("welcome".to_owned())
        })
    });
    Harness::builder()
        .node(|node| node.id("a").name("lobby").serve(lobby()).serve(login))
        .other_node(Node::builder().id("b").name("lobby").serve(lobby()).build().unwrap())
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_user_who_moves_takes_his_waiting_messages_along() {
    let harness = two_lobbies().await;
    let client = harness.client().await.unwrap();
    assert_eq!(ask(&client, 1, "7").await, "welcome");
    let (first, second, third) = tokio::join!(ask(&client, 5, "b"), ask(&client, 5, ""), ask(&client, 5, "a"));
    assert_eq!([first, second, third], ["handled by a", "handled by b", "handled by b"]);
    assert_eq!(ask(&client, 5, "").await, "handled by a");
    harness.stop().await;
}

#[tokio::test]
async fn a_node_says_whether_the_user_is_bound_to_it() {
    let harness = two_lobbies().await;
    let client = harness.client().await.unwrap();
    assert_eq!(ask(&client, 1, "7").await, "welcome");
    let cluster = harness.cluster();
    let to = async |nid: &str, uid: Option<i64>| {
        cluster.deliver_to(&Nid::from(nid), RouteId(5), uid.map(Uid), &text("")).await
    };
    to("a", Some(7)).await.unwrap();
    assert!(matches!(to("b", Some(7)).await, Err(ClusterError::NotBound { uid: Some(Uid(7)), .. })));
    assert!(matches!(to("a", Some(8)).await, Err(ClusterError::Node { .. })), "bound nowhere");
    assert!(matches!(to("a", None).await, Err(ClusterError::Node { .. })), "nobody is bound");
    assert!(matches!(to("a", Some(-1)).await, Err(ClusterError::BadUid(_))));
    let unlocated = cluster.deliver(RouteId(5), Some(Uid(8)), &text("")).await;
    assert!(matches!(unlocated, Err(ClusterError::NotBound { uid: Some(Uid(8)), .. })));
    harness.stop().await;
}

/// Route 5 answers, route 6 fails, route 7 answers and is served by both.
fn answering() -> Table {
    Table::new()
        .on(route(5), |ctx, body| Box::pin(async move { Ok(format!("{body} to {:?}", ctx.sender())) }))
        .on(route(6), |_, _| Box::pin(async { Err(due::Error::new(3, "no")) }))
        .on(route(7), |_, body| Box::pin(async move { Ok(body) }))
}

#[tokio::test]
async fn answers_come_back_to_the_default_handler() {
    let (diary, mut entries) = Diary::new();
    let (other_diary, mut others) = Diary::new();
    let noting = move |ctx: Context, body: Bytes| {
        diary.note(format!("{} {} of {:?}: {}", ctx.route(), ctx.seq(), ctx.sender(), text(body).0));
        async move {
            assert!(ctx.spec().is_none());
            // Would be an answer to an answer, if anybody sent it.
            ctx.reply(&text("and again"))
        }
    };
    let seven = Table::new().on(route(7), move |ctx, body| {
        other_diary.note(format!("{} from {:?}", body, ctx.sender()));
        Box::pin(async move { Ok(body) })
    });
    let harness = Harness::builder()
        .node(|node| node.id("a").serve(seven).default_handler(noting))
        .other_node(Node::builder().id("b").serve(answering()).build().unwrap())
        .start()
        .await
        .unwrap();
    let (cluster, b) = (harness.cluster(), Nid::from("b"));
    cluster.deliver_to(&b, RouteId(5), Some(Uid(7)), &text("x")).await.unwrap();
    entries.expect(&[r#"5 0 of Node(Nid("b")): x to Node(Nid("a"))"#]).await;
    // A failure stays in the log of the other node; what both serve would go to and fro for ever.
    cluster.deliver_to(&b, RouteId(6), None, &text("")).await.unwrap();
    cluster.deliver_to(&b, RouteId(7), None, &text("y")).await.unwrap();
    cluster.deliver_to(&b, RouteId(8), None, &text("nobody handles it")).await.unwrap();
    // Its own messages have no answer either.
    cluster.deliver_to(&Nid::from("a"), RouteId(7), None, &text("z")).await.unwrap();
    cluster.deliver_to(&Nid::from("a"), RouteId(9), None, &text("nobody knows it")).await.unwrap();
    others.expect(&[r#"z from Node(Nid("a"))"#]).await;
    entries.expect(&[r#"9 0 of Node(Nid("a")): nobody knows it"#]).await;

    let client = harness.client().await.unwrap();
    assert_eq!(ask(&client, 9, "").await, "5 no route 9");
    harness.stop().await;
    assert!(entries.rest().is_empty() && others.rest().is_empty());
}

#[tokio::test]
async fn messages_of_a_node_keep_their_order_and_wait_for_room() {
    let (diary, mut entries) = Diary::new();
    let slow = Table::new().on(route(5).oneway(), move |_, body| {
        let diary = diary.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            diary.note(body);
            Ok(String::new())
        })
    });
    let harness = Harness::builder()
        .node(|node| node.id("a"))
        .other_node(Node::builder().id("b").lane(1).serve(slow).build().unwrap())
        .start()
        .await
        .unwrap();
    for number in 0..20 {
        harness.cluster().deliver(RouteId(5), None, &text(number.to_string())).await.unwrap();
    }
    for number in 0..20 {
        assert_eq!(entries.next().await, number.to_string());
    }
    harness.stop().await;
}

/// A locator that says once where a node is, and then nothing more.
#[derive(Debug)]
struct Tired(MemoryLocator, AtomicBool);

impl Locator for Tired {
    fn bind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<Option<Gid>, LocateError>> {
        self.0.bind_gate(uid, gid)
    }

    fn unbind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<bool, LocateError>> {
        self.0.unbind_gate(uid, gid)
    }

    fn locate_gate(&self, uid: Uid) -> BoxFuture<'_, Result<Option<Gid>, LocateError>> {
        self.0.locate_gate(uid)
    }

    fn bind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<(), LocateError>> {
        self.0.bind_node(uid, name, nid)
    }

    fn unbind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<bool, LocateError>> {
        self.0.unbind_node(uid, name, nid)
    }

    fn locate_node<'a>(&'a self, uid: Uid, name: &'a str) -> BoxFuture<'a, Result<Option<Nid>, LocateError>> {
        match self.1.swap(true, Ordering::Relaxed) {
            false => self.0.locate_node(uid, name),
            true => Box::pin(std::future::pending()),
        }
    }

    fn locate_nodes(&self, uid: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>> {
        self.0.locate_nodes(uid)
    }
}

#[tokio::test(start_paused = true)]
async fn a_locator_that_does_not_answer_holds_up_no_stop() {
    let login = Table::new().on(route(1), |ctx, _| {
        Box::pin(async move {
            ctx.bind(Uid(7)).await?;
            ctx.bind_node().await?;
            Ok("welcome".to_owned())
        })
    });
    let harness = Harness::builder()
        .backends(Backends::memory().locator(Tired(MemoryLocator::new(), AtomicBool::new(false))))
        .node(|node| node.name("lobby").drain(Duration::from_secs(2)).serve(lobby()).serve(login))
        .start()
        .await
        .unwrap();
    let client = harness.client().await.unwrap();
    assert_eq!(ask(&client, 1, "").await, "welcome");
    let (_, answer) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let to_itself =
                harness.cluster().deliver_to(harness.node().nid(), RouteId(5), Some(Uid(7)), &text("")).await;
            assert!(matches!(to_itself, Err(ClusterError::Node { .. })), "{to_itself:?}");
            let begun = tokio::time::Instant::now();
            harness.stop().await;
            assert_eq!(begun.elapsed().as_secs(), 2);
        },
        ask(&client, 5, "")
    );
    assert_eq!(answer, "1 the server is stopping");
}

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError, RawBody, SerdeBody};
use due::testing::Harness;
use due::{
    Audience, Body, CallError, Client, Code, Codec, Context, Node, Push, PushExt, ReceiveError, RouteId, Seq, Uid,
};
use tokio::sync::mpsc;

use crate::{Mirror, Note, mirrored, note};

/// A push of a note.
struct News(Note);

impl Body for News {
    const NAME: &'static str = "News";

    fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        SerdeBody(self.0.clone()).encode_body(codec, out)
    }

    fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        SerdeBody::decode_body(codec, body).map(|SerdeBody(note)| Self(note))
    }
}

impl Push for News {
    const ROUTE: RouteId = RouteId::new(20);
}

#[due::route(1)]
async fn shout(_: &mut Context, request: Note) -> due::Result<Note> {
    Ok(note(&request.text.to_uppercase()))
}

#[due::route(2)]
async fn raw(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(3, authorized)]
async fn private(_: &mut Context, request: Note) -> due::Result<Note> {
    Ok(request)
}

#[due::route(4)]
async fn fail(_: &mut Context, request: Note) -> due::Result<Note> {
    Err(due::Error::new(77, request.text))
}

#[due::route(5)]
async fn login(ctx: &mut Context, request: Note) -> due::Result<()> {
    ctx.bind(Uid(request.text.parse()?)).await?;
    ctx.push(&News(note("from the request")))?;
    Ok(())
}

/// Hands the note on to the other node.
#[due::route(6)]
async fn hand_on(ctx: &mut Context, request: Note) -> due::Result<()> {
    ctx.cluster().deliver(RouteId(50), None, &SerdeBody(request)).await?;
    Ok(())
}

async fn harness(mirror: &Mirror) -> Harness {
    Harness::builder()
        .codec(Codec::Json)
        .encryptor(mirror.clone())
        .serve(due::routes![shout, raw, private, fail, login, hand_on])
        .start()
        .await
        .unwrap()
}

/// A client that says and hears what is on the wire.
async fn plain_client(harness: &Harness) -> Client {
    let client = harness.client_with(Client::builder()).await.unwrap();
    assert_eq!(*client.codec(), Codec::Json);
    client
}

async fn ask(client: &Client, route: i32, body: &[u8]) -> Result<Bytes, CallError> {
    let RawBody(answer) = client.request(RouteId(route), &RawBody(body.to_vec().into())).await?;
    Ok(answer)
}

fn refused(answer: Result<impl std::fmt::Debug, CallError>) -> (Code, String) {
    let Err(CallError::Status(status)) = answer else { panic!("{answer:?}") };
    (status.code(), status.message)
}

#[tokio::test]
async fn requests_and_answers_are_encrypted_and_nothing_else_is_changed() {
    let harness = harness(&Mirror::default()).await;
    let client = harness.client().await.unwrap();
    let answer: SerdeBody<Note> = client.request(RouteId(1), &SerdeBody(note("hello"))).await.unwrap();
    assert_eq!(answer.0, note("HELLO"));
    let on_the_wire = plain_client(&harness).await;
    let answer = ask(&on_the_wire, 1, &mirrored(br#"{"text":"hello"}"#)).await.unwrap();
    assert_eq!(answer, mirrored(br#"{"text":"HELLO"}"#));
    harness.stop().await;
}

/// As with due: what a server sends as bytes is sent as it is, and a client encrypts bytes as well.
#[tokio::test]
async fn raw_bytes_are_encrypted_by_clients_only() {
    let harness = harness(&Mirror::default()).await;
    let client = harness.client().await.unwrap();
    assert_eq!(ask(&client, 2, b"abc").await.unwrap(), "abc");
    let on_the_wire = plain_client(&harness).await;
    assert_eq!(ask(&on_the_wire, 2, b"#abc").await.unwrap(), "cba");
    harness.stop().await;
}

#[tokio::test]
async fn an_empty_body_stays_empty() {
    let mirror = Mirror::default();
    let harness = harness(&mirror).await;
    let client = harness.client().await.unwrap();
    let answer: SerdeBody<Note> = client.request(RouteId(1), &RawBody(Bytes::new())).await.unwrap();
    assert_eq!(answer.0, note(""));
    assert_eq!(ask(&plain_client(&harness).await, 2, b"").await.unwrap(), "");
    // The answer.
    assert_eq!(mirror.decrypted.load(Ordering::Relaxed), 1);
    harness.stop().await;
}

#[tokio::test]
async fn what_does_not_decrypt_is_answered_like_what_does_not_decode() {
    let harness = harness(&Mirror::default()).await;
    let client = plain_client(&harness).await;
    let of_plain = refused(ask(&client, 1, br#"{"text":"hello"}"#).await);
    let of_garbage = refused(ask(&client, 1, &mirrored(b"{")).await);
    assert_eq!(of_plain, (Code::INTERNAL, "undecodable body".to_owned()));
    assert_eq!(of_garbage, of_plain);
    // The connection goes on.
    assert_eq!(ask(&client, 2, b"#abc").await.unwrap(), "cba");
    harness.stop().await;
}

#[tokio::test]
async fn statuses_of_gates_and_nodes_are_read_by_both() {
    let mirror = Mirror::default();
    let harness = harness(&mirror).await;
    for client in [harness.client().await.unwrap(), plain_client(&harness).await] {
        // Of the gate, which knows of no such route, of the node, and of a handler.
        assert_eq!(refused(ask(&client, 40, b"#").await).0, Code::NOT_FOUND);
        assert_eq!(refused(ask(&client, 3, b"#").await).0, Code::UNAUTHORIZED);
    }
    assert_eq!(mirror.decrypted.load(Ordering::Relaxed), 0, "what is refused anyway is not decrypted");
    let client = harness.client().await.unwrap();
    let failed: Result<SerdeBody<Note>, _> = client.request(RouteId(4), &SerdeBody(note("why"))).await;
    assert_eq!(refused(failed), (Code(77), "why".to_owned()));
    harness.stop().await;
}

#[tokio::test]
async fn pushes_are_encrypted_wherever_they_come_from() {
    let harness = harness(&Mirror::default()).await;
    let client = harness.client().await.unwrap();
    let (mut news, mut on_the_wire) = (client.pushes::<News>(), client.listen(News::ROUTE));
    client.request::<_, ()>(RouteId(5), &SerdeBody(note("7"))).await.unwrap();
    let cluster = harness.cluster();
    News(note("to a user")).push(cluster, Uid(7)).await.unwrap();
    assert_eq!(cluster.multicast(&[Uid(7)], &News(note("to some"))).await.unwrap().delivered, 1);
    assert_eq!(cluster.broadcast(Audience::Users, &News(note("to all"))).await.unwrap().delivered, 1);
    cluster.subscribe(Uid(7), "room").await.unwrap();
    assert_eq!(cluster.publish("room", &News(note("to members"))).await.unwrap().delivered, 1);
    for text in ["from the request", "to a user", "to some", "to all", "to members"] {
        assert_eq!(news.next().await.unwrap().unwrap().0, note(text));
        let sealed = mirrored(format!(r#"{{"text":"{text}"}}"#).as_bytes());
        assert_eq!(on_the_wire.next().await.unwrap().unwrap(), sealed);
    }
    harness.stop().await;
}

#[tokio::test]
async fn a_push_that_does_not_decrypt_costs_that_push_only() {
    let harness = Harness::builder().codec(Codec::Json).serve(due::routes![login]).start().await.unwrap();
    let client = harness.client_with(Client::builder().encryptor(Mirror::default())).await.unwrap();
    let mut news = client.pushes::<News>();
    // The node does not encrypt, and reads what is written for it.
    let plain = plain_client(&harness).await;
    ask(&plain, 5, br#"{"text":"7"}"#).await.unwrap();
    for _ in 0..2 {
        harness.cluster().broadcast(Audience::Sessions, &News(note("plain"))).await.unwrap();
    }
    for _ in 0..2 {
        let error = news.next().await.unwrap().map(|News(note)| note).unwrap_err();
        let ReceiveError::Decode(DecodeError::Decrypt(why)) = error else { panic!("{error}") };
        assert_eq!(why.to_string(), "not mirrored");
    }
    harness.stop().await;
}

/// A listener that looks elsewhere while a push is decrypted.
#[tokio::test]
async fn no_push_is_lost_when_its_future_is_dropped() {
    let harness = harness(&Mirror::default()).await;
    let client = harness.client().await.unwrap();
    let mut news = client.pushes::<News>();
    client.request::<_, ()>(RouteId(5), &SerdeBody(note("7"))).await.unwrap();
    News(note("second")).push(harness.cluster(), Uid(7)).await.unwrap();
    for text in ["from the request", "second"] {
        let heard = loop {
            // Polled once: what is decrypted meanwhile is there the next time.
            let once = tokio::time::timeout(Duration::ZERO, news.next()).await;
            match once {
                Ok(heard) => break heard.unwrap().unwrap().0,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(heard, note(text));
    }
    harness.stop().await;
}

#[tokio::test]
async fn servers_write_to_each_other_in_plain() {
    let (heard, mut bodies) = mpsc::unbounded_channel();
    // It has a key as well, and nobody's text to use it on.
    let other = Node::builder().name("other").serve(due::routes![take]).layer(due::layer_fn(move |ctx, body, next| {
        heard.send(body.clone()).unwrap();
        Box::pin(async move { next.run(ctx, body).await })
    }));
    let harness = Harness::builder()
        .codec(Codec::Json)
        .encryptor(Mirror::default())
        .serve(due::routes![hand_on])
        .other_node(other.build().unwrap())
        .start()
        .await
        .unwrap();
    let client = harness.client().await.unwrap();
    client.request::<_, ()>(RouteId(6), &SerdeBody(note("inside"))).await.unwrap();
    assert_eq!(bodies.recv().await.unwrap(), r#"{"text":"inside"}"#);
    // From a client it reads the same.
    let body = br#"{"text":"outside"}"#;
    plain_client(&harness).await.send_packet(RouteId(50), Seq::NONE, &mirrored(body)).await.unwrap();
    assert_eq!(bodies.recv().await.unwrap(), body[..]);
    harness.stop().await;
}

#[due::route(50, oneway)]
async fn take(_: &mut Context, _: Note) -> due::Result<()> {
    Ok(())
}

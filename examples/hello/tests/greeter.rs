//! The rules of `hello`, tested without a socket.

use due::codec::RawBody;
use due::testing::Harness;
use due::{Audience, Codec, PushExt as _, RouteId};
use hello::v1::{
    Announcement, GreetRequest, GreetResponse, GreeterClient, GreeterClientMock, GreeterMock, GreeterRoutes,
    MannersClient, PhraseRequest,
};
use hello::{GreeterService, MannersService};

async fn harness(codec: Codec) -> Harness {
    Harness::builder().codec(codec).serve(GreeterRoutes::new(GreeterService)).start().await.unwrap()
}

#[tokio::test]
async fn people_are_greeted_in_every_codec() {
    for codec in [Codec::Proto, Codec::Json, Codec::MsgPack] {
        let harness = harness(codec.clone()).await;
        let greeter = GreeterClient::new(harness.client().await.unwrap());
        let response = greeter.greet(GreetRequest { name: "due".into() }).await.unwrap();
        assert_eq!(response, GreetResponse { code: 0, message: "hello due~~".into() }, "{codec:?}");
        harness.stop().await;
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_answered_with_code_6() {
    let harness = harness(Codec::Json).await;
    let client = harness.client().await.unwrap();
    let request = RawBody("hello due~~".into());
    let RawBody(answer) = client.request(RouteId(1), &request).await.unwrap();
    assert_eq!(answer, r#"{"code":6,"message":""}"#);
    harness.stop().await;
}

#[tokio::test]
async fn everybody_hears_an_announcement() {
    let harness = harness(Codec::Proto).await;
    let (first, second) = (harness.client().await.unwrap(), harness.client().await.unwrap());
    let (mut first_hears, mut second_hears) = (first.pushes::<Announcement>(), second.pushes::<Announcement>());
    // A session is there once its gate has answered.
    for client in [&first, &second] {
        GreeterClient::new(client).greet(GreetRequest::default()).await.unwrap();
    }
    let announcement = Announcement { text: "supper is ready".into() };
    let tally = announcement.broadcast(harness.cluster(), Audience::Sessions).await.unwrap();
    assert_eq!((tally.delivered, tally.failed), (2, 0));
    assert_eq!(first_hears.next().await.unwrap().unwrap(), announcement);
    assert_eq!(second_hears.next().await.unwrap().unwrap(), announcement);
    harness.stop().await;
}

#[tokio::test]
async fn a_mocked_service_answers_behind_a_real_gate() {
    let mock = GreeterMock::new();
    mock.greet().answers(|request| Ok(GreetResponse { code: 0, message: request.name.to_uppercase() }));
    let harness = Harness::builder().serve(GreeterRoutes::new(mock.clone())).start().await.unwrap();
    let greeter = GreeterClient::new(harness.client().await.unwrap());
    let response = greeter.greet(GreetRequest { name: "due".into() }).await.unwrap();
    assert_eq!(response.message, "DUE");
    assert_eq!(mock.greet().requests(), [GreetRequest { name: "due".into() }]);
    harness.stop().await;
}

#[tokio::test]
async fn a_mocked_client_needs_no_server() {
    let mock = GreeterClientMock::new();
    mock.greet().answers(|_| Ok(GreetResponse { code: 1, message: String::new() }));
    let response = mock.client().greet(GreetRequest::default()).await.unwrap();
    assert_eq!(response.code, 1);
}

#[tokio::test]
async fn manners_depend_on_the_hour() {
    let manners = MannersClient::local(MannersService);
    let at = |hour| manners.phrase(PhraseRequest { hour });
    assert_eq!(at(9).await.unwrap().into_inner().phrase, "good morning");
    assert_eq!(at(23).await.unwrap().into_inner().phrase, "good evening");
    assert_eq!(at(24).await.unwrap_err().message(), "a day has no hour 24");
}

//! Generated events go through the bus, typed.

use due::{App, EventExt, EventMessage, Node};
use due_codegen_compile::events::LoggedIn;

#[tokio::test]
async fn an_event_is_heard_as_it_was_published() {
    let app = App::new().node(Node::builder().build().unwrap()).start().await.unwrap();
    let cluster = app.cluster().unwrap();
    let mut logins = LoggedIn::subscribe(cluster).await.unwrap();
    let mut raw = cluster.events().subscribe(LoggedIn::TOPIC).await.unwrap();

    let login = LoggedIn { uid: 9_007_199_254_740_993, name: "李".into() };
    login.publish_event(cluster).await.unwrap();
    assert_eq!(logins.next().await.unwrap().unwrap(), login);
    assert_eq!(raw.next().await.unwrap().payload, r#"{"uid":"9007199254740993","name":"李"}"#);

    // Go processes write numbers as they are, and names that we do not know.
    cluster.events().publish("login", r#"{"uid":7,"name":"han","more":[]}"#).await.unwrap();
    assert_eq!(logins.next().await.unwrap().unwrap(), LoggedIn { uid: 7, name: "han".into() });

    cluster.events().publish("login", "nonsense").await.unwrap();
    assert!(logins.next().await.unwrap().is_err());
    login.publish_event(cluster).await.unwrap();
    assert_eq!(logins.next().await.unwrap().unwrap(), login);
    app.stop().await;
}

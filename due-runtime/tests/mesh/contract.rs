//! What a mesh is, whatever it speaks.

use std::sync::Arc;
use std::time::Duration;

use due::Backends;
use due::mesh::{Channel, Code, Mesh, Status, Transporter};
use due::registry::{Kind, MemoryRegistry, Registry, State};

use crate::wallet::WalletClient;
use crate::{Named, client, futures_pending, gold, met, names, serve, start, who};

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod over_grpc {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Transporter::Grpc).await;
            })*
        }
        #[cfg(feature = "rpcx")]
        mod over_rpcx {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Transporter::Rpcx).await;
            })*
        }
    };
}
contract!(
    calls_go_to_all_instances_in_turn,
    no_call_fails_while_instances_come_and_go,
    an_instance_that_died_is_passed_over,
    states_decide_who_is_called,
    a_call_waits_for_a_first_instance,
    an_answer_that_is_late_is_an_error,
    direct_targets_need_no_service_name,
    a_panic_fails_one_call_only,
    a_taken_address_is_an_error,
    stopping_answers_what_was_accepted,
);

async fn calls_go_to_all_instances_in_turn(by: Transporter) {
    let backends = Backends::memory();
    let one = start(by, &backends, "m1").await;
    let two = start(by, &backends, "m2").await;
    let client = client(&backends, "discovery://wallet").await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(who(&client).await);
    }
    assert_eq!(answers[..2], answers[2..4]);
    assert_eq!(answers[..2], answers[4..]);
    assert_ne!(answers[0], answers[1]);
    one.stop().await;
    two.stop().await;
}

async fn no_call_fails_while_instances_come_and_go(by: Transporter) {
    let backends = Backends::memory();
    let one = start(by, &backends, "m1").await;
    let two = start(by, &backends, "m2").await;
    let client = client(&backends, "discovery://wallet").await;
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let callers = (0..4).map(|_| {
        let (client, stopped) = (client.clone(), stopped.clone());
        tokio::spawn(async move {
            let mut calls = 0;
            while !*stopped.borrow() {
                client.incr_gold(gold(1)).await?;
                calls += 1;
            }
            Ok::<_, Status>(calls)
        })
    });
    let callers = callers.collect::<Vec<_>>();

    assert_eq!(met(&client, 200).await, names(["m1", "m2"]));
    one.stop().await;
    assert_eq!(met(&client, 200).await, names(["m2"]));
    let three = start(by, &backends, "m3").await;
    assert_eq!(met(&client, 200).await, names(["m2", "m3"]));
    two.stop().await;
    assert_eq!(met(&client, 200).await, names(["m3"]));

    stop.send_replace(true);
    stopped.changed().await.unwrap();
    for caller in callers {
        assert!(caller.await.unwrap().unwrap() > 0);
    }
    three.stop().await;
}

async fn an_instance_that_died_is_passed_over(by: Transporter) {
    let registry = MemoryRegistry::new();
    let backends = Backends::memory().registry(registry.clone());
    let one = start(by, &backends, "m1").await;
    let mut dead = registry.list(Kind::Mesh).await.unwrap()[0].clone();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    dead.id = "dead".into();
    dead.endpoint = format!("{}://{}?is_secure=false", by.as_str(), listener.local_addr().unwrap());
    drop(listener);
    registry.register(dead).await.unwrap();

    let client = client(&backends, "discovery://wallet").await;
    assert_eq!(met(&client, 6).await, names(["m1"]));
    one.stop().await;

    let error = client.incr_gold(gold(1)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().starts_with("cannot connect to 127.0.0.1:"), "{}", error.message());
}

async fn states_decide_who_is_called(by: Transporter) {
    let backends = Backends::memory();
    let mut one = start(by, &backends, "m1").await;
    let mut two = start(by, &backends, "m2").await;
    let client = client(&backends, "discovery://wallet").await;
    one.set_state(State::Busy).await.unwrap();
    assert_eq!(met(&client, 4).await, names(["m2"]));
    two.set_state(State::Hang).await.unwrap();
    assert_eq!(met(&client, 4).await, names(["m1"]));
    one.set_state(State::Shut).await.unwrap();
    assert_eq!(met(&client, 4).await, names(["m2"]));
    assert_eq!(two.state(), State::Hang);
    one.stop().await;
    two.stop().await;
}

async fn a_call_waits_for_a_first_instance(by: Transporter) {
    let backends = Backends::memory();
    let client = client(&backends, "discovery://wallet").await;
    let call = tokio::spawn(async move { who(&client).await });
    let mesh = start(by, &backends, "late").await;
    assert_eq!(call.await.unwrap(), "late");
    mesh.stop().await;
}

async fn an_answer_that_is_late_is_an_error(by: Transporter) {
    let backends = Backends::memory();
    let mesh = start(by, &backends, "m1").await;
    let channel = Channel::connect(&backends, "discovery://wallet").await.unwrap();
    let client = WalletClient::new(channel.timeout(Duration::from_millis(50)));
    let error = client.incr_gold(gold(0)).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    client.incr_gold(gold(-3)).await.unwrap();
    mesh.stop().await;
}

async fn direct_targets_need_no_service_name(by: Transporter) {
    let backends = Backends::memory();
    let one = start(by, &backends, "m1").await;
    let two = start(by, &backends, "m2").await;
    let addr = two.addr();
    let addresses = match by {
        Transporter::Grpc => vec![format!("direct://{addr}"), addr.to_string()],
        _ => vec![format!("rpcx://{addr}")],
    };
    for target in std::iter::once("direct://m2".to_owned()).chain(addresses) {
        assert_eq!(met(&client(&backends, &target).await, 3).await, names(["m2"]), "{target}");
    }
    for target in ["wallet", "discovery://", "redis://x", "direct://", "", "discovery://a/b"] {
        let error = Channel::connect(&backends, target).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("{target:?} is no mesh target: write discovery://")), "{error}");
    }
    one.stop().await;
    two.stop().await;
}

async fn a_panic_fails_one_call_only(by: Transporter) {
    let backends = Backends::memory();
    let mesh = start(by, &backends, "m1").await;
    let client = client(&backends, "discovery://wallet").await;
    let error = client.incr_gold(gold(-1)).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Internal, "internal error"));
    assert_eq!(who(&client).await, "m1");
    let error = client.incr_gold(gold(-2)).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unauthenticated, "no such user"));
    mesh.stop().await;
}

async fn a_taken_address_is_an_error(by: Transporter) {
    let backends = Backends::memory();
    let mesh = start(by, &backends, "m1").await;
    let taken =
        Mesh::builder().transporter(by).addr(mesh.addr().to_string()).build().start(&backends).await.unwrap_err();
    assert_eq!(taken.to_string(), format!("cannot listen on {}", mesh.addr()));
    mesh.stop().await;
}

async fn stopping_answers_what_was_accepted(by: Transporter) {
    let backends = Backends::memory();
    let service = Named::new("m1");
    let (gate, arrived) = (Arc::clone(&service.gate), Arc::clone(&service.arrived));
    let mesh = serve(by, &backends, service).await;
    let addr = mesh.addr();
    let slow = client(&backends, "discovery://wallet").await;
    let call = tokio::spawn(async move { slow.incr_gold(gold(0)).await });
    arrived.acquire().await.unwrap().forget();

    let mut stopped = tokio::spawn(mesh.stop());
    while std::net::TcpStream::connect(addr).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(futures_pending(&mut stopped).await, "the call is not answered yet");
    gate.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap().into_inner().by, "m1");
    stopped.await.unwrap();
}

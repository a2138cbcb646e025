//! Gate, node and mesh as processes of their own.

use std::process::Command;

use due::{Audience, Backends, CallError, Client, Cluster, Code, Codec, PushExt as _};
use hello::v1::{Announcement, GreetRequest, GreetResponse, GreeterClient, MannersClient, PhraseRequest};
use tokio::time::timeout;

use crate::process::{DEADLINE, HELLO, Process};

#[tokio::test]
async fn three_processes_are_one_game() {
    let dir = tempfile::tempdir().unwrap();
    let [_mesh, _node, gate] = ["mesh", "node", "gate"].map(|kind| Process::member(kind, "1", dir.path()));
    let backends = Backends::dir(dir.path()).codec(Codec::Json);
    let cluster = Cluster::connect(&backends).await.unwrap();

    let mut clients = Vec::new();
    for scheme in ["ws://", "tcp://"] {
        let client = Client::builder().codec(Codec::Json).connect(gate.url(scheme)).await.unwrap();
        let response = GreeterClient::new(&client).greet(GreetRequest { name: scheme.into() }).await.unwrap();
        assert_eq!(response, GreetResponse { code: 0, message: format!("hello {scheme}~~") });
        clients.push((client.pushes::<Announcement>(), client));
    }
    let announcement = Announcement { text: "supper is ready".into() };
    let tally = announcement.broadcast(&cluster, Audience::Sessions).await.unwrap();
    assert_eq!((tally.delivered, tally.failed), (2, 0));
    for (heard, _client) in &mut clients {
        let heard = timeout(DEADLINE, heard.next()).await.unwrap();
        assert_eq!(heard.unwrap().unwrap(), announcement);
    }

    let manners = MannersClient::connect(&backends, "discovery://manners").await.unwrap();
    let phrase = manners.phrase(PhraseRequest { hour: 9 }).await.unwrap();
    assert_eq!(phrase.into_inner().phrase, "good morning");
}

#[tokio::test]
async fn whoever_comes_first_waits_for_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Process::member("gate", "1", dir.path());
    let client = Client::builder().codec(Codec::Json).connect(gate.url("tcp://")).await.unwrap();
    let greeter = GreeterClient::new(client);
    let refused = async || match greeter.greet(GreetRequest { name: "due".into() }).await {
        Ok(response) => {
            assert_eq!(response.message, "hello due~~");
            false
        }
        Err(CallError::Status(status)) => {
            assert_eq!((status.code(), &*status.message), (Code::NOT_FOUND, "no route 1"));
            true
        }
        Err(error) => panic!("{error}"),
    };
    assert!(refused().await);

    let node = Process::member("node", "1", dir.path());
    timeout(DEADLINE, async { while refused().await {} }).await.expect("the gate finds the node");
    for _ in 0..100 {
        assert!(!refused().await);
    }
    // It leaves, and another one takes its name.
    node.kill();
    let _node = Process::member("node", "1", dir.path());
    let served = async {
        while let Err(error) = greeter.greet(GreetRequest { name: "due".into() }).await {
            assert!(matches!(error, CallError::Status(_)), "{error}");
        }
    };
    timeout(DEADLINE, served).await.expect("the gate finds the other node");

    let _mesh = Process::member("mesh", "1", dir.path());
    let backends = Backends::dir(dir.path()).codec(Codec::Json);
    let manners = MannersClient::connect(&backends, "discovery://manners").await.unwrap();
    assert_eq!(manners.phrase(PhraseRequest { hour: 20 }).await.unwrap().into_inner().phrase, "good evening");
}

#[test]
fn a_visit_finds_what_runs() {
    let dir = tempfile::tempdir().unwrap();
    let [_mesh, _node, gate] = ["mesh", "node", "gate"].map(|kind| Process::member(kind, "1", dir.path()));
    let visit = || {
        let urls = [gate.url("ws://"), gate.url("tcp://")];
        let output = Command::new(HELLO).arg("visit").args(urls).arg("--dir").arg(dir.path()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.success(), said)
    };
    let (well, said) = visit();
    assert!(well, "{said}");
    for url in ["ws://", "tcp://"].map(|scheme| gate.url(scheme)) {
        let told = format!(
            "connected to {url}\n  route 1, Greet: code 0, \"hello due~~\"\n  push 2, Announcement: \"{url} was greeted\", told to 1 session\n"
        );
        assert!(said.contains(&told), "{said}");
    }
    assert!(said.contains("mesh discovery://manners, Phrase at nine: \"good morning\"\n"), "{said}");
}

#[test]
fn a_name_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["gate", "node", "mesh"] {
        let _first = Process::member(kind, "one", dir.path());
        let mut second = Command::new(HELLO);
        second.args([kind, "--id", "one", "--dir", dir.path().to_str().unwrap()]);
        if kind == "gate" {
            second.args(["--ws", "127.0.0.1:0", "--tcp", "127.0.0.1:0"]);
        }
        let output = second.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("{kind} one is registered already, by process ")), "{text}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let dir = file.path().join("no");
    let output = Command::new(HELLO).arg("node").arg("--dir").arg(&dir).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(dir.to_str().unwrap()), "{text}");
}

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use due::locator::{DirLocator, LocateError, Locator};
use due::{Gid, Nid, Uid};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::chain;

const LI: Uid = Uid(1001);

#[tokio::test]
async fn values_on_one_directory_agree() {
    let home = tempfile::tempdir().unwrap();
    let (here, there) = pair(&home);
    here.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    there.bind_node(LI, "game", &Nid::from("n1")).await.unwrap();
    assert_eq!(there.locate_gate(LI).await.unwrap(), Some(Gid::from("g1")));
    assert_eq!(here.locate_node(LI, "game").await.unwrap(), Some(Nid::from("n1")));
    assert_eq!(fs::read_to_string(file(&home)).unwrap(), r#"{"gate":"g1","nodes":{"game":"n1"}}"#);
    assert!(there.unbind_gate(LI, &Gid::from("g1")).await.unwrap());
    assert_eq!(fs::read_to_string(file(&home)).unwrap(), r#"{"nodes":{"game":"n1"}}"#);
    assert!(here.unbind_node(LI, "game", &Nid::from("n1")).await.unwrap());
    assert!(!file(&home).exists(), "nothing is left of a user without a place");
}

#[tokio::test]
async fn every_user_has_a_file_of_his_own() {
    let home = tempfile::tempdir().unwrap();
    let (here, there) = pair(&home);
    let users = [i64::MIN, -257, -1, 0, 1, 255, 256, 257, i64::MAX].map(Uid);
    for uid in users {
        here.bind_gate(uid, &Gid::from(uid.to_string())).await.unwrap();
    }
    for uid in users {
        assert_eq!(there.locate_gate(uid).await.unwrap(), Some(Gid::from(uid.to_string())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_racing_unbinds_wins() {
    let home = tempfile::tempdir().unwrap();
    let (here, there) = pair(&home);
    for _ in 0..20 {
        here.bind_gate(LI, &Gid::from("g1")).await.unwrap();
        let mut unbinds = JoinSet::new();
        for locator in [&here, &there].repeat(8) {
            let locator = locator.clone();
            unbinds.spawn(async move { locator.unbind_gate(LI, &Gid::from("g1")).await.unwrap() });
        }
        assert_eq!(unbinds.join_all().await.into_iter().filter(|won| *won).count(), 1);
        assert_eq!(there.locate_gate(LI).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_unbind_that_comes_late_does_not_undo_a_rebind() {
    let home = tempfile::tempdir().unwrap();
    let (here, there) = pair(&home);
    let (old, new) = (Gid::from("g1"), Gid::from("g2"));
    for _ in 0..200 {
        here.bind_gate(LI, &old).await.unwrap();
        let (unbound, bound) = tokio::join!(here.unbind_gate(LI, &old), there.bind_gate(LI, &new));
        // The old note was there, or the new one had replaced it.
        unbound.unwrap();
        bound.unwrap();
        assert_eq!(here.locate_gate(LI).await.unwrap(), Some(new.clone()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_note_is_lost_or_half_read_while_many_write() {
    let home = tempfile::tempdir().unwrap();
    let (here, there) = pair(&home);
    here.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (locator, done) = (there.clone(), Arc::clone(&done));
        async move {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(Gid::from("g1")));
            }
        }
    });
    let mut binds = JoinSet::new();
    for number in 0..64 {
        let locator = if number % 2 == 0 { here.clone() } else { there.clone() };
        binds.spawn(async move {
            locator.bind_node(LI, &format!("name {number}"), &Nid::from(format!("n{number}"))).await.unwrap();
        });
    }
    binds.join_all().await;
    done.store(true, Ordering::Relaxed);
    reader.await.unwrap();
    assert_eq!(here.locate_nodes(LI).await.unwrap().len(), 64);
}

#[tokio::test]
async fn what_is_no_location_is_refused_until_the_next_bind() {
    let home = tempfile::tempdir().unwrap();
    let (here, _) = pair(&home);
    let (gate, node) = (Gid::from("g1"), Nid::from("n1"));
    let garbage =
        [b"".as_slice(), b"{\"gate\":\"g1\"", b"\xff\xfe", b"null", b"[7]", b"{\"gate\":7}", &[b'['; 100_000]];
    for bytes in garbage {
        here.bind_gate(LI, &gate).await.unwrap();
        fs::write(file(&home), bytes).unwrap();
        for error in [
            here.locate_gate(LI).await.unwrap_err(),
            here.locate_node(LI, "game").await.unwrap_err(),
            here.locate_nodes(LI).await.unwrap_err(),
            here.unbind_gate(LI, &gate).await.unwrap_err(),
            here.unbind_node(LI, "game", &node).await.unwrap_err(),
        ] {
            assert!(matches!(error, LocateError::Refused(_)));
            let expected = format!("locator refused the request: {} is no location: ", file(&home).display());
            assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
        }
        here.bind_node(LI, "game", &node).await.unwrap();
        assert_eq!(here.locate_gate(LI).await.unwrap(), None);
        assert_eq!(here.locate_node(LI, "game").await.unwrap(), Some(node.clone()));
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_a_clear_error() {
    let home = tempfile::tempdir().unwrap();
    let plain = home.path().join("file");
    fs::write(&plain, "").unwrap();
    let locator = DirLocator::new(&plain);
    let gate = Gid::from("g1");
    let folder = plain.join("locator").join("e9");
    for (error, action) in [
        (locator.bind_gate(LI, &gate).await.unwrap_err(), "open"),
        (locator.unbind_gate(LI, &gate).await.unwrap_err(), "read"),
        (locator.locate_gate(LI).await.unwrap_err(), "read"),
    ] {
        assert!(matches!(error, LocateError::Refused(_)));
        let expected = format!("locator refused the request: cannot {action} {}", folder.display());
        assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
        assert!(chain(&error).contains("Not a directory"), "{}", chain(&error));
    }
}

fn pair(home: &TempDir) -> (DirLocator, DirLocator) {
    (DirLocator::new(home.path()), DirLocator::new(home.path()))
}

fn file(home: &TempDir) -> PathBuf {
    // 1001 modulo 256
    home.path().join("locator/e9/1001.json")
}

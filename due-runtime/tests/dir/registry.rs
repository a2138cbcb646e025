use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use due::registry::{DirRegistry, Instance, Instances, Kind, Registry, RegistryError, State, Watch};
use tempfile::TempDir;

use super::chain;

const SOON: Duration = Duration::from_secs(30);
/// Names the directory to a child process of this test binary.
const OWNER: &str = "DUE_TEST_OWNER";

#[tokio::test]
async fn values_on_one_directory_see_each_other() {
    let home = tempfile::tempdir().unwrap();
    let (here, there) = (DirRegistry::new(home.path()), DirRegistry::new(home.path()));
    let mut watch = there.watch(Kind::Gate).await.unwrap();
    let mut gate = instance(Kind::Gate, "g1");
    here.register(gate.clone()).await.unwrap();
    assert_eq!(*until(&mut watch, |list| !list.is_empty()).await, [gate.clone()]);
    gate.state = State::Hang;
    here.register(gate.clone()).await.unwrap();
    assert_eq!(*until(&mut watch, |list| list[0].state == State::Hang).await, [gate]);
    there.register(instance(Kind::Gate, "g2")).await.unwrap();
    assert_eq!(ids(&here.list(Kind::Gate).await.unwrap()), ["g1", "g2"]);
    here.deregister(Kind::Gate, "g1").await.unwrap();
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 1).await), ["g2"]);
}

#[tokio::test]
async fn a_change_is_seen_by_the_own_watches_at_once() {
    let home = tempfile::tempdir().unwrap();
    let registry = DirRegistry::new(home.path()).interval(Duration::from_secs(3600));
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    assert_eq!(ids(&watch.latest()), ["n1"]);
    registry.deregister(Kind::Node, "n1").await.unwrap();
    assert_eq!(ids(&watch.latest()), [""; 0]);
}

#[tokio::test]
async fn an_id_belongs_to_one_value_and_its_clones() {
    let home = tempfile::tempdir().unwrap();
    let (owner, other) = (DirRegistry::new(home.path()), DirRegistry::new(home.path()));
    owner.register(instance(Kind::Node, "n1")).await.unwrap();
    let held =
        format!("registry refused the request: node n1 is registered already, by process {}", std::process::id());
    let error = other.register(instance(Kind::Node, "n1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused(_)));
    assert_eq!(chain(&error), held);
    assert_eq!(chain(&other.deregister(Kind::Node, "n1").await.unwrap_err()), held);
    other.register(instance(Kind::Mesh, "n1")).await.unwrap();

    let clone = owner.clone();
    drop(owner);
    clone.register(instance(Kind::Node, "n1")).await.unwrap();
    assert_eq!(ids(&other.list(Kind::Node).await.unwrap()), ["n1"]);
    let mut watch = other.watch(Kind::Node).await.unwrap();
    drop(clone);
    until(&mut watch, <[_]>::is_empty).await;
    other.register(instance(Kind::Node, "n1")).await.unwrap();
    assert_eq!(ids(&other.list(Kind::Node).await.unwrap()), ["n1"]);
}

#[test]
fn a_killed_owner_disappears() {
    if let Some(dir) = std::env::var_os(OWNER) {
        return own(Path::new(&dir));
    }
    let home = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let child = Command::new(this)
        .args(["--exact", "registry::a_killed_owner_disappears"])
        .env(OWNER, home.path())
        .stdout(Stdio::null())
        .spawn();
    let mut owner = KillOnDrop(child.unwrap());
    run(async {
        let registry = DirRegistry::new(home.path());
        let mut watch = registry.watch(Kind::Node).await.unwrap();
        assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["n1", "n2"]);
        let error = registry.register(instance(Kind::Node, "n1")).await.unwrap_err();
        assert!(chain(&error).ends_with(&format!("by process {}", owner.0.id())), "{}", chain(&error));

        owner.0.kill().unwrap();
        owner.0.wait().unwrap();
        assert_eq!(ids(&until(&mut watch, <[_]>::is_empty).await), [""; 0]);
        assert_eq!(files(&home), ["guard"], "what the dead left is swept");
        registry.register(instance(Kind::Node, "n1")).await.unwrap();
        assert_eq!(ids(&watch.latest()), ["n1"]);
    });
}

/// The child: registers two nodes, and lives until it is killed.
fn own(dir: &Path) {
    run(async {
        let registry = DirRegistry::new(dir);
        registry.register(instance(Kind::Node, "n1")).await.unwrap();
        registry.register(instance(Kind::Node, "n2")).await.unwrap();
        std::future::pending::<()>().await;
    });
}

#[tokio::test]
async fn odd_ids_round_trip() {
    let home = tempfile::tempdir().unwrap();
    let registry = DirRegistry::new(home.path());
    let longest = "x".repeat(200);
    let odd = [" ", "%2F", "../../etc/passwd", "/", "a.lock", "guard", "n1", "n1.json", &longest, "上海"];
    for id in odd {
        registry.register(instance(Kind::Node, id)).await.unwrap();
    }
    assert_eq!(ids(&registry.list(Kind::Node).await.unwrap()), odd);
    for id in odd {
        registry.deregister(Kind::Node, id).await.unwrap();
    }
    assert_eq!(files(&home), ["guard"]);
    for (id, reason) in [
        ("".to_owned(), "an id has at least one character"),
        ("x".repeat(201), "its id takes more than 200 bytes as a file name"),
        ("海".repeat(23), "its id takes more than 200 bytes as a file name"),
    ] {
        let error = registry.register(instance(Kind::Node, &id)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("registry cannot hold node {id}: {reason}"));
        registry.deregister(Kind::Node, &id).await.unwrap();
    }
}

#[tokio::test]
async fn files_that_are_no_instances_are_skipped() {
    let home = tempfile::tempdir().unwrap();
    let owner = DirRegistry::new(home.path());
    let reader = observer(&home);
    let mut watch = reader.watch(Kind::Node).await.unwrap();
    owner.register(instance(Kind::Node, "good")).await.unwrap();
    let folder = home.path().join("registry/node");
    let json = serde_json::to_vec(&instance(Kind::Node, "n1")).unwrap();
    let other_kind = serde_json::to_vec(&instance(Kind::Gate, "n1")).unwrap();
    for bytes in [
        b"".as_slice(),
        &json[..json.len() - 1],
        b"\xff\xfe{}",
        b"null",
        b"[[[[",
        &[0; 4096],
        &other_kind,
        &[b'[', b'1'].repeat(100_000),
        &vec![b' '; 5 << 20],
    ] {
        owner.register(instance(Kind::Node, "n1")).await.unwrap();
        until(&mut watch, |list| list.len() == 2).await;
        fs::write(folder.join("n1.json"), bytes).unwrap();
        assert_eq!(ids(&until(&mut watch, |list| list.len() == 1).await), ["good"]);
    }
    // Neither owned by anybody nor of the right shape.
    fs::write(folder.join("nobody.json"), &json).unwrap();
    fs::write(folder.join("README"), "?").unwrap();
    fs::write(folder.join("stale.lock"), "?").unwrap();
    fs::create_dir(folder.join("folder.lock")).unwrap();
    fs::create_dir(folder.join("folder.json")).unwrap();
    assert_eq!(ids(&reader.list(Kind::Node).await.unwrap()), ["good"]);
    assert!(!folder.join("stale.lock").exists(), "nobody holds it");
    assert!(folder.join("nobody.json").exists(), "not ours to remove");
}

#[cfg(unix)]
#[tokio::test]
async fn file_names_that_are_no_text_are_skipped() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let home = tempfile::tempdir().unwrap();
    let registry = DirRegistry::new(home.path());
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    for name in [b"\xff.json".as_slice(), b"\xff.lock", b"n2.\xff"] {
        fs::write(home.path().join("registry/node").join(OsStr::from_bytes(name)), "{}").unwrap();
    }
    assert_eq!(ids(&registry.list(Kind::Node).await.unwrap()), ["n1"]);
}

#[tokio::test]
async fn a_directory_that_vanishes_keeps_the_last_list() {
    let home = tempfile::tempdir().unwrap();
    let (owner, reader) = (DirRegistry::new(home.path()), DirRegistry::new(home.path()));
    owner.register(instance(Kind::Node, "n1")).await.unwrap();
    let mut watch = reader.watch(Kind::Node).await.unwrap();
    assert_eq!(ids(&watch.latest()), ["n1"]);
    fs::remove_dir_all(home.path().join("registry")).unwrap();
    let error = reader.list(Kind::Node).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable(_)));
    assert!(chain(&error).starts_with("registry is unreachable: cannot read directory "), "{}", chain(&error));
    let mut late = reader.watch(Kind::Node).await.unwrap();
    assert_eq!(ids(&late.latest()), ["n1"]);

    let mut node = instance(Kind::Node, "n1");
    node.state = State::Busy;
    owner.register(node.clone()).await.unwrap();
    assert_eq!(*until(&mut watch, |list| list.first().is_some_and(|node| node.state == State::Busy)).await, [node]);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_a_clear_error() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let registry = DirRegistry::new(&file);
    let expected = format!(
        "registry refused the request: cannot create directory {}: Not a directory",
        file.join("registry/node").display()
    );
    for error in [
        registry.register(instance(Kind::Node, "n1")).await.unwrap_err(),
        registry.deregister(Kind::Node, "n1").await.unwrap_err(),
        registry.list(Kind::Node).await.unwrap_err(),
        registry.watch(Kind::Node).await.unwrap_err(),
    ] {
        assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
    }
}

#[test]
fn a_watch_lives_on_when_the_runtime_of_the_first_one_ends() {
    let home = tempfile::tempdir().unwrap();
    let registry = DirRegistry::new(home.path());
    let first = run(async { registry.watch(Kind::Node).await.unwrap() });
    run(async {
        let mut second = registry.watch(Kind::Node).await.unwrap();
        drop(first);
        let other = DirRegistry::new(home.path());
        other.register(instance(Kind::Node, "n1")).await.unwrap();
        assert_eq!(ids(&until(&mut second, |list| !list.is_empty()).await), ["n1"]);
    });
}

/// Claims and sweeps of one id at a time, from many threads: there is one owner or none, and the last one is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_values_gets_an_id() {
    let home = tempfile::tempdir().unwrap();
    let observer = observer(&home);
    let mut watch = observer.watch(Kind::Node).await.unwrap();
    for _ in 0..20 {
        let mut contenders = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let registry = DirRegistry::new(home.path());
            contenders.spawn(async move {
                let won = registry.register(instance(Kind::Node, "n1")).await;
                let seen = registry.list(Kind::Node).await.unwrap().len();
                (registry, won, seen)
            });
        }
        let results = contenders.join_all().await;
        let winners = results.iter().filter(|(_, won, _)| won.is_ok()).count();
        assert_eq!(winners, 1, "{results:?}");
        for (_, won, seen) in &results {
            assert_eq!(*seen, 1);
            assert!(matches!(won, Ok(()) | Err(RegistryError::Refused(_))), "{won:?}");
        }
        until(&mut watch, |list| list.len() == 1).await;
        drop(results);
        until(&mut watch, <[_]>::is_empty).await;
    }
}

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // It may be dead already, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn observer(home: &TempDir) -> DirRegistry {
    DirRegistry::new(home.path()).interval(Duration::from_millis(1))
}

fn instance(kind: Kind, id: &str) -> Instance {
    let mut instance = Instance::new(kind, id);
    instance.endpoint = "drpc://127.0.0.1:3553?is_secure=false".into();
    instance
}

fn ids(list: &Instances) -> Vec<&str> {
    list.iter().map(|instance| instance.id.as_str()).collect()
}

fn files(home: &TempDir) -> Vec<String> {
    let folder = home.path().join("registry/node");
    let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

async fn until(watch: &mut Watch, fits: impl Fn(&[Instance]) -> bool) -> Instances {
    let found = async {
        loop {
            let list = watch.next().await.expect("an open registry");
            if fits(&list) {
                return list;
            }
        }
    };
    tokio::time::timeout(SOON, found).await.expect("a list in time")
}

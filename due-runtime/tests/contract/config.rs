use due::config::{ConfigError, ConfigName, ConfigSource, ConfigText, ConfigVersion, DirConfig, MemoryConfig};
use tokio::task::JoinSet;

use super::Dirs;

/// Runs every rule of [`ConfigSource`], each on a source of its own that may be written.
async fn suite<S: ConfigSource + Clone>(make: impl Fn() -> S) {
    what_is_stored_is_loaded_and_listed(&make()).await;
    only_who_names_the_version_replaces_a_text(&make()).await;
    of_writers_at_once_one_succeeds(&make()).await;
    what_its_format_cannot_read_is_not_kept(&make()).await;
    no_two_texts_have_the_same_keys(&make()).await;
}

#[tokio::test]
async fn memory() {
    suite(MemoryConfig::new).await;
}

#[tokio::test]
async fn dir() {
    let dirs = Dirs::default();
    suite(|| DirConfig::new(dirs.next()).writable()).await;
}

#[cfg(feature = "consul")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consul() {
    use due::config::ConsulConfig;

    let mut server = crate::support::Consul::start();
    let count = std::cell::Cell::new(0);
    let make = |path: String| ConsulConfig::new(server.addr()).path(path);
    suite(|| {
        count.set(count.get() + 1);
        make(format!("config/{}", count.get())).writable()
    })
    .await;

    // As others write and read there.
    server.ask("PUT", "/v1/kv/config/by-hand.yaml", "a: 1");
    server.ask("PUT", "/v1/kv/config/folder/x.yaml", "a: 1");
    let source = make("config".to_owned());
    let listed = source.list().await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["by-hand.yaml"]);
    assert_eq!(source.load(&name("by-hand.yaml")).await.unwrap().unwrap().text, "a: 1");
    let error = source.store(&name("by-hand.yaml"), "a: 2", Some(&listed[0].version)).await.unwrap_err();
    assert!(matches!(error, ConfigError::ReadOnly), "{error:?}");
    server.kill();
    let error = source.list().await.unwrap_err();
    assert!(matches!(error, ConfigError::Unreachable(_)), "{error:?}");
}

fn name(name: &str) -> ConfigName {
    name.parse().unwrap()
}

async fn what_is_stored_is_loaded_and_listed(source: &impl ConfigSource) {
    assert_eq!(source.list().await.unwrap(), []);
    assert_eq!(source.load(&name("a.toml")).await.unwrap(), None);
    for (text, file) in [("", "b.toml"), ("x = \"ü\"\n", "a.toml"), ("{\"a\": [1]}", "c.json")] {
        let version = source.store(&name(file), text, None).await.unwrap();
        let loaded = source.load(&name(file)).await.unwrap();
        assert_eq!(loaded, Some(ConfigText { version, text: text.to_owned() }));
    }
    let listed = source.list().await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a.toml", "b.toml", "c.json"]);
    for entry in listed {
        assert_eq!(source.load(&entry.name).await.unwrap().unwrap().version, entry.version);
    }
}

async fn only_who_names_the_version_replaces_a_text(source: &impl ConfigSource) {
    let file = name("a.toml");
    let conflict = async |text: &str, expected: Option<&ConfigVersion>| match source.store(&file, text, expected).await
    {
        Err(ConfigError::Conflict { name, current }) if name == file => current,
        other => panic!("{other:?}"),
    };
    for nowhere in ["7", "0", "", "x"] {
        assert_eq!(conflict("", Some(&ConfigVersion::new(nowhere))).await, None);
    }
    let first = source.store(&file, "x = 1", None).await.unwrap();
    assert_eq!(conflict("x = 2", None).await.as_ref(), Some(&first));
    let second = source.store(&file, "x = 2", Some(&first)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(conflict("x = 3", Some(&first)).await.as_ref(), Some(&second));
    assert_eq!(source.load(&file).await.unwrap().unwrap().text, "x = 2");
}

async fn of_writers_at_once_one_succeeds<S: ConfigSource + Clone>(source: &S) {
    let first = source.store(&name("a.toml"), "x = 0", None).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 1..=8 {
        let (source, first) = (source.clone(), first.clone());
        writers.spawn(async move {
            let text = format!("x = {writer}");
            source.store(&name("a.toml"), &text, Some(&first)).await.ok().map(|version| ConfigText { version, text })
        });
    }
    let stored: Vec<ConfigText> = writers.join_all().await.into_iter().flatten().collect();
    assert_eq!(stored.len(), 1);
    assert_eq!(source.load(&name("a.toml")).await.unwrap().as_ref(), Some(&stored[0]));
}

async fn what_its_format_cannot_read_is_not_kept(source: &impl ConfigSource) {
    for (file, text) in [("a.toml", "x ="), ("a.json", "{"), ("a.yaml", "a: [1"), ("a.xml", "<a>")] {
        let error = source.store(&name(file), text, None).await.unwrap_err();
        assert!(matches!(error, ConfigError::Malformed(_)), "{file}: {error:?}");
    }
    let long = format!("\"{}\"", "a".repeat(256 * 1024));
    let error = source.store(&name("a.json"), &long, None).await.unwrap_err();
    assert!(matches!(error, ConfigError::TooLong { size, .. } if size == 256 * 1024 + 2), "{error:?}");
    assert_eq!(source.list().await.unwrap(), []);
}

async fn no_two_texts_have_the_same_keys(source: &impl ConfigSource) {
    source.store(&name("a.toml"), "", None).await.unwrap();
    let error = source.store(&name("a.yaml"), "", None).await.unwrap_err();
    assert!(matches!(error, ConfigError::Twin { twin, .. } if twin == name("a.toml")));
}

//! Texts of the configuration, read and changed.

use std::fs;

use due::config::{DirConfig, MemoryConfig};
use serde_json::{Value, json};

use crate::world::{World, code};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_names_the_version_it_is_made_of() {
    for source in ["memory", "dir"] {
        let dir = tempfile::tempdir().unwrap();
        let world = match source {
            "memory" => World::start_with("conf-m", |master| master.config(MemoryConfig::new())).await,
            _ => World::start_with("conf-d", |master| master.config(DirConfig::new(dir.path()).writable())).await,
        };
        let api = &world.api;
        assert_eq!(api.get("config").await, (200, json!({ "configs": [] })));
        assert_eq!(code(&api.get("config/shop.toml").await), (404, "not_found"));

        let (status, stored) = api.put("config/shop.toml", json!({ "text": "gold = 1\n" })).await;
        assert_eq!(status, 200, "{stored}");
        let first = stored["version"].clone();
        let whole = |version: &Value, text| (200, json!({ "name": "shop.toml", "version": version, "text": text }));
        assert_eq!(api.get("config/shop.toml").await, whole(&first, "gold = 1\n"));

        // Two operators have read it; the second one to write has to read again.
        let change = |text: &str| json!({ "text": text, "version": first });
        let (_, stored) = api.put("config/shop.toml", change("gold = 2\n")).await;
        let late = api.put("config/shop.toml", change("gold = 3\n")).await;
        assert_eq!(code(&late), (409, "conflict"), "{source}");
        assert_eq!(code(&api.put("config/shop.toml", json!({ "text": "" })).await), (409, "conflict"));
        assert_eq!(api.get("config/shop.toml").await, whole(&stored["version"], "gold = 2\n"));
        let listed = json!({ "configs": [{ "name": "shop.toml", "version": stored["version"] }] });
        assert_eq!(api.get("config").await, (200, listed));

        let twin = api.put("config/shop.json", json!({ "text": "{}" })).await;
        assert_eq!(code(&twin), (409, "conflict"), "its keys would be there twice");
        let broken = api.put("config/broken.toml", json!({ "text": "a = 1\nb = \n" })).await;
        assert_eq!(code(&broken), (422, "unprocessable"));
        let said = broken.1["message"].as_str().unwrap();
        assert!(said.contains("broken.toml:2: "), "{said}");
        let long = format!("\"{}\"", "a".repeat(256 * 1024));
        assert_eq!(code(&api.put("config/long.json", json!({ "text": long })).await), (413, "too_large"));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_leads_out_of_the_directory_and_nobody_writes_unless_told() {
    let outside = tempfile::tempdir().unwrap();
    let dir = outside.path().join("config");
    fs::create_dir(&dir).unwrap();
    fs::write(outside.path().join("secret.toml"), "key = 1").unwrap();
    fs::write(dir.join("a.yaml"), "x: 1").unwrap();
    fs::write(dir.join("notes.txt"), "not ours").unwrap();
    let world = World::start_with("conf-r", |master| master.config(DirConfig::new(&dir))).await;
    let (_, listed) = world.api.get("config").await;
    assert_eq!(listed["configs"].as_array().unwrap().len(), 1);
    assert_eq!(listed["configs"][0]["name"], "a.yaml");
    for name in ["..%2Fsecret.toml", "%2e%2e%2fsecret.toml", "..%5Csecret.toml", "notes.txt", "%00.toml", ".lock"] {
        assert_eq!(code(&world.api.get(&format!("config/{name}")).await), (400, "bad_request"), "{name}");
        let stored = world.api.put(&format!("config/{name}"), json!({ "text": "key = 2" })).await;
        assert_eq!(code(&stored), (400, "bad_request"), "{name}");
    }
    let version = &listed["configs"][0]["version"];
    let stored = world.api.put("config/a.yaml", json!({ "text": "x: 2", "version": version })).await;
    assert_eq!(code(&stored), (403, "read_only"));
    assert_eq!(fs::read_to_string(dir.join("a.yaml")).unwrap(), "x: 1");
    assert_eq!(fs::read_to_string(outside.path().join("secret.toml")).unwrap(), "key = 1");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_without_a_source_says_so() {
    let world = World::start("conf-n").await;
    let answer = world.api.get("config").await;
    assert_eq!(code(&answer), (404, "not_found"));
    assert_eq!(answer.1["message"], "this master was given no configuration: MasterBuilder::config");
    world.stop().await;
}

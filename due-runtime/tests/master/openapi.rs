//! The document describes what the master does: every path is walked, every answer held against its schema.

use due::config::MemoryConfig;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::world::{TOKEN, World};

/// The schema of an answer, with what it refers to.
fn schema(document: &Value, operation: &Value, status: u16) -> Option<Validator> {
    let response = if status == 200 { &operation["responses"]["200"] } else { &operation["responses"]["default"] };
    let schema = response["content"].get("application/json")?["schema"].clone();
    let mut whole = schema;
    whole["components"] = document["components"].clone();
    Some(jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(&whole).unwrap())
}

/// What is asked to succeed, by operation: path parameters and a body.
fn example(id: &str) -> (&'static [(&'static str, &'static str)], Value) {
    let message = json!({ "route": 50, "body": { "text": "hi" } });
    let of_node: &[_] = &[("kind", "node"), ("id", "walk-n1")];
    match id {
        "setState" => (of_node, json!({ "state": "work" })),
        "drain" => (of_node, Value::Null),
        "showInstance" => (&[("kind", "gate"), ("id", "walk-g1")], Value::Null),
        "showUser" => (&[("uid", "1")], Value::Null),
        "push" => (&[], json!({ "uid": 1, "message": message })),
        "multicast" => (&[], json!({ "uids": [1, 2], "message": message })),
        "broadcast" => (&[], json!({ "audience": "sessions", "message": message })),
        "publish" => (&[], json!({ "channel": "lobby", "message": message })),
        "kick" => (&[], json!({ "uid": 2, "reason": { "code": 7, "message": "bye" } })),
        "loadConfig" => (&[("name", "shop.toml")], Value::Null),
        "storeConfig" => (&[("name", "new.json")], json!({ "text": "{\"a\": 1}" })),
        _ => (&[], Value::Null),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_answers_as_the_document_says() {
    let world = World::start_with("walk", |master| master.config(MemoryConfig::new())).await;
    let (one, ..) = world.player(0, 1).await;
    let (two, ..) = world.player(1, 2).await;
    world.api.put("config/shop.toml", json!({ "text": "a = 1" })).await;
    let document = world.api.raw("GET", "/openapi.json", &[], "").await.body;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
    let (mut walked, mut refused, mut ids) = (0, 0, Vec::new());
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let id = operation["operationId"].as_str().unwrap();
            let (parameters, body) = example(id);
            let declared = operation["parameters"].as_array().map_or(0, Vec::len);
            assert_eq!(declared, parameters.len(), "{id}");
            let filled = parameters.iter().fold(path.clone(), |path, (name, value)| {
                assert!(path.contains(&format!("{{{name}}}")), "{id}");
                path.replace(&format!("{{{name}}}"), value)
            });
            assert!(!filled.contains('{'), "{filled}");
            let text = if body.is_null() { String::new() } else { body.to_string() };
            assert_eq!(operation.get("requestBody").is_some(), !body.is_null(), "{id}");
            if let Some(asked) = operation.get("requestBody") {
                let mut whole = asked["content"]["application/json"]["schema"].clone();
                whole["components"] = document["components"].clone();
                let question = jsonschema::draft202012::new(&whole).unwrap();
                assert!(question.is_valid(&body), "{id}: {:?}", question.iter_errors(&body).collect::<Vec<_>>());
                assert!(!question.is_valid(&json!({ "nonsense": 1 })), "{id}");
            }
            let answer = world.api.raw(&method, &filled, &headers, &text).await;
            assert_eq!(answer.status, 200, "{method} {filled}: {}", answer.body);
            if let Some(schema) = schema(&document, operation, 200) {
                let answer: Value = serde_json::from_str(&answer.body).unwrap();
                let errors: Vec<_> = schema.iter_errors(&answer).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{id}: {errors:?} in {answer}");
                assert!(id == "document" || !schema.is_valid(&json!(7)), "{id}: the schema takes anything");
            }
            walked += 1;
            ids.push(id.to_owned());

            // What fails has one form.
            let absent = path.replace("{kind}", "node").replace("{id}", "x").replace("{uid}", "404");
            let absent = absent.replace("{name}", "x.toml");
            let body = if operation.get("requestBody").is_some() { "{\"nonsense\": 1}" } else { "" };
            if absent == *path && body.is_empty() {
                continue;
            }
            let answer = world.api.raw(&method, &absent, &headers, body).await;
            assert!((400..500).contains(&answer.status), "{method} {absent}: {}", answer.status);
            let refusal: Value = serde_json::from_str(&answer.body).unwrap();
            assert!(schema(&document, operation, answer.status).unwrap().is_valid(&refusal), "{refusal}");
            refused += 1;
        }
    }
    assert_eq!((walked, refused), (19, 11));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 19, "names of operations are unique");
    one.close().await;
    two.close().await;
    world.stop().await;
}

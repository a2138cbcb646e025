//! The OpenAPI document, out of the same table as the router.

use std::sync::{Arc, LazyLock};

use axum::response::{IntoResponse, Response};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::endpoint::{Answer, Endpoint};
use super::refusal::Refusal;
use super::table::endpoints;

static TEXT: LazyLock<String> = LazyLock::new(|| document(&endpoints()).to_string());

pub(super) async fn show(_: Arc<Desk>) -> Result<Response, Refusal> {
    Ok(TEXT.as_str().into_response())
}

fn document(endpoints: &[Endpoint]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for endpoint in endpoints {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[endpoint.method.as_str().to_lowercase()] = operation(endpoint, &mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Master of a due cluster",
            "description": "Shows and steers the gates, nodes and meshes of one cluster.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{ "token": [] }],
    })
}

fn operation(endpoint: &Endpoint, schemas: &mut SchemaGenerator) -> Value {
    let answer = match endpoint.answer {
        Answer::Json(shape) => json!({ "application/json": { "schema": shape(schemas) } }),
        Answer::Text(media @ "application/json") => json!({ media: { "schema": { "type": "object" } } }),
        Answer::Text(media) => json!({ media: { "schema": { "type": "string" } } }),
    };
    let refusal = schemas.subschema_for::<Refusal>();
    let mut operation = json!({
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "responses": {
            "200": { "description": "It was done.", "content": answer },
            "default": {
                "description": "It was not done.",
                "content": { "application/json": { "schema": refusal } },
            },
        },
    });
    let parameters: Vec<Value> = parameters(endpoint.path).map(parameter).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(shape) = endpoint.request {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": shape(schemas) } } });
    }
    if endpoint.is_open {
        operation["security"] = json!([]);
    }
    operation
}

/// The names in braces.
fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn parameter(name: &str) -> Value {
    let schema = match name {
        "kind" => json!({ "type": "string", "enum": ["gate", "node", "mesh"] }),
        "uid" => json!({ "type": "integer", "format": "int64", "minimum": 1 }),
        _ => json!({ "type": "string" }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

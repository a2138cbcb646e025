//! Every endpoint. The router and the document are made of this table.

use axum::http::Method;

use super::endpoint::Endpoint;
use super::{configs, document, gauges, instances, messages, online, overview, page, routes, users};
use crate::metrics::exposition::MIME;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (post, put) = (Method::POST, Method::PUT);
    vec![
        Endpoint::get("/api/v1/overview", "overview", "Everything that the page shows", overview::show),
        Endpoint::get("/api/v1/instances", "listInstances", "Gates, nodes and meshes", instances::list),
        Endpoint::get(
            "/api/v1/instances/{kind}/{id}",
            "showInstance",
            "One of them, with what it counts",
            instances::show,
        ),
        Endpoint::with_body(
            put.clone(),
            "/api/v1/instances/{kind}/{id}/state",
            "setState",
            "Changes the state of a gate or a node",
            instances::set_state,
        ),
        Endpoint::without_body(
            post.clone(),
            "/api/v1/instances/{kind}/{id}/drain",
            "drain",
            "Lets a gate or a node take no new users; may be asked again for what is left",
            instances::drain,
        ),
        Endpoint::get("/api/v1/routes", "listRoutes", "Which nodes serve what", routes::list),
        Endpoint::get("/api/v1/online", "online", "Sessions and users of each gate", online::online),
        Endpoint::get("/api/v1/users/{uid}", "showUser", "Where a user is", users::show),
        Endpoint::with_body(post.clone(), "/api/v1/push", "push", "A message to one client", messages::push),
        Endpoint::with_body(
            post.clone(),
            "/api/v1/multicast",
            "multicast",
            "A message to many users",
            messages::multicast,
        ),
        Endpoint::with_body(
            post.clone(),
            "/api/v1/broadcast",
            "broadcast",
            "A message to all users or sessions",
            messages::broadcast,
        ),
        Endpoint::with_body(
            post.clone(),
            "/api/v1/publish",
            "publish",
            "A message to the members of a channel",
            messages::publish,
        ),
        Endpoint::with_body(post, "/api/v1/kick", "kick", "Ends the session of a client", messages::kick),
        Endpoint::get("/api/v1/config", "listConfigs", "Names and versions of the configuration", configs::list),
        Endpoint::get("/api/v1/config/{name}", "loadConfig", "One text of the configuration", configs::load),
        Endpoint::with_body(
            put,
            "/api/v1/config/{name}",
            "storeConfig",
            "Replaces a text that nobody else has changed",
            configs::store,
        ),
        Endpoint::text("/metrics", "metrics", "For Prometheus", MIME, gauges::show),
        Endpoint::text("/openapi.json", "document", "This document", "application/json", document::show).open(),
        Endpoint::text("/", "page", "A page for people", "text/html; charset=utf-8", page::show).open(),
    ]
}

//! One endpoint of the API: what it takes and answers is said once, for the router and for the document.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use axum::{RequestExt as _, Router};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::desk::Desk;
use super::refusal::{Refusal, json};
use super::token::Token;
use crate::future::BoxFuture;

/// Bytes of the largest body: a text of a configuration, written as JSON.
const BODY: usize = 512 * 1024;
const DEADLINE: Duration = Duration::from_secs(15);

/// One method of one path.
pub(super) struct Endpoint {
    pub(super) method: Method,
    /// As OpenAPI and axum write it, with `{name}` for what varies.
    pub(super) path: &'static str,
    /// Its name in clients that are generated.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// Whether it needs no token.
    pub(super) is_open: bool,
    pub(super) request: Option<Shape>,
    pub(super) answer: Answer,
    run: Run,
}

/// Says a type in the words of JSON Schema.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;
type Run = Arc<dyn Fn(Arc<Desk>, Request) -> BoxFuture<'static, Result<Response, Refusal>> + Send + Sync>;

pub(super) enum Answer {
    Json(Shape),
    /// Of this media type.
    Text(&'static str),
}

/// What varies in the path of a request, by name.
pub(super) struct Params(HashMap<String, String>);

impl Params {
    /// The router has matched a path with this name in it.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl Endpoint {
    /// Answers with JSON, and takes no body.
    pub(super) fn get<A, F>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        run: fn(Arc<Desk>, Params) -> F,
    ) -> Self
    where
        A: Serialize + JsonSchema,
        F: Future<Output = Result<A, Refusal>> + Send + 'static,
    {
        Self::without_body(Method::GET, path, id, summary, run)
    }

    pub(super) fn without_body<A, F>(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        run: fn(Arc<Desk>, Params) -> F,
    ) -> Self
    where
        A: Serialize + JsonSchema,
        F: Future<Output = Result<A, Refusal>> + Send + 'static,
    {
        let run: Run = Arc::new(move |desk, mut request| {
            Box::pin(async move {
                let params = params(&mut request).await?;
                Ok(json(StatusCode::OK, &run(desk, params).await?))
            })
        });
        let answer = Answer::Json(SchemaGenerator::subschema_for::<A>);
        Self { method, path, id, summary, is_open: false, request: None, answer, run }
    }

    /// Takes and answers JSON.
    pub(super) fn with_body<Q, A, F>(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        run: fn(Arc<Desk>, Params, Q) -> F,
    ) -> Self
    where
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        A: Serialize + JsonSchema,
        F: Future<Output = Result<A, Refusal>> + Send + 'static,
    {
        let run: Run = Arc::new(move |desk, mut request| {
            Box::pin(async move {
                let params = params(&mut request).await?;
                let body = body(request).await?;
                Ok(json(StatusCode::OK, &run(desk, params, body).await?))
            })
        });
        let (question, answer) = (SchemaGenerator::subschema_for::<Q>, SchemaGenerator::subschema_for::<A>);
        Self { method, path, id, summary, is_open: false, request: Some(question), answer: Answer::Json(answer), run }
    }

    /// Answers with text, and takes no body.
    pub(super) fn text<F>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        media: &'static str,
        run: fn(Arc<Desk>) -> F,
    ) -> Self
    where
        F: Future<Output = Result<Response, Refusal>> + Send + 'static,
    {
        let run: Run = Arc::new(move |desk, _| {
            Box::pin(async move {
                let mut response = run(desk).await?;
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
                Ok(response)
            })
        });
        let method = Method::GET;
        Self { method, path, id, summary, is_open: false, request: None, answer: Answer::Text(media), run }
    }

    /// Asks for no token: there are no facts of the cluster in its answer.
    pub(super) fn open(self) -> Self {
        Self { is_open: true, ..self }
    }
}

/// All endpoints, and the routes of the game's own, behind the token.
pub(super) fn router(endpoints: Vec<Endpoint>, own: Router, desk: Arc<Desk>, token: Token) -> Router {
    let open: Vec<&str> = endpoints.iter().filter(|endpoint| endpoint.is_open).map(|endpoint| endpoint.path).collect();
    let mut router = own;
    for Endpoint { method, path, run, .. } in endpoints {
        let desk = Arc::clone(&desk);
        let answer = move |request: Request| run(Arc::clone(&desk), request);
        let filter = MethodFilter::try_from(method).expect("a method of HTTP");
        router = router.route(path, on(filter, answer));
    }
    let guard = move |request: Request, next: Next| {
        let is_known = open.contains(&request.uri().path()) || token.is_known(request.headers());
        async move {
            let mut response = if is_known {
                let late = || Refusal::timeout("it takes too long; it may still have been done").into_response();
                timeout(DEADLINE, next.run(request)).await.unwrap_or_else(|_| late())
            } else {
                tracing::warn!(method = %request.method(), path = request.uri().path(), "a request without the token");
                let mut response = Refusal::unauthorized("say `Authorization: Bearer TOKEN`").into_response();
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            };
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            response
        }
    };
    router
        .fallback(|| async { Refusal::not_found("there is no such path; /openapi.json names all") })
        .method_not_allowed_fallback(|| async { Refusal::bad_method("the path takes another method") })
        .layer(middleware::from_fn(guard))
}

async fn params(request: &mut Request) -> Result<Params, Refusal> {
    let Path(params) = request.extract_parts().await.map_err(Refusal::bad_request)?;
    Ok(Params(params))
}

async fn body<Q: DeserializeOwned>(request: Request<Body>) -> Result<Q, Refusal> {
    let media = request.headers().get(CONTENT_TYPE).map_or(&[][..], |media| media.as_bytes());
    let media = media.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if !media.eq_ignore_ascii_case(b"application/json") {
        return Err(Refusal::unsupported_media_type("the body must be application/json"));
    }
    let too_large = |_| Refusal::too_large(format!("the body is cut off, or has more than {BODY} bytes"));
    let bytes = to_bytes(request.into_body(), BODY).await.map_err(too_large)?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::bad_request(format!("the body: {error}")))
}

//! The six calls of consul's HTTP API that a registry needs.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;

use super::Options;
use super::layout::{Entry, Registration};
use crate::registry::Kind;
use crate::registry::remote::{Cause, Failure};
use crate::registry::tls;

/// Bytes of an answer that says why not.
const MAX_REASON: usize = 512;

pub(super) struct Api {
    /// Why there is none is the answer to every call.
    client: Result<Client, String>,
    base: String,
    token: Option<String>,
    wait: Duration,
    timeout: Duration,
}

/// Who passes all checks, and since when.
pub(super) struct Passing {
    pub(super) entries: Vec<Entry>,
    pub(super) index: u64,
}

/// Consul's own words.
#[derive(Debug, thiserror::Error)]
#[error("consul says {status}: {reason}")]
struct Said {
    status: StatusCode,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Pulse {
    status: &'static str,
    output: &'static str,
}

impl Api {
    pub(super) fn new(options: &Options) -> Self {
        let Options { addr, token, tls, wait, timeout, .. } = options;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let config = tls.as_ref().map_or_else(tls::nobody, |tls| Ok(tls.config()));
        let client = config.map_err(|error| error.to_string()).and_then(|config| {
            let builder = Client::builder().use_preconfigured_tls(config).no_proxy().connect_timeout(*timeout);
            builder.build().map_err(|error| error.to_string())
        });
        Self { client, base: format!("{scheme}://{addr}/v1/"), token: token.clone(), wait: *wait, timeout: *timeout }
    }

    pub(super) async fn register(&self, service: &Registration) -> Result<(), Failure> {
        let request = self.request(Method::PUT, "agent/service/register?replace-existing-checks=true")?;
        self.send(request.json(service)).await.map(|_| ())
    }

    /// [`Failure::Gone`]: the agent knows no such check.
    pub(super) async fn pass(&self, service_id: &str) -> Result<(), Failure> {
        let request = self.request(Method::PUT, &format!("agent/check/update/service:{}", escape(service_id)))?;
        let result = self.send(request.json(&Pulse { status: "passing", output: "passed" })).await;
        result.map(|_| ()).map_err(|failure| match failure {
            // Of consul before 1.11, too; where it means something else, registering fails as well.
            Failure::Unreachable(cause) if is_status(&cause, StatusCode::INTERNAL_SERVER_ERROR) => Failure::Gone(cause),
            failure => failure,
        })
    }

    /// [`Failure::Gone`]: the agent knows no such service.
    pub(super) async fn find(&self, service_id: &str) -> Result<(), Failure> {
        let request = self.request(Method::GET, &format!("agent/service/{}", escape(service_id)))?;
        self.send(request).await.map(|_| ())
    }

    pub(super) async fn deregister(&self, service_id: &str) -> Result<(), Failure> {
        let request = self.request(Method::PUT, &format!("agent/service/deregister/{}", escape(service_id)))?;
        self.send(request).await.map(|_| ())
    }

    /// At once, or when the index has changed, or the wait is over.
    pub(super) async fn passing(&self, kind: Kind, index: Option<u64>) -> Result<Passing, Failure> {
        let mut path = format!("health/service/{kind}?passing=1");
        let mut timeout = self.timeout;
        if let Some(index) = index {
            path += &format!("&index={index}&wait={}ms", self.wait.as_millis());
            // Consul itself adds up to a sixteenth.
            timeout += self.wait + self.wait / 16;
        }
        let answer = self.send(self.request(Method::GET, &path)?.timeout(timeout)).await?;
        let index = answer.headers().get("X-Consul-Index").and_then(|index| index.to_str().ok()?.parse().ok());
        let entries = answer.json().await.map_err(unreachable)?;
        Ok(Passing { entries, index: index.unwrap_or(0) })
    }

    /// Whatever their checks say.
    pub(super) async fn registered(&self, kind: Kind) -> Result<Vec<Entry>, Failure> {
        let answer = self.send(self.request(Method::GET, &format!("health/service/{kind}"))?).await?;
        answer.json().await.map_err(unreachable)
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        let client = self.client.as_ref().map_err(|reason| Failure::Refused(reason.as_str().into()))?;
        let request = client.request(method, format!("{}{path}", self.base)).timeout(self.timeout);
        Ok(match &self.token {
            Some(token) => request.header("X-Consul-Token", token),
            None => request,
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let answer = request.send().await.map_err(|error| match error.is_builder() {
            true => Failure::Refused(error.into()),
            false => unreachable(error),
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let mut reason = answer.text().await.unwrap_or_else(|error| error.to_string());
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        let said = Said { status, reason: reason.trim_end().to_owned() }.into();
        Err(match status {
            StatusCode::NOT_FOUND => Failure::Gone(said),
            StatusCode::TOO_MANY_REQUESTS => Failure::Unreachable(said),
            status if status.is_client_error() => Failure::Refused(said),
            _ => Failure::Unreachable(said),
        })
    }
}

fn unreachable(error: reqwest::Error) -> Failure {
    Failure::Unreachable(error.without_url().into())
}

fn is_status(cause: &Cause, status: StatusCode) -> bool {
    cause.downcast_ref::<Said>().is_some_and(|said| said.status == status)
}

/// A part of a path: what is no ASCII letter, digit, `_`, `.` or `-` is `%` and two hex digits per byte.
fn escape(part: &str) -> String {
    let mut escaped = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

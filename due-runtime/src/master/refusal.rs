//! What fails, as a client of the API reads it.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cluster::ClusterError;
use crate::config::ConfigError;
use crate::locator::LocateError;
use crate::registry::RegistryError;

/// Why a request was not carried out.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "Error")]
pub(super) struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    /// A word for programs: bad_request, unauthorized, read_only, not_found, bad_method, conflict, too_large,
    /// unsupported_media_type, unprocessable, failed, unavailable or timeout.
    code: &'static str,
    /// A sentence for people.
    message: String,
}

macro_rules! refusals {
    ($($name:ident = $status:ident $code:literal,)*) => {
        impl Refusal {
            $(pub(super) fn $name(message: impl Display) -> Self {
                Self { status: StatusCode::$status, code: $code, message: message.to_string() }
            })*
        }
    };
}
refusals!(
    bad_request = BAD_REQUEST "bad_request",
    unauthorized = UNAUTHORIZED "unauthorized",
    read_only = FORBIDDEN "read_only",
    not_found = NOT_FOUND "not_found",
    bad_method = METHOD_NOT_ALLOWED "bad_method",
    conflict = CONFLICT "conflict",
    too_large = PAYLOAD_TOO_LARGE "too_large",
    unsupported_media_type = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type",
    unprocessable = UNPROCESSABLE_ENTITY "unprocessable",
    failed = BAD_GATEWAY "failed",
    unavailable = SERVICE_UNAVAILABLE "unavailable",
    timeout = GATEWAY_TIMEOUT "timeout",
);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json(self.status, &self)
    }
}

impl From<ClusterError> for Refusal {
    fn from(error: ClusterError) -> Self {
        use ClusterError as E;
        match error {
            E::NoSession(_) | E::NoGate(_) | E::NoNode(_) | E::NoRoute(_) | E::NotBound { .. } => {
                Self::not_found(error)
            }
            E::LongChannel(_) | E::BadUid(_) => Self::bad_request(error),
            E::Encode(_) | E::Packet(_) => Self::unprocessable(with_causes(&error)),
            E::Locate(error) => error.into(),
            E::Registry(error) => error.into(),
            E::Backlogged(_) | E::Gate { .. } | E::Node { .. } | E::NotANode => Self::failed(error),
        }
    }
}

impl From<LocateError> for Refusal {
    fn from(error: LocateError) -> Self {
        Self::unavailable(with_causes(&error))
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        Self::unavailable(with_causes(&error))
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::ReadOnly => Self::read_only(error),
            ConfigError::Conflict { .. } | ConfigError::Twin { .. } => Self::conflict(error),
            ConfigError::Malformed(_) => Self::unprocessable(error),
            ConfigError::TooLong { .. } => Self::too_large(error),
            ConfigError::Unreachable(_) => Self::unavailable(with_causes(&error)),
        }
    }
}

/// An answer of the API.
pub(super) fn json(status: StatusCode, answer: &impl Serialize) -> Response {
    let body = serde_json::to_vec(answer).expect("names are text, and nothing refuses to be written");
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Operators may know everything.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

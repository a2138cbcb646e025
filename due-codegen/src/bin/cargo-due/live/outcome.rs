//! What has become of a call.

use std::fmt;

use due::codec::RawBody;
use due::{Bytes, CallError, Client, Code, Codec, Seq, Status};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};

use super::body;
use super::catalog::Route;

/// What has become of a call.
pub(crate) enum Outcome {
    /// A oneway message is on its way.
    Sent,
    /// The answer.
    Answered(DynamicMessage),
    /// An answer with an error code, or a `due.Status` instead of one.
    Refused(Refusal),
    /// Nothing that can be used.
    Failed(Problem),
}

/// The server has understood, and says no.
pub(crate) struct Refusal {
    pub(crate) code: i32,
    /// What the schema or due calls the code.
    pub(crate) name: String,
    pub(crate) text: String,
    /// The answer that carries the code.
    pub(crate) answer: Option<DynamicMessage>,
}

/// Why there is no answer.
pub(crate) enum Problem {
    Call(CallError),
    /// The answer is not what the schema says.
    Unreadable(String),
    /// The request is not what the schema says; nothing was sent.
    Unwritable(String),
}

impl Problem {
    /// Whether the connection is of no more use.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(self, Self::Call(CallError::Closed | CallError::GoingAway))
    }
}

/// Sends a request, and reads what comes back.
pub(crate) async fn call(client: &Client, route: &Route, request: Bytes) -> Outcome {
    if route.oneway {
        return match client.send_packet(route.id, Seq::NONE, &request).await {
            Ok(()) => Outcome::Sent,
            Err(error) => Outcome::Failed(Problem::Call(error)),
        };
    }
    match client.request::<RawBody, RawBody>(route.id, &RawBody(request)).await {
        Ok(RawBody(answer)) => read(client.codec(), route, &answer),
        Err(CallError::Status(status)) => Outcome::Refused(status.into()),
        Err(error) => Outcome::Failed(Problem::Call(error)),
    }
}

fn read(codec: &Codec, route: &Route, answer: &[u8]) -> Outcome {
    let answer = match body::decode(codec, &route.response, answer) {
        Ok(answer) => answer,
        Err(error) => return Outcome::Failed(Problem::Unreadable(error)),
    };
    match route.code.as_ref().and_then(|field| code_in(&answer, field)) {
        Some((code, name)) => {
            let text = route.text.as_ref().map(|field| answer.get_field(field));
            let text = text.and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default();
            Outcome::Refused(Refusal { code, name, text, answer: Some(answer) })
        }
        None => Outcome::Answered(answer),
    }
}

/// The code and its name, unless it is 0.
fn code_in(answer: &DynamicMessage, field: &FieldDescriptor) -> Option<(i32, String)> {
    let value = answer.get_field(field);
    let code = match *value {
        Value::I32(code) | Value::EnumNumber(code) => code,
        // Larger ones are errors all the same.
        Value::U32(code) => i32::try_from(code).unwrap_or(i32::MAX),
        Value::I64(code) => i32::try_from(code).unwrap_or(i32::MAX),
        Value::U64(code) => i32::try_from(code).unwrap_or(i32::MAX),
        _ => 0,
    };
    let name = match field.kind() {
        Kind::Enum(codes) => codes.get_value(code).map(|value| value.name().to_owned()),
        _ => None,
    };
    (code != 0).then(|| (code, name.unwrap_or_else(|| Code(code).to_string())))
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self { code: status.code, name: status.code().to_string(), text: status.message, answer: None }
    }
}

impl fmt::Display for Refusal {
    /// `7 (unauthorized): log in first`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if self.name != format!("code {}", self.code) {
            write!(f, " ({})", self.name)?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => {
                error.fmt(f)?;
                let mut cause = std::error::Error::source(error);
                while let Some(source) = cause {
                    write!(f, ": {source}")?;
                    cause = source.source();
                }
                Ok(())
            }
            Self::Unreadable(error) => write!(f, "cannot read the answer: {error}"),
            Self::Unwritable(error) => write!(f, "cannot write the request: {error}"),
        }
    }
}

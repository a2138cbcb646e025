//! Notices from outside of the game, over HTTP.
//!
//! | POST | JSON or form | to | answers |
//! |---|---|---|---|
//! | `/push` | `uid`, `message` | one user | `{"message":"push success"}` |
//! | `/multicast` | `uids`, `message` | these users | `{"message":"multicast success, total: N"}` |
//! | `/broadcast` | `message` | all users | `{"message":"broadcast success, total: N"}` |
//!
//! They stand beside the API of due's own `Master`, behind the same token. N counts those who have it: 200. 400 says what is wrong with the request, which includes a single user who is not
//! connected; 503 that the cluster could not do it at the moment.

use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{DefaultBodyLimit, Form, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use due::{Audience, Cluster, ClusterError, PushExt as _, Tally, Uid};
use serde::{Deserialize, Serialize};

use crate::v1::Notify;

/// Bytes of a request: room for ten thousand users.
const BODY: usize = 128 << 10;

/// The notices of one cluster.
pub fn router(cluster: Cluster) -> Router {
    Router::new()
        .route("/push", post(push))
        .route("/multicast", post(multicast))
        .route("/broadcast", post(broadcast))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(cluster)
}

async fn push(State(cluster): State<Cluster>, notice: Notice) -> Result<Answer, Refused> {
    let uid = positive(notice.uid.ok_or_else(|| missing("uid"))?)?;
    notice.message()?.push(&cluster, uid).await?;
    Ok(Answer::new("push success"))
}

async fn multicast(State(cluster): State<Cluster>, notice: Notice) -> Result<Answer, Refused> {
    if notice.uids.is_empty() {
        return Err(missing("uids"));
    }
    let users = notice.uids.iter().copied().map(positive).collect::<Result<Vec<_>, _>>()?;
    let tally = notice.message()?.multicast(&cluster, &users).await?;
    Ok(Answer::new(format!("multicast success, total: {}", counted(tally)?)))
}

async fn broadcast(State(cluster): State<Cluster>, notice: Notice) -> Result<Answer, Refused> {
    let tally = notice.message()?.broadcast(&cluster, Audience::Users).await?;
    Ok(Answer::new(format!("broadcast success, total: {}", counted(tally)?)))
}

/// Where some could be asked, the others are a matter for the log.
fn counted(tally: Tally) -> Result<u64, Refused> {
    if tally.delivered == 0 && tally.failed > 0 {
        return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, "no gate could be asked".to_owned()));
    }
    Ok(tally.delivered)
}

fn positive(uid: i64) -> Result<Uid, Refused> {
    if uid >= 1 { Ok(Uid(uid)) } else { Err(Refused::bad(format!("{uid} is no user id: it must be positive"))) }
}

fn missing(field: &str) -> Refused {
    Refused::bad(format!("`{field}` is missing"))
}

/// What a request says, in either form. In a form, `uids` may be there several times.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notice {
    uid: Option<i64>,
    #[serde(default)]
    uids: Vec<i64>,
    message: Option<String>,
}

impl Notice {
    fn message(self) -> Result<Notify, Refused> {
        match self.message {
            Some(message) if !message.is_empty() => Ok(Notify { message }),
            _ => Err(missing("message")),
        }
    }

    fn of_form(fields: Vec<(String, String)>) -> Result<Self, Refused> {
        let mut notice = Self::default();
        for (field, value) in fields {
            let number = || value.parse().map_err(|_| Refused::bad(format!("`{field}`: {value:?} is no number")));
            match field.as_str() {
                "uid" => notice.uid = Some(number()?),
                "uids" => notice.uids.push(number()?),
                "message" => notice.message = Some(value),
                _ => return Err(Refused::bad(format!("unknown field `{field}`, expected `uid`, `uids` or `message`"))),
            }
        }
        Ok(notice)
    }
}

impl<S: Send + Sync> FromRequest<S> for Notice {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let is_form = request
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        if is_form {
            let Form(fields) = Form::from_request(request, state).await?;
            Self::of_form(fields)
        } else {
            let Json(notice) = Json::from_request(request, state).await?;
            Ok(notice)
        }
    }
}

#[derive(Serialize)]
struct Answer {
    message: String,
}

impl Answer {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// Why a notice was not told.
struct Refused(StatusCode, String);

impl Refused {
    fn bad(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Answer::new(self.1)).into_response()
    }
}

impl From<ClusterError> for Refused {
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::NoSession(_)
            | ClusterError::Backlogged(_)
            | ClusterError::BadUid(_)
            | ClusterError::Encode(_)
            | ClusterError::Packet(_) => Self::bad(error.to_string()),
            error => {
                tracing::warn!(%error, "a notice was not told");
                Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
        }
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Self::bad(rejection.body_text())
    }
}

impl From<FormRejection> for Refused {
    fn from(rejection: FormRejection) -> Self {
        Self::bad(rejection.body_text())
    }
}

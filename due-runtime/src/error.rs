//! What a handler answers when it cannot answer: a [`Code`], a text for the client, and the cause for the log.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use crate::cluster::NodeCallError;
use crate::node::ActorError;

/// The result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An application error code as due counts them (`codes` of due v2.5.8). Games add their own above 10.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Code(pub i32);

impl Code {
    /// The gate is about to close the connection, as it stops: finish what waits for an answer, then connect again, there or
    /// elsewhere. It comes in a [`Status`](crate::Status) about no request (route 0, seq 0). Not one of due's.
    pub const GOING_AWAY: Self = Self(-1);
    /// Success.
    pub const OK: Self = Self(0);
    /// The caller went away or gave up.
    pub const CANCELED: Self = Self(1);
    /// A failure nobody classified.
    pub const UNKNOWN: Self = Self(2);
    /// The request was understood and makes no sense.
    pub const INVALID_ARGUMENT: Self = Self(3);
    /// No answer in time.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// What was asked for is not there; for a route: no node serves it.
    pub const NOT_FOUND: Self = Self(5);
    /// The server failed; also a body that could not be decoded, as in due's own samples.
    pub const INTERNAL: Self = Self(6);
    /// The route needs a user, and the session has none.
    pub const UNAUTHORIZED: Self = Self(7);
    /// The call is not allowed in this state.
    pub const ILLEGAL_INVOKE: Self = Self(8);
    /// The request is not allowed at all, as an internal route from a client.
    pub const ILLEGAL_REQUEST: Self = Self(9);
    /// The session sends faster than its requests can be handled.
    pub const TOO_MANY_REQUESTS: Self = Self(10);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::GOING_AWAY => "going away",
            Self::OK => "ok",
            Self::CANCELED => "canceled",
            Self::UNKNOWN => "unknown",
            Self::INVALID_ARGUMENT => "invalid argument",
            Self::DEADLINE_EXCEEDED => "deadline exceeded",
            Self::NOT_FOUND => "not found",
            Self::INTERNAL => "internal error",
            Self::UNAUTHORIZED => "unauthorized",
            Self::ILLEGAL_INVOKE => "illegal invoke",
            Self::ILLEGAL_REQUEST => "illegal request",
            Self::TOO_MANY_REQUESTS => "too many requests",
            Self(other) => return write!(f, "code {other}"),
        };
        f.write_str(name)
    }
}

impl From<i32> for Code {
    fn from(code: i32) -> Self {
        Self(code)
    }
}

/// The error of a handler: `code` and `message` go to the client, the cause stays in the server's log.
///
/// `?` turns every error of the standard kind into [`Code::INTERNAL`] with the message `internal error`, so that no
/// inner text reaches a player by accident. Build one with [`Error::new`] to say more. Two errors have a meaning of their
/// own, in texts without names or ids of servers:
///
/// | error | is told as |
/// |---|---|
/// | [`NodeCallError::Refused`](crate::NodeCallError::Refused) | the code and the message of the other node |
/// | `NodeCallError::Unsent`, where no node serves the route, is there, or has the user; `NotTaken` | [`Code::NOT_FOUND`] |
/// | `NodeCallError::Lost`; `Unsent`, when the node failed that may have the message | [`Code::UNKNOWN`] |
/// | `NodeCallError::Timeout`, [`ActorError::DeadlineExceeded`] | [`Code::DEADLINE_EXCEEDED`] |
/// | `NodeCallError::Busy`, [`ActorError::Full`] | [`Code::TOO_MANY_REQUESTS`] |
/// | [`ActorError::Gone`] | [`Code::NOT_FOUND`] |
///
/// [`ActorError::DeadlineExceeded`]: crate::ActorError::DeadlineExceeded
/// [`ActorError::Full`]: crate::ActorError::Full
/// [`ActorError::Gone`]: crate::ActorError::Gone
pub struct Error {
    code: Code,
    message: Cow<'static, str>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error that the client reads as `code` and `message`.
    pub fn new(code: impl Into<Code>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), cause: None }
    }

    /// Adds what really happened, for the log only.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The code that the client reads.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The text that the client reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What really happened, if it is known; never sent.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(cause: E) -> Self {
        let (code, message, is_fault) =
            meaning(&cause).unwrap_or((Code::INTERNAL, Cow::Borrowed("internal error"), true));
        let error = Self::new(code, message);
        if is_fault { error.because(cause) } else { error }
    }
}

/// What a client is told of it, and whether a server has failed, which the log is to show. `None`: nothing of its own.
pub(crate) type Meaning = Option<(Code, Cow<'static, str>, bool)>;

/// The conversion from every error leaves no room for one from this or that one.
fn meaning(cause: &dyn Any) -> Meaning {
    let of_call = cause.downcast_ref().and_then(NodeCallError::meaning);
    of_call.or_else(|| cause.downcast_ref().and_then(ActorError::meaning))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.code)
            .field("message", &self.message)
            .field("cause", &self.cause)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::ClusterError;
    use crate::id::{Nid, RouteId, Uid};

    /// Code, message, and whether the log is to show a failure.
    fn told(cause: impl std::error::Error + Send + Sync + 'static) -> (Code, String, bool) {
        let error = Error::from(cause);
        (error.code(), error.message().to_owned(), error.cause().is_some())
    }

    #[test]
    fn errors_of_calls_and_actors_keep_their_meaning() {
        let (nid, reason) = (Nid::from("n1"), "connection reset".to_owned());
        let bound = ClusterError::NotBound { uid: Some(Uid(7)), name: "n1".to_owned() };
        let failed = ClusterError::Node { nid: nid.clone(), reason: reason.clone() };
        for (error, code, message, is_fault) in [
            (
                NodeCallError::Refused { nid: nid.clone(), code: Code(42), message: "sold out".into() },
                42,
                "sold out",
                false,
            ),
            (ClusterError::NoRoute(RouteId(3)).into(), 5, "no node serves this at the moment", true),
            (ClusterError::NoNode(nid.clone()).into(), 5, "no node serves this at the moment", true),
            (bound.into(), 5, "the user is bound to no such node", false),
            (failed.into(), 2, "a node failed; it may have handled the request", true),
            (ClusterError::NotANode.into(), 6, "internal error", true),
            (
                NodeCallError::NotTaken { nid: nid.clone(), reason: reason.clone() },
                5,
                "no node takes this at the moment",
                true,
            ),
            (NodeCallError::Lost { nid, reason }, 2, "a node was lost; it may have handled the request", true),
            (NodeCallError::Timeout { after: Duration::from_secs(1) }, 4, "a node did not answer in time", true),
            (NodeCallError::Busy { limit: 127 }, 10, "too many requests wait", true),
            (NodeCallError::NoSeqs, 6, "internal error", true),
        ] {
            assert_eq!(told(error), (Code(code), message.to_owned(), is_fault));
        }
        for (error, code, message, is_fault) in [
            (ActorError::Gone, 5, "what was asked has ended", false),
            (ActorError::Full, 10, "too many requests wait", false),
            (ActorError::DeadlineExceeded, 4, "the request took too long", true),
            (ActorError::Failed, 6, "internal error", true),
        ] {
            assert_eq!(told(error), (Code(code), message.to_owned(), is_fault));
        }
    }

    #[test]
    fn other_errors_say_nothing_to_a_client() {
        assert_eq!(told(std::io::Error::other("disk 7 is full")), (Code::INTERNAL, "internal error".to_owned(), true));
        assert_eq!(told(ClusterError::BadUid(Uid(0))), (Code::INTERNAL, "internal error".to_owned(), true));
    }
}

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::client::{Call, CallError, Caller, Pushes};
use crate::cluster::{ClusterError, NodeCall, NodeCallError, NodeCaller, NodeTarget, Push};
use crate::codec::{Body, Codec, DecodeError, EncodeError};
use crate::error::Code;
use crate::future::BoxFuture;
use crate::id::{Nid, RouteId};
use crate::route::RouteSpec;
use crate::status::Status;

/// Pushes that may wait for a listener.
const PUSHES: usize = 256;

type AnswerFn = Arc<dyn Fn(&Codec, &Bytes) -> Result<Bytes, CallError> + Send + Sync>;

/// A server that is not there: answers typed calls from closures, keeps what it was asked, and pushes on demand.
///
/// Bodies take the way through the codec that they take on the wire. Clones share everything.
/// ```
/// use due::testing::MockCaller;
/// use due::{Caller, RouteId, RouteSpec};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// const GREET: RouteSpec = RouteSpec::new(RouteId(1), "hello.v1.Greeter", "Greet");
///
/// let mock = MockCaller::new();
/// mock.answer(GREET.id, |name: String| Ok(format!("hello {name}")));
///
/// let caller = Caller::from(&mock);
/// let greeting: String = caller.call(&GREET, &"due".to_owned(), None).await?;
/// assert_eq!(greeting, "hello due");
/// assert_eq!(mock.requests::<String>(GREET.id)?, ["due"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct MockCaller {
    codec: Codec,
    state: Arc<State>,
}

struct State {
    answers: Mutex<HashMap<RouteId, AnswerFn>>,
    requests: Mutex<HashMap<RouteId, Vec<Bytes>>>,
    listeners: crate::client::Listeners,
}

impl Default for MockCaller {
    fn default() -> Self {
        Self::with_codec(Codec::default())
    }
}

impl MockCaller {
    /// Knows no answers; speaks `proto`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows no answers; speaks `codec`.
    pub fn with_codec(codec: Codec) -> Self {
        let state = State {
            answers: Mutex::default(),
            requests: Mutex::default(),
            listeners: crate::client::Listeners::new(PUSHES),
        };
        Self { codec, state: Arc::new(state) }
    }

    /// Answers calls of `route` from now on. A call that is never answered this way fails with [`Code::UNKNOWN`]; one
    /// without a response succeeds.
    pub fn answer<Q: Body, R: Body>(
        &self,
        route: RouteId,
        answer: impl Fn(Q) -> Result<R, CallError> + Send + Sync + 'static,
    ) {
        let answer: AnswerFn = Arc::new(move |codec, body| {
            let answer = answer(Q::decode_body(codec, body)?)?;
            let mut body = BytesMut::new();
            answer.encode_body(codec, &mut body)?;
            Ok(body.freeze())
        });
        lock(&self.state.answers).insert(route, answer);
    }

    /// Pushes to everyone who listens; `false` when nobody does.
    ///
    /// # Errors
    /// When the codec cannot write the message.
    pub fn push<P: Push>(&self, push: &P) -> Result<bool, EncodeError> {
        let mut body = BytesMut::new();
        push.encode_body(&self.codec, &mut body)?;
        Ok(self.state.listeners.push(P::ROUTE, body.freeze()))
    }

    /// Every request of `route` so far, in order.
    ///
    /// # Errors
    /// When one of them is no `Q`.
    pub fn requests<Q: Body>(&self, route: RouteId) -> Result<Vec<Q>, DecodeError> {
        let bodies = lock(&self.state.requests).get(&route).cloned().unwrap_or_default();
        bodies.iter().map(|body| Q::decode_body(&self.codec, body)).collect()
    }

    fn handle(&self, spec: &RouteSpec, body: Bytes) -> Option<Result<Bytes, CallError>> {
        let answer = lock(&self.state.answers).get(&spec.id).cloned();
        let answered = answer.map(|answer| answer(&self.codec, &body));
        lock(&self.state.requests).entry(spec.id).or_default().push(body);
        answered
    }
}

impl Call for MockCaller {
    fn codec(&self) -> &Codec {
        &self.codec
    }

    fn call(
        &self,
        spec: &'static RouteSpec,
        body: Bytes,
        _: Option<Duration>,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        let answer = self.handle(spec, body).unwrap_or_else(|| Err(unset(spec)));
        Box::pin(std::future::ready(answer))
    }

    fn send(&self, spec: &'static RouteSpec, body: Bytes) -> BoxFuture<'_, Result<(), CallError>> {
        let answer = self.handle(spec, body).map_or(Ok(()), |answer| answer.map(drop));
        Box::pin(std::future::ready(answer))
    }

    fn listen(&self, route: RouteId) -> Pushes<Bytes> {
        Pushes::raw(self.state.listeners.listen(route), None)
    }
}

/// As a node that answers whoever is meant; its id is `mock`.
impl NodeCall for MockCaller {
    fn codec(&self) -> &Codec {
        &self.codec
    }

    fn call(
        &self,
        spec: &'static RouteSpec,
        _: NodeTarget,
        body: Bytes,
        _: Option<Duration>,
    ) -> BoxFuture<'_, Result<Bytes, NodeCallError>> {
        let answer = self.handle(spec, body).unwrap_or_else(|| Err(unset(spec)));
        Box::pin(std::future::ready(answer.map_err(of_node)))
    }

    fn send(&self, spec: &'static RouteSpec, _: NodeTarget, body: Bytes) -> BoxFuture<'_, Result<(), NodeCallError>> {
        let answer = self.handle(spec, body).map_or(Ok(()), |answer| answer.map(drop));
        Box::pin(std::future::ready(answer.map_err(of_node)))
    }
}

fn of_node(error: CallError) -> NodeCallError {
    let nid = Nid::from("mock");
    match error {
        CallError::Status(status) => NodeCallError::Refused { nid, code: status.code(), message: status.message },
        CallError::Timeout { after } => NodeCallError::Timeout { after },
        CallError::Busy { limit } => NodeCallError::Busy { limit },
        CallError::Encode(error) => NodeCallError::Unsent(ClusterError::Encode(error)),
        CallError::Packet(error) => NodeCallError::Unsent(ClusterError::Packet(error)),
        CallError::Decode(error) => NodeCallError::Decode(error),
        error @ CallError::GoingAway => NodeCallError::NotTaken { nid, reason: error.to_string() },
        error @ CallError::Closed => NodeCallError::Lost { nid, reason: error.to_string() },
    }
}

fn unset(spec: &RouteSpec) -> CallError {
    CallError::Status(Status {
        route: spec.id.0,
        seq: 0,
        code: Code::UNKNOWN.0,
        message: format!("MockCaller: no answer set for {}", spec.method),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<MockCaller> for Caller {
    fn from(mock: MockCaller) -> Self {
        Self::new(mock)
    }
}

impl From<&MockCaller> for Caller {
    fn from(mock: &MockCaller) -> Self {
        Self::new(mock.clone())
    }
}

impl From<MockCaller> for NodeCaller {
    fn from(mock: MockCaller) -> Self {
        Self::new(mock)
    }
}

impl From<&MockCaller> for NodeCaller {
    fn from(mock: &MockCaller) -> Self {
        Self::new(mock.clone())
    }
}

impl fmt::Debug for MockCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockCaller").field("codec", &self.codec).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: RouteSpec = RouteSpec::new(RouteId(1), "tests.Oracle", "Ask");
    const TELL: RouteSpec = RouteSpec::new(RouteId(2), "tests.Oracle", "Tell").oneway();

    impl Push for String {
        const ROUTE: RouteId = RouteId(3);
    }

    #[tokio::test]
    async fn answers_can_be_set_replaced_and_missing() {
        let mock = MockCaller::with_codec(Codec::Json);
        let caller = Caller::from(mock.clone());
        let ask = async |number: i32| caller.call::<i32, String>(&ASK, &number, None).await;

        let unset = ask(1).await.unwrap_err();
        assert_eq!(unset.to_string(), "the server answers unknown: MockCaller: no answer set for Ask");
        mock.answer(ASK.id, |number: i32| Ok(format!("{number}!")));
        assert_eq!(ask(2).await.unwrap(), "2!");
        mock.answer(ASK.id, |_: i32| Err::<String, _>(CallError::Closed));
        assert!(matches!(ask(3).await, Err(CallError::Closed)));
        assert_eq!(mock.requests::<i32>(ASK.id).unwrap(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn messages_without_an_answer_are_kept_and_pushes_come() {
        let mock = MockCaller::new();
        let caller = Caller::from(&mock);
        caller.send(&TELL, &"one".to_owned()).await.unwrap();
        assert_eq!(mock.requests::<String>(TELL.id).unwrap(), ["one"]);

        assert!(!mock.push(&"nobody hears".to_owned()).unwrap());
        let mut pushes = caller.listen::<String>();
        assert!(mock.push(&"news".to_owned()).unwrap());
        assert_eq!(pushes.next().await.unwrap().unwrap(), "news");
    }
}

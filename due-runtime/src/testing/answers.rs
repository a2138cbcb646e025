use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::MockCaller;
use crate::client::CallError;
use crate::codec::{Body, DecodeError};
use crate::error::{Code, Error};
use crate::route::RouteSpec;

/// What generated mocks of handlers and mesh services stand on: an answer per rpc, and what each was asked.
///
/// `E` is the error of the mocked trait. Clones share everything.
pub struct Mock<E> {
    name: &'static str,
    rpcs: &'static [&'static str],
    state: Arc<Mutex<HashMap<usize, Rpc>>>,
    error: PhantomData<fn() -> E>,
}

#[derive(Default)]
struct Rpc {
    /// An `Answer<Q, R, E>`.
    answer: Option<Box<dyn Any + Send>>,
    requests: Vec<Box<dyn Any + Send>>,
}

type Answer<Q, R, E> = Arc<dyn Fn(Q) -> Result<R, E> + Send + Sync>;

impl<E: From<Error> + 'static> Mock<E> {
    /// A mock that knows no answers. `name` and `rpcs` are for the error that says so.
    pub fn new(name: &'static str, rpcs: &'static [&'static str]) -> Self {
        Self { name, rpcs, state: Arc::default(), error: PhantomData }
    }

    /// The rpc with this index, whose types the caller knows.
    pub fn rpc<Q, R>(&self, index: usize) -> MockRpc<Q, R, E> {
        MockRpc { mock: self.clone(), index, types: PhantomData }
    }

    /// Keeps the request and answers it; without an answer fails with [`Code::UNKNOWN`].
    pub fn answer<Q: Clone + Send + 'static, R: 'static>(&self, index: usize, request: Q) -> Result<R, E> {
        let answer = {
            let mut state = self.lock();
            let rpc = state.entry(index).or_default();
            rpc.requests.push(Box::new(request.clone()));
            rpc.answer.as_ref().and_then(|answer| answer.downcast_ref::<Answer<Q, R, E>>()).cloned()
        };
        match answer {
            Some(answer) => answer(request),
            None => {
                let rpc = self.rpcs.get(index).copied().unwrap_or_default();
                Err(Error::new(Code::UNKNOWN, format!("{}: no answer set for {rpc}", self.name)).into())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Rpc>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Clone for Mock<E> {
    fn clone(&self) -> Self {
        Self { name: self.name, rpcs: self.rpcs, state: Arc::clone(&self.state), error: PhantomData }
    }
}

impl<E> fmt::Debug for Mock<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One rpc of a generated mock.
#[derive(Debug)]
pub struct MockRpc<Q, R, E = Error> {
    mock: Mock<E>,
    index: usize,
    types: PhantomData<fn(Q) -> R>,
}

impl<Q: Clone + Send + 'static, R: 'static, E: From<Error> + 'static> MockRpc<Q, R, E> {
    /// Answers like this from now on.
    pub fn answers(&self, answer: impl Fn(Q) -> Result<R, E> + Send + Sync + 'static) {
        let answer: Answer<Q, R, E> = Arc::new(answer);
        self.mock.lock().entry(self.index).or_default().answer = Some(Box::new(answer));
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Q> {
        let state = self.mock.lock();
        let requests = state.get(&self.index).into_iter().flat_map(|rpc| &rpc.requests);
        requests.filter_map(|request| request.downcast_ref::<Q>()).cloned().collect()
    }
}

/// One route of a generated mock of a client, over a [`MockCaller`].
#[derive(Clone, Debug)]
pub struct MockRoute<Q, R> {
    caller: MockCaller,
    spec: &'static RouteSpec,
    types: PhantomData<fn(Q) -> R>,
}

impl<Q: Body, R: Body> MockRoute<Q, R> {
    /// The route `spec`, whose types the caller knows.
    pub fn new(caller: &MockCaller, spec: &'static RouteSpec) -> Self {
        Self { caller: caller.clone(), spec, types: PhantomData }
    }

    /// Answers like this from now on.
    pub fn answers(&self, answer: impl Fn(Q) -> Result<R, CallError> + Send + Sync + 'static) {
        self.caller.answer(self.spec.id, answer);
    }

    /// Every request so far, in order.
    ///
    /// # Errors
    /// When somebody called the route with another type.
    pub fn requests(&self) -> Result<Vec<Q>, DecodeError> {
        self.caller.requests(self.spec.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mock_answers_and_remembers() {
        let mock = Mock::<Error>::new("GreeterMock", &["Greet"]);
        let err = mock.answer::<String, i32>(0, "a".into()).unwrap_err();
        assert_eq!((err.code(), err.message()), (Code::UNKNOWN, "GreeterMock: no answer set for Greet"));
        mock.rpc::<String, i32>(0).answers(|name| Ok(name.len() as i32));
        assert_eq!(mock.answer::<String, i32>(0, "abc".into()).unwrap(), 3);
        assert_eq!(mock.rpc::<String, i32>(0).requests(), ["a", "abc"]);
    }
}

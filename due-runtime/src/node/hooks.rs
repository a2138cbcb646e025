//! What a program does when a node starts and stops.

use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;

use super::NodeHandle;
use crate::error::{Code, Error, Result};
use crate::future::{BoxFuture, catch_panic};

type Hook = Box<dyn FnOnce(NodeHandle) -> BoxFuture<'static, Result<()>> + Send>;

#[derive(Default)]
pub(super) struct Hooks {
    pub(super) start: Moment,
    pub(super) stop: Moment,
    pub(super) destroyed: Moment,
}

/// The hooks of one moment, until it comes.
#[derive(Default)]
pub(super) struct Moment(Mutex<Vec<Hook>>);

impl Moment {
    pub(super) fn add<F, R>(&mut self, hook: F)
    where
        F: FnOnce(NodeHandle) -> R + Send + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let hooks = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        hooks.push(Box::new(|node| Box::pin(async move { hook(node).await })));
    }

    /// Begins all of them; they end when the set is dropped.
    fn come(&self, node: &NodeHandle) -> JoinSet<Result<()>> {
        let hooks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let hooks = hooks.into_iter().map(|hook| {
            let hook = hook(node.clone());
            async { catch_panic(hook).await.unwrap_or_else(|_| Err(Error::new(Code::INTERNAL, "a hook panicked"))) }
        });
        hooks.collect()
    }

    /// Waits for all, or for the first that fails.
    pub(super) async fn try_all(&self, node: &NodeHandle) -> Result<()> {
        let mut hooks = self.come(node);
        while let Some(ended) = hooks.join_next().await {
            ended.unwrap_or_else(|error| Err(error.into()))?;
        }
        Ok(())
    }

    /// Waits for all; failures are logged.
    pub(super) async fn all(&self, node: &NodeHandle) {
        let mut hooks = self.come(node);
        while let Some(ended) = hooks.join_next().await {
            if let Err(error) = ended.unwrap_or_else(|error| Err(error.into())) {
                tracing::warn!(nid = %node.nid(), %error, "a hook failed");
            }
        }
    }
}

//! What the registry says of one server of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::link::LinkError;
use crate::registry::{Instance, Registry, RegistryError, State};

/// How long a server waits for the registry, as due does.
const PATIENCE: Duration = Duration::from_secs(3);

/// One entry of the registry, kept by the server that it describes.
pub(crate) struct Presence {
    registry: Arc<dyn Registry>,
    /// `None` before and after the server is in the registry.
    instance: Mutex<Option<Instance>>,
    /// Nothing but the end follows.
    leaving: AtomicBool,
}

impl Presence {
    pub(crate) fn new(registry: &Arc<dyn Registry>) -> Self {
        Self { registry: Arc::clone(registry), instance: Mutex::default(), leaving: AtomicBool::new(false) }
    }

    pub(crate) async fn register(&self, instance: Instance) -> Result<(), RegistryError> {
        let mut known = self.instance.lock().await;
        self.registry.register(instance.clone()).await?;
        *known = Some(instance);
        Ok(())
    }

    /// Waits until others find the server where it is: at most for [`Registry::admission`] and 3 s.
    pub(crate) async fn listed(&self) -> Result<(), RegistryError> {
        let Some(instance) = self.instance.lock().await.clone() else { return Ok(()) };
        let Instance { kind, id, endpoint, .. } = instance;
        let has = |list: &[Instance]| list.iter().any(|other| other.id == id && other.endpoint == endpoint);
        let after = self.registry.admission() + PATIENCE;
        let listed = async {
            if has(&self.registry.list(kind).await?) {
                return Ok(true);
            }
            tracing::info!(%kind, id, at_most = ?after, "waiting until the registry lists it");
            let mut watch = self.registry.watch(kind).await?;
            while let Some(list) = watch.next().await {
                if has(&list) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        match timeout(after, listed).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) | Err(_) => Err(RegistryError::Unlisted { kind, id, endpoint, after }),
        }
    }

    pub(crate) async fn state(&self) -> State {
        self.instance.lock().await.as_ref().map_or(State::Shut, |instance| instance.state)
    }

    /// Registers with the state that somebody wants it to have. A server that stops has no other choice than to hang.
    pub(crate) async fn change_state(&self, state: State) -> Result<(), LinkError> {
        if self.leaving.load(Ordering::Acquire) {
            return Err(LinkError::Failed("the server is stopping".to_owned()));
        }
        self.set_state(state).await.map_err(|error| LinkError::Failed(error.to_string()))
    }

    /// A server that has left stays away.
    async fn set_state(&self, state: State) -> Result<(), RegistryError> {
        let mut known = self.instance.lock().await;
        let Some(instance) = known.as_ref().filter(|instance| instance.state != state) else { return Ok(()) };
        let changed = Instance { state, ..instance.clone() };
        self.registry.register(changed.clone()).await?;
        *known = Some(changed);
        Ok(())
    }

    /// Takes no new traffic. A registry that does not answer is no reason not to stop.
    pub(crate) async fn hang(&self) {
        self.leaving.store(true, Ordering::Release);
        match timeout(PATIENCE, self.set_state(State::Hang)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the registry was not told of the stop");
            }
            Err(_) => tracing::warn!("the registry does not answer, and was not told of the stop"),
        }
    }

    /// See [`Registry::latency`].
    pub(crate) fn latency(&self) -> Duration {
        self.registry.latency()
    }

    pub(crate) async fn deregister(&self) {
        let Some(instance) = self.instance.lock().await.take() else { return };
        let id = &instance.id;
        match timeout(PATIENCE, self.registry.deregister(instance.kind, id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(id, error = &error as &dyn std::error::Error, "not deregistered"),
            Err(_) => tracing::warn!(id, "not deregistered: the registry does not answer"),
        }
    }
}

//! What every endpoint stands on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::online::Online;
use super::traffic::Traffic;
use crate::cluster::{Backends, Balance, Cluster, Member};
use crate::codec::Codec;
use crate::config::ConfigSource;
use crate::crypto::Cipher;
use crate::metrics::exposition::Exposition;
use crate::registry::{Instances, Kind, RegistryError, Watch};

/// What costs calls to others is asked for once in this time, whoever wants it.
const FRESH: Duration = Duration::from_secs(1);

pub(super) struct Desk {
    pub(super) cluster: Cluster,
    pub(super) config: Option<Arc<dyn ConfigSource>>,
    /// `None` where the program has a recorder of its own.
    pub(super) exposition: Option<Exposition>,
    gates: Mutex<Watch>,
    nodes: Mutex<Watch>,
    meshes: Mutex<Watch>,
    online: Recent<Online>,
    traffic: Recent<Traffic>,
    _upkeep: Option<DropGuard>,
}

impl Desk {
    pub(super) async fn open(
        backends: &Backends,
        codec: Option<Codec>,
        cipher: Option<Cipher>,
        config: Option<Arc<dyn ConfigSource>>,
    ) -> Result<Arc<Self>, RegistryError> {
        // Go knows a kind for masters, of which none was ever seen: a mesh may ask everything that a master wants to know.
        let member = Member::new(Kind::Mesh, &uuid::Uuid::new_v4().to_string(), &backends.format);
        let codec = codec.unwrap_or_else(|| backends.codec.clone());
        let cipher = cipher.or_else(|| backends.cipher.clone());
        // Why there is none was said when the servers of this process started.
        let exposition = Exposition::install().ok();
        let watch = async |kind| backends.registry.watch(kind).await.map(Mutex::new);
        Ok(Arc::new(Self {
            cluster: Cluster::join(backends, codec, cipher, member, Balance::default()).await?,
            config,
            gates: watch(Kind::Gate).await?,
            nodes: watch(Kind::Node).await?,
            meshes: watch(Kind::Mesh).await?,
            online: Recent::default(),
            traffic: Recent::default(),
            _upkeep: exposition.as_ref().map(Exposition::keep_up),
            exposition,
        }))
    }

    /// As the registry told last; of one that is away, what it told before.
    pub(super) fn instances(&self, kind: Kind) -> Instances {
        let watch = match kind {
            Kind::Gate => &self.gates,
            Kind::Node => &self.nodes,
            Kind::Mesh => &self.meshes,
        };
        watch.lock().unwrap_or_else(PoisonError::into_inner).latest()
    }

    /// How many are online at each gate, at most a second ago.
    pub(super) async fn online(&self) -> Arc<Online> {
        self.online.get(|| Online::ask(&self.cluster, self.instances(Kind::Gate))).await
    }

    /// What every process counts that says so, at most a second ago.
    pub(super) async fn traffic(&self) -> Arc<Traffic> {
        let instances = || [Kind::Gate, Kind::Node].map(|kind| self.instances(kind));
        self.traffic.get(|| Traffic::collect(self.exposition.as_ref(), instances())).await
    }
}

/// Something that is asked for again when it is old; who comes meanwhile waits for the same answer.
struct Recent<T> {
    known: AsyncMutex<Option<(Instant, Arc<T>)>>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { known: AsyncMutex::new(None) }
    }
}

impl<T> Recent<T> {
    async fn get<F: Future<Output = T>>(&self, ask: impl FnOnce() -> F) -> Arc<T> {
        let mut known = self.known.lock().await;
        if let Some((since, value)) = &*known
            && since.elapsed() < FRESH
        {
            return Arc::clone(value);
        }
        let value = Arc::new(ask().await);
        *known = Some((Instant::now(), Arc::clone(&value)));
        value
    }
}

//! The rules behind their routes: who asks, and who hears of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use due::{Audience, Cluster, ClusterError, Context, NodeHandle, PushExt as _, Uid};
use tokio::time::Instant;

use crate::v1::{Arena, JoinRequest, JoinResponse, Refusal, SayRequest, SayResponse, SteerRequest};
use crate::world::{News, World};

/// Between two rounds of news.
const TICK: Duration = Duration::from_millis(50);

/// The node's service. Clones share one world.
#[derive(Clone, Debug)]
pub struct ArenaService {
    /// Locked for moments: nobody waits for anything while holding it.
    world: Arc<Mutex<World>>,
}

impl Arena for ArenaService {
    async fn join(&self, ctx: &mut Context, request: JoinRequest) -> due::Result<JoinResponse> {
        if ctx.uid().is_some() {
            return Err(Refusal::AlreadyIn.into());
        }
        let (id, name) = self.world().join(ctx.sender(), &request.name, &request.key)?;
        // From here on the session hears what is told to everybody, and its end is told to `left`.
        if let Err(error) = ctx.bind(Uid(id.into())).await {
            self.world().leave(id, &ctx.sender());
            return Err(error.into());
        }
        self.world().enter(id);
        Ok(JoinResponse { id, name, ..JoinResponse::default() })
    }

    async fn steer(&self, ctx: &mut Context, request: SteerRequest) -> due::Result<()> {
        self.world().steer(player(ctx.user()?), request.course);
        Ok(())
    }

    async fn say(&self, ctx: &mut Context, request: SayRequest) -> due::Result<SayResponse> {
        self.world().say(player(ctx.user()?), &request.text)?;
        Ok(SayResponse::default())
    }

    async fn ping(&self, _ctx: &mut Context, (): ()) -> due::Result<()> {
        Ok(())
    }
}

impl ArenaService {
    /// Routes, clock and door of one world.
    pub fn new(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// A connection has ended.
    pub(crate) fn left(&self, ctx: &Context) {
        if let Some(uid) = ctx.uid() {
            self.world().leave(player(uid), &ctx.sender());
        }
    }

    /// Lets time pass, and tells everybody what has happened. Only this tells anything, so everybody hears it in the
    /// same order.
    pub(crate) fn start(&self, node: &NodeHandle) {
        let (arena, cluster) = (self.clone(), node.cluster().clone());
        let mut last = Instant::now();
        node.every(TICK, move || {
            let now = Instant::now();
            let elapsed = now - std::mem::replace(&mut last, now);
            let (arena, cluster) = (arena.clone(), cluster.clone());
            async move {
                let news = arena.world().tick(elapsed);
                for news in news {
                    match tell(&cluster, news).await {
                        // It has left a moment ago.
                        Ok(()) | Err(ClusterError::NoSession(_)) => {}
                        Err(error) => tracing::warn!(%error, "news were not told"),
                    }
                }
            }
        });
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tell(cluster: &Cluster, news: News) -> Result<(), ClusterError> {
    match news {
        News::Scene(id, scene) => return scene.push(cluster, Uid(id.into())).await,
        News::Joined(joined) => joined.broadcast(cluster, Audience::Users).await?,
        News::Left(left) => left.broadcast(cluster, Audience::Users).await?,
        News::Moved(moved) => moved.broadcast(cluster, Audience::Users).await?,
        News::Said(said) => said.broadcast(cluster, Audience::Users).await?,
        News::Caught(caught) => caught.broadcast(cluster, Audience::Users).await?,
    };
    Ok(())
}

/// Users are players: `join` binds nobody else.
fn player(uid: Uid) -> u32 {
    u32::try_from(uid.0).expect("users are bound by the ids of players")
}

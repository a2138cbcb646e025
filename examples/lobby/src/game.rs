//! The game node: how users come into its rooms, and into those of others.

use std::sync::Arc;
use std::time::Duration;

use due::registry::Kind;
use due::{ActorError, ActorRef, Cluster, Context, Error, Nid, NodeBuilder, NodeHandle, NodeTarget, Routes as _, Uid};
use tokio::sync::Semaphore;

use crate::guard::{Failed, authorized, check, failed};
use crate::room::{GameRoom, NotIn};
use crate::store::{OpenedRoom, Store};
use crate::v1::{
    AdmitRequest, CreateRoomCode, CreateRoomRequest, CreateRoomResponse, DepartRequest, GAME_CREATE_ROOM,
    GAME_JOIN_ROOM, Game, GameNodes, GameRoutes, JoinRoomCode, JoinRoomRequest, JoinRoomResponse, RoomNodes,
    RoomRoutes,
};

/// The name of these nodes: users are bound to one of them.
pub(crate) const NAME: &str = "game";
/// Rooms of one node.
const ROOMS: usize = 10_000;
/// How long a room may take to have a turn for somebody who comes or goes, on whatever node.
const TURN: Duration = Duration::from_secs(2);

/// The service of the node itself.
#[derive(Debug)]
pub struct GameService {
    store: Arc<dyn Store>,
    places: Arc<Semaphore>,
}

impl Game for GameService {
    async fn create_room(&self, ctx: &mut Context, request: CreateRoomRequest) -> due::Result<CreateRoomResponse> {
        check(&request.name, 1..=64)?;
        let place = Arc::clone(&self.places).try_acquire_owned()?;
        let former = Former::of(ctx).await?;
        let id = self.open(ctx, &request.name).await?;
        let room = GameRoom::new(id, Arc::clone(&self.store), place);
        let room = match ctx.node().spawn_actor(id.to_string(), room) {
            Ok(room) => room,
            Err(error) => {
                self.store.close_room(id, ctx.nid()).await?;
                return Err(error.into());
            }
        };
        if let Err(error) = ctx.bind_actor(&room).await {
            room.kill();
            return Err(error);
        }
        former.leave(ctx, ctx.nid()).await;
        Ok(CreateRoomResponse { id, ..CreateRoomResponse::default() })
    }

    async fn join_room(&self, ctx: &mut Context, request: JoinRoomRequest) -> due::Result<JoinRoomResponse> {
        let uid = ctx.user()?;
        let owner = self.store.room_owner(request.id).await?.ok_or_else(missing)?;
        if !is_there(ctx.cluster(), &owner).await? {
            self.store.close_room(request.id, &owner).await?;
            return Err(missing());
        }
        let mut former = Former::of(ctx).await?;
        if &owner == ctx.nid() {
            admit(&ctx.node(), uid, request.id).await?;
            former.here = None;
        } else {
            let there = NodeTarget::NodeFor(owner.clone(), uid);
            let games = GameNodes::new(ctx.cluster()).with_timeout(TURN);
            match games.admit(there, AdmitRequest { room: request.id }).await?.code() {
                JoinRoomCode::Ok => {}
                JoinRoomCode::RoomMissing => return Err(missing()),
                JoinRoomCode::Failed => return Err(failed()),
            }
        }
        ctx.cluster().bind_node(uid, NAME, &owner).await?;
        former.leave(ctx, &owner).await;
        Ok(JoinRoomResponse::default())
    }

    async fn admit(&self, ctx: &mut Context, request: AdmitRequest) -> due::Result<JoinRoomResponse> {
        admit(&ctx.node(), ctx.user()?, request.room).await?;
        Ok(JoinRoomResponse::default())
    }
}

impl GameService {
    /// Rooms that other nodes find in this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, places: Arc::new(Semaphore::new(ROOMS)) }
    }

    /// Takes a name. One that belongs to a node that is gone is free.
    async fn open(&self, ctx: &Context, name: &str) -> due::Result<i32> {
        for _ in 0..2 {
            match self.store.open_room(name, ctx.nid()).await? {
                OpenedRoom::New(id) => return Ok(id),
                OpenedRoom::Taken { owner, .. } if is_there(ctx.cluster(), &owner).await? => break,
                OpenedRoom::Taken { id, owner } => self.store.close_room(id, &owner).await?,
            }
        }
        Err(Error::new(CreateRoomCode::NameExists, "the name exists"))
    }
}

/// The room that a user has had: on this node, or on another one.
struct Former {
    /// Not if it has heard already.
    here: Option<ActorRef<GameRoom>>,
    node: Option<Nid>,
}

impl Former {
    async fn of(ctx: &Context) -> due::Result<Self> {
        let node = ctx.cluster().locate_node(ctx.user()?, NAME).await?;
        Ok(Self { here: ctx.actor(), node })
    }

    /// He is in a room of the node `now`: the former one only has to hear of it.
    async fn leave(self, ctx: &Context, now: &Nid) {
        let Some(uid) = ctx.uid() else { return };
        if let Some(room) = self.here {
            told_to_leave(&room, uid).await;
        }
        if let Some(node) = self.node.filter(|node| node != now && node != ctx.nid()) {
            let rooms = RoomNodes::new(ctx.cluster()).with_timeout(TURN);
            if let Err(error) = rooms.depart(NodeTarget::NodeFor(node, uid), DepartRequest {}).await {
                tracing::info!(%uid, %error, "the room that he had is not told");
            }
        }
    }
}

/// Into a room of this node, and out of another one of this node.
async fn admit(node: &NodeHandle, uid: Uid, id: i32) -> due::Result<()> {
    let former = node.actor_of::<GameRoom>(uid);
    let room = node.actor::<GameRoom>(&id.to_string()).ok_or_else(missing)?;
    let me = room.clone();
    match room.call(TURN, async move |room: &mut GameRoom| room.admit(&me, uid).await).await {
        Ok(Ok(())) => {}
        Ok(Err(NotIn::Full)) => return Err(failed()),
        Ok(Err(NotIn::Gone)) | Err(ActorError::Gone) => return Err(missing()),
        Err(error) => return Err(error.into()),
    }
    if let Some(former) = former.filter(|former| former.id() != room.id()) {
        told_to_leave(&former, uid).await;
    }
    Ok(())
}

async fn told_to_leave(room: &ActorRef<GameRoom>, uid: Uid) {
    let me = room.clone();
    match room.call(TURN, async move |room: &mut GameRoom| room.left(&me, uid).await).await {
        Ok(()) | Err(ActorError::Gone) => {}
        Err(error) => tracing::warn!(?room, %uid, %error, "a room does not know that a member has left"),
    }
}

/// Makes a node play.
pub fn serve(node: NodeBuilder, game: GameService) -> NodeBuilder {
    let ways_in = GameRoutes::new(game)
        .layer_route(GAME_CREATE_ROOM, Failed::<CreateRoomResponse>::new())
        .layer_route(GAME_CREATE_ROOM, authorized)
        .layer_route(GAME_JOIN_ROOM, Failed::<JoinRoomResponse>::new())
        .layer_route(GAME_JOIN_ROOM, authorized);
    node.serve(ways_in).serve(RoomRoutes::<GameRoom>::new()).on_stop(close)
}

/// Ends the rooms first when the node stops: their members would go on to play for as long as it waits for them.
async fn close(node: NodeHandle) -> due::Result<()> {
    let rooms = node.actors::<GameRoom>();
    for room in &rooms {
        room.kill();
    }
    for room in rooms {
        room.until_gone().await;
    }
    Ok(())
}

/// Whether a game node is registered: one that is not will not come back under this id.
async fn is_there(cluster: &Cluster, nid: &Nid) -> due::Result<bool> {
    let nodes = cluster.instances(Kind::Node).await?;
    Ok(nodes.iter().any(|node| node.id == nid.as_str()))
}

fn missing() -> Error {
    Error::new(JoinRoomCode::RoomMissing, "no such room")
}

//! The game node: rooms, each on the node where it was opened.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use due::registry::Kind;
use due::{
    Cluster, Code, Context, Error, Nid, Node, NodeBuilder, NodeHandle, PushExt as _, Routes as _, Tally, TimerGuard,
    Uid,
};

use crate::guard::{Failed, authorized, check, failed};
use crate::room::{Circle, NotIn, Rooms};
use crate::store::{OpenedRoom, Store};
use crate::v1::{
    AdmitRequest, CreateRoomCode, CreateRoomRequest, CreateRoomResponse, DepartRequest, GAME_ADMIT, GAME_CREATE_ROOM,
    GAME_DEPART, GAME_JOIN_ROOM, Game, GameRoutes, JoinRoomCode, JoinRoomRequest, JoinRoomResponse, LeaveRoomRequest,
    LeaveRoomResponse, MemberJoined, MemberLeft, Room, RoomClosed, RoomRoutes, Said, SayRequest, SayResponse,
};

/// The name of these nodes: users are bound to one of them.
const NAME: &str = "game";
/// How long a member may be without a connection.
const GRACE: Duration = Duration::from_secs(60);

/// The node's services. Clones share the rooms.
#[derive(Clone, Debug)]
pub struct GameService {
    store: Arc<dyn Store>,
    /// Locked for moments: nobody waits for anything while holding it.
    rooms: Arc<Mutex<Rooms>>,
}

impl Game for GameService {
    async fn create_room(&self, ctx: &mut Context, request: CreateRoomRequest) -> due::Result<CreateRoomResponse> {
        let uid = ctx.user()?;
        check(&request.name, 1..=64)?;
        if self.rooms().are_full() {
            return Err(failed());
        }
        let id = self.open(ctx, &request.name).await?;
        self.leave_other_nodes(ctx, uid, ctx.nid()).await?;
        self.leave(ctx.cluster(), ctx.nid(), uid).await?;
        self.rooms().open(id, uid);
        ctx.bind_node().await?;
        Ok(CreateRoomResponse { id, ..CreateRoomResponse::default() })
    }

    async fn join_room(&self, ctx: &mut Context, request: JoinRoomRequest) -> due::Result<JoinRoomResponse> {
        let uid = ctx.user()?;
        let missing = || Error::new(JoinRoomCode::RoomMissing, "no such room");
        let owner = self.store.room_owner(request.id).await?.ok_or_else(missing)?;
        if !is_there(ctx.cluster(), &owner).await? {
            self.store.close_room(request.id, &owner).await?;
            return Err(missing());
        }
        self.leave_other_nodes(ctx, uid, &owner).await?;
        ctx.cluster().bind_node(uid, NAME, &owner).await?;
        if &owner == ctx.nid() {
            match self.admit_here(ctx.cluster(), ctx.nid(), uid, request.id).await? {
                Some(NotIn::Missing) => return Err(missing()),
                Some(NotIn::Full) => return Err(failed()),
                None => {}
            }
        } else {
            ctx.cluster().deliver_to(&owner, GAME_ADMIT, Some(uid), &AdmitRequest { room: request.id }).await?;
        }
        Ok(JoinRoomResponse::default())
    }

    async fn admit(&self, ctx: &mut Context, request: AdmitRequest) -> due::Result<()> {
        let uid = ctx.user()?;
        if self.admit_here(ctx.cluster(), ctx.nid(), uid, request.room).await?.is_some() {
            RoomClosed { room: request.room }.push(ctx.cluster(), uid).await?;
        }
        Ok(())
    }

    async fn depart(&self, ctx: &mut Context, _: DepartRequest) -> due::Result<()> {
        let uid = ctx.user()?;
        self.leave(ctx.cluster(), ctx.nid(), uid).await
    }
}

impl Room for GameService {
    async fn say(&self, ctx: &mut Context, request: SayRequest) -> due::Result<SayResponse> {
        let uid = ctx.user()?;
        if request.text.is_empty() || request.text.len() > 256 {
            return Err(Error::new(Code::INVALID_ARGUMENT, "say 1 to 256 bytes"));
        }
        let Circle { room, members } = self.rooms().circle(uid).ok_or_else(no_room)?;
        told(Said { room, uid: uid.0, text: request.text }.multicast(ctx.cluster(), &members).await?);
        Ok(SayResponse { code: 0, node: ctx.nid().to_string() })
    }

    async fn leave_room(&self, ctx: &mut Context, _: LeaveRoomRequest) -> due::Result<LeaveRoomResponse> {
        let uid = ctx.user()?;
        if self.rooms().of(uid).is_none() {
            return Err(no_room());
        }
        self.leave(ctx.cluster(), ctx.nid(), uid).await?;
        ctx.unbind_node().await?;
        Ok(LeaveRoomResponse { code: 0 })
    }
}

impl GameService {
    /// Rooms that other nodes find in this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, rooms: Arc::default() }
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Into a room of this node, and out of another one. Whoever is in already stays.
    async fn admit_here(&self, cluster: &Cluster, here: &Nid, uid: Uid, room: i32) -> due::Result<Option<NotIn>> {
        match self.rooms().of(uid) {
            Some(is_in) if is_in == room => return Ok(None),
            _ => {}
        }
        self.leave(cluster, here, uid).await?;
        let joined = self.rooms().join(room, uid);
        let Circle { room, members } = match joined {
            Ok(circle) => circle,
            Err(not_in) => return Ok(Some(not_in)),
        };
        let all = members.iter().map(|uid| uid.0).collect();
        told(MemberJoined { room, uid: uid.0, members: all }.multicast(cluster, &members).await?);
        Ok(None)
    }

    /// Out of a room that he has on another node than this one.
    async fn leave_other_nodes(&self, ctx: &Context, uid: Uid, wanted: &Nid) -> due::Result<()> {
        match ctx.cluster().locate_node(uid, NAME).await? {
            Some(nid) if &nid == wanted => Ok(()),
            Some(nid) if &nid == ctx.nid() => self.leave(ctx.cluster(), &nid, uid).await,
            Some(nid) if is_there(ctx.cluster(), &nid).await? => {
                Ok(ctx.cluster().deliver_to(&nid, GAME_DEPART, Some(uid), &DepartRequest {}).await?)
            }
            _ => Ok(()),
        }
    }

    async fn leave(&self, cluster: &Cluster, here: &Nid, uid: Uid) -> due::Result<()> {
        let Some(Circle { room, members }) = self.rooms().leave(uid) else { return Ok(()) };
        if members.is_empty() {
            self.store.close_room(room, here).await?;
        } else {
            told(MemberLeft { room, uid: uid.0 }.multicast(cluster, &members).await?);
        }
        Ok(())
    }

    /// Somebody has logged in: perhaps a member who was away.
    fn found(&self, ctx: &Context) {
        if let Some(uid) = ctx.uid()
            && let Some(room) = self.rooms().found(uid)
        {
            tracing::info!(%uid, room, "a member is back");
        }
    }

    /// A connection has ended: perhaps that of a member.
    fn lost(&self, ctx: &Context) {
        let Some(uid) = ctx.uid() else { return };
        let (game, node) = (self.clone(), ctx.node());
        let over = async move |node: NodeHandle| {
            tracing::info!(%uid, "a member has not come back");
            if let Err(error) = game.leave(node.cluster(), node.nid(), uid).await {
                tracing::warn!(%uid, %error, "a member's leaving was not told");
            }
        };
        let timer = || -> TimerGuard {
            let here = node.clone();
            node.after(GRACE, async move { over(here).await }).cancel_on_drop()
        };
        if let Some(room) = self.rooms().lost(uid, timer) {
            tracing::info!(%uid, room, "a member is away");
        }
    }

    /// The node stops: its rooms are no more, their names are free, and their members can go elsewhere.
    async fn close(&self, node: NodeHandle) -> due::Result<()> {
        let rooms = self.rooms().close();
        for Circle { room, members } in rooms {
            self.store.close_room(room, node.nid()).await?;
            for &uid in &members {
                node.cluster().unbind_node(uid, NAME, node.nid()).await?;
            }
            told(RoomClosed { room }.multicast(node.cluster(), &members).await?);
        }
        Ok(())
    }
}

/// Makes a node play.
pub fn serve(node: NodeBuilder, game: GameService) -> Result<Node, due::BuildError> {
    let ways_in = GameRoutes::new(game.clone())
        .layer_route(GAME_CREATE_ROOM, Failed::<CreateRoomResponse>::new())
        .layer_route(GAME_CREATE_ROOM, authorized)
        .layer_route(GAME_JOIN_ROOM, Failed::<JoinRoomResponse>::new())
        .layer_route(GAME_JOIN_ROOM, authorized);
    let [back, away, end] = [(); 3].map(|()| game.clone());
    node.serve(ways_in)
        .serve(RoomRoutes::new(game))
        .on_reconnect(move |ctx| {
            back.found(&ctx);
            std::future::ready(Ok(()))
        })
        .on_disconnect(move |ctx| {
            away.lost(&ctx);
            std::future::ready(Ok(()))
        })
        .on_stop(move |node| async move { end.close(node).await })
        .build()
}

/// Whether a game node is registered: one that is not will not come back under this id.
async fn is_there(cluster: &Cluster, nid: &Nid) -> due::Result<bool> {
    let nodes = cluster.instances(Kind::Node).await?;
    Ok(nodes.iter().any(|node| node.id == nid.as_str()))
}

fn told(tally: Tally) {
    if tally.failed > 0 {
        tracing::warn!(failed = tally.failed, "members did not hear of their room");
    }
}

fn no_room() -> Error {
    Error::new(Code::NOT_FOUND, "join a room first")
}

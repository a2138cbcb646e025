//! A room: an actor whose members are the users bound to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use due::{
    Actor, ActorRef, Cluster, Code, Context, Error, Event, Push, PushExt as _, StopCause, Tally, TimerGuard, Uid,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::store::Store;
use crate::v1::{
    DepartRequest, LeaveRoomRequest, LeaveRoomResponse, MemberJoined, MemberLeft, Room, RoomClosed, Said, SayRequest,
    SayResponse,
};

/// Members of one room.
const MEMBERS: usize = 64;
/// How long a member may be without a connection.
const GRACE: Duration = Duration::from_secs(60);
/// Bytes of what somebody says.
const TEXT: std::ops::RangeInclusive<usize> = 1..=256;

/// One room.
#[derive(Debug)]
pub(crate) struct GameRoom {
    id: i32,
    store: Arc<dyn Store>,
    /// Members without a connection, and the time that is left for them.
    away: HashMap<Uid, TimerGuard>,
    /// One of those that a node has for its rooms.
    _place: OwnedSemaphorePermit,
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) enum NotIn {
    /// The room takes no more members.
    Full,
    /// It has ended.
    Gone,
}

impl Room for GameRoom {
    async fn say(&mut self, ctx: &mut Context, request: SayRequest) -> due::Result<SayResponse> {
        if !TEXT.contains(&request.text.len()) {
            return Err(Error::new(Code::INVALID_ARGUMENT, "say 1 to 256 bytes"));
        }
        let (uid, me) = (ctx.user()?, this(ctx)?);
        tell(&me, &Said { room: self.id, uid: uid.0, text: request.text }).await;
        Ok(SayResponse { code: 0, node: ctx.nid().to_string() })
    }

    async fn leave_room(&mut self, ctx: &mut Context, _: LeaveRoomRequest) -> due::Result<LeaveRoomResponse> {
        self.left(&this(ctx)?, ctx.user()?).await;
        ctx.unbind_node().await?;
        Ok(LeaveRoomResponse { code: 0 })
    }

    async fn depart(&mut self, ctx: &mut Context, _: DepartRequest) -> due::Result<LeaveRoomResponse> {
        self.left(&this(ctx)?, ctx.user()?).await;
        Ok(LeaveRoomResponse { code: 0 })
    }
}

impl Actor for GameRoom {
    const EVENTS: &'static [Event] = &[Event::Reconnect, Event::Disconnect];

    async fn on_reconnect(&mut self, ctx: &mut Context) -> due::Result<()> {
        let uid = ctx.user()?;
        if self.away.remove(&uid).is_some() {
            tracing::info!(%uid, room = self.id, "a member is back");
        }
        Ok(())
    }

    async fn on_disconnect(&mut self, ctx: &mut Context) -> due::Result<()> {
        let (uid, me) = (ctx.user()?, this(ctx)?);
        tracing::info!(%uid, room = self.id, "a member is away");
        let here = me.clone();
        let over = me.after(GRACE, async move |room: &mut Self| {
            tracing::info!(%uid, room = room.id, "a member has not come back");
            room.left(&here, uid).await;
        });
        self.away.insert(uid, over.cancel_on_drop());
        Ok(())
    }

    /// It is empty, or its node stops: its name is free, and its members can go elsewhere.
    async fn stopped(&mut self, me: &ActorRef<Self>, _why: StopCause) {
        if let Err(error) = self.store.close_room(self.id, me.node().nid()).await {
            tracing::warn!(room = self.id, %error, "the room stays in the store until somebody looks for it");
        }
        let (cluster, nid) = (me.node().cluster(), me.node().nid());
        for uid in me.members() {
            if let Err(error) = cluster.unbind_node(uid, crate::game::NAME, nid).await {
                tracing::warn!(room = self.id, %uid, %error, "a member stays bound to a node that is gone");
            }
        }
        tell(me, &RoomClosed { room: self.id }).await;
    }
}

impl GameRoom {
    /// Open until its last member leaves.
    pub(crate) fn new(id: i32, store: Arc<dyn Store>, place: OwnedSemaphorePermit) -> Self {
        Self { id, store, away: HashMap::new(), _place: place }
    }

    /// Lets somebody in. Whoever is in already stays, and nobody hears of it.
    pub(crate) async fn admit(&mut self, me: &ActorRef<Self>, uid: Uid) -> Result<(), NotIn> {
        let members = me.members();
        if members.contains(&uid) {
            return Ok(());
        }
        if members.len() >= MEMBERS {
            return Err(NotIn::Full);
        }
        me.bind(uid).map_err(|_| NotIn::Gone)?;
        let members = me.members().iter().map(|uid| uid.0).collect();
        tell(me, &MemberJoined { room: self.id, uid: uid.0, members }).await;
        Ok(())
    }

    /// Somebody is out. The others hear of it; without any, the room is no more.
    pub(crate) async fn left(&mut self, me: &ActorRef<Self>, uid: Uid) {
        self.away.remove(&uid);
        me.unbind(uid);
        if me.members().is_empty() {
            me.kill();
        } else {
            tell(me, &MemberLeft { room: self.id, uid: uid.0 }).await;
        }
    }
}

/// The room that has the turn.
fn this(ctx: &Context) -> due::Result<ActorRef<GameRoom>> {
    ctx.actor().ok_or_else(|| Error::new(Code::NOT_FOUND, "join a room first"))
}

/// All members, in the order in which the room does things.
async fn tell(room: &ActorRef<GameRoom>, news: &impl Push) {
    let cluster: &Cluster = room.node().cluster();
    match news.multicast(cluster, &room.members()).await {
        Ok(Tally { failed: 0, .. }) => {}
        Ok(Tally { failed, .. }) => tracing::warn!(room = room.id(), failed, "members did not hear of their room"),
        Err(error) => tracing::warn!(room = room.id(), %error, "the members did not hear of their room"),
    }
}

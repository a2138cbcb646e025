//! Everything a server asks of the others: push, bind, locate, deliver, disconnect.

mod backends;
mod calls;
mod deliver;
mod dispatch;
#[cfg(feature = "link")]
mod drpc;
mod error;
mod handle;
mod link;
mod memory;
mod newcomers;
mod peers;
mod picture;
mod presence;
mod push;
pub(crate) mod scratch;
mod sessions;
mod whereabouts;

pub use backends::Backends;
pub(crate) use dispatch::{Answers, Candidate, DispatchTable, RouteEntry};
pub use dispatch::{Balance, RouteMismatch};
#[cfg(feature = "link")]
pub use drpc::{ShortSecret, TcpLink, fuzzing};
pub use error::{Close, ClusterError, ServerId, Tally, Target};
pub use handle::Cluster;
pub use link::{Audience, Event};
pub(crate) use link::{
    Delivery, Door, Entrance, GateAnswer, GateLink, GateOp, GateServer, LinkError, Losses, Member, NodeAnswer,
    NodeLink, NodeOp, NodeServer, Origin, Outward, Server, SessionEvent, Then, Undelivered, Unpushed,
};
pub use peers::{NodeCall, NodeCallError, NodeCaller, NodeTarget};
pub(crate) use picture::Sight;
pub(crate) use presence::Presence;
pub use push::{Push, PushExt};
pub(crate) use sessions::channel_name;

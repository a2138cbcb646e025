//! What generated code and macro output may name. Not for people: changes together with due-codegen, in the same release.

pub use bytes::{Buf, Bytes, BytesMut};
pub use prost;
pub use prost_types;
pub use serde;
pub use std::sync::Arc;
#[cfg(feature = "mesh")]
pub use tonic;

pub use crate::__message as message;
pub use crate::client::{CallError, Caller};
pub use crate::cluster::{NodeCallError, NodeCaller, NodeTarget, Push};
pub use crate::codec::body::{code_of, decode, encode};
pub use crate::codec::debug::debug;
pub use crate::codec::fields::{Enum, EnumTable, Field, Fields, Kind, Map, Msg, Opt, Plain, Rep, Slot, Table, View};
pub use crate::codec::message::Coded;
pub use crate::codec::read::deserialize;
pub use crate::codec::write::serialize;
pub use crate::codec::*;
pub use crate::error::{Code, Error, Result};
pub use crate::event::EventMessage;
pub use crate::handler::*;
pub use crate::id::RouteId;
#[cfg(feature = "mesh")]
pub use crate::mesh;
pub use crate::node::{Actor, ActorKind, Context, Reply};
pub use crate::registry::Registry;
pub use crate::route::{HandlerFuture, RouteSpec, Routes};
pub use crate::skew::Schema;
pub use crate::testing::{Mock, MockCaller, MockRoute, MockRpc};

/// The arm of a dispatch that nothing reaches: tables and matches are generated together.
pub fn no_such_route<'a>(index: usize) -> HandlerFuture<'a> {
    let error = Error::new(Code::INTERNAL, "internal error").because(format!("no route with index {index}"));
    Box::pin(async move { Err(error) })
}

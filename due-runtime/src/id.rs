//! Newtypes for every number and name that travels, so that no argument order can mix them up.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// One client connection on one gate. Gates count up from 1 and never reuse a number in a process; on the wire an `i64`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Cid(pub i64);

/// One user, the number that a session is bound to at login. Positive; on the wire an `i64` where 0 says "nobody".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Uid(pub i64);

/// The number in a packet that selects a handler. Signed on the wire, 1, 2 or 4 bytes wide.
///
/// Routes of handlers and pushes are positive. -1 is [`RouteId::STATUS`]; 0 is what a forgotten id reads as.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RouteId(pub i32);

impl RouteId {
    /// The reserved route on which a gate or node answers with a [`Status`](crate::Status).
    pub const STATUS: Self = Self(-1);

    /// A route id as a constant; whether it fits the packet is checked when a node is built.
    pub const fn new(id: i32) -> Self {
        Self(id)
    }
}

impl From<i32> for RouteId {
    fn from(id: i32) -> Self {
        Self(id)
    }
}

/// The number a client chose for a request, echoed in the reply. Pushes carry 0. Signed, 0, 1, 2 or 4 bytes wide.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Seq(pub i32);

impl Seq {
    /// The seq of packets that answer nothing.
    pub const NONE: Self = Self(0);
}

macro_rules! numbers {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
numbers!(Cid, Uid, RouteId, Seq);

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as it stands in the registry.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(id: T) -> Self {
                Self(id.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
names!(
    /// Instance id of a gate.
    Gid,
    /// Instance id of a node.
    Nid
);

/// For maps whose keys are numbers that servers give out: no client can choose them so that they collide.
pub(crate) type BuildIdHasher = BuildHasherDefault<IdHasher>;

/// One multiplication per number.
#[derive(Clone, Copy, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, number: u64) {
        // Both halves of the product together: maps look at either end of a hash.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number as u64);
    }

    fn write_i32(&mut self, number: i32) {
        self.write_u64(number as u64);
    }
}

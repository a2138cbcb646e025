//! What outlives a server: accounts, and which node has which room.

mod memory;
mod redis;

use std::fmt::Debug;
use std::time::Duration;

use due::{BoxFuture, Nid};

pub use self::memory::MemoryStore;
pub use self::redis::RedisStore;

/// Shared by all login and game nodes. Every answer comes in bounded time.
pub trait Store: Debug + Send + Sync + 'static {
    /// Adds an account and gives it the next id; `None` if there is one of this name.
    fn register<'a>(&'a self, name: &'a str, account: &'a NewAccount)
    -> BoxFuture<'a, Result<Option<i32>, StoreError>>;

    /// The account of this name.
    fn account<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Account>, StoreError>>;

    /// Gives a room the next id; or says which room has this name already.
    fn open_room<'a>(&'a self, name: &'a str, owner: &'a Nid) -> BoxFuture<'a, Result<OpenedRoom, StoreError>>;

    /// The node that has the room.
    fn room_owner(&self, id: i32) -> BoxFuture<'_, Result<Option<Nid>, StoreError>>;

    /// Forgets the room, and frees its name, if `owner` still has it.
    fn close_room<'a>(&'a self, id: i32, owner: &'a Nid) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// What somebody registers with.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// As [`Passwords`](crate::passwords::Passwords) makes it: the password itself is never stored.
    pub password_hash: String,
    /// How others call him; may be empty.
    pub nickname: String,
    /// As he said.
    pub age: i32,
}

/// What a login needs of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The user.
    pub id: i32,
    /// See [`NewAccount::password_hash`].
    pub password_hash: String,
}

/// What became of a room's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenedRoom {
    /// It belongs to a new room with this id.
    New(i32),
    /// It belongs to another room.
    Taken {
        /// Which one.
        id: i32,
        /// The node that has it, or had when it crashed.
        owner: Nid,
    },
}

/// The store gave no answer; what was asked may have been done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The server is away, or did not do it.
    #[error("the store at {addr} failed")]
    Failed {
        /// Where it is.
        addr: String,
        /// What it said.
        source: ::redis::RedisError,
    },
    /// Too slow.
    #[error("the store at {addr} did not answer within {after:?}")]
    Late {
        /// Where it is.
        addr: String,
        /// How long it was waited for.
        after: Duration,
    },
}

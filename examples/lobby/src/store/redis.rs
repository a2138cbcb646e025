use std::fmt;
use std::time::Duration;

use due::{BoxFuture, Nid};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue, RedisError, cmd};
use tokio::time::timeout;

use super::{Account, NewAccount, OpenedRoom, Store, StoreError};

/// For one answer, connecting included. Players wait no longer for a redis that is away.
const DEADLINE: Duration = Duration::from_secs(3);

/// The next id and the account, or nothing where there is an account. `KEYS`: the account, the counter.
const REGISTER: &str = "
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local id = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'id', id, 'password', ARGV[1], 'nickname', ARGV[2], 'age', ARGV[3])
return id";

/// Whether the room is new, its id, and the node that has it. `KEYS`: ids by name, names by id, owners by id, the counter.
const OPEN_ROOM: &str = "
local id = redis.call('HGET', KEYS[1], ARGV[1])
if id then return {0, tonumber(id), redis.call('HGET', KEYS[3], id)} end
id = redis.call('INCR', KEYS[4])
redis.call('HSET', KEYS[1], ARGV[1], id)
redis.call('HSET', KEYS[2], id, ARGV[1])
redis.call('HSET', KEYS[3], id, ARGV[2])
return {1, id, ARGV[2]}";

/// `KEYS` as above.
const CLOSE_ROOM: &str = "
if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], redis.call('HGET', KEYS[2], ARGV[1]))
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return 1";

const LAST_USER: &str = "lobby:users:last";
const ROOMS_BY_NAME: &str = "lobby:rooms:ids";
const ROOM_NAMES: &str = "lobby:rooms:names";
const ROOM_OWNERS: &str = "lobby:rooms:owners";
const LAST_ROOM: &str = "lobby:rooms:last";

/// For the servers of a fleet, in one redis server:
/// ```text
/// lobby:account:NAME   hash    id, password (its hash), nickname, age
/// lobby:users:last     string  the last id given
/// lobby:rooms:ids      hash    id by name      of the rooms that are open
/// lobby:rooms:names    hash    name by id
/// lobby:rooms:owners   hash    node by id
/// lobby:rooms:last     string  the last id given
/// ```
/// Nothing is connected before it is needed, and what breaks is connected again. No command is sent twice: a user who does
/// not hear that he is registered may be.
#[derive(Clone)]
pub struct RedisStore {
    addr: String,
    connection: ConnectionManager,
}

impl RedisStore {
    /// The server at `host:port`, or at a URL as `redis://user:password@host:port/db`.
    ///
    /// # Errors
    /// Where that is neither.
    pub fn new(addr: &str) -> Result<Self, RedisError> {
        let url = if addr.contains("://") { addr.to_owned() } else { format!("redis://{addr}") };
        let client = Client::open(url)?;
        let addr = client.get_connection_info().addr().to_string();
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(DEADLINE))
            .set_response_timeout(Some(DEADLINE));
        Ok(Self { addr, connection: ConnectionManager::new_lazy_with_config(client, config)? })
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut connection = self.connection.clone();
        match timeout(DEADLINE, command.query_async(&mut connection)).await {
            Ok(answer) => answer.map_err(|source| StoreError::Failed { addr: self.addr.clone(), source }),
            Err(_) => Err(StoreError::Late { addr: self.addr.clone(), after: DEADLINE }),
        }
    }
}

fn script(text: &str, keys: &[&str]) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(text).arg(keys.len()).arg(keys);
    command
}

fn account_key(name: &str) -> String {
    format!("lobby:account:{name}")
}

impl Store for RedisStore {
    fn register<'a>(
        &'a self,
        name: &'a str,
        account: &'a NewAccount,
    ) -> BoxFuture<'a, Result<Option<i32>, StoreError>> {
        Box::pin(async move {
            let mut command = script(REGISTER, &[&account_key(name), LAST_USER]);
            command.arg(&account.password_hash).arg(&account.nickname).arg(account.age);
            self.ask(&command).await
        })
    }

    fn account<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        Box::pin(async move {
            let fields: (Option<i32>, Option<String>) =
                self.ask(cmd("HMGET").arg(account_key(name)).arg(&["id", "password"])).await?;
            Ok(match fields {
                (Some(id), Some(password_hash)) => Some(Account { id, password_hash }),
                _ => None,
            })
        })
    }

    fn open_room<'a>(&'a self, name: &'a str, owner: &'a Nid) -> BoxFuture<'a, Result<OpenedRoom, StoreError>> {
        Box::pin(async move {
            let mut command = script(OPEN_ROOM, &[ROOMS_BY_NAME, ROOM_NAMES, ROOM_OWNERS, LAST_ROOM]);
            command.arg(name).arg(owner.as_str());
            let (is_new, id, owner): (bool, i32, String) = self.ask(&command).await?;
            Ok(if is_new { OpenedRoom::New(id) } else { OpenedRoom::Taken { id, owner: owner.into() } })
        })
    }

    fn room_owner(&self, id: i32) -> BoxFuture<'_, Result<Option<Nid>, StoreError>> {
        Box::pin(async move {
            let owner: Option<String> = self.ask(cmd("HGET").arg(ROOM_OWNERS).arg(id)).await?;
            Ok(owner.map(Nid::from))
        })
    }

    fn close_room<'a>(&'a self, id: i32, owner: &'a Nid) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut command = script(CLOSE_ROOM, &[ROOMS_BY_NAME, ROOM_NAMES, ROOM_OWNERS]);
            command.arg(id).arg(owner.as_str());
            self.ask::<i32>(&command).await.map(drop)
        })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("addr", &self.addr).finish_non_exhaustive()
    }
}

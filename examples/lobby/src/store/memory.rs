use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use due::{BoxFuture, Nid};

use super::{Account, NewAccount, OpenedRoom, Store, StoreError};

/// For the servers of one process. Everybody is forgotten when it ends.
#[derive(Debug, Default)]
pub struct MemoryStore {
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    accounts: HashMap<String, Account>,
    rooms: HashMap<i32, (String, Nid)>,
    rooms_by_name: HashMap<String, i32>,
    last_room: i32,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn register<'a>(
        &'a self,
        name: &'a str,
        account: &'a NewAccount,
    ) -> BoxFuture<'a, Result<Option<i32>, StoreError>> {
        Box::pin(async move {
            let accounts = &mut self.lock().accounts;
            if accounts.contains_key(name) {
                return Ok(None);
            }
            let id = accounts.len() as i32 + 1;
            let password_hash = account.password_hash.clone();
            accounts.insert(name.to_owned(), Account { id, password_hash });
            Ok(Some(id))
        })
    }

    fn account<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        Box::pin(async move { Ok(self.lock().accounts.get(name).cloned()) })
    }

    fn open_room<'a>(&'a self, name: &'a str, owner: &'a Nid) -> BoxFuture<'a, Result<OpenedRoom, StoreError>> {
        Box::pin(async move {
            let contents = &mut *self.lock();
            if let Some(&id) = contents.rooms_by_name.get(name)
                && let Some((_, owner)) = contents.rooms.get(&id)
            {
                return Ok(OpenedRoom::Taken { id, owner: owner.clone() });
            }
            contents.last_room += 1;
            let id = contents.last_room;
            contents.rooms.insert(id, (name.to_owned(), owner.clone()));
            contents.rooms_by_name.insert(name.to_owned(), id);
            Ok(OpenedRoom::New(id))
        })
    }

    fn room_owner(&self, id: i32) -> BoxFuture<'_, Result<Option<Nid>, StoreError>> {
        Box::pin(async move { Ok(self.lock().rooms.get(&id).map(|(_, owner)| owner.clone())) })
    }

    fn close_room<'a>(&'a self, id: i32, owner: &'a Nid) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let contents = &mut *self.lock();
            if contents.rooms.get(&id).is_some_and(|(_, has)| has == owner)
                && let Some((name, _)) = contents.rooms.remove(&id)
            {
                contents.rooms_by_name.remove(&name);
            }
            Ok(())
        })
    }
}

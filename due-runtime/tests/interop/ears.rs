use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long anything may take to happen on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a peer has said, Go or Rust: requests and events of nodes, messages of clients. Each is a JSON object whose `say` names
/// it.
#[derive(Default)]
pub(crate) struct Ears {
    said: Mutex<Vec<Value>>,
    /// The last list of instances of each kind.
    known: Mutex<HashMap<String, Value>>,
    more: watch::Sender<()>,
}

impl Ears {
    pub(crate) fn say(&self, line: Value) {
        if line["say"] == "knows" {
            let kind = line["kind"].as_str().expect("a kind").to_owned();
            locked(&self.known).insert(kind, line["states"].clone());
        } else {
            locked(&self.said).push(line);
        }
        self.more.send_replace(());
    }

    /// Takes the first thing said that fits.
    pub(crate) async fn hear(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let take = || {
            let mut said = locked(&self.said);
            let at = said.iter().position(&fits)?;
            Some(said.remove(at))
        };
        match self.first(take).await {
            Some(line) => line,
            None => panic!("not heard; what was: {:#?}", locked(&self.said)),
        }
    }

    /// Takes the first thing of this name.
    pub(crate) async fn hear_a(&self, say: &str) -> Value {
        self.hear(|line| line["say"] == say).await
    }

    /// Takes everything of a name that has been said by now.
    pub(crate) fn take_all(&self, say: &str) -> Vec<Value> {
        let mut said = locked(&self.said);
        let (taken, left) = std::mem::take(&mut *said).into_iter().partition(|line| line["say"] == say);
        *said = left;
        taken
    }

    /// Waits until a Go peer has the state of these instances, and no others of their kind.
    pub(crate) async fn knows(&self, kind: &str, states: &Value) {
        let is_known = || (locked(&self.known).get(kind) == Some(states)).then_some(());
        if self.first(is_known).await.is_none() {
            panic!("{states} are not known, but {:?}", locked(&self.known));
        }
    }

    async fn first<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let mut more = self.more.subscribe();
        let looks = async {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                // The sender is ours.
                more.changed().await.expect("open ears");
            }
        };
        timeout(PATIENCE, looks).await.ok()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes as they travel in JSON.
pub(crate) fn text64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

pub(crate) fn bytes64(text: &Value) -> Vec<u8> {
    BASE64.decode(text.as_str().unwrap_or_default()).expect("base64")
}

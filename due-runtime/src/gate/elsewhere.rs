//! Users of this gate who log in at a gate of due v2.5.8: that one says so to nobody but the locator.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::GateCore;
use crate::locator::{Change, Changes};
use crate::session::SessionTarget;

/// A gate of ours has told the older session itself by then.
const GRACE: Duration = Duration::from_secs(1);

impl GateCore {
    /// Ends the sessions of users who are at another gate now. Of changes that were missed nothing is learnt: such a
    /// session stays until it ends by itself.
    pub(super) async fn hear_of_logins_elsewhere(self: Arc<Self>, mut changes: Changes) {
        while let Some(change) = changes.next().await {
            let Change::GateBound { uid, gid } = change else { continue };
            if gid == self.gid {
                continue;
            }
            let target = SessionTarget::User(uid);
            let Some(older) = self.sessions.get(target) else { continue };
            let (this, stop) = (Arc::clone(&self), self.finish.clone());
            // As many at once as users of this gate log in elsewhere within a second.
            self.turned_away.spawn(stop.run_until_cancelled_owned(async move {
                sleep(GRACE).await;
                // He may be back here already.
                let now = this.cluster.locator().locate_gate(uid).await;
                let is_elsewhere = now.is_ok_and(|now| now.is_some_and(|gid| gid != this.gid));
                let is_his = this.sessions.get(target).is_some_and(|session| session.cid() == older.cid());
                if is_elsewhere && is_his {
                    this.dismiss(&older);
                }
            }));
        }
    }
}

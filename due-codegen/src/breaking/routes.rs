//! Routes and pushes: what clients send, and what they hear.

use std::collections::BTreeMap;

use super::{At, Compare, rules};
use crate::lock::Entry;
use crate::lock::item::{Item, Part, Route};

impl<'a> Compare<'a> {
    pub(super) fn routes(&mut self) {
        for entry in self.before.entries.values() {
            match &entry.item {
                // A route that comes back is the one that it was.
                Item::Route(old) if !entry.removed || self.is_back(entry) => self.route(old, entry),
                Item::Push { message, id } if !entry.removed => self.push(message, *id, entry),
                _ => {}
            }
        }
        self.reused_ids();
    }

    fn route(&mut self, old: &Route, entry: &'a Entry) {
        let Route { rpc, .. } = old;
        let Some(home) = self.find("route", rpc) else {
            if self.renamed(old).is_none() {
                let message = format!("route `{rpc}` is gone");
                self.found(&rules::ROUTE_REMOVED, At::Gone(self.owner(rpc)), (entry, Part::Whole), message);
            }
            return;
        };
        let Item::Route(now) = &home.item else { return };
        if now.id != old.id {
            let message = format!("route `{rpc}` has id {}, and had {}", now.id, old.id);
            self.found(&rules::ROUTE_ID_CHANGED, At::Here(home, Part::Id), (entry, Part::Id), message);
        }
        for (rule, part, old, now, what) in [
            (&rules::ROUTE_AUTHORIZED, Part::Authorized, old.authorized, now.authorized, "needs a user"),
            (&rules::ROUTE_STATEFUL, Part::Stateful, old.stateful, now.stateful, "needs a user who is bound to a node"),
            (&rules::ROUTE_INTERNAL, Part::Internal, old.internal, now.internal, "is refused from clients"),
        ] {
            if now && !old {
                let message = format!("route `{rpc}` {what} from now on");
                self.found(rule, At::Here(home, part), (entry, part), message);
            }
        }
        if now.oneway != old.oneway {
            let what = if now.oneway { "is not answered any more" } else { "is answered, and was not before" };
            let at = At::Here(home, Part::Oneway);
            self.found(&rules::ROUTE_ONEWAY, at, (entry, Part::Oneway), format!("route `{rpc}` {what}"));
        }
        if now.request != old.request {
            let message = format!("route `{rpc}` takes `{}`, and took `{}`", now.request, old.request);
            self.found(&rules::ROUTE_REQUEST_TYPE, At::Here(home, Part::Request), (entry, Part::Request), message);
        }
        // Of a oneway route nobody sees the response.
        if now.response != old.response && now.oneway == old.oneway {
            let message = format!("route `{rpc}` returns `{}`, and returned `{}`", now.response, old.response);
            self.found(&rules::ROUTE_RESPONSE_TYPE, At::Here(home, Part::Response), (entry, Part::Response), message);
        }
    }

    /// The same route under another name, which the wire does not know.
    fn renamed(&self, old: &Route) -> Option<&'a Route> {
        self.now.live().find_map(|entry| match &entry.item {
            Item::Route(now) => {
                let same = Route { rpc: now.rpc.clone(), ..old.clone() } == *now;
                let new = !self.before.entries.contains_key(&entry.item.key());
                (same && new).then_some(now)
            }
            _ => None,
        })
    }

    fn push(&mut self, message: &str, id: i32, entry: &'a Entry) {
        let Some(home) = self.find("push", message) else {
            let at = At::Gone(self.find("message", message).or_else(|| self.owner(message)));
            self.found(&rules::PUSH_REMOVED, at, (entry, Part::Whole), format!("push `{message}` is gone"));
            return;
        };
        if let Item::Push { id: now, .. } = home.item
            && now != id
        {
            let text = format!("push `{message}` has id {now}, and had {id}");
            self.found(&rules::PUSH_ID_CHANGED, At::Here(home, Part::Id), (entry, Part::Id), text);
        }
    }

    /// Ids that somebody else had, however long ago.
    fn reused_ids(&mut self) {
        let mut shipped: BTreeMap<i32, Vec<&'a Entry>> = BTreeMap::new();
        for entry in self.before.entries.values() {
            if let Some((_, id)) = claim(&entry.item) {
                shipped.entry(id).or_default().push(entry);
            }
        }
        for entry in self.now.live() {
            let Some((owner, id)) = claim(&entry.item) else { continue };
            let earlier = shipped.get(&id).map(Vec::as_slice).unwrap_or_default();
            if self.before.entries.contains_key(&entry.item.key()) {
                continue;
            }
            // The last one that had it is the one that clients know.
            let Some(old) = earlier.iter().find(|old| !old.removed).or(earlier.first()) else { continue };
            let moved = match &old.item {
                Item::Route(old) => !self.is_there(old) && self.renamed(old).is_some_and(|now| now.rpc == owner),
                _ => false,
            };
            if !moved {
                let (before, _) = claim(&old.item).unwrap_or_default();
                let message = format!("id {id} of `{owner}` belonged to `{before}`");
                self.found(&rules::ID_REUSED, At::Here(entry, Part::Id), (old, Part::Id), message);
            }
        }
    }

    fn is_back(&self, entry: &Entry) -> bool {
        self.now.entries.get(&entry.item.key()).is_some_and(|now| !now.removed)
    }

    fn is_there(&self, route: &Route) -> bool {
        self.find("route", &route.rpc).is_some()
    }
}

fn claim(item: &Item) -> Option<(&str, i32)> {
    match item {
        Item::Route(route) => Some((&route.rpc, route.id)),
        Item::Push { message, id } => Some((message, *id)),
        _ => None,
    }
}

//! Events, nodes and meshes: what servers of two versions say to each other while they are replaced one by one.

use super::{At, Compare, rules};
use crate::lock::Entry;
use crate::lock::item::{Item, Part, Rpc};

impl<'a> Compare<'a> {
    pub(super) fn servers(&mut self) {
        for entry in self.before.live() {
            match &entry.item {
                Item::Node { service, name } => self.node(service, name, entry),
                Item::Mesh { service, name, path } => self.mesh(service, (name, path), entry),
                Item::Rpc(old) => self.rpc(old, entry),
                Item::Event { message, topic } => self.event(message, topic, entry),
                _ => {}
            }
        }
        self.reused_topics();
    }

    fn node(&mut self, service: &str, name: &str, entry: &'a Entry) {
        // Without the service its routes are gone, which is said of them.
        let Some(home) = self.find("node", service) else { return };
        if let Item::Node { name: now, .. } = &home.item
            && now != name
        {
            let message = format!("the node of `{service}` is named `{now}`, and was `{name}`");
            self.found(&rules::NODE_NAME_CHANGED, At::Here(home, Part::Id), (entry, Part::Id), message);
        }
    }

    fn mesh(&mut self, service: &str, (name, path): (&str, &str), entry: &'a Entry) {
        let Some(home) = self.find("mesh", service) else {
            let message = format!("mesh service `{service}` is gone");
            self.found(&rules::MESH_REMOVED, At::Gone(None), (entry, Part::Whole), message);
            return;
        };
        let Item::Mesh { name: now, path: now_path, .. } = &home.item else { return };
        for (what, old, now) in [("name", name, now), ("path", path, now_path)] {
            if old != now {
                let message = format!("the {what} of mesh service `{service}` is `{now}`, and was `{old}`");
                self.found(&rules::MESH_NAME_CHANGED, At::Here(home, Part::Id), (entry, Part::Id), message);
            }
        }
    }

    fn rpc(&mut self, old: &Rpc, entry: &'a Entry) {
        let name = &old.rpc;
        let Some(home) = self.find("rpc", name) else {
            if let Some(owner) = self.owner(name) {
                let message = format!("rpc `{name}` is gone");
                self.found(&rules::RPC_REMOVED, At::Gone(Some(owner)), (entry, Part::Whole), message);
            }
            return;
        };
        let Item::Rpc(now) = &home.item else { return };
        for (verb, past, part, old, now) in [
            ("takes", "took", Part::Request, &old.request, &now.request),
            ("returns", "returned", Part::Response, &old.response, &now.response),
        ] {
            if old != now {
                let message = format!("rpc `{name}` {verb} `{now}`, and {past} `{old}`");
                self.found(&rules::RPC_TYPE, At::Here(home, part), (entry, part), message);
            }
        }
        for (what, part, old, now) in [
            ("request", Part::Request, old.client_streaming, now.client_streaming),
            ("response", Part::Response, old.server_streaming, now.server_streaming),
        ] {
            if old != now {
                let streams = if now { "streams its" } else { "no longer streams its" };
                let message = format!("rpc `{name}` {streams} {what}");
                self.found(&rules::RPC_STREAMING, At::Here(home, part), (entry, part), message);
            }
        }
    }

    fn event(&mut self, message: &str, topic: &str, entry: &'a Entry) {
        let Some(home) = self.find("event", message) else {
            let at = At::Gone(self.find("message", message).or_else(|| self.owner(message)));
            self.found(&rules::EVENT_REMOVED, at, (entry, Part::Whole), format!("event `{message}` is gone"));
            return;
        };
        if let Item::Event { topic: now, .. } = &home.item
            && now != topic
        {
            let text = format!("event `{message}` has the topic `{now}`, and had `{topic}`");
            self.found(&rules::EVENT_TOPIC_CHANGED, At::Here(home, Part::Id), (entry, Part::Id), text);
        }
    }

    fn reused_topics(&mut self) {
        for entry in self.now.live() {
            let Item::Event { message, topic } = &entry.item else { continue };
            let earlier = self.before.entries.values().filter(|old| match &old.item {
                Item::Event { message: owner, topic: old } => old == topic && owner != message,
                _ => false,
            });
            // Who carried it last.
            let Some(old) = earlier.min_by_key(|old| old.removed) else { continue };
            if self.before.entries.contains_key(&entry.item.key()) {
                continue;
            }
            let Item::Event { message: owner, .. } = &old.item else { continue };
            let text = format!("topic `{topic}` of `{message}` belonged to `{owner}`");
            self.found(&rules::TOPIC_REUSED, At::Here(entry, Part::Id), (old, Part::Id), text);
        }
    }
}

//! Ids of services, and messages of two trades.

use std::collections::BTreeMap;

use prost_reflect::{FileDescriptor, MethodDescriptor};

use super::{Lint, rules};
use crate::diagnostic::Place;
use crate::lower::{option_place, path};
use crate::options::number;
use crate::schema::messages;

const EMPTY: &str = "google.protobuf.Empty";

impl Lint<'_> {
    pub(super) fn routes(&mut self, files: &[FileDescriptor]) {
        self.ids_together(files);
        self.types_of_rpcs(files);
    }

    fn ids_together(&mut self, files: &[FileDescriptor]) {
        let mut ids: BTreeMap<i32, MethodDescriptor> = BTreeMap::new();
        for service in self.schema.files().iter().flat_map(|file| file.services().collect::<Vec<_>>()) {
            for method in service.methods() {
                if let Some(route) = self.schema.options.route(&method) {
                    ids.insert(route.id, method);
                }
            }
        }
        let owners: Vec<(i32, &MethodDescriptor)> = ids.iter().map(|(id, method)| (*id, method)).collect();
        for neighbours in owners.windows(3) {
            let [(before, low), (id, method), (after, high)] = neighbours else { continue };
            let (service, other) = (method.parent_service(), low.parent_service());
            let file = method.parent_file();
            if other != high.parent_service() || other == service || !files.contains(&file) {
                continue;
            }
            let (place, beside) = (self.id(method), self.id(low));
            let message = format!(
                "id {id} of `{}` is between {before} and {after} of `{}`",
                method.full_name(),
                other.full_name()
            );
            let beside = (&beside, "one of the others");
            self.found_beside(&rules::ROUTE_IDS_TOGETHER, (&file, &place), Some(beside), message, "");
        }
    }

    fn id(&self, method: &MethodDescriptor) -> Place {
        let file = method.parent_file();
        option_place(&self.schema.sources, (&file, method.path()), path::METHOD_OPTIONS, number::ROUTE, "id")
    }

    fn types_of_rpcs(&mut self, files: &[FileDescriptor]) {
        // Of each message the first place where an rpc names it.
        let mut first: BTreeMap<String, (MethodDescriptor, Place)> = BTreeMap::new();
        for service in self.schema.files().iter().flat_map(|file| file.services().collect::<Vec<_>>()) {
            for method in service.methods() {
                for (part, found) in [(path::METHOD_INPUT, method.input()), (path::METHOD_OUTPUT, method.output())] {
                    let (file, name) = (method.parent_file(), found.full_name().to_owned());
                    let place = self.schema.sources.place(&file, &[method.path(), &[part]].concat());
                    match first.get(&name).cloned() {
                        None => {
                            first.insert(name, (method.clone(), place));
                        }
                        Some((other, beside)) if name != EMPTY && files.contains(&file) => {
                            let message = format!("`{name}` is used by `{}` as well", other.full_name());
                            let beside = (&beside, "first used here");
                            self.found_beside(&rules::RPC_TYPES_UNIQUE, (&file, &place), Some(beside), message, "");
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        for message in files.iter().flat_map(messages) {
            let used = first.get(message.full_name()).filter(|_| self.schema.options.push(&message).is_some());
            if let Some((method, beside)) = used {
                let (file, place) = (message.parent_file(), self.schema.message_place(&message));
                let text =
                    format!("push `{}` is a message of rpc `{}` as well", message.full_name(), method.full_name());
                let beside = beside.clone();
                let rule = &rules::PUSH_NOT_IN_RPC;
                self.found_beside(rule, (&file, &place), Some((&beside, "used here")), text, "");
            }
        }
    }
}

//! Enums and their values, which json writes by name.

use super::{At, Compare, rules};
use crate::lock::Entry;
use crate::lock::item::{Item, Part};

impl<'a> Compare<'a> {
    pub(super) fn enums(&mut self) {
        for entry in self.before.entries.values() {
            match &entry.item {
                Item::Enum { owner } if !entry.removed && self.find("enum", owner).is_none() => {
                    if self.went_with_its_owner(owner) {
                        continue;
                    }
                    let text = format!("enum `{owner}` is gone");
                    self.found(&rules::ENUM_REMOVED, At::Gone(self.owner(owner)), (entry, Part::Whole), text);
                }
                Item::Value { owner, number, name } => self.value(owner, *number, name, entry),
                _ => {}
            }
        }
    }

    fn value(&mut self, owner: &str, number: i32, name: &str, entry: &'a Entry) {
        let Some(home) = self.find("enum", owner) else { return };
        if let Some(found) = self.index.values.get(&(owner, name)).copied() {
            let Item::Value { number: now, .. } = found.item else { return };
            // Both are known if it has moved before, and that was accepted.
            if now != number && !self.before.entries.contains_key(&found.item.key()) {
                let text = format!("value `{name}` of `{owner}` has number {now}, and had {number}");
                self.found(&rules::VALUE_NUMBER_CHANGED, At::Here(found, Part::Whole), (entry, Part::Whole), text);
            }
            return;
        }
        let heir = self.heir(owner, number);
        match heir.and_then(|heir| Some((heir, value_name(&heir.item)?))) {
            Some((heir, now)) if entry.removed => {
                let text = format!("number {number} of `{owner}` is `{now}`, and was `{name}`");
                self.found(&rules::VALUE_NUMBER_REUSED, At::Here(heir, Part::Whole), (entry, Part::Whole), text);
            }
            Some((heir, now)) => {
                let text = format!("value {number} of `{owner}` is named `{now}`, and was `{name}`");
                self.found(&rules::VALUE_RENAMED, At::Here(heir, Part::Whole), (entry, Part::Whole), text);
            }
            None if entry.removed => {}
            None => {
                let text = format!("value `{name}` ({number}) of `{owner}` is gone");
                self.found(&rules::VALUE_REMOVED, At::Gone(Some(home)), (entry, Part::Whole), text);
            }
        }
    }

    /// The value that has the number now, and did not before.
    fn heir(&self, owner: &str, number: i32) -> Option<&'a Entry> {
        let first = Item::Value { owner: owner.to_owned(), number, name: String::new() }.key();
        let same = |entry: &&Entry| matches!(&entry.item, Item::Value { owner: found, number: n, .. } if found == owner && *n == number);
        let range = self.now.entries.range(first..).map(|(_, entry)| entry).take_while(same);
        range.filter(|entry| !entry.removed).find(|entry| !self.before.entries.contains_key(&entry.item.key()))
    }
}

fn value_name(item: &Item) -> Option<&str> {
    match item {
        Item::Value { name, .. } => Some(name),
        _ => None,
    }
}

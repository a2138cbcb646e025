//! Messages and their fields.

use std::collections::{BTreeMap, BTreeSet};

use super::{At, Compare, rules};
use crate::lock::item::{Code, Field, Item, Key, Label, Part};
use crate::lock::{Entry, Lock};

impl<'a> Compare<'a> {
    pub(super) fn messages(&mut self) {
        for entry in self.before.entries.values() {
            match &entry.item {
                Item::Message { message } if !entry.removed && self.find("message", message).is_none() => {
                    if self.went_with_its_owner(message) {
                        continue;
                    }
                    let text = format!("message `{message}` is gone");
                    self.found(&rules::MESSAGE_REMOVED, At::Gone(self.owner(message)), (entry, Part::Whole), text);
                }
                Item::Field(old) if entry.removed => self.tombstone(old, entry),
                Item::Field(old) => self.field(old, entry),
                _ => {}
            }
        }
        self.required();
        self.codes();
    }

    fn field(&mut self, old: &Field, entry: &'a Entry) {
        // Without the message its fields are gone, which is said of it.
        let Some(home) = self.find("message", &old.message) else { return };
        let name = format!("{}.{}", old.message, old.name);
        let by_name = self.index.field_names.get(&(old.message.as_str(), old.name.as_str())).copied();
        let Some((now, found)) = self.index.field(&old.message, old.number) else {
            match by_name.and_then(|entry| Some((entry, entry.field()?.number))) {
                Some((moved, number)) => {
                    let message = format!("field `{name}` has number {number}, and had {}", old.number);
                    let at = At::Here(moved, Part::Number);
                    self.found(&rules::FIELD_NUMBER_CHANGED, at, (entry, Part::Number), message);
                }
                None => {
                    let message = format!("field `{name}` (number {}) is gone", old.number);
                    self.found(&rules::FIELD_REMOVED, At::Gone(Some(home)), (entry, Part::Whole), message);
                }
            }
            return;
        };
        if now.name != old.name
            && let Some((moved, number)) = by_name.and_then(|entry| Some((entry, entry.field()?.number)))
        {
            let message = format!("field `{name}` has number {number}, and had {}", old.number);
            self.found(&rules::FIELD_NUMBER_CHANGED, At::Here(moved, Part::Number), (entry, Part::Number), message);
            return;
        }
        if now.name != old.name && now.kind != old.kind {
            self.reused(old, entry, now, found);
            return;
        }
        if now.kind != old.kind {
            let message = format!("field `{name}` is of type `{}`, and was `{}`", now.kind, old.kind);
            self.found(&rules::FIELD_TYPE, At::Here(found, Part::Type), (entry, Part::Type), message);
        } else if cardinality(now.label) != cardinality(old.label) {
            let message = format!("field `{name}` is {}, and was {}", now.label, old.label);
            self.found(&rules::FIELD_CARDINALITY, At::Here(found, Part::Label), (entry, Part::Label), message);
        }
        if now.name != old.name {
            let message =
                format!("field {} of `{}` is named `{}`, and was `{}`", old.number, old.message, now.name, old.name);
            self.found(&rules::FIELD_RENAMED, At::Here(found, Part::Whole), (entry, Part::Whole), message);
        } else if now.json != old.json {
            let json =
                |field: &Field| field.json.as_ref().map_or("the usual one".to_owned(), |json| format!("`{json}`"));
            let message = format!("the json_name of field `{name}` is {}, and was {}", json(now), json(old));
            self.found(&rules::FIELD_JSON_NAME, At::Here(found, Part::Whole), (entry, Part::Whole), message);
        }
        if let Some(message) = self.oneof(&name, old, now) {
            self.found(&rules::FIELD_ONEOF, At::Here(found, Part::Whole), (entry, Part::Whole), message);
        }
    }

    fn tombstone(&mut self, old: &Field, entry: &'a Entry) {
        if let Some((now, found)) = self.index.field(&old.message, old.number)
            && (&now.name, &now.kind) != (&old.name, &old.kind)
        {
            self.reused(old, entry, now, found);
        }
    }

    fn reused(&mut self, old: &Field, entry: &'a Entry, now: &Field, found: &'a Entry) {
        let Field { message, number, name, kind, .. } = old;
        let text =
            format!("number {number} of `{message}` is `{}` ({}), and was `{name}` ({kind})", now.name, now.kind);
        self.found(&rules::FIELD_NUMBER_REUSED, At::Here(found, Part::Number), (entry, Part::Number), text);
    }

    /// What is new about which fields exclude each other. The name of a oneof is nowhere on the wire.
    fn oneof(&self, name: &str, old: &Field, now: &Field) -> Option<String> {
        match (&old.oneof, &now.oneof) {
            (None, None) => None,
            (None, Some(to)) => Some(format!("field `{name}` is in oneof `{to}`, and was in none")),
            (Some(from), None) => Some(format!("field `{name}` is in no oneof, and was in `{from}`")),
            (Some(from), Some(to)) => {
                // Who came in or went out has changed; for those who stayed together nothing has.
                let stays =
                    |number: &i32| self.index.field(&old.message, *number).is_some_and(|(now, _)| now.oneof.is_some());
                let before: BTreeSet<i32> =
                    members(self.before, &old.message, from).into_iter().filter(stays).collect();
                let in_one = |field: &&Field| field.oneof.is_some();
                let shipped: BTreeSet<i32> =
                    fields(self.before, &old.message).filter(in_one).map(|field| field.number).collect();
                let after = members(self.now, &old.message, to);
                let after: BTreeSet<i32> = after.intersection(&shipped).copied().collect();
                (before != after).then(|| format!("field `{name}` is in oneof `{to}`, and was in `{from}`"))
            }
        }
    }

    /// New required fields of messages that clients know.
    fn required(&mut self) {
        for entry in self.now.live() {
            let Item::Field(field) = &entry.item else { continue };
            let message = Item::Message { message: field.message.clone() };
            let known = self.before.entries.get(&message.key()).filter(|message| !message.removed);
            let new = self.before.entries.get(&entry.item.key()).is_none_or(|old| old.removed);
            if let Some(home) = known.filter(|_| new && field.label == Label::Required) {
                let text = format!("field `{}.{}` is new, and required", field.message, field.name);
                self.found(&rules::FIELD_REQUIRED, At::Here(entry, Part::Label), (home, Part::Whole), text);
            }
        }
    }

    fn codes(&mut self) {
        let (before, now) = (codes(self.before), codes(self.now));
        for ((message, what), old) in &before {
            let Some(home) = self.find("message", message) else { continue };
            // A field that is gone was said to be.
            let Some(field) = old.field().filter(|field| self.index.field(message, field.number).is_some()) else {
                continue;
            };
            let word = word(*what);
            match now.get(&(*message, *what)) {
                Some(new) if new.item.key() == old.item.key() => {}
                Some(new) => {
                    let name = new.field().map_or("", |field| &field.name);
                    let text = format!("`{message}` has its error {word} in `{name}`, and had it in `{}`", field.name);
                    self.found(&rules::FIELD_CODE, At::Here(new, Part::Whole), (old, Part::Whole), text);
                }
                None => {
                    let text = format!("`{message}` has no error {word}, and had it in `{}`", field.name);
                    self.found(&rules::FIELD_CODE, At::Gone(Some(home)), (old, Part::Whole), text);
                }
            }
        }
        for ((message, what), new) in &now {
            let item = Item::Message { message: (*message).to_owned() };
            let known = self.before.entries.get(&item.key()).filter(|known| !known.removed);
            if let Some(known) = known.filter(|_| *what == Code::Number && !before.contains_key(&(*message, *what))) {
                let name = new.field().map_or("", |field| &field.name);
                let text = format!("`{message}` has its error code in `{name}`, and had none");
                self.found(&rules::FIELD_CODE, At::Here(new, Part::Whole), (known, Part::Whole), text);
            }
        }
    }
}

/// An absent value and a default one read alike.
fn cardinality(label: Label) -> Label {
    if label == Label::Optional { Label::Plain } else { label }
}

fn fields<'a>(lock: &'a Lock, message: &str) -> impl Iterator<Item = &'a Field> {
    let behind = lock.entries.range(Key::first_field(message)..).map(|(_, entry)| entry);
    behind
        .map_while(move |entry| Some((entry, entry.field().filter(|field| field.message == message)?)))
        .filter_map(|(entry, field)| (!entry.removed).then_some(field))
}

fn members(lock: &Lock, message: &str, oneof: &str) -> BTreeSet<i32> {
    let inside = |field: &&Field| field.oneof.as_deref() == Some(oneof);
    fields(lock, message).filter(inside).map(|field| field.number).collect()
}

/// The fields that carry the code and the text of each message.
fn codes(lock: &Lock) -> BTreeMap<(&str, Code), &Entry> {
    let marked = lock.live().filter_map(|entry| {
        let field = entry.field()?;
        Some(((field.message.as_str(), field.code?), entry))
    });
    marked.collect()
}

fn word(what: Code) -> &'static str {
    match what {
        Code::Number => "code",
        Code::Text => "text",
    }
}

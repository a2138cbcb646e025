//! What of a schema an old client, or a server of the old version, would not survive.

mod enums;
mod messages;
mod routes;
mod rules;
mod servers;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Diagnostics, Place, Report};
use crate::lock::item::{Field, Item, Packet, Part, Reserved};
use crate::lock::{Entry, Lock};
use crate::rule::Rule;

/// The rules of `cargo due breaking`. [`Lock::breaks`] says what breaks them.
pub fn breaking_rules() -> &'static [Rule] {
    rules::ALL
}

impl Lock {
    /// What in the schema `now` breaks those who know this one, whose removed lines count as well. `ignored` are ids or
    /// categories of [`breaking_rules`]. Everything that was only added passes.
    ///
    /// ```
    /// # fn main() -> Result<(), due_codegen::Diagnostics> {
    /// use due_codegen::Lock;
    /// let before = Lock::parse("before", "due.lock 1\nmessage a.B\nfield a.B 1 name string\n")?;
    /// let now = Lock::parse("now", "due.lock 1\nmessage a.B\nfield a.B 1 name bytes\n")?;
    /// let breaks = before.breaks(&now, &[]);
    /// assert_eq!(breaks.iter().map(|found| found.rule()).collect::<Vec<_>>(), [Some("FIELD_TYPE")]);
    /// # Ok(()) }
    /// ```
    pub fn breaks(&self, now: &Self, ignored: &[String]) -> Diagnostics {
        let mut compare = Compare { before: self, now, index: Index::new(now), ignored, report: Report::default() };
        compare.packet();
        compare.routes();
        compare.servers();
        compare.messages();
        compare.enums();
        compare.reserved();
        compare.report.finish()
    }
}

struct Compare<'a> {
    before: &'a Lock,
    now: &'a Lock,
    index: Index<'a>,
    ignored: &'a [String],
    report: Report,
}

/// The schema of now, by what the rules look for.
#[derive(Default)]
struct Index<'a> {
    packet: Option<&'a Packet>,
    /// Routes, rpcs, nodes, meshes, pushes, events, messages and enums, by kind and name.
    named: BTreeMap<(&'static str, &'a str), &'a Entry>,
    /// By message and number.
    fields: BTreeMap<(&'a str, i32), &'a Entry>,
    /// By message and name.
    field_names: BTreeMap<(&'a str, &'a str), &'a Entry>,
    /// By enum and name.
    values: BTreeMap<(&'a str, &'a str), &'a Entry>,
    reserved_numbers: BTreeMap<&'a str, Vec<(i64, i64)>>,
    reserved_names: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Index<'a> {
    fn new(lock: &'a Lock) -> Self {
        let mut index = Self::default();
        for entry in lock.live() {
            match &entry.item {
                Item::Packet(packet) => index.packet = Some(packet),
                Item::Field(field) => {
                    index.fields.insert((&field.message, field.number), entry);
                    index.field_names.insert((&field.message, &field.name), entry);
                }
                Item::Value { owner, name, .. } => {
                    index.values.insert((owner, name), entry);
                }
                Item::Reserved { owner, what: Reserved::Numbers(first, last) } => {
                    index.reserved_numbers.entry(owner).or_default().push((*first, *last));
                }
                Item::Reserved { owner, what: Reserved::Name(name) } => {
                    index.reserved_names.insert((owner, name));
                }
                item => {
                    index.named.insert(named(item), entry);
                }
            }
        }
        index
    }

    fn field(&self, message: &str, number: i32) -> Option<(&'a Field, &'a Entry)> {
        self.fields.get(&(message, number)).and_then(|entry| Some((entry.field()?, *entry)))
    }
}

/// Kind and full name.
fn named(item: &Item) -> (&'static str, &str) {
    match item {
        Item::Packet(_) => ("packet", ""),
        Item::Node { service, .. } => ("node", service),
        Item::Mesh { service, .. } => ("mesh", service),
        Item::Route(route) => ("route", &route.rpc),
        Item::Rpc(rpc) => ("rpc", &rpc.rpc),
        Item::Message { message } => ("message", message),
        Item::Push { message, .. } => ("push", message),
        Item::Event { message, .. } => ("event", message),
        Item::Field(field) => ("field", &field.message),
        Item::Enum { owner } => ("enum", owner),
        Item::Value { owner, .. } => ("value", owner),
        Item::Reserved { owner, .. } => ("reserved", owner),
    }
}

impl Entry {
    fn field(&self) -> Option<&Field> {
        match &self.item {
            Item::Field(field) => Some(field),
            _ => None,
        }
    }
}

/// Where the schema of now says something else than before.
#[derive(Clone, Copy)]
enum At<'a> {
    /// In this entry.
    Here(&'a Entry, Part),
    /// It is gone; its owner may still be there.
    Gone(Option<&'a Entry>),
}

impl<'a> Compare<'a> {
    fn find(&self, kind: &'static str, name: &str) -> Option<&'a Entry> {
        self.index.named.get(&(kind, name)).copied()
    }

    /// The service of an rpc, or the type around a nested one.
    fn owner(&self, name: &str) -> Option<&'a Entry> {
        let (owner, _) = name.rsplit_once('.')?;
        ["node", "mesh", "message"].iter().find_map(|kind| self.find(kind, owner))
    }

    /// Whether the message around a nested type is gone as well, which is said of it alone.
    fn went_with_its_owner(&self, name: &str) -> bool {
        let Some((owner, _)) = name.rsplit_once('.') else { return false };
        let message = Item::Message { message: owner.to_owned() };
        self.before.entries.contains_key(&message.key()) && self.find("message", owner).is_none()
    }

    /// Reports a broken rule, unless it is ignored: where it is now, what it was before, and why that matters.
    fn found(&mut self, rule: &'static Rule, at: At<'_>, before: (&Entry, Part), message: String) {
        if self.ignored.iter().any(|word| rule.is_meant_by(word)) {
            return;
        }
        let mut error = Diagnostic::error(message).of_rule(rule.id).help(format!("{}\n{}", rule.why, rule.fix));
        let now: Option<(&Place, &str)> = match at {
            At::Here(entry, part) => Some((entry.place(part), "")),
            At::Gone(Some(owner)) => Some((owner.place(Part::Whole), "no longer in here")),
            At::Gone(None) => None,
        };
        let old = before.0.place(before.1);
        match now {
            Some((place, text)) => error = error.at(place, text).at(old, "before"),
            None => error = error.at(old, "before"),
        }
        self.report.push(error);
    }

    fn packet(&mut self) {
        let Some(now) = self.index.packet else { return };
        for entry in self.before.live() {
            let Item::Packet(old) = &entry.item else { continue };
            let order = |big| if big { "big" } else { "little" };
            let parts = [
                ("route_bytes", old.route_bytes.to_string(), now.route_bytes.to_string()),
                ("seq_bytes", old.seq_bytes.to_string(), now.seq_bytes.to_string()),
                ("byte_order", order(old.big_endian).to_owned(), order(now.big_endian).to_owned()),
            ];
            for (key, old, now) in parts.into_iter().filter(|(_, old, now)| old != now) {
                let message = format!("`{key}` of [packet] is {now}, and was {old}");
                self.found(&rules::PACKET_CHANGED, At::Gone(None), (entry, Part::Whole), message);
            }
        }
    }

    fn reserved(&mut self) {
        for entry in self.before.live() {
            let Item::Reserved { owner, what } = &entry.item else { continue };
            let Some(home) = self.find("message", owner).or_else(|| self.find("enum", owner)) else { continue };
            let kept = match what {
                Reserved::Numbers(first, last) => self.index.covers(owner, *first, *last),
                Reserved::Name(name) => self.index.reserved_names.contains(&(owner.as_str(), name.as_str())),
            };
            if !kept {
                let message = format!("`{owner}` no longer reserves {what}");
                self.found(&rules::RESERVED_REMOVED, At::Gone(Some(home)), (entry, Part::Whole), message);
            }
        }
    }
}

impl Index<'_> {
    /// Whether all numbers from `first` to `last` are reserved, in one range or in several.
    fn covers(&self, owner: &str, first: i64, last: i64) -> bool {
        let mut ranges = self.reserved_numbers.get(owner).cloned().unwrap_or_default();
        ranges.sort_unstable();
        let mut next = first;
        for (from, to) in ranges {
            if from <= next && next <= to {
                next = to + 1;
            }
        }
        next > last
    }
}

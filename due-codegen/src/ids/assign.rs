//! Ids for rpcs and pushes that have none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;

use prost_reflect::FileDescriptor;

use super::edit::{Edit, Owner, apply};
use super::{Ids, IdsError};
use crate::lower::path;
use crate::options::number;
use crate::output::WriteError;
use crate::schema::{Schema, messages};
use crate::source;
use crate::write::write_whole;

/// Ids that were found for what had none, and the files that will say so.
#[derive(Clone, Debug)]
#[must_use]
pub struct Assignment {
    assigned: Vec<Assigned>,
    files: Vec<Changed>,
}

/// One id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assigned {
    /// Full name of the rpc or message.
    pub name: String,
    /// Its id from now on.
    pub id: i32,
    /// The file, as a path.
    pub file: String,
    /// Of the name, in the file as it was; counts from 1.
    pub line: usize,
}

#[derive(Clone, Debug)]
struct Changed {
    path: PathBuf,
    old: String,
    new: String,
}

impl Ids<'_> {
    /// Finds an id for every rpc of a node service that has none, and for every message with a `due.push` without id; with
    /// a name, for the rpcs of that service alone. Who had one when it shipped gets it again.
    ///
    /// # Errors
    /// [`IdsError`].
    pub fn assign(mut self, service: Option<&str>) -> Result<Assignment, IdsError> {
        let only = service.map(|name| self.service(name)).transpose()?;
        let mut assignment = Assignment { assigned: Vec::new(), files: Vec::new() };
        // Those that come back first: nobody else may get what is theirs.
        let used: BTreeSet<i32> = self.schema.routes().into_iter().filter_map(|route| route.id).collect();
        let schema = self.schema;
        for file in schema.inputs() {
            let mut edits = Vec::new();
            for service in file.services() {
                if schema.options.node(&service).is_none() || only.as_ref().is_some_and(|only| *only != service) {
                    continue;
                }
                for method in service.methods().filter(|method| schema.route_id(method) == 0) {
                    let next = self.returning(method.full_name(), &used).or_else(|| self.next_of_service(&service));
                    let id = self.take(method.full_name(), next)?;
                    let owner = Owner::rpc(schema, &file, &method);
                    assignment.assigned.push(assigned(schema, &file, method.full_name(), method.path(), id));
                    edits.extend(owner.edit(id));
                }
            }
            for message in messages(&file).iter().filter(|_| only.is_none()) {
                if schema.options.push(message) == Some(0) {
                    let next = self.returning(message.full_name(), &used).or_else(|| self.next_push(&file));
                    let id = self.take(message.full_name(), next)?;
                    let options = [message.path(), &[path::MESSAGE_OPTIONS]].concat();
                    let owner = Owner::option(schema, &file, &options, number::PUSH);
                    assignment.assigned.push(assigned(schema, &file, message.full_name(), message.path(), id));
                    edits.extend(owner.edit(id));
                }
            }
            assignment.change(schema, &file, edits);
        }
        Ok(assignment)
    }

    /// What the owner had when it shipped, if nobody else has it now.
    fn returning(&self, owner: &str, used: &BTreeSet<i32>) -> Option<i32> {
        let id = self.shipped.get(owner).copied()?;
        let fits = id > 0 && id <= self.schema.width.max();
        (fits && !used.contains(&id) && self.taken.get(&id).is_some_and(|found| found == owner)).then_some(id)
    }

    fn take(&mut self, owner: &str, id: Option<i32>) -> Result<i32, IdsError> {
        let id = id.ok_or(IdsError::Full(self.schema.width.max()))?;
        self.taken.insert(id, owner.to_owned());
        Ok(id)
    }
}

fn assigned(schema: &Schema, file: &FileDescriptor, name: &str, path: &[i32], id: i32) -> Assigned {
    let place = schema.sources.name_place(file, path);
    let (line, _) = place.source.position(place.span.start);
    Assigned { name: name.to_owned(), id, file: place.source.name.clone(), line }
}

impl Assignment {
    /// What got an id, in the order of files and lines.
    pub fn assigned(&self) -> &[Assigned] {
        &self.assigned
    }

    fn change(&mut self, schema: &Schema, file: &FileDescriptor, edits: Vec<Edit>) {
        let (Some(path), Some(source)) = (schema.path(file), schema.source(file)) else { return };
        if !edits.is_empty() {
            let new = apply(&source.text, edits);
            self.files.push(Changed { path: path.to_owned(), old: source.text.clone(), new });
        }
    }

    /// Writes the files, each whole or not at all. Nothing but the ids changes in them.
    ///
    /// # Errors
    /// [`WriteError::Io`], also if a file is no longer what was read; nothing is written then.
    pub fn write(&self) -> Result<(), WriteError> {
        const MARK: &str = "\u{feff}";
        let mut texts = BTreeMap::new();
        for Changed { path, old, new } in &self.files {
            let error = |source| WriteError::Io { action: "write", path: path.clone(), source };
            let now = fs::read_to_string(path).map_err(error)?;
            let mark = if now.starts_with(MARK) { MARK } else { "" };
            if now.strip_prefix(MARK).unwrap_or(&now) != old {
                return Err(error(io::Error::other("it has changed meanwhile: run this again")));
            }
            if !source::parses(&path.display().to_string(), new) {
                return Err(error(io::Error::other("the ids would not fit into its text: write them yourself")));
            }
            texts.insert(path, format!("{mark}{new}"));
        }
        for (path, text) in texts {
            write_whole(path, &text).map_err(|source| WriteError::Io {
                action: "write",
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

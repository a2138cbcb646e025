//! `cargo due id`.

use std::io::Write as _;

use clap::Args;
use due_codegen::{Builder, IdBlock, Ids, Lock};

use crate::failure::Failure;
use crate::output::{count, tell};
use crate::project::ConfigArg;
use crate::unbroken::Unbroken;
use crate::underway::underway;
use crate::{Outcome, table};

/// Show the next free id, and which ids are used by whom.
///
/// With SERVICE, prints the next id for that service and nothing else. What `due.lock` has ever recorded is not free. A
/// service without routes begins at the next hundred, so that each has room (with route_bytes = 1 at the next ten).
#[derive(Args)]
pub(crate) struct Id {
    /// A node service, by its full name, or by its own if no other has that.
    service: Option<String>,
    /// Write ids into the .proto files, for rpcs of node services and messages with due.push that have none. Who had one
    /// in due.lock gets it again. Nothing else in the files changes.
    #[arg(long)]
    assign: bool,
    #[command(flatten)]
    config: ConfigArg,
}

impl Id {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let project = self.config.load()?;
        let path = project.lock_path();
        let lock = if path.exists() { Some(Lock::load(&path)?) } else { None };
        let schema = underway("reading the schema", || Builder::from(project.config).draft())?;
        let ids = schema.ids(lock.as_ref());
        if self.assign {
            return self.assign(ids);
        }
        match &self.service {
            Some(service) => {
                let next = ids.next_of(service)?;
                tell(|out| writeln!(out, "{next}"))?;
            }
            None => {
                let next = ids.next()?;
                let rows: Vec<Vec<String>> = ids.blocks().iter().map(row).collect();
                tell(|out| {
                    if !rows.is_empty() {
                        table::write(out, &["OF", "IDS", "MISSING", "NEXT"], &rows)?;
                        writeln!(out)?;
                    }
                    writeln!(out, "next free id: {next}")
                })?;
            }
        }
        Ok(Outcome::Fine)
    }

    fn assign(&self, ids: Ids<'_>) -> Result<Outcome, Failure> {
        let assignment = ids.assign(self.service.as_deref())?;
        let unbroken = Unbroken::begin()?;
        assignment.write()?;
        drop(unbroken);
        let assigned = assignment.assigned();
        tell(|out| {
            for one in assigned {
                writeln!(out, "{}:{}: {} has id {}", one.file, one.line, one.name, one.id)?;
            }
            match assigned.len() {
                0 => writeln!(out, "everything has an id"),
                len => writeln!(out, "{} assigned", count(len, "id")),
            }
        })?;
        Ok(Outcome::Fine)
    }
}

fn row(block: &IdBlock) -> Vec<String> {
    let of = if block.pushes { format!("pushes of {}", block.name) } else { block.name.clone() };
    let missing = if block.missing > 0 { block.missing.to_string() } else { String::new() };
    let ids = if block.ids.is_empty() { "none".to_owned() } else { block.ids.clone() };
    vec![of, ids, missing, block.next.map_or_else(|| "none".to_owned(), |next| next.to_string())]
}

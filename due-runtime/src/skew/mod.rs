//! Skew: a client and a gate whose schemas are not the same, and the routes by which they differ.

pub(crate) mod compare;
mod shape;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::fmt;

use sha2::{Digest, Sha256};

use crate::id::RouteId;
pub(crate) use shape::{BadShape, MAX_SHAPE, Shape};

/// What a schema is to the wire: `DUE_SCHEMA` of what due-codegen generates, one for all packages of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    hash: u64,
    shape: &'static [u8],
    /// Of the routes and fields, in the order of the shape, each in a line.
    names: &'static str,
}

impl Schema {
    #[doc(hidden)]
    pub const fn generated(hash: u64, shape: &'static [u8], names: &'static str) -> Self {
        Self { hash, shape, names }
    }

    /// The same for every schema that the wire cannot tell from this one: the first eight bytes of the SHA-256 of its routes,
    /// pushes and fields. Files, comments, names of messages, enum values and `internal` routes do not count.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn shape(&self) -> &'static [u8] {
        self.shape
    }

    /// The name of each route, and then of each field.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.names.lines()
    }

    /// The name of a route or push.
    pub(crate) fn route_name(&self, route: RouteId) -> Option<&'static str> {
        let shape = Shape::read(self.shape).ok()?;
        let at = shape.routes.binary_search_by_key(&route.0, |known| known.id as i32).ok()?;
        self.names().nth(at)
    }
}

/// The hash of the schema with this shape.
pub(crate) fn hash_of(shape: &[u8]) -> u64 {
    let mut begin = [0; 8];
    begin.copy_from_slice(&Sha256::digest(shape)[..8]);
    u64::from_be_bytes(begin)
}

/// How the schema of a client and that of its gate differ.
///
/// Seen from the client: what the gate has beside is no difference but for whole routes, what it lacks is one. So a client
/// that is newer than its gate is told what the gate does not do yet.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Skew {
    /// Not in any way.
    Same,
    /// The routes by which they do. Empty if only what is new differs: further fields, further enum values, other names of
    /// fields where bodies carry numbers.
    Differs {
        /// What breaks comes first.
        differences: Vec<Difference>,
        /// Further ones, which had no room in the answer.
        omitted: u32,
        /// Whether any of all of them [breaks](DifferenceKind::is_breaking) this client.
        breaking: bool,
    },
    /// In some way: the gate has not looked into it, because a schema is too large, or too many clients ask at a time.
    Uncompared,
    /// Nobody knows: the gate was told no schema, is not of this crate, or did not answer in time.
    Unknown,
}

impl Skew {
    /// Whether calls of this client are known to fail or to be misunderstood.
    pub fn is_breaking(&self) -> bool {
        matches!(self, Self::Differs { breaking: true, .. })
    }

    /// What is known of the differences.
    pub fn differences(&self) -> &[Difference] {
        match self {
            Self::Differs { differences, .. } => differences,
            _ => &[],
        }
    }

    /// Those of one kind.
    pub fn of_kind(&self, kind: DifferenceKind) -> impl Iterator<Item = &Difference> {
        self.differences().iter().filter(move |difference| difference.kind == kind)
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("the gate has the same schema"),
            Self::Unknown => f.write_str("the gate does not say what schema it has"),
            Self::Uncompared => f.write_str("the gate has another schema"),
            Self::Differs { differences, omitted, .. } => {
                f.write_str("the gate has another schema: ")?;
                if differences.is_empty() && *omitted == 0 {
                    return f.write_str("it breaks nothing");
                }
                for (at, difference) in differences.iter().enumerate() {
                    write!(f, "{}{difference}", if at == 0 { "" } else { "; " })?;
                }
                if *omitted > 0 { write!(f, "; and {omitted} more") } else { Ok(()) }
            }
        }
    }
}

/// One way in which a route or push differs.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Difference {
    /// Its number.
    pub route: RouteId,
    /// What is different.
    pub kind: DifferenceKind,
    /// Its full name, as `lobby.v1.Lobby.Enter`; the gate's, unless only the client knows it.
    pub name: String,
    /// For people: `request.seat.row is sint64 on the server, int32 on the client`. Empty where the kind says it all.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, kind, name, detail } = self;
        write!(f, "route {route}")?;
        if !name.is_empty() {
            write!(f, " ({name})")?;
        }
        write!(f, " {kind}")?;
        if detail.is_empty() { Ok(()) } else { write!(f, ": {detail}") }
    }
}

/// How a route or push of the client's schema differs at the gate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// The gate's schema does not have it.
    Removed = 1,
    /// A message of it is another one: a field is gone, or of another type.
    Retyped = 2,
    /// It needs a user, or one who is bound to a node, and did not.
    Stricter = 3,
    /// The client's schema does not have it. This breaks nothing.
    Added = 4,
}

impl DifferenceKind {
    /// Whether a client that relies on its schema fails by this.
    pub fn is_breaking(self) -> bool {
        self != Self::Added
    }

    fn of(number: i32) -> Option<Self> {
        [Self::Removed, Self::Retyped, Self::Stricter, Self::Added].into_iter().find(|kind| *kind as i32 == number)
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "was removed",
            Self::Retyped => "was retyped",
            Self::Stricter => "is stricter",
            Self::Added => "was added",
        })
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({:016x})", self.hash)
    }
}

//! Two shapes side by side. Messages are compared in pairs, each pair once: schemas may be as deep and as circular as they
//! like, and the work of a comparison has an end that is known before.

use std::collections::HashMap;

use super::shape::{AUTHORIZED, Field, MAP, ONEWAY, PUSH, REPEATED, REQUIRED, Route, STATEFUL, Shape};
use super::{BadShape, Difference, DifferenceKind, Schema};
use crate::id::RouteId;

/// Fields that a comparison may look at, some milliseconds of work: a client's schema has at most 35,000 of them, which are
/// looked at once unless messages were merged or parted.
const STEPS: usize = 200_000;
/// Differences that are kept, and said to be more.
const MOST: usize = 1024;
/// Fields of a path that are named.
const DEPTH: usize = 8;

/// The schema of a gate.
#[derive(Debug)]
pub(crate) struct KnownSchema {
    pub(crate) hash: u64,
    shape: Shape,
    names: Vec<&'static str>,
}

impl KnownSchema {
    pub(crate) fn new(schema: &Schema) -> Result<Self, BadShape> {
        let shape = Shape::read(schema.shape())?;
        let mut names: Vec<&'static str> = schema.names().collect();
        names.resize(shape.routes.len() + shape.fields.len(), "");
        Ok(Self { hash: schema.hash(), shape, names })
    }

    /// How this one differs from the client's; `None` if that takes too long to tell. `by_name`: bodies carry the names of
    /// fields, not their numbers.
    pub(crate) fn compare(&self, client: &Shape, by_name: bool) -> Option<Vec<Difference>> {
        let mut pairs =
            Pairs { client, gate: self, by_name, known: HashMap::new(), all: Vec::new(), edges: Vec::new() };
        let both = side_by_side(&client.routes, &self.shape.routes, |route| route.id);
        let mut roots = Vec::new();
        for (client, gate) in &both {
            let (Some(client), Some(gate)) = (client, gate) else { continue };
            let (client, gate) = (&pairs.client.routes[*client], &self.shape.routes[*gate]);
            if (client.flags ^ gate.flags) & PUSH == 0 {
                let request = pairs.pair(client.request, gate.request);
                let response = client.response.zip(gate.response).map(|(client, gate)| pairs.pair(client, gate));
                roots.push((gate.id, request, response));
            }
        }
        pairs.look_at_all()?;
        pairs.follow();
        let mut roots = roots.into_iter().peekable();
        let mut found = Vec::new();
        for (client, gate) in both {
            let of_client = client.map(|at| &pairs.client.routes[at]);
            let of_gate = gate.map(|at| &self.shape.routes[at]);
            let name = gate.map_or("", |at| self.names[at]);
            let mut report = Report { found: &mut found, name };
            match (of_client, of_gate) {
                (Some(client), None) => report.add(client, DifferenceKind::Removed, String::new()),
                (None, Some(gate)) => report.add(gate, DifferenceKind::Added, String::new()),
                (Some(client), Some(gate)) => {
                    report.flags(client, gate);
                    let Some((_, request, response)) = roots.next_if(|(id, ..)| *id == gate.id) else { continue };
                    let word = if gate.flags & PUSH == 0 { "request" } else { "push" };
                    for (word, pair) in [(word, Some(request)), ("response", response)] {
                        if let Some(detail) = pair.and_then(|pair| pairs.trouble(word, pair)) {
                            report.add(gate, DifferenceKind::Retyped, detail);
                        }
                    }
                }
                (None, None) => {}
            }
        }
        Some(found)
    }

    fn field_name(&self, at: usize) -> &'static str {
        self.names[self.shape.routes.len() + at]
    }
}

struct Report<'a> {
    found: &'a mut Vec<Difference>,
    name: &'static str,
}

impl Report<'_> {
    fn add(&mut self, route: &Route, kind: DifferenceKind, detail: String) {
        let detail = if self.found.len() < MOST { detail } else { String::new() };
        let name = if self.found.len() < MOST { self.name.to_owned() } else { String::new() };
        self.found.push(Difference { route: RouteId(route.id as i32), kind, name, detail });
    }

    fn flags(&mut self, client: &Route, gate: &Route) {
        let changed = client.flags ^ gate.flags;
        let kind = |route: &Route| match route.flags {
            flags if flags & PUSH != 0 => "a push",
            flags if flags & ONEWAY != 0 => "a route without an answer",
            _ => "a route with an answer",
        };
        if changed & (PUSH | ONEWAY) != 0 {
            let detail = format!("it is {} on the server, {} on the client", kind(gate), kind(client));
            self.add(gate, DifferenceKind::Retyped, detail);
        }
        let needs_user = |route: &Route| route.flags & (AUTHORIZED | STATEFUL) != 0;
        if needs_user(gate) && !needs_user(client) {
            self.add(gate, DifferenceKind::Stricter, "it needs a user".to_owned());
        }
        if gate.flags & !client.flags & STATEFUL != 0 {
            self.add(gate, DifferenceKind::Stricter, "it needs a user who is bound to a node".to_owned());
        }
    }
}

/// Messages of the client that stand where messages of the gate do.
struct Pairs<'a> {
    client: &'a Shape,
    gate: &'a KnownSchema,
    by_name: bool,
    known: HashMap<(u32, u32), usize>,
    all: Vec<Pair>,
    /// A pair, a field of the gate's message in it, and the pair of that field's messages; the last one first.
    edges: Vec<(usize, usize, usize)>,
}

struct Pair {
    client: u32,
    gate: u32,
    trouble: Option<Trouble>,
    /// The field by which the nearest trouble is reached, the pair behind it, and the pair that has the trouble.
    way: Option<(usize, usize, usize)>,
}

/// Why two messages differ. Fields are places in the lists of their shapes.
#[derive(Clone, Copy)]
enum Trouble {
    Gone { number: u32 },
    Required { gate: usize },
    Changed { client: usize, gate: usize },
    Renamed { gate: usize },
    Oneof { gate: usize },
}

impl Pairs<'_> {
    fn pair(&mut self, client: u32, gate: u32) -> usize {
        *self.known.entry((client, gate)).or_insert_with(|| {
            self.all.push(Pair { client, gate, trouble: None, way: None });
            self.all.len() - 1
        })
    }

    /// `None`: there is more to look at than may be.
    fn look_at_all(&mut self) -> Option<()> {
        let (mut at, mut steps) = (0, STEPS);
        while let Some(&Pair { client, gate, .. }) = self.all.get(at) {
            let (client, gate) = (self.client.fields_of(client), self.gate.shape.fields_of(gate));
            steps = steps.checked_sub(1 + client.len() + gate.len())?;
            self.all[at].trouble = self.look_at(at, client.start, gate.start);
            at += 1;
        }
        Some(())
    }

    /// The first trouble of a pair, whose messages begin with these fields.
    fn look_at(&mut self, at: usize, first_client: usize, first_gate: usize) -> Option<Trouble> {
        let (client, gate) = (self.client, self.gate);
        let of_client = &client.fields[client.fields_of(self.all[at].client)];
        let of_gate = &gate.shape.fields[gate.shape.fields_of(self.all[at].gate)];
        let mut trouble = None;
        // First field of each oneof that both sides know.
        let mut firsts: [HashMap<u32, u32>; 2] = Default::default();
        for (mine, its) in side_by_side(of_client, of_gate, |field| field.number) {
            let here = match (mine, its) {
                (Some(mine), None) => Some(Trouble::Gone { number: of_client[mine].number }),
                (None, Some(its)) => of_gate[its].has(REQUIRED).then_some(Trouble::Required { gate: first_gate + its }),
                (Some(mine), Some(its)) => {
                    let (c, g) = (of_client[mine], of_gate[its]);
                    let first = |firsts: &mut HashMap<u32, u32>, field: Field| {
                        field.oneof.map_or(field.number, |oneof| *firsts.entry(oneof).or_insert(field.number))
                    };
                    let [of_client, of_gate] = &mut firsts;
                    let parted = first(of_client, c) != first(of_gate, g);
                    let (client, gate) = (first_client + mine, first_gate + its);
                    if differ(c, g, self.by_name) {
                        Some(Trouble::Changed { client, gate })
                    } else if self.by_name && c.name != g.name {
                        Some(Trouble::Renamed { gate })
                    } else if parted {
                        Some(Trouble::Oneof { gate })
                    } else {
                        if let Some((mine, its)) = c.message.zip(g.message) {
                            let below = self.pair(mine, its);
                            self.edges.push((below, at, gate));
                        }
                        None
                    }
                }
                (None, None) => None,
            };
            trouble = trouble.or(here);
        }
        trouble
    }

    /// Tells every pair the way to the nearest trouble below it.
    fn follow(&mut self) {
        self.edges.sort_unstable();
        let troubled = self.all.iter().enumerate().filter(|(_, pair)| pair.trouble.is_some());
        let mut queue: Vec<(usize, usize)> = troubled.map(|(at, _)| (at, at)).collect();
        let mut next = 0;
        while let Some(&(at, origin)) = queue.get(next) {
            let from = self.edges.partition_point(|(below, ..)| *below < at);
            for &(below, above, field) in &self.edges[from..] {
                if below != at {
                    break;
                }
                let pair = &mut self.all[above];
                if pair.trouble.is_none() && pair.way.is_none() {
                    pair.way = Some((field, at, origin));
                    queue.push((above, origin));
                }
            }
            next += 1;
        }
    }

    /// What is wrong with the messages of a pair, or somewhere in them.
    fn trouble(&self, word: &str, root: usize) -> Option<String> {
        let mut path = word.to_owned();
        let mut pair = &self.all[root];
        for _ in 0..DEPTH {
            let Some((field, below, _)) = pair.way else { break };
            path.push('.');
            path.push_str(self.gate.field_name(field));
            pair = &self.all[below];
        }
        if let Some((.., origin)) = pair.way {
            path.push_str("..");
            pair = &self.all[origin];
        }
        let field = |gate: usize| format!("{path}.{}", self.gate.field_name(gate));
        Some(match pair.trouble? {
            Trouble::Gone { number } => format!("{path} has no field {number} on the server"),
            Trouble::Required { gate } => format!("{} is required on the server, unknown on the client", field(gate)),
            Trouble::Changed { client, gate } => {
                let (mine, its) = (words(self.client.fields[client]), words(self.gate.shape.fields[gate]));
                format!("{} is {its} on the server, {mine} on the client", field(gate))
            }
            Trouble::Renamed { gate } => format!("{} has another name on the client", field(gate)),
            Trouble::Oneof { gate } => {
                format!("{} excludes other fields on the server than on the client", field(gate))
            }
        })
    }
}

fn differ(client: Field, gate: Field, by_name: bool) -> bool {
    let is = |mark| client.has(mark) == gate.has(mark);
    // An entry of a map is a message as any other, where it has no name.
    client.kind() != gate.kind() || !is(REPEATED) || !is(REQUIRED) || (by_name && !is(MAP))
}

fn words(field: Field) -> String {
    const KINDS: [&str; 19] = [
        "", "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "group", "message",
        "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64",
    ];
    let kind = KINDS[usize::from(field.kind()).min(KINDS.len() - 1)];
    if field.has(MAP) {
        "map".to_owned()
    } else if field.has(REPEATED) {
        format!("repeated {kind}")
    } else if field.has(REQUIRED) {
        format!("required {kind}")
    } else {
        kind.to_owned()
    }
}

/// The places of two sorted lists, those with the same key together.
fn side_by_side<T>(left: &[T], right: &[T], key: impl Fn(&T) -> u32) -> Vec<(Option<usize>, Option<usize>)> {
    let mut pairs = Vec::with_capacity(left.len().max(right.len()));
    let (mut l, mut r) = (0, 0);
    loop {
        let order = match (left.get(l), right.get(r)) {
            (None, None) => return pairs,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(left), Some(right)) => key(left).cmp(&key(right)),
        };
        pairs.push((order.is_le().then_some(l), order.is_ge().then_some(r)));
        l += usize::from(order.is_le());
        r += usize::from(order.is_ge());
    }
}

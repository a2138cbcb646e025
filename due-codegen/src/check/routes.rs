//! One space of ids for routes and pushes; one name per mesh service; one topic per event; node names that are not nearly
//! the same.

use std::collections::BTreeMap;

use prost_reflect::DescriptorPool;

use crate::diagnostic::{Diagnostic, Place, Report};
use crate::model::{Position, RouteEntry, RouteId, RouteWidth};
use crate::options::Options;

/// Who wants an id.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) id: RouteId,
    /// Full name of the rpc or message.
    pub(crate) owner: String,
    pub(crate) push: bool,
    /// Where the id is written.
    pub(crate) place: Place,
    pub(crate) position: Position,
}

/// Every id and name that services and pushes claim.
#[derive(Debug)]
pub(crate) struct Claims {
    routes: Vec<Claim>,
    meshes: BTreeMap<String, (String, Place)>,
    /// By lower case.
    nodes: BTreeMap<String, (String, String, Place)>,
    topics: BTreeMap<String, (String, Place)>,
    next_free: i32,
}

/// Buses put a prefix before it, and allow some 250 characters in all.
const LONGEST_TOPIC: usize = 200;

impl Claims {
    pub(crate) fn new(pool: &DescriptorPool, options: &Options, width: RouteWidth) -> Self {
        let services: Vec<_> = pool.services().collect();
        let methods = services.iter().flat_map(|service| service.methods());
        let routes = methods.filter_map(|method| options.route(&method)).map(|route| route.id);
        let pushes = pool.all_messages().filter_map(|message| options.push(&message)).collect::<Vec<_>>();
        let greatest = routes.chain(pushes).filter(|id| RouteId::new(*id, width).is_ok()).max().unwrap_or(0);
        Self {
            routes: Vec::new(),
            meshes: BTreeMap::new(),
            nodes: BTreeMap::new(),
            topics: BTreeMap::new(),
            next_free: greatest.saturating_add(1),
        }
    }

    /// An id above all that the run uses; each call gives another.
    pub(crate) fn next_free(&mut self) -> i32 {
        let id = self.next_free;
        self.next_free = id.saturating_add(1);
        id
    }

    pub(crate) fn claim(&mut self, claim: Claim) {
        self.routes.push(claim);
    }

    pub(crate) fn claim_mesh(&mut self, name: &str, owner: &str, place: Place, report: &mut Report) {
        if let Some((first, first_place)) = self.meshes.get(name) {
            report.push(
                Diagnostic::error(format!("mesh name `{name}` of `{owner}` is taken by `{first}`"))
                    .at(&place, "")
                    .at(first_place, "first used here")
                    .help("`discovery://` finds one service under a name"),
            );
            return;
        }
        self.meshes.insert(name.to_owned(), (owner.to_owned(), place));
    }

    pub(crate) fn claim_node(&mut self, name: &str, owner: &str, place: Place, report: &mut Report) {
        let key = name.to_lowercase();
        match self.nodes.get(&key) {
            Some((first, first_owner, first_place)) if first != name => report.push(
                Diagnostic::warning(format!(
                    "node `{name}` of `{owner}` is another node than `{first}` of `{first_owner}`"
                ))
                .at(&place, "")
                .at(first_place, "differs only in case")
                .help("users bound to one are not bound to the other; write the name alike to mean one node"),
            ),
            Some(_) => {}
            None => {
                self.nodes.insert(key, (name.to_owned(), owner.to_owned(), place));
            }
        }
    }

    /// Whether the topic is good, and nobody else's.
    pub(crate) fn claim_topic(&mut self, topic: &str, owner: &str, place: Place, report: &mut Report) -> bool {
        let bad = topic.chars().find(|c| !c.is_ascii_graphic());
        let message = match (self.topics.get(topic), bad) {
            (Some((first, first_place)), _) => {
                report.push(
                    Diagnostic::error(format!("topic `{topic}` of `{owner}` is taken by `{first}`"))
                        .at(&place, "")
                        .at(first_place, "first used here")
                        .help("who listens to a topic expects one kind of message"),
                );
                return false;
            }
            _ if topic.is_empty() => format!("event `{owner}` has no topic"),
            _ if topic.len() > LONGEST_TOPIC => {
                format!("the topic of `{owner}` is longer than {LONGEST_TOPIC} characters")
            }
            (_, Some(bad)) => format!("the topic of `{owner}` contains `{}`", bad.escape_debug()),
            (None, None) => {
                self.topics.insert(topic.to_owned(), (owner.to_owned(), place));
                return true;
            }
        };
        let help = "a topic names a channel of the event bus: printable ASCII without blanks";
        report.push(Diagnostic::error(message).at(&place, "").help(help));
        false
    }

    /// The route table, with ids that two owners claim reported at the later one.
    pub(crate) fn finish(mut self, report: &mut Report) -> Vec<RouteEntry> {
        self.routes.sort_by(|a, b| (a.id, &a.position).cmp(&(b.id, &b.position)));
        let mut first: Option<&Claim> = None;
        let mut free = self.next_free;
        for claim in &self.routes {
            match first {
                Some(first) if first.id == claim.id => {
                    report.push(
                        Diagnostic::error(format!(
                            "id {} of {} is taken by {}",
                            claim.id.get(),
                            claim.describe(),
                            first.describe()
                        ))
                        .at(&claim.place, "")
                        .at(&first.place, "first used here")
                        .help(format!("the next free id is {free}")),
                    );
                    free = free.saturating_add(1);
                }
                _ => first = Some(claim),
            }
        }
        self.routes
            .into_iter()
            .map(|claim| RouteEntry {
                id: claim.id,
                full_name: claim.owner,
                push: claim.push,
                position: claim.position,
            })
            .collect()
    }
}

impl Claim {
    fn describe(&self) -> String {
        format!("{} `{}`", if self.push { "push" } else { "route" }, self.owner)
    }
}

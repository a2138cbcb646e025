//! The servers of `arena`: a gate that keeps the browsers, a node that runs the board, and the page itself.

#[path = "gen/mod.rs"]
mod generated;
mod page;
mod service;
mod world;

use due::{App, BuildError, Excess, Gate, Node, NodeBuilder, RateLimits};

pub use generated::arena::v1;
pub use page::Page;
pub use service::ArenaService;
pub use world::{News, World};

/// Keeps the browsers. Port 0 takes any free one.
pub fn gate(ws: &str) -> Gate {
    let limits = RateLimits::new().messages(40, 80).bytes(8 << 10, 32 << 10).excess(Excess::Refuse);
    let gate = Gate::builder().id("gate").ws(ws).max_sessions(256).rate_limits(limits);
    gate.schema(generated::DUE_SCHEMA).build()
}

/// Makes a node play in this world: routes, a clock, and an eye on who leaves.
pub fn play(node: NodeBuilder, world: World) -> NodeBuilder {
    let arena = ArenaService::new(world);
    let (clock, door) = (arena.clone(), arena.clone());
    node.serve(v1::ArenaRoutes::new(arena))
        .on_disconnect(move |ctx| {
            door.left(&ctx);
            std::future::ready(Ok(()))
        })
        .on_start(move |node| {
            clock.start(&node);
            std::future::ready(Ok(()))
        })
}

/// Both in one process, and in its memory.
pub fn app(ws: &str, world: World) -> Result<App, BuildError> {
    Ok(App::new().gate(gate(ws)).node(play(Node::builder().id("node"), world).build()?))
}

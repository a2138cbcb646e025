//! The servers of `hello`: what its proto promises, kept.

#[path = "gen/mod.rs"]
mod generated;

use due::mesh::{Request, Response, Status};
use due::{App, Backends, Codec, Context, Gate, Mesh, Node};

pub use generated::hello::v1;
use v1::{GreetRequest, GreetResponse, Greeter, GreeterRoutes, Manners, MannersServer, PhraseRequest, PhraseResponse};

/// The node's service.
#[derive(Debug, Default)]
pub struct GreeterService;

impl Greeter for GreeterService {
    async fn greet(&self, _ctx: &mut Context, request: GreetRequest) -> due::Result<GreetResponse> {
        Ok(GreetResponse { code: 0, message: format!("hello {}~~", request.name) })
    }
}

/// The mesh's service.
#[derive(Debug, Default)]
pub struct MannersService;

impl Manners for MannersService {
    async fn phrase(&self, request: Request<PhraseRequest>) -> Result<Response<PhraseResponse>, Status> {
        let phrase = match request.into_inner().hour {
            5..=11 => "good morning",
            12..=17 => "good afternoon",
            18..=23 | 0..=4 => "good evening",
            hour => return Err(Status::invalid_argument(format!("a day has no hour {hour}"))),
        };
        Ok(Response::new(PhraseResponse { phrase: phrase.to_owned() }))
    }
}

/// Keeps the clients.
pub fn gate(id: &str, ws: &str, tcp: &str) -> Gate {
    Gate::builder().id(id).ws(ws).tcp(tcp).schema(generated::DUE_SCHEMA).build()
}

/// Greets them.
pub fn node(id: &str) -> Result<Node, due::BuildError> {
    Node::builder().id(id).serve(GreeterRoutes::new(GreeterService)).build()
}

/// Helps the others to be polite.
pub fn mesh(id: &str) -> Mesh {
    Mesh::builder().id(id).serve(MannersServer::new(MannersService)).build()
}

/// All of them in one process, and in its memory.
pub fn app(codec: Codec, ws: &str, tcp: &str) -> Result<App, due::BuildError> {
    let app = App::new().backends(Backends::memory().codec(codec));
    Ok(app.gate(gate("gate", ws, tcp)).node(node("node")?).mesh(mesh("mesh")))
}

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

/// Gate, node and mesh on in-memory parts.
pub fn app(codec: Codec, ws: &str, tcp: &str) -> Result<App, due::BuildError> {
    Ok(App::new()
        .backends(Backends::memory().codec(codec))
        .gate(Gate::builder().ws(ws).tcp(tcp).build())
        .node(Node::builder().serve(GreeterRoutes::new(GreeterService)).build()?)
        .mesh(Mesh::builder().serve(MannersServer::new(MannersService)).build()))
}

//! Meshes on real sockets: served, found through the registry, balanced, stopped, and called by a foreign gRPC client.

mod contract;
#[cfg(feature = "rpcx")]
mod rpcx;
mod wallet;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use due::Backends;
use due::codegen::tonic;
use due::mesh::{
    BoxStream, Channel, Code, Mesh, MeshError, Request, Response, RunningMesh, Status, Streaming, Transporter,
};
use due::registry::{Kind, MemoryRegistry, Registry};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::{self, StreamExt as _};
use wallet::{IncrGoldRequest, IncrGoldResponse, Wallet, WalletClient, WalletServer};

/// Answers with its own name, so that a caller sees which instance it met.
struct Named {
    name: &'static str,
    /// Calls with `gold` 0 wait here.
    gate: Arc<Semaphore>,
    /// Calls that have arrived.
    arrived: Arc<Semaphore>,
}

impl Named {
    fn new(name: &'static str) -> Self {
        Self { name, gate: Arc::new(Semaphore::new(0)), arrived: Arc::new(Semaphore::new(0)) }
    }

    fn answer(&self, total: i64) -> IncrGoldResponse {
        IncrGoldResponse { total, by: self.name.to_owned() }
    }
}

impl Wallet for Named {
    async fn incr_gold(&self, request: Request<IncrGoldRequest>) -> Result<Response<IncrGoldResponse>, Status> {
        let timeout = request.metadata().get("grpc-timeout").is_some();
        let IncrGoldRequest { uid, gold } = request.into_inner();
        self.arrived.add_permits(1);
        match gold {
            0 => self.gate.acquire().await.unwrap().forget(),
            -1 => panic!("gold below zero"),
            -2 => return Err(due::Error::new(due::Code::UNAUTHORIZED, "no such user").into()),
            -3 => assert!(timeout, "a deadline travels along"),
            _ => {}
        }
        Ok(Response::new(self.answer(uid + gold)))
    }

    async fn watch(&self, request: Request<IncrGoldRequest>) -> Result<Response<BoxStream<IncrGoldResponse>>, Status> {
        let gold = request.into_inner().gold;
        let some = tokio_stream::iter((1..=gold).map(|total| Ok(self.answer(total))).collect::<Vec<_>>());
        match gold {
            0 => Ok(Response::new(Box::pin(tokio_stream::pending()))),
            -1 => Ok(Response::new(Box::pin(tokio_stream::once(()).map(|()| panic!("gold below zero"))))),
            _ => Ok(Response::new(Box::pin(some))),
        }
    }

    async fn sum(&self, request: Request<Streaming<IncrGoldRequest>>) -> Result<Response<IncrGoldResponse>, Status> {
        let mut messages = request.into_inner();
        let mut total = 0;
        while let Some(message) = messages.message().await? {
            total += message.gold;
        }
        Ok(Response::new(self.answer(total)))
    }
}

fn gold(gold: i64) -> IncrGoldRequest {
    IncrGoldRequest { uid: 1000, gold }
}

async fn start(by: Transporter, backends: &Backends, name: &'static str) -> RunningMesh {
    serve(by, backends, Named::new(name)).await
}

async fn serve(by: Transporter, backends: &Backends, service: Named) -> RunningMesh {
    let id = service.name;
    Mesh::builder().id(id).transporter(by).serve(WalletServer::new(service)).build().start(backends).await.unwrap()
}

async fn client(backends: &Backends, target: &str) -> WalletClient {
    WalletClient::new(Channel::connect(backends, target).await.unwrap())
}

async fn who(client: &WalletClient) -> String {
    client.incr_gold(gold(1)).await.unwrap().into_inner().by
}

async fn met(client: &WalletClient, calls: usize) -> BTreeSet<String> {
    let mut met = BTreeSet::new();
    for _ in 0..calls {
        met.insert(who(client).await);
    }
    met
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[tokio::test]
async fn a_mesh_registers_what_it_serves() {
    let registry = MemoryRegistry::new();
    let backends = Backends::memory().registry(registry.clone());
    let mesh = Mesh::builder().id("m1").name("money").serve(WalletServer::new(Named::new("m1"))).build();
    let mesh = mesh.start(&backends).await.unwrap();

    let list = registry.list(Kind::Mesh).await.unwrap();
    let json = serde_json::to_string(&list[0]).unwrap();
    let addr = mesh.addr();
    assert_eq!(
        json,
        format!(
            "{{\"id\":\"m1\",\"name\":\"mesh\",\"kind\":\"mesh\",\"alias\":\"money\",\"state\":\"work\",\
             \"services\":[\"wallet\"],\"endpoint\":\"grpc://{addr}?is_secure=false\"}}"
        )
    );
    mesh.stop().await;
    assert!(registry.list(Kind::Mesh).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_address_for_others_is_announced() {
    let registry = MemoryRegistry::new();
    let backends = Backends::memory().registry(registry.clone());
    let behind_nat = Mesh::builder().advertise("wallet.example:8011").build().start(&backends).await.unwrap();
    assert_eq!(registry.list(Kind::Mesh).await.unwrap()[0].address(), Some("wallet.example:8011"));
    behind_nat.stop().await;

    let everywhere = Mesh::builder().addr("0.0.0.0:0").build().start(&backends).await.unwrap();
    let list = registry.list(Kind::Mesh).await.unwrap();
    let address = list[0].address().unwrap().parse::<std::net::SocketAddr>().unwrap();
    assert!(!address.ip().is_unspecified());
    assert_eq!(address.port(), everywhere.addr().port());
    everywhere.stop().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_an_instance_is_bounded() {
    let backends = Backends::memory();
    let channel = Channel::connect(&backends, "discovery://wallet").await.unwrap().timeout(Duration::from_secs(3));
    let began = tokio::time::Instant::now();
    let error = WalletClient::new(channel.clone()).incr_gold(gold(1)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.message(), "no instance of discovery://wallet in the registry");
    assert_eq!(began.elapsed().as_secs(), 3);

    let messages = tokio_stream::iter([gold(1)]);
    let error = WalletClient::new(channel).sum(messages).await.unwrap_err();
    assert_eq!(error.message(), "no instance of discovery://wallet in the registry");
    assert_eq!(began.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_spoke_holds_up_no_stop() {
    let mesh = start(Transporter::Grpc, &Backends::memory(), "m1").await;
    let silent = TcpStream::connect(mesh.addr()).await.unwrap();
    let mut begun = TcpStream::connect(mesh.addr()).await.unwrap();
    begun.write_all(b"PRI * HTTP/2").await.unwrap();
    let began = tokio::time::Instant::now();
    mesh.stop().await;
    assert_eq!(began.elapsed().as_secs(), 1);
    drop(silent);
}

#[tokio::test]
async fn a_local_channel_needs_no_socket() {
    let client = WalletClient::new(Channel::local(WalletServer::new(Named::new("here"))));
    assert_eq!(who(&client).await, "here");
    assert_eq!(client.incr_gold(gold(-1)).await.unwrap_err().code(), Code::Internal);
    assert_eq!(client.incr_gold(gold(-2)).await.unwrap_err().message(), "no such user");
    let mut answers = client.watch(gold(2)).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().total, 1);
}

#[tokio::test]
async fn a_panic_in_a_stream_fails_one_call_only() {
    let backends = Backends::memory();
    let mesh = start(Transporter::Grpc, &backends, "m1").await;
    let client = client(&backends, "discovery://wallet").await;
    let error = client.watch(gold(-1)).await.unwrap().into_inner().message().await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Internal, "internal error"));
    assert_eq!(who(&client).await, "m1");
    mesh.stop().await;
}

#[tokio::test]
async fn streams_flow_both_ways() {
    let backends = Backends::memory();
    let mesh = start(Transporter::Grpc, &backends, "m1").await;
    let client = client(&backends, "discovery://wallet").await;
    let answers = client.watch(gold(3)).await.unwrap().into_inner();
    let totals = answers.map(|answer| answer.unwrap().total).collect::<Vec<_>>().await;
    assert_eq!(totals, [1, 2, 3]);
    let sum = client.sum(tokio_stream::iter([gold(4), gold(5)])).await.unwrap().into_inner();
    assert_eq!(sum.total, 9);
    mesh.stop().await;
}

#[tokio::test]
async fn a_service_is_served_once() {
    let one = WalletServer::new(Named::new("m1"));
    let two = WalletServer::new(Named::new("m2"));
    let error = Mesh::builder().serve(one).serve(two).build().start(&Backends::memory()).await.unwrap_err();
    assert!(matches!(error, MeshError::ServedTwice("wallet.v1.Wallet")), "{error}");
}

#[tokio::test]
async fn the_drain_time_cuts_calls_and_streams() {
    let backends = Backends::memory();
    let service = Named::new("m1");
    let arrived = Arc::clone(&service.arrived);
    let mesh = Mesh::builder().drain(Duration::from_millis(20)).serve(WalletServer::new(service)).build();
    let mesh = mesh.start(&backends).await.unwrap();
    let slow = client(&backends, "discovery://wallet").await;
    let mut endless = slow.watch(gold(0)).await.unwrap().into_inner();
    let call = tokio::spawn(async move { slow.incr_gold(gold(0)).await });
    arrived.acquire().await.unwrap().forget();

    mesh.stop().await;
    call.await.unwrap().unwrap_err();
    endless.message().await.unwrap_err();
}

#[tokio::test]
async fn a_foreign_client_speaks_to_us() {
    let backends = Backends::memory();
    let mesh = start(Transporter::Grpc, &backends, "m1").await;
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", mesh.addr())).unwrap();
    let mut foreign = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
    let mut call = async |path: &'static str| {
        foreign.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<IncrGoldRequest, IncrGoldResponse>::default();
        foreign.unary(Request::new(gold(5)), PathAndQuery::from_static(path), codec).await
    };
    let answer = call("/wallet.v1.Wallet/IncrGold").await.unwrap().into_inner();
    assert_eq!(answer, IncrGoldResponse { total: 1005, by: "m1".into() });

    let error = call("/wallet.v1.Bank/IncrGold").await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unimplemented, "no service at /wallet.v1.Bank/IncrGold"));
    assert_eq!(call("/wallet.v1.Wallet/Rob").await.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(call("/").await.unwrap_err().code(), Code::Unimplemented);
    mesh.stop().await;
}

#[tokio::test]
async fn a_foreign_client_balances_over_our_channel() {
    let backends = Backends::memory();
    let one = start(Transporter::Grpc, &backends, "m1").await;
    let two = start(Transporter::Grpc, &backends, "m2").await;
    let channel = Channel::connect(&backends, "discovery://wallet").await.unwrap();
    let mut foreign = tonic::client::Grpc::new(channel);
    let mut met = BTreeSet::new();
    for _ in 0..2 {
        let codec = tonic_prost::ProstCodec::<IncrGoldRequest, IncrGoldResponse>::default();
        let path = PathAndQuery::from_static("/wallet.v1.Wallet/IncrGold");
        met.insert(foreign.unary(Request::new(gold(5)), path, codec).await.unwrap().into_inner().by);
    }
    assert_eq!(met, names(["m1", "m2"]));
    one.stop().await;
    two.stop().await;
}

async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

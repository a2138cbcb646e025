//! Generated code answers calls: over gate and node, through mocks, through a mesh.

use due::testing::Harness;
use due::{
    CallError, ClusterError, Code, Codec, Context, Error, Nid, Node, NodeCallError, NodeTarget, PushExt, Result, Uid,
};
use due_codegen_compile::hello::*;

#[derive(Default)]
struct Hello;

impl Greeter for Hello {
    async fn greet(&self, ctx: &mut Context, request: GreetRequest) -> Result<GreetResponse> {
        match request.name.as_str() {
            "" => Err(Error::new(Code::INVALID_ARGUMENT, "who are you?")),
            name => {
                Waved { uid: 7 }.push(ctx.cluster(), ctx.session()).await?;
                Ok(GreetResponse { code: 0, message: format!("hello {name}~~") })
            }
        }
    }

    async fn wave(&self, _: &mut Context, _: Waved) -> Result<()> {
        Ok(())
    }

    async fn audit(&self, _: &mut Context, _: GreetRequest) -> Result<GreetResponse> {
        Ok(GreetResponse::default())
    }
}

#[tokio::test]
async fn a_generated_client_calls_a_generated_node_in_every_codec() {
    for codec in [Codec::Proto, Codec::Json, Codec::MsgPack] {
        let harness = Harness::builder().codec(codec).serve(GreeterRoutes::new(Hello)).start().await.unwrap();
        let connection = harness.client().await.unwrap();
        let mut waves = connection.pushes::<Waved>();
        let client = GreeterClient::new(&connection);
        let response = client.greet(GreetRequest { name: "due".into() }).await.unwrap();
        assert_eq!(response, GreetResponse { code: 0, message: "hello due~~".into() });
        assert_eq!(waves.next().await.unwrap().unwrap(), Waved { uid: 7 });

        let refused = client.greet(GreetRequest::default()).await.unwrap();
        assert_eq!(refused, GreetResponse { code: 3, message: "who are you?".into() });
        assert_eq!(due::Body::error_code(&refused), Some(Code::INVALID_ARGUMENT));
    }
}

#[tokio::test]
async fn a_mock_of_the_handlers_answers_real_calls() {
    let mock = GreeterMock::new();
    let harness = Harness::builder().serve(GreeterRoutes::new(mock.clone())).start().await.unwrap();
    let client = GreeterClient::new(harness.client().await.unwrap());
    let unset = client.greet(GreetRequest { name: "a".into() }).await.unwrap();
    assert_eq!(unset, GreetResponse { code: 2, message: "GreeterMock: no answer set for Greet".into() });
    mock.greet().answers(|request| Ok(GreetResponse { code: 9, message: request.name }));
    assert_eq!(client.greet(GreetRequest { name: "b".into() }).await.unwrap().message, "b");
    let names: Vec<String> = mock.greet().requests().into_iter().map(|request| request.name).collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn a_mock_of_the_client_needs_no_server() {
    let mock = GreeterClientMock::new();
    mock.greet().answers(|request| Ok(GreetResponse { code: 0, message: request.name }));
    let client = mock.client();
    assert_eq!(client.greet(GreetRequest { name: "x".into() }).await.unwrap().message, "x");
    client.wave(Waved { uid: 1 }).await.unwrap();
    assert_eq!(mock.wave().requests().unwrap(), [Waved { uid: 1 }]);
}

#[tokio::test]
async fn a_generated_client_of_nodes_calls_another_node_in_every_codec() {
    for codec in [Codec::Proto, Codec::Json, Codec::MsgPack] {
        let mock = GreeterMock::new();
        mock.greet().answers(|request| match request.name.as_str() {
            "" => Err(Error::new(Code::INVALID_ARGUMENT, "who are you?")),
            name => Ok(GreetResponse { code: 0, message: format!("hello {name}") }),
        });
        mock.audit().answers(|request| Ok(GreetResponse { code: 0, message: format!("{} is fine", request.name) }));
        let other = Node::builder().id("b").serve(GreeterRoutes::new(mock.clone())).build().unwrap();
        let harness = Harness::builder().codec(codec).other_node(other).start().await.unwrap();
        let (nodes, b) = (GreeterNodes::new(harness.cluster()), Nid::from("b"));
        let request = |name: &str| GreetRequest { name: name.into() };
        assert_eq!(nodes.greet(&b, request("due")).await.unwrap().message, "hello due");
        assert_eq!(nodes.audit(NodeTarget::Any, request("due")).await.unwrap().message, "due is fine");
        // As for clients: the code is in the field that was marked for it.
        let refused = nodes.greet(Uid(7), request("")).await.unwrap();
        assert_eq!(refused, GreetResponse { code: 3, message: "who are you?".into() });
        // Without an answer; what was told before is handled before.
        nodes.wave(&b, Waved { uid: 1 }).await.unwrap();
        nodes.wave(&b, Waved { uid: 2 }).await.unwrap();
        while mock.wave().requests().len() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(mock.wave().requests(), [Waved { uid: 1 }, Waved { uid: 2 }]);
        let error = nodes.greet(Nid::from("c"), request("")).await.unwrap_err();
        assert!(matches!(error, NodeCallError::Unsent(ClusterError::NoNode(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_mock_of_the_client_serves_nodes_as_well() {
    let mock = GreeterClientMock::new();
    let nodes = GreeterNodes::new(mock.caller());
    mock.greet().answers(|request| Ok(GreetResponse { code: 0, message: request.name }));
    mock.caller().answer(GREETER_AUDIT, |_: GreetRequest| {
        Err::<GreetResponse, _>(CallError::Timeout { after: std::time::Duration::from_secs(1) })
    });
    let request = GreetRequest { name: "x".into() };
    assert_eq!(nodes.greet(NodeTarget::Any, request.clone()).await.unwrap().message, "x");
    let error = nodes.audit(Uid(7), request.clone()).await.unwrap_err();
    assert!(matches!(error, NodeCallError::Timeout { .. }), "{error:?}");
    assert_eq!(mock.greet().requests().unwrap(), [request]);
}

#[test]
fn tables_say_what_the_schema_says() {
    let [greet, wave, audit] = GREETER_ROUTES else { panic!("three routes") };
    assert_eq!((greet.id, greet.service, greet.method), (GREETER_GREET, "hello.Greeter", "Greet"));
    assert_eq!((greet.request, greet.response), ("hello.GreetRequest", "hello.GreetResponse"));
    assert_eq!(greet.doc, "Greets one person.");
    assert!(wave.oneway && wave.authorized && audit.internal && !greet.internal);
    let routes = GreeterRoutes::new(Hello);
    assert_eq!(due::Routes::node(&routes), Some("hello"));
}

#[test]
fn an_enum_of_codes_is_an_error_code() {
    use due::Body as _;
    use due_codegen_compile::rpcs::{Sold, Verdict};
    let error = due::Error::new(Verdict::Poor, "no gold");
    assert_eq!(error.code(), Code(42));
    let sold = Sold::from_error(&error).unwrap();
    assert_eq!((sold.verdict(), sold.error_code()), (Verdict::Poor, Some(Code(42))));
}

#[test]
fn hostile_codes_are_filled() {
    use due::Body as _;
    use due_codegen_compile::hostile;
    let error = Error::new(Code::NOT_FOUND, "gone");
    let result = hostile::Result::from_error(&error).unwrap();
    assert_eq!((result.code, result.text.as_deref()), (5, Some("gone")));
    assert_eq!(hostile::Code::from_error(&error).unwrap().code, 5);
    assert_eq!(hostile::Code::default().error_code(), None);
}

mod mesh {
    use super::*;
    use due::mesh::{Request, Response, Status, Streaming};

    struct Bank;

    impl Wallet for Bank {
        async fn incr_gold(&self, request: Request<GoldRequest>) -> Result<Response<GoldResponse>, Status> {
            Ok(Response::new(GoldResponse { gold: request.into_inner().gold + 1 }))
        }

        async fn watch(
            &self,
            request: Request<GoldRequest>,
        ) -> Result<Response<due::mesh::BoxStream<GoldResponse>>, Status> {
            let gold = request.into_inner().gold;
            let responses = vec![GoldResponse { gold }, GoldResponse { gold: gold + 1 }];
            Ok(Response::new(due::mesh::stream_of(responses)))
        }

        async fn sum(&self, request: Request<Streaming<GoldRequest>>) -> Result<Response<GoldResponse>, Status> {
            let all = due::mesh::collect(request.into_inner()).await?;
            Ok(Response::new(GoldResponse { gold: all.iter().map(|request| request.gold).sum() }))
        }

        async fn trade(
            &self,
            request: Request<Streaming<GoldRequest>>,
        ) -> Result<Response<due::mesh::BoxStream<GoldResponse>>, Status> {
            let all = due::mesh::collect(request.into_inner()).await?;
            let back = all.into_iter().rev().map(|request| GoldResponse { gold: -request.gold }).collect();
            Ok(Response::new(due::mesh::stream_of(back)))
        }
    }

    async fn all<M: due::Body>(mut stream: Streaming<M>) -> Vec<M> {
        let mut all = Vec::new();
        while let Some(message) = stream.message().await.unwrap() {
            all.push(message);
        }
        all
    }

    fn golds(golds: &[i64]) -> impl futures_util::Stream<Item = GoldRequest> + Send + 'static {
        futures_util::stream::iter(golds.iter().map(|gold| GoldRequest { gold: *gold }).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn every_kind_of_rpc_crosses_the_mesh() {
        let client = WalletClient::local(Bank);
        assert_eq!(client.incr_gold(GoldRequest { gold: 1 }).await.unwrap().into_inner().gold, 2);
        let watched = client.watch(GoldRequest { gold: 1 }).await.unwrap().into_inner();
        assert_eq!(all(watched).await, [GoldResponse { gold: 1 }, GoldResponse { gold: 2 }]);
        assert_eq!(client.sum(golds(&[1, 2, 3])).await.unwrap().into_inner().gold, 6);
        let traded = client.trade(golds(&[1, 2])).await.unwrap().into_inner();
        assert_eq!(all(traded).await, [GoldResponse { gold: -2 }, GoldResponse { gold: -1 }]);
    }

    /// A client that knows nothing of due: tonic's own codec and transport, the paths of the proto.
    #[tokio::test]
    async fn a_foreign_grpc_client_calls_every_kind_of_rpc() {
        use due::codegen::tonic::client::Grpc;
        use due::codegen::tonic::codegen::http::uri::PathAndQuery;
        use due::codegen::tonic::transport::Endpoint;
        use tonic_prost::ProstCodec;

        let mesh = due::Mesh::builder().serve(WalletServer::new(Bank)).build();
        let mesh = mesh.start(&due::Backends::memory()).await.unwrap();
        let channel = Endpoint::from_shared(format!("http://{}", mesh.addr())).unwrap().connect().await.unwrap();
        let ready = async || {
            let mut grpc = Grpc::new(channel.clone());
            grpc.ready().await.unwrap();
            grpc
        };
        let codec = ProstCodec::<GoldRequest, GoldResponse>::default;
        let one = |gold| Request::new(GoldRequest { gold });
        let path = PathAndQuery::from_static;

        let answer = ready().await.unary(one(1), path("/hello.Wallet/IncrGold"), codec()).await.unwrap();
        assert_eq!(answer.into_inner().gold, 2);
        let mut watched =
            ready().await.server_streaming(one(1), path("/hello.Wallet/Watch"), codec()).await.unwrap().into_inner();
        assert_eq!(watched.message().await.unwrap(), Some(GoldResponse { gold: 1 }));
        assert_eq!(watched.message().await.unwrap(), Some(GoldResponse { gold: 2 }));
        assert_eq!(watched.message().await.unwrap(), None);
        let many = || Request::new(golds(&[1, 2, 3]));
        let sum = ready().await.client_streaming(many(), path("/hello.Wallet/Sum"), codec()).await.unwrap();
        assert_eq!(sum.into_inner().gold, 6);
        let mut traded =
            ready().await.streaming(many(), path("/hello.Wallet/Trade"), codec()).await.unwrap().into_inner();
        assert_eq!(traded.message().await.unwrap(), Some(GoldResponse { gold: -3 }));

        let unknown = ready().await.unary(one(1), path("/hello.Wallet/Steal"), codec()).await.unwrap_err();
        assert_eq!(unknown.code(), due::mesh::Code::Unimplemented);
        drop((traded, channel));
        mesh.stop().await;
    }

    #[tokio::test]
    async fn a_mock_of_a_mesh_service_answers() {
        let mock = WalletMock::new();
        let client = WalletClient::local(mock.clone());
        let unset = client.incr_gold(GoldRequest { gold: 1 }).await.unwrap_err();
        assert_eq!(unset.message(), "WalletMock: no answer set for IncrGold");
        mock.incr_gold().answers(|request| Ok(GoldResponse { gold: request.gold }));
        assert_eq!(client.incr_gold(GoldRequest { gold: 5 }).await.unwrap().into_inner().gold, 5);
        mock.trade()
            .answers(|requests| Ok(requests.iter().map(|request| GoldResponse { gold: request.gold }).collect()));
        let traded = client.trade(golds(&[4, 2])).await.unwrap().into_inner();
        assert_eq!(all(traded).await, [GoldResponse { gold: 4 }, GoldResponse { gold: 2 }]);
        assert_eq!(mock.trade().requests(), [vec![GoldRequest { gold: 4 }, GoldRequest { gold: 2 }]]);
    }
}

//! A game to call: gate and node in this process, on free ports of the loopback interface.

#[path = "gen/mod.rs"]
mod generated;

use std::fs;
use std::time::Duration;

use due::transport::tcp::Tcp;
use due::transport::tls::TlsServer;
use due::transport::ws::Ws;
use due::{
    App, Audience, Backends, Codec, Context, Error, Gate, GateBuilder, Node, PushExt as _, RouteOptions, Routes as _,
    RunningApp, Uid,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use generated::game::v1::{Code, Everything, GAME_HANG, Game, GameRoutes, LogInRequest, LogInResponse, Said};

struct Rules {
    /// How often [`Game::echo`] was called.
    echoes: watch::Sender<u64>,
}

impl Game for Rules {
    async fn echo(&self, _ctx: &mut Context, request: Everything) -> due::Result<Everything> {
        self.echoes.send_modify(|echoes| *echoes += 1);
        Ok(request)
    }

    async fn log_in(&self, ctx: &mut Context, request: LogInRequest) -> due::Result<LogInResponse> {
        if request.password != "secret" {
            return Err(Error::new(Code::WrongPassword, "that is not the password"));
        }
        ctx.bind(Uid(request.uid)).await?;
        Ok(LogInResponse { uid: request.uid, ..LogInResponse::default() })
    }

    async fn who_am_i(&self, ctx: &mut Context, (): ()) -> due::Result<LogInResponse> {
        Ok(LogInResponse { uid: ctx.user()?.0, ..LogInResponse::default() })
    }

    async fn say(&self, ctx: &mut Context, said: Said) -> due::Result<()> {
        said.broadcast(ctx.cluster(), Audience::Sessions).await?;
        Ok(())
    }

    async fn whisper(&self, _ctx: &mut Context, _said: Said) -> due::Result<()> {
        Ok(())
    }

    async fn hang(&self, _ctx: &mut Context, (): ()) -> due::Result<()> {
        std::future::pending().await
    }

    async fn secret(&self, _ctx: &mut Context, (): ()) -> due::Result<()> {
        Ok(())
    }

    async fn fail(&self, _ctx: &mut Context, (): ()) -> due::Result<()> {
        Err(Error::new(42, "the dice fell off the <table>"))
    }

    async fn think(&self, _ctx: &mut Context, (): ()) -> due::Result<()> {
        tokio::time::sleep(THOUGHT).await;
        Ok(())
    }

    async fn leave(&self, ctx: &mut Context, (): ()) -> due::Result<()> {
        ctx.cluster().disconnect_because(ctx.session(), &Error::new(9, "bye")).await?;
        Ok(())
    }
}

/// How long one thought takes.
const THOUGHT: Duration = Duration::from_millis(50);

/// Stops when it is dropped.
pub(crate) struct Server {
    runtime: Runtime,
    app: Option<RunningApp>,
    echoes: watch::Receiver<u64>,
    /// A certificate for `localhost` that signs itself, if there is TLS.
    pub(crate) certificate: TempDir,
}

impl Server {
    /// Listens on ws, tcp and kcp.
    pub(crate) fn start(codec: Codec) -> Self {
        let free = "127.0.0.1:0";
        Self::with(codec, |_| Gate::builder().ws(free).tcp(free).kcp(free))
    }

    /// Listens on wss and tls.
    pub(crate) fn secure() -> Self {
        let certificate = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
        fs::write(certificate.path().join("ca.pem"), &chain).unwrap();
        let tls = TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let mut server = Self::with(Codec::Proto, |runtime| {
            let (ws, tcp) = runtime.block_on(async { (Ws::bind("127.0.0.1:0").await, Tcp::bind("127.0.0.1:0").await) });
            Gate::builder().transport(ws.unwrap().tls(tls.clone())).transport(tcp.unwrap().tls(tls))
        });
        server.certificate = certificate;
        server
    }

    fn with(codec: Codec, gate: impl FnOnce(&Runtime) -> GateBuilder) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        // A stop does not wait for the route that never answers.
        let (sender, echoes) = watch::channel(0);
        let routes = GameRoutes::new(Rules { echoes: sender })
            .with_route_options(GAME_HANG, RouteOptions::new().cancel_when_gone(true));
        let app = App::new()
            .backends(Backends::memory().codec(codec))
            .gate(gate(&runtime).build())
            .node(Node::builder().serve(routes).build().unwrap());
        let app = runtime.block_on(app.start()).unwrap();
        Self { runtime, app: Some(app), echoes, certificate: tempfile::tempdir().unwrap() }
    }

    /// The first address that begins so, of `localhost` where the certificate needs it.
    pub(crate) fn url(&self, scheme: &str) -> String {
        let mut addresses = self.app.iter().flat_map(RunningApp::addresses);
        let url = addresses.find(|url| url.starts_with(scheme)).unwrap();
        url.replace("127.0.0.1", "localhost")
    }

    /// Waits until somebody was echoed so often.
    pub(crate) fn until_echoes(&mut self, times: u64) {
        let heard = self.echoes.wait_for(|echoes| *echoes >= times);
        self.runtime
            .block_on(async { drop(tokio::time::timeout(Duration::from_secs(60), heard).await.unwrap().unwrap()) });
    }

    pub(crate) fn stop(&mut self) {
        if let Some(app) = self.app.take() {
            self.runtime.block_on(app.stop());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the game's `due.toml` is.
pub(crate) fn project() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/game")
}

#[test]
fn its_generated_code_is_fresh() {
    let run = super::due(&project(), &["generate", "--check"]);
    assert_eq!(run.code, 0, "{}", run.text());
}

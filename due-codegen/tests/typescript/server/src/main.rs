//! `play ADDRESS CODEC` serves a gate and a node on one ws listener, prints its URL, and stops when standard input ends.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use due::{
    App, Audience, Backends, Code, Codec, Context, Error, Gate, Node, PushExt as _, RouteOptions, Routes as _, Uid,
};
use tokio::io::AsyncReadExt as _;

due::include_proto!();
use play::v1::{
    EchoRequest, EchoResponse, FailRequest, LoginRequest, LoginResponse, PLAY_WAIT, Play, PlayRoutes, Said,
};

struct Player;

impl Play for Player {
    async fn echo(&self, _ctx: &mut Context, request: EchoRequest) -> due::Result<EchoResponse> {
        Ok(EchoResponse { request: Some(request) })
    }

    async fn login(&self, ctx: &mut Context, request: LoginRequest) -> due::Result<LoginResponse> {
        if request.password != "secret" {
            return Err(Error::new(play::v1::Code::WrongPassword, "wrong password"));
        }
        ctx.bind(Uid(request.uid)).await?;
        Ok(LoginResponse { uid: request.uid, ..LoginResponse::default() })
    }

    async fn who_am_i(&self, ctx: &mut Context, (): ()) -> due::Result<LoginResponse> {
        Ok(LoginResponse { uid: ctx.user()?.0, ..LoginResponse::default() })
    }

    async fn fail(&self, _ctx: &mut Context, request: FailRequest) -> due::Result<()> {
        Err(Error::new(Code(request.code), request.text))
    }

    async fn wait(&self, _ctx: &mut Context, (): ()) -> due::Result<()> {
        std::future::pending().await
    }

    async fn shout(&self, ctx: &mut Context, said: Said) -> due::Result<()> {
        said.broadcast(ctx.cluster(), Audience::Sessions).await?;
        Ok(())
    }

    async fn leave(&self, ctx: &mut Context, request: FailRequest) -> due::Result<()> {
        let reason = Error::new(Code(request.code), request.text);
        ctx.cluster().disconnect_because(ctx.session(), &reason).await?;
        Ok(())
    }

    async fn secret(&self, _ctx: &mut Context, _request: FailRequest) -> due::Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (address, codec) = (args.next().context("no address")?, args.next().context("no codec")?);
    let codec = match codec.as_str() {
        "proto" => Codec::Proto,
        "json" => Codec::Json,
        "msgpack" => Codec::MsgPack,
        other => bail!("no codec {other}"),
    };
    // A stop does not wait for the route that never answers.
    let routes = PlayRoutes::new(Player).with_route_options(PLAY_WAIT, RouteOptions::new().cancel_when_gone(true));
    let app = App::new()
        .backends(Backends::memory().codec(codec))
        .gate(Gate::builder().ws(address).schema(DUE_SCHEMA))
        .node(Node::builder().serve(routes).build()?)
        .start()
        .await?;
    let url = app.addresses().next().context("no listener")?.to_owned();
    writeln!(std::io::stdout(), "{url}")?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    app.stop().await;
    Ok(())
}

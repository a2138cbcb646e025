use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError, RawBody};
use due::registry::State;
use due::{
    Audience, Body, Close, Cluster, Codec, Context, Node, NodeBuilder, Push, Reply, RouteId, RunningApp, Sender,
    ServerId, Tally, Target, Uid, layer_fn,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::ears::{Ears, text64};
use crate::go::Go;

/// The route of pushes.
pub(crate) const PUSH: i32 = 50;

/// What both nodes serve, under the same numbers: see `go/node.go`. Only the one of Go has 14, only ours has 13.
pub(crate) fn go_routes() -> Value {
    json!([
        { "id": 1, "do": "echo" },
        { "id": 2, "do": "who" },
        { "id": 3, "do": "login" },
        { "id": 4, "do": "who", "stateful": true },
        { "id": 5, "do": "logout", "authorized": true },
        { "id": 6, "do": "leave", "stateful": true },
        { "id": 7, "do": "join" },
        { "id": 8, "do": "part" },
        { "id": 9, "do": "kick" },
        { "id": 10, "do": "ip" },
        { "id": 11, "do": "note" },
        { "id": 14, "do": "echo", "internal": true },
        { "id": 15, "do": "flood" },
        { "id": 16, "do": "ponder" },
        { "id": 31, "do": "letter" },
        { "id": 33, "do": "letter" },
    ])
}

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(2)]
async fn who(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(name(ctx))
}

#[due::route(3)]
async fn login(ctx: &mut Context, uid: RawBody) -> due::Result<RawBody> {
    ctx.bind(Uid(text(&uid)?.parse()?)).await?;
    ctx.bind_node().await?;
    Ok(name(ctx))
}

#[due::route(4, stateful)]
async fn play(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(name(ctx))
}

#[due::route(5, authorized)]
async fn logout(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    ctx.unbind_node().await?;
    ctx.unbind().await?;
    Ok(name(ctx))
}

#[due::route(6, stateful)]
async fn leave(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    ctx.unbind_node().await?;
    Ok(name(ctx))
}

#[due::route(7)]
async fn join(ctx: &mut Context, channel: RawBody) -> due::Result<RawBody> {
    ctx.subscribe(text(&channel)?).await?;
    Ok(name(ctx))
}

#[due::route(8)]
async fn part(ctx: &mut Context, channel: RawBody) -> due::Result<RawBody> {
    ctx.unsubscribe(text(&channel)?).await?;
    Ok(name(ctx))
}

#[due::route(9)]
async fn kick(ctx: &mut Context, _: RawBody) -> due::Result<()> {
    Ok(ctx.disconnect(Close::Graceful).await?)
}

#[due::route(10)]
async fn ip(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(RawBody(ctx.client_ip().await?.to_string().into()))
}

#[due::route(11, oneway)]
async fn note(_: &mut Context, _: RawBody) -> due::Result<()> {
    Ok(())
}

#[due::route(13, internal)]
async fn echo_inside(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

/// Pushes as many numbers as the body says, and then answers.
#[due::route(15)]
async fn flood(ctx: &mut Context, count: RawBody) -> due::Result<RawBody> {
    let count: u32 = text(&count)?.parse()?;
    for number in 0..count {
        let mut body = vec![0; 1024];
        body[..4].copy_from_slice(&number.to_be_bytes());
        ctx.cluster().push(ctx.session(), &Note(body)).await?;
    }
    Ok(name(ctx))
}

/// Answers after a moment.
#[due::route(16)]
async fn ponder(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    sleep(Duration::from_millis(1)).await;
    Ok(body)
}

fn name(ctx: &Context) -> RawBody {
    RawBody(ctx.nid().as_str().as_bytes().to_vec().into())
}

fn text(body: &RawBody) -> due::Result<&str> {
    Ok(std::str::from_utf8(&body.0)?)
}

/// A node of ours that tells what it hears, as the one of Go does.
pub(crate) fn rust_node(nid: &str, ears: &Arc<Ears>, codec: &Codec) -> NodeBuilder {
    let tells = |ears: &Arc<Ears>, event: &'static str| {
        let ears = Arc::clone(ears);
        move |ctx: Context| {
            let uid = ctx.uid().map_or(0, |uid| uid.0);
            ears.say(json!({ "say": event, "gid": ctx.gid().as_str(), "cid": ctx.cid().0, "uid": uid }));
            std::future::ready(Ok(()))
        }
    };
    let heard = Arc::clone(ears);
    let listen = layer_fn(move |ctx, body, next| {
        heard.say(request(ctx, &body));
        Box::pin(async move { next.run(ctx, body).await })
    });
    // A letter has a form in every codec, but not the same type.
    let letters = match codec {
        Codec::Proto => due::routes![crate::letters::reply_in_proto],
        _ => due::routes![crate::letters::reply],
    };
    let routes =
        due::routes![echo, who, login, play, logout, leave, join, part, kick, ip, note, echo_inside, flood, ponder];
    Node::builder()
        .id(nid.to_owned())
        .name("game")
        .codec(codec.clone())
        .serve(routes)
        .serve(letters)
        .layer(listen)
        .on_connect(tells(ears, "connect"))
        .on_reconnect(tells(ears, "reconnect"))
        .on_disconnect(tells(ears, "disconnect"))
        // What other nodes answer comes here, past the layer.
        .default_handler(|_: Context, _: Bytes| std::future::ready(Ok(Reply::none())))
}

fn request(ctx: &Context, body: &Bytes) -> Value {
    let (gid, nid) = match ctx.sender() {
        Sender::Session(gid, _) => (gid.as_str().to_owned(), String::new()),
        Sender::Node(nid) => (String::new(), nid.as_str().to_owned()),
    };
    let uid = ctx.uid().map_or(0, |uid| uid.0);
    json!({
        "say": "request", "route": ctx.route().0, "seq": ctx.seq().0, "gid": gid, "nid": nid, "cid": ctx.cid().0, "uid": uid,
        "body": text64(body),
    })
}

/// A push whose body is its bytes.
pub(crate) struct Note(pub(crate) Vec<u8>);

impl Body for Note {
    const NAME: &'static str = "Note";

    fn encode_body(&self, _: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.0);
        Ok(())
    }

    fn decode_body(_: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self(body.to_vec()))
    }
}

impl Push for Note {
    const ROUTE: RouteId = RouteId::new(PUSH);
}

/// Whom something is done to.
#[derive(Clone, Debug)]
pub(crate) enum To {
    Session(String, i64),
    User(i64),
}

impl To {
    fn ours(&self) -> Target {
        match self {
            Self::Session(gid, cid) => Target::Session(gid.as_str().into(), due::Cid(*cid)),
            Self::User(uid) => Target::User(Uid(*uid)),
        }
    }

    pub(crate) fn gos(&self, mut command: Value) -> Value {
        match self {
            Self::Session(gid, cid) => (command["gid"], command["cid"]) = (json!(gid), json!(cid)),
            Self::User(uid) => command["uid"] = json!(uid),
        }
        command
    }
}

/// A node of either language, and what it can do to the cluster.
pub(crate) struct NodePeer {
    pub(crate) nid: &'static str,
    pub(crate) ears: Arc<Ears>,
    pub(crate) of: NodeOf,
}

pub(crate) enum NodeOf {
    Rust(Box<RunningApp>),
    Go(Go),
}

/// What an operation gave, or what the language says why not.
pub(crate) type Outcome<T> = Result<T, String>;

impl NodePeer {
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        match &self.of {
            NodeOf::Rust(app) => app.cluster(),
            NodeOf::Go(_) => None,
        }
    }

    /// The error of its language.
    pub(crate) fn says(&self, go: &str, rust: &str) -> String {
        match self.of {
            NodeOf::Rust(_) => rust.to_owned(),
            NodeOf::Go(_) => go.to_owned(),
        }
    }

    pub(crate) async fn push(&self, to: &To, body: &[u8]) -> Outcome<()> {
        let command = json!({ "do": "push", "route": PUSH, "body": text64(body), "ack": true });
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).push(to.ours(), &Note(body.to_vec())).await),
            NodeOf::Go(go) => go.ask(to.gos(command)).await.map(drop),
        }
    }

    /// Who had it: of Rust those that were delivered.
    pub(crate) async fn multicast(&self, uids: &[i64], body: &[u8]) -> Outcome<u64> {
        let command = json!({ "do": "multicast", "uids": uids, "route": PUSH, "body": text64(body), "ack": true });
        let users: Vec<Uid> = uids.iter().copied().map(Uid).collect();
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).multicast(&users, &Note(body.to_vec())).await).map(delivered),
            NodeOf::Go(go) => go.ask(command).await.map(number),
        }
    }

    pub(crate) async fn broadcast(&self, audience: Audience, body: &[u8]) -> Outcome<u64> {
        let command =
            json!({ "do": "broadcast", "kind": kind(audience), "route": PUSH, "body": text64(body), "ack": true });
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).broadcast(audience, &Note(body.to_vec())).await).map(delivered),
            NodeOf::Go(go) => go.ask(command).await.map(number),
        }
    }

    pub(crate) async fn publish(&self, channel: &str, body: &[u8]) -> Outcome<u64> {
        let command = json!({ "do": "publish", "channel": channel, "route": PUSH, "body": text64(body), "ack": true });
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).publish(channel, &Note(body.to_vec())).await).map(delivered),
            NodeOf::Go(go) => go.ask(command).await.map(number),
        }
    }

    pub(crate) async fn subscribe(&self, to: &To, channel: &str) -> Outcome<()> {
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).subscribe(to.ours(), channel).await),
            NodeOf::Go(go) => go.ask(to.gos(json!({ "do": "subscribe", "channel": channel }))).await.map(drop),
        }
    }

    pub(crate) async fn unsubscribe(&self, to: &To, channel: &str) -> Outcome<()> {
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).unsubscribe(to.ours(), channel).await),
            NodeOf::Go(go) => go.ask(to.gos(json!({ "do": "unsubscribe", "channel": channel }))).await.map(drop),
        }
    }

    pub(crate) async fn disconnect(&self, to: &To, close: Close) -> Outcome<()> {
        let command = json!({ "do": "disconnect", "force": close == Close::Force });
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).disconnect(to.ours(), close).await),
            NodeOf::Go(go) => go.ask(to.gos(command)).await.map(drop),
        }
    }

    pub(crate) async fn bind(&self, gid: &str, cid: i64, uid: i64) -> Outcome<()> {
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).bind(&gid.into(), due::Cid(cid), Uid(uid)).await),
            NodeOf::Go(go) => go.ask(json!({ "do": "bind", "gid": gid, "cid": cid, "uid": uid })).await.map(drop),
        }
    }

    pub(crate) async fn unbind(&self, uid: i64) -> Outcome<()> {
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).unbind(Uid(uid)).await),
            NodeOf::Go(go) => go.ask(json!({ "do": "unbind", "uid": uid })).await.map(drop),
        }
    }

    pub(crate) async fn bind_node(&self, uid: i64, name: &str, nid: &str) -> Outcome<()> {
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).bind_node(Uid(uid), name, &nid.into()).await),
            NodeOf::Go(go) => {
                go.ask(json!({ "do": "bind-node", "uid": uid, "name": name, "nid": nid })).await.map(drop)
            }
        }
    }

    pub(crate) async fn unbind_node(&self, uid: i64, name: &str, nid: &str) -> Outcome<()> {
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).unbind_node(Uid(uid), name, &nid.into()).await).map(drop),
            NodeOf::Go(go) => {
                go.ask(json!({ "do": "unbind-node", "uid": uid, "name": name, "nid": nid })).await.map(drop)
            }
        }
    }

    /// Empty if nowhere.
    pub(crate) async fn locate_gate(&self, uid: i64) -> Outcome<String> {
        match &self.of {
            NodeOf::Rust(app) => {
                said(ours(app).locate_gate(Uid(uid)).await).map(|gid| gid.map_or(String::new(), |gid| gid.to_string()))
            }
            NodeOf::Go(go) => match go.ask(json!({ "do": "locate-gate", "uid": uid })).await {
                Err(error) if error == "not found user's location" => Ok(String::new()),
                answer => answer.map(word),
            },
        }
    }

    pub(crate) async fn locate_node(&self, uid: i64, name: &str) -> Outcome<String> {
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).locate_node(Uid(uid), name).await)
                .map(|nid| nid.map_or(String::new(), |nid| nid.to_string())),
            NodeOf::Go(go) => match go.ask(json!({ "do": "locate-node", "uid": uid, "name": name })).await {
                Err(error) if error == "not found user's location" => Ok(String::new()),
                answer => answer.map(word),
            },
        }
    }

    pub(crate) async fn is_online(&self, to: &To) -> Outcome<bool> {
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).is_online(to.ours()).await),
            NodeOf::Go(go) => go.ask(to.gos(json!({ "do": "is-online" }))).await.map(|yes| yes == true),
        }
    }

    pub(crate) async fn ip(&self, to: &To) -> Outcome<String> {
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).ip(to.ours()).await).map(|ip| ip.to_string()),
            NodeOf::Go(go) => go.ask(to.gos(json!({ "do": "ip" }))).await.map(word),
        }
    }

    pub(crate) async fn stat(&self, audience: Audience) -> Outcome<u64> {
        match &self.of {
            NodeOf::Rust(app) => Ok(delivered(ours(app).stat(audience).await)),
            NodeOf::Go(go) => go.ask(json!({ "do": "stat", "kind": kind(audience) })).await.map(number),
        }
    }

    pub(crate) async fn deliver(&self, nid: Option<&str>, route: i32, uid: i64, body: &[u8]) -> Outcome<()> {
        let user = (uid != 0).then_some(Uid(uid));
        let message = RawBody(body.to_vec().into());
        match (&self.of, nid) {
            (NodeOf::Rust(app), None) => said(ours(app).deliver(RouteId(route), user, &message).await),
            (NodeOf::Rust(app), Some(nid)) => {
                said(ours(app).deliver_to(&nid.into(), RouteId(route), user, &message).await)
            }
            (NodeOf::Go(go), nid) => {
                let nid = nid.unwrap_or_default();
                go.ask(json!({ "do": "deliver", "nid": nid, "route": route, "uid": uid, "body": text64(body) }))
                    .await
                    .map(drop)
            }
        }
    }

    /// The next request of a route that has reached this node.
    pub(crate) async fn heard(&self, route: i32) -> Value {
        self.ears.hear(|line| line["say"] == "request" && line["route"] == route).await
    }

    pub(crate) async fn state(&self, of: ServerId) -> Outcome<State> {
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).state(of).await),
            NodeOf::Go(go) => {
                let state = go.ask(server(of, json!({ "do": "state" }))).await.map(number)?;
                Ok([State::Shut, State::Work, State::Busy, State::Hang][state as usize])
            }
        }
    }

    pub(crate) async fn set_state(&self, of: ServerId, state: State) -> Outcome<()> {
        let number = [State::Shut, State::Work, State::Busy, State::Hang].iter().position(|it| *it == state);
        match &self.of {
            NodeOf::Rust(app) => said(ours(app).set_state(of, state).await),
            NodeOf::Go(go) => go.ask(server(of, json!({ "do": "set-state", "state": number }))).await.map(drop),
        }
    }
}

fn ours(app: &RunningApp) -> &Cluster {
    app.cluster().expect("a node")
}

fn server(of: ServerId, mut command: Value) -> Value {
    match of {
        ServerId::Gate(gid) => command["gid"] = json!(gid.as_str()),
        ServerId::Node(nid) => command["nid"] = json!(nid.as_str()),
    }
    command
}

fn kind(audience: Audience) -> u8 {
    match audience {
        Audience::Sessions => 1,
        Audience::Users => 2,
    }
}

fn said<T, E: Error + 'static>(result: Result<T, E>) -> Outcome<T> {
    result.map_err(|error| error.to_string())
}

fn delivered(tally: Tally) -> u64 {
    tally.delivered
}

fn number(value: Value) -> u64 {
    value.as_u64().expect("a number")
}

fn word(value: Value) -> String {
    value.as_str().expect("a text").to_owned()
}

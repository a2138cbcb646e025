//! The forms in which bodies travel: serde, prost, both, and what is a body by itself.

use due::Codec;
use due::codegen::Route;
use due::{Context, Result};

#[derive(serde::Deserialize)]
struct SerdeIn;

#[derive(serde::Serialize)]
struct SerdeOut;

#[derive(Clone, PartialEq, prost::Message)]
struct Prost {}

#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
struct Both {}

#[due::route(1)]
async fn serde_only(_: &mut Context, _: SerdeIn) -> Result<SerdeOut> {
    Ok(SerdeOut)
}

#[due::route(2)]
async fn prost_only(_: &mut Context, request: Prost) -> Result<Prost> {
    Ok(request)
}

#[due::route(3)]
async fn both(_: &mut Context, request: Both) -> Result<Both> {
    Ok(request)
}

#[due::route(4)]
async fn body(_: &mut Context, request: String) -> Result<()> {
    drop(request);
    Ok(())
}

#[due::route(5)]
async fn mixed(_: &mut Context, _: Both) -> Result<SerdeOut> {
    Ok(SerdeOut)
}

fn codecs<R: Route>() -> Vec<&'static str> {
    let all = [("proto", Codec::Proto), ("json", Codec::Json), ("msgpack", Codec::MsgPack)];
    all.into_iter().filter(|(_, codec)| R::supports(codec).is_ok()).map(|(name, _)| name).collect()
}

fn main() {
    assert_eq!(codecs::<serde_only>(), ["json", "msgpack"]);
    assert_eq!(codecs::<prost_only>(), ["proto"]);
    assert_eq!(codecs::<both>(), ["proto", "json", "msgpack"]);
    assert_eq!(codecs::<body>(), ["proto", "json", "msgpack"]);
    assert_eq!(codecs::<mixed>(), ["json", "msgpack"]);
    let text = serde_only::supports(&Codec::Proto).unwrap_err().to_string();
    assert!(text.contains("SerdeIn` cannot travel as proto: it is a serde type; choose the codec `json`"), "{text}");
}

//! The shapes that a handler may have.

#![deny(warnings, missing_docs, clippy::all)]

use std::collections::BTreeMap;

use due::codegen::Route;
use due::{Context, RouteId};

mod routes {
    pub const LOGIN: super::RouteId = super::RouteId::new(20);
    pub const MOVE: i32 = 21;
}

type Done<T> = due::Result<T>;
type Nothing = due::Result<()>;

/// Greets whoever asks.
///
/// Twice, if need be.
#[due::route(1)]
async fn greet(ctx: &mut Context, name: String) -> due::Result<String> {
    let _ = ctx;
    Ok(format!("hello {name}~~"))
}

#[due::route(routes::LOGIN, stateful, authorized)]
pub(crate) async fn login(_: &mut Context, name: String) -> Done<String> {
    Ok(name)
}

#[due::route(routes::MOVE + 1, internal,)]
async fn r#move(_: &mut due::Context, steps: Vec<i32>) -> Result<BTreeMap<String, Vec<i32>>, due::Error> {
    Ok(BTreeMap::from([("steps".to_owned(), steps)]))
}

#[due::route(0x10_i32, oneway)]
async fn log(_ctx: &mut Context, mut line: String) -> due::Result<()> {
    line.clear();
    Ok(())
}

#[due::route(2147483647, oneway)]
async fn ping(_: &mut Context, (): ()) -> Nothing {
    Ok(())
}

#[deprecated]
#[due::route(3)]
async fn old(_: &mut Context, _: i64) -> due::Result<bool> {
    Ok(true)
}

#[due::route(4)]
#[cfg(any())]
async fn gone(_: &mut Context, _: Missing) -> due::Result<bool> {
    Ok(true)
}

macro_rules! echo {
    ($name:ident, $id:literal, $type:ty) => {
        #[due::route($id)]
        async fn $name(_: &mut Context, value: $type) -> due::Result<$type> {
            Ok(value)
        }
    };
}
echo!(echo, 5, String);

fn main() {
    fn in_a_function() -> i32 {
        #[due::route(6)]
        async fn inner(_: &mut Context, _: u32) -> due::Result<f64> {
            Ok(0.5)
        }
        inner::SPEC.id.0
    }
    assert_eq!(in_a_function(), 6);

    let spec = <greet as Route>::SPEC;
    assert_eq!((spec.id, spec.method, spec.service), (RouteId(1), "greet", module_path!()));
    assert_eq!((spec.request, spec.response), ("String", "String"));
    assert_eq!(spec.doc, "Greets whoever asks.\n\nTwice, if need be.");
    assert!(!spec.stateful && !spec.authorized && !spec.internal && !spec.oneway);

    let spec = login::SPEC;
    assert_eq!((spec.id, spec.doc), (RouteId(20), ""));
    assert!(spec.stateful && spec.authorized && !spec.internal && !spec.oneway);

    let spec = r#move::SPEC;
    assert_eq!((spec.id, spec.method), (RouteId(22), "move"));
    assert_eq!((spec.request, spec.response), ("Vec<i32>", "BTreeMap<String, Vec<i32>>"));
    assert!(spec.internal);

    assert_eq!((log::SPEC.id, log::SPEC.response), (RouteId(16), ""));
    assert_eq!((ping::SPEC.id.0, ping::SPEC.request), (i32::MAX, "()"));
    assert_eq!((echo::SPEC.id.0, old::SPEC.id.0), (5, 3));
}

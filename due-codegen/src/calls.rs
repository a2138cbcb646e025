//! What callers without generated code ask of a schema.

use prost_reflect::Kind;

use crate::nearest::nearest;
use crate::routes::{RouteInfo, RouteKind};
use crate::schema::Schema;

/// Where a response carries the application's error: names of its fields as in the `.proto`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeFields {
    /// An integer or an enum; 0 is success.
    pub code: Option<String>,
    /// What the code means, for people.
    pub text: Option<String>,
}

/// No route goes by this name, or several do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FindRouteError {
    /// Nothing has such a name.
    #[error("there is no route `{name}`{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        name: String,
        /// The route that was most likely meant, if one is near enough.
        nearest: Option<String>,
    },
    /// More of the name is needed.
    #[error("`{name}` may be {}; write more of the one you mean", .routes.iter().map(|route| format!("`{route}`")).collect::<Vec<_>>().join(" or "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Full names of the routes that end so.
        routes: Vec<String>,
    },
    /// The name is that of something clients do not call.
    #[error("`{name}` is no route but {what}", what = match .kind {
        RouteKind::Push => "a push, which servers send by themselves",
        RouteKind::Event => "an event between servers",
        _ => "an rpc of a mesh service, which gates do not serve",
    })]
    NoRoute {
        /// Its full name.
        name: String,
        /// What it is.
        kind: RouteKind,
    },
}

impl Schema {
    /// An encoded `google.protobuf.FileDescriptorSet` of all files, imports and options included.
    pub fn descriptor_set(&self) -> Vec<u8> {
        self.sources.pool.encode_to_vec()
    }

    /// The route that a person means by `lobby.v1.Lobby.Enter`, `lobby.v1.Lobby/Enter`, or by the end of it from a whole
    /// word on, as `Lobby/Enter`, if only one ends so.
    ///
    /// # Errors
    /// When no route or more than one goes by the name.
    pub fn find_route(&self, name: &str) -> Result<RouteInfo, FindRouteError> {
        let dotted = name.replace('/', ".");
        let dotted = dotted.trim_start_matches('.');
        let is_named = |info: &RouteInfo| {
            info.name
                .strip_suffix(dotted)
                .is_some_and(|rest| rest.is_empty() || (rest.ends_with('.') && !dotted.is_empty()))
        };
        let (routes, others): (Vec<_>, Vec<_>) =
            self.routes().into_iter().partition(|info| info.kind == RouteKind::Route);
        let mut named: Vec<&RouteInfo> = routes.iter().filter(|info| is_named(info)).collect();
        if let Some(exact) = named.iter().position(|info| info.name == dotted) {
            named = vec![named[exact]];
        }
        match named[..] {
            [route] => Ok(route.clone()),
            [] => Err(match others.into_iter().find(is_named) {
                Some(other) => FindRouteError::NoRoute { name: other.name, kind: other.kind },
                None => FindRouteError::Unknown { name: name.to_owned(), nearest: near(dotted, &routes) },
            }),
            _ => Err(FindRouteError::Ambiguous {
                name: name.to_owned(),
                routes: named.into_iter().map(slashed).collect(),
            }),
        }
    }

    /// The fields of a message, by its full name, that are marked with `due.code` or are of an enum with `due.codes`.
    pub fn code_fields(&self, message: &str) -> CodeFields {
        let mut found = CodeFields::default();
        let Some(descriptor) = self.sources.pool.get_message_by_name(message) else {
            return found;
        };
        for field in descriptor.fields() {
            let marked = self.options.code(&field);
            match field.kind() {
                Kind::String if marked => found.text = Some(field.name().to_owned()),
                Kind::Enum(codes) if marked || self.options.codes(&codes) => found.code = Some(field.name().to_owned()),
                _ if marked => found.code = Some(field.name().to_owned()),
                _ => {}
            }
        }
        found
    }
}

/// `lobby.v1.Lobby/Enter`.
fn slashed(info: &RouteInfo) -> String {
    format!("{}/{}", info.service, info.method)
}

/// Compares as many words as there are in `dotted`, so that a package left out is no slip.
fn near(dotted: &str, routes: &[RouteInfo]) -> Option<String> {
    let words = dotted.split('.').count();
    let ends: Vec<(&str, &RouteInfo)> = routes.iter().map(|info| (end(&info.name, words), info)).collect();
    let nearest = nearest(dotted, ends.iter().map(|(end, _)| *end))?;
    ends.iter().find(|(end, _)| *end == nearest).map(|(_, info)| slashed(info))
}

/// The last words of a name.
fn end(name: &str, words: usize) -> &str {
    name.rmatch_indices('.').nth(words - 1).map_or(name, |(dot, _)| &name[dot + 1..])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Builder;

    const SHOP: &str = r#"syntax = "proto3";
package shop.v1;
import "due/options.proto";
service Shop {
  option (due.node) = { name: "shop" };
  rpc Buy(Item) returns (Bought) { option (due.route) = { id: 1 }; }
  rpc Enter(Item) returns (Sold) { option (due.route) = { id: 2 }; }
}
service Lobby {
  option (due.node) = { name: "lobby" };
  rpc Enter(Item) returns (Sold) { option (due.route) = { id: 3 }; }
}
enum Code { option (due.codes) = true; OK = 0; NO_GOLD = 1; }
message Item { string name = 1; }
message Bought { Code code = 1; string why = 2 [(due.code) = true]; }
message Sold { int32 errno = 1 [(due.code) = true]; string note = 2; }
message News { option (due.push) = { id: 9 }; }
"#;

    fn schema() -> Schema {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("shop.proto"), SHOP).unwrap();
        Builder::new().includes([folder.path()]).schema().unwrap()
    }

    #[test]
    fn a_route_is_found_by_the_end_of_its_name() {
        let schema = schema();
        for name in ["Buy", "Shop/Buy", "shop.v1.Shop/Buy", "shop.v1.Shop.Buy", "v1.Shop.Buy", "/shop.v1.Shop/Buy"] {
            assert_eq!(schema.find_route(name).map(|info| info.id), Ok(Some(1)), "{name}");
        }
        let said = |name: &str| schema.find_route(name).unwrap_err().to_string();
        assert_eq!(said("Shop/Bui"), "there is no route `Shop/Bui`; did you mean `shop.v1.Shop/Buy`?");
        assert_eq!(said("hop/Buy"), "there is no route `hop/Buy`; did you mean `shop.v1.Shop/Buy`?");
        assert_eq!(said("Sell"), "there is no route `Sell`");
        assert_eq!(said(""), "there is no route ``");
        assert_eq!(
            said("Enter"),
            "`Enter` may be `shop.v1.Shop/Enter` or `shop.v1.Lobby/Enter`; write more of the one you mean"
        );
        assert_eq!(said("News"), "`shop.v1.News` is no route but a push, which servers send by themselves");
    }

    #[test]
    fn marked_fields_and_enums_of_codes_are_found() {
        let schema = schema();
        let fields = |message: &str| {
            let CodeFields { code, text } = schema.code_fields(message);
            (code, text)
        };
        assert_eq!(fields("shop.v1.Bought"), (Some("code".into()), Some("why".into())));
        assert_eq!(fields("shop.v1.Sold"), (Some("errno".into()), None));
        assert_eq!(fields("shop.v1.Item"), (None, None));
        assert_eq!(fields("nothing"), (None, None));
    }
}

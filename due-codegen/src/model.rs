//! What is generated, as plain owned data: every name made, every id checked, nothing left for a template to decide.

use std::fmt;

use serde::Serialize;

/// One run: all packages in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Model {
    /// The packages that are generated. Packages of other crates (`extern_paths`), `google.protobuf` and `due` are not among them.
    pub(crate) packages: Vec<Package>,
    /// Every route and push of the run, in the order of their ids.
    pub(crate) routes: Vec<RouteEntry>,
}

/// One proto package, one Rust module, one output file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Package {
    /// As in the `package` statement; empty without one.
    pub(crate) name: String,
    /// The Rust modules that lead to it: `["hello", "v1"]`. Identifiers, raw where needed.
    pub(crate) modules: Vec<String>,
    /// The output file, as prost names it: `hello.v1.rs`, `_.rs` without a package.
    pub(crate) file_name: String,
    /// Import names of the `.proto` files, sorted.
    pub(crate) files: Vec<String>,
    /// The comment above the `package` statements.
    pub(crate) doc: Doc,
    /// Services with `due.node`, in the order of files and source.
    pub(crate) nodes: Vec<NodeService>,
    /// Services with `due.mesh`, in the order of files and source.
    pub(crate) meshes: Vec<MeshService>,
    /// Messages with `due.push`, in the order of files and source.
    pub(crate) pushes: Vec<Push>,
    /// Messages with `due.event`, in the order of files and source.
    pub(crate) events: Vec<Event>,
    /// Messages with a `due.code` field, in the order of files and source.
    pub(crate) codes: Vec<CodeCarrier>,
    /// Full names of the enums with `due.codes`, nested ones too.
    pub(crate) code_enums: Vec<String>,
}

/// A service with `due.node`. All names are Rust identifiers that are free in the package's module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NodeService {
    /// The service's name in the proto: `Greeter`.
    pub(crate) proto_name: String,
    /// With its package: `hello.v1.Greeter`.
    pub(crate) full_name: String,
    /// `due.node`'s name: the name of the nodes that serve it. Never empty.
    pub(crate) node: String,
    /// `due.node`'s actor: the kind of the actors that handle the rpcs. Never empty.
    pub(crate) actor: Option<String>,
    /// The service's comment.
    pub(crate) doc: Doc,
    /// `option deprecated = true`.
    pub(crate) deprecated: bool,
    /// The handler trait: `Greeter`.
    pub(crate) trait_name: String,
    /// The mount type: `GreeterRoutes`.
    pub(crate) routes_name: String,
    /// The const table of specs: `GREETER_ROUTES`.
    pub(crate) table_name: String,
    /// The client: `GreeterClient`.
    pub(crate) client_name: String,
    /// The mock of the trait: `GreeterMock`.
    pub(crate) mock_name: String,
    /// The mock of the client: `GreeterClientMock`.
    pub(crate) client_mock_name: String,
    /// The client that other nodes have: `GreeterNodes`.
    pub(crate) nodes_name: String,
    /// Free module name for private helpers: `greeter_due`.
    pub(crate) module_name: String,
    /// The rpcs in proto order; the position is the index in the table.
    pub(crate) routes: Vec<Route>,
    /// Where it is declared.
    pub(crate) position: Position,
}

/// One rpc of a node service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Route {
    /// Index in the service's table.
    pub(crate) index: usize,
    /// The rpc's name in the proto: `Greet`.
    pub(crate) proto_name: String,
    /// With package and service: `hello.v1.Greeter.Greet`.
    pub(crate) full_name: String,
    /// The trait's method: `greet`.
    pub(crate) rust_name: String,
    /// The method of the client and of that of other nodes; differs from `rust_name` where the client has a method of that name itself (`new_`).
    pub(crate) client_method: String,
    /// The setter of the mocks; differs for the same reason.
    pub(crate) mock_method: String,
    /// The `RouteId` constant beside the trait: `GREETER_GREET`.
    pub(crate) const_name: String,
    /// The number on the wire.
    pub(crate) id: RouteId,
    /// `stateful` of `due.route`. Implies a user, not the flag `authorized`.
    pub(crate) stateful: bool,
    /// `authorized` of `due.route`.
    pub(crate) authorized: bool,
    /// `internal` of `due.route`: not in the client.
    pub(crate) internal: bool,
    /// `oneway` of `due.route`.
    pub(crate) oneway: bool,
    /// The request type.
    pub(crate) request: TypeRef,
    /// The response type; of a oneway route always `google.protobuf.Empty`.
    pub(crate) response: TypeRef,
    /// The rpc's comment.
    pub(crate) doc: Doc,
    /// `option deprecated = true`.
    pub(crate) deprecated: bool,
    /// Where it is declared.
    pub(crate) position: Position,
}

/// A service with `due.mesh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MeshService {
    /// The service's name in the proto: `Wallet`.
    pub(crate) proto_name: String,
    /// With its package, as on the wire: `wallet.v1.Wallet`.
    pub(crate) full_name: String,
    /// `due.mesh`'s name: what it registers as and `discovery://name` finds.
    pub(crate) mesh: String,
    /// `due.mesh`'s path: the service path of rpcx peers; the service's proto name by default.
    pub(crate) path: String,
    /// The service's comment.
    pub(crate) doc: Doc,
    /// `option deprecated = true`.
    pub(crate) deprecated: bool,
    /// The trait: `Wallet`.
    pub(crate) trait_name: String,
    /// The tonic service: `WalletServer`.
    pub(crate) server_name: String,
    /// The client: `WalletClient`.
    pub(crate) client_name: String,
    /// The mock of the trait: `WalletMock`.
    pub(crate) mock_name: String,
    /// Free module name for tonic's output: `wallet_due`.
    pub(crate) module_name: String,
    /// The rpcs in proto order.
    pub(crate) methods: Vec<MeshMethod>,
    /// Where it is declared.
    pub(crate) position: Position,
}

/// One rpc of a mesh service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MeshMethod {
    /// Index among the service's rpcs.
    pub(crate) index: usize,
    /// How it is called, by our channel and by tonic: `unary`, `server_streaming`, `client_streaming` or `streaming`.
    pub(crate) call: &'static str,
    /// The rpc's name in the proto: `IncrGold`.
    pub(crate) proto_name: String,
    /// With package and service.
    pub(crate) full_name: String,
    /// The HTTP/2 path: `/wallet.v1.Wallet/IncrGold`.
    pub(crate) path: String,
    /// The trait's method: `incr_gold`.
    pub(crate) rust_name: String,
    /// The client's method; differs where the client has a method of that name itself (`connect_`).
    pub(crate) client_method: String,
    /// The setter of the mock; differs for the same reason.
    pub(crate) mock_method: String,
    /// The associated stream type of a server-streaming rpc: `WatchStream`. Free within the trait.
    pub(crate) stream_name: String,
    /// `stream` before the request.
    pub(crate) client_streaming: bool,
    /// `stream` before the response.
    pub(crate) server_streaming: bool,
    /// The request type.
    pub(crate) request: TypeRef,
    /// The response type.
    pub(crate) response: TypeRef,
    /// The rpc's comment.
    pub(crate) doc: Doc,
    /// `option deprecated = true`.
    pub(crate) deprecated: bool,
    /// Where it is declared.
    pub(crate) position: Position,
}

/// A message with `due.push`. Never a nested message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Push {
    /// The message.
    pub(crate) message: TypeRef,
    /// The number on the wire.
    pub(crate) id: RouteId,
    /// The message's comment.
    pub(crate) doc: Doc,
    /// Where it is declared.
    pub(crate) position: Position,
}

/// A message with `due.event`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Event {
    /// The message, nested ones too.
    pub(crate) message: TypeRef,
    /// What it is published under. Never empty, and no other message has it.
    pub(crate) topic: String,
}

/// A message that carries an application error in its own fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CodeCarrier {
    /// The message, nested ones too.
    pub(crate) message: TypeRef,
    /// The field with the code.
    pub(crate) code: CodeField,
    /// The field with the text, if one is marked.
    pub(crate) text: Option<TextField>,
}

/// The integer or enum field that is marked with `due.code`. Never repeated, never in a oneof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CodeField {
    /// The field's name in the proto.
    pub(crate) name: String,
    /// The Rust field.
    pub(crate) rust_name: String,
    /// The field's Rust type without `Option`: `i32` (enums too), `i64`, `u32` or `u64`.
    pub(crate) rust_type: String,
    /// The enum's Rust path, if it is one.
    pub(crate) enum_path: Option<String>,
    /// Declared `optional`: the Rust field is an `Option`.
    pub(crate) optional: bool,
}

/// The string field that is marked with `due.code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TextField {
    /// The field's name in the proto.
    pub(crate) name: String,
    /// The Rust field.
    pub(crate) rust_name: String,
    /// Declared `optional`: the Rust field is an `Option`.
    pub(crate) optional: bool,
}

/// A message type as request, response or push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TypeRef {
    /// Full proto name: `hello.v1.GreetRequest`.
    pub(crate) proto: String,
    /// Rust type, seen from the package's module: `GreetRequest`, `super::super::shared::v1::Item`, `::shared::v1::Item`, `()`.
    pub(crate) rust: String,
    /// The same, seen from a module inside the package's module.
    pub(crate) inner: String,
    /// `google.protobuf.Empty`.
    pub(crate) empty: bool,
    /// Whether this run generates the type (it is not from `extern_paths` or `google.protobuf`).
    pub(crate) local: bool,
}

/// One line of the route table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RouteEntry {
    /// The number on the wire.
    pub(crate) id: RouteId,
    /// Full name of the rpc or the pushed message.
    pub(crate) full_name: String,
    /// Whether it is a push.
    pub(crate) push: bool,
    /// Where it is declared.
    pub(crate) position: Position,
}

/// A comment of the proto, one space after `//` removed, without blank lines at its ends. Not yet fit for rustdoc.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Doc {
    /// The lines.
    pub(crate) lines: Vec<String>,
}

/// A place in a `.proto`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Position {
    /// Import name of the file: `hello/v1/hello.proto`.
    pub(crate) file: String,
    /// Counts from 1.
    pub(crate) line: usize,
    /// In characters, counts from 1.
    pub(crate) column: usize,
}

/// A route id that exists is positive and fits the packet's route field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct RouteId(i32);

impl RouteId {
    /// `width` is the packet's route field; ids are signed on the wire and positive here.
    pub(crate) fn new(raw: i32, width: RouteWidth) -> Result<Self, RouteIdError> {
        if raw <= 0 {
            return Err(RouteIdError::NotPositive { raw });
        }
        if raw > width.max() {
            return Err(RouteIdError::TooWide { raw, width });
        }
        Ok(Self(raw))
    }

    /// The number.
    pub(crate) fn get(self) -> i32 {
        self.0
    }
}

/// Why a number is no route id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RouteIdError {
    /// 0 is what a forgotten id reads as, -1 is due's own, other negative ids break the registry's metadata.
    #[error("route {raw} is not positive")]
    NotPositive {
        /// The number.
        raw: i32,
    },
    /// The packet's route field cannot hold it.
    #[error("route {raw} does not fit in the packet's {width}-byte route field (at most {})", width.max())]
    TooWide {
        /// The number.
        raw: i32,
        /// The field.
        width: RouteWidth,
    },
}

/// Bytes of the packet's route field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) enum RouteWidth {
    /// Ids up to 127.
    One,
    /// Ids up to 32767; what due uses unless told otherwise.
    #[default]
    Two,
    /// Ids up to 2147483647.
    Four,
}

impl RouteWidth {
    /// The greatest id.
    pub(crate) fn max(self) -> i32 {
        match self {
            Self::One => i8::MAX.into(),
            Self::Two => i16::MAX.into(),
            Self::Four => i32::MAX,
        }
    }

    /// The width of `bytes` bytes, if there is one.
    pub(crate) fn from_bytes(bytes: i64) -> Option<Self> {
        match bytes {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            4 => Some(Self::Four),
            _ => None,
        }
    }
}

impl fmt::Display for RouteWidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "1",
            Self::Two => "2",
            Self::Four => "4",
        })
    }
}

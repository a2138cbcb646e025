//! What is generated, as plain owned data: every name made, every id checked, nothing left for a template to decide.

use std::fmt;

use serde::Serialize;

/// One run: all packages in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Model {
    /// The packages that are generated. Packages of other crates (`extern_paths`), `google.protobuf` and `due` are not among them.
    pub packages: Vec<Package>,
    /// Every route and push of the run, in the order of their ids.
    pub routes: Vec<RouteEntry>,
}

/// One proto package, one Rust module, one output file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Package {
    /// As in the `package` statement; empty without one.
    pub name: String,
    /// The Rust modules that lead to it: `["hello", "v1"]`. Identifiers, raw where needed.
    pub modules: Vec<String>,
    /// The output file, as prost names it: `hello.v1.rs`, `_.rs` without a package.
    pub file_name: String,
    /// Import names of the `.proto` files, sorted.
    pub files: Vec<String>,
    /// The comment above the `package` statements.
    pub doc: Doc,
    /// Services with `due.node`, in the order of files and source.
    pub nodes: Vec<NodeService>,
    /// Services with `due.mesh`, in the order of files and source.
    pub meshes: Vec<MeshService>,
    /// Messages with `due.push`, in the order of files and source.
    pub pushes: Vec<Push>,
    /// Messages with a `due.code` field, in the order of files and source.
    pub codes: Vec<CodeCarrier>,
}

/// A service with `due.node`. All names are Rust identifiers that are free in the package's module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeService {
    /// The service's name in the proto: `Greeter`.
    pub proto_name: String,
    /// With its package: `hello.v1.Greeter`.
    pub full_name: String,
    /// `due.node`'s name: the name of the nodes that serve it. Never empty.
    pub node: String,
    /// The service's comment.
    pub doc: Doc,
    /// `option deprecated = true`.
    pub deprecated: bool,
    /// The handler trait: `Greeter`.
    pub trait_name: String,
    /// The mount type: `GreeterRoutes`.
    pub routes_name: String,
    /// The const table of specs: `GREETER_ROUTES`.
    pub table_name: String,
    /// The client: `GreeterClient`.
    pub client_name: String,
    /// The mock of the trait: `GreeterMock`.
    pub mock_name: String,
    /// The mock of the client: `GreeterClientMock`.
    pub client_mock_name: String,
    /// Free module name for private helpers: `greeter_due`.
    pub module_name: String,
    /// The rpcs in proto order; the position is the index in the table.
    pub routes: Vec<Route>,
    /// Where it is declared.
    pub position: Position,
}

/// One rpc of a node service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Index in the service's table.
    pub index: usize,
    /// The rpc's name in the proto: `Greet`.
    pub proto_name: String,
    /// With package and service: `hello.v1.Greeter.Greet`.
    pub full_name: String,
    /// The trait's method: `greet`.
    pub rust_name: String,
    /// The client's method; differs from `rust_name` where the client has a method of that name itself (`new_`).
    pub client_method: String,
    /// The setter of the mocks; differs for the same reason.
    pub mock_method: String,
    /// The `RouteId` constant beside the trait: `GREETER_GREET`.
    pub const_name: String,
    /// The number on the wire.
    pub id: RouteId,
    /// `stateful` of `due.route`. Implies a user, not the flag `authorized`.
    pub stateful: bool,
    /// `authorized` of `due.route`.
    pub authorized: bool,
    /// `internal` of `due.route`: not in the client.
    pub internal: bool,
    /// `oneway` of `due.route`.
    pub oneway: bool,
    /// The request type.
    pub request: TypeRef,
    /// The response type; of a oneway route always `google.protobuf.Empty`.
    pub response: TypeRef,
    /// The rpc's comment.
    pub doc: Doc,
    /// `option deprecated = true`.
    pub deprecated: bool,
    /// Where it is declared.
    pub position: Position,
}

/// A service with `due.mesh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeshService {
    /// The service's name in the proto: `Wallet`.
    pub proto_name: String,
    /// With its package, as on the wire: `wallet.v1.Wallet`.
    pub full_name: String,
    /// `due.mesh`'s name: what it registers as and `discovery://name` finds.
    pub mesh: String,
    /// `due.mesh`'s path: the service path of rpcx peers; the service's proto name by default.
    pub path: String,
    /// The service's comment.
    pub doc: Doc,
    /// `option deprecated = true`.
    pub deprecated: bool,
    /// The trait: `Wallet`.
    pub trait_name: String,
    /// The tonic service: `WalletServer`.
    pub server_name: String,
    /// The client: `WalletClient`.
    pub client_name: String,
    /// The mock of the trait: `WalletMock`.
    pub mock_name: String,
    /// Free module name for tonic's output: `wallet_due`.
    pub module_name: String,
    /// The rpcs in proto order.
    pub methods: Vec<MeshMethod>,
    /// Where it is declared.
    pub position: Position,
}

/// One rpc of a mesh service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeshMethod {
    /// The rpc's name in the proto: `IncrGold`.
    pub proto_name: String,
    /// With package and service.
    pub full_name: String,
    /// The HTTP/2 path: `/wallet.v1.Wallet/IncrGold`.
    pub path: String,
    /// The trait's method: `incr_gold`.
    pub rust_name: String,
    /// The client's method; differs where the client has a method of that name itself (`connect_`).
    pub client_method: String,
    /// The setter of the mock; differs for the same reason.
    pub mock_method: String,
    /// The associated stream type of a server-streaming rpc: `WatchStream`. Free within the trait.
    pub stream_name: String,
    /// `stream` before the request.
    pub client_streaming: bool,
    /// `stream` before the response.
    pub server_streaming: bool,
    /// The request type.
    pub request: TypeRef,
    /// The response type.
    pub response: TypeRef,
    /// The rpc's comment.
    pub doc: Doc,
    /// `option deprecated = true`.
    pub deprecated: bool,
    /// Where it is declared.
    pub position: Position,
}

/// A message with `due.push`. Never a nested message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Push {
    /// The message.
    pub message: TypeRef,
    /// The number on the wire.
    pub id: RouteId,
    /// The message's comment.
    pub doc: Doc,
    /// Where it is declared.
    pub position: Position,
}

/// A message that carries an application error in its own fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeCarrier {
    /// The message, nested ones too.
    pub message: TypeRef,
    /// The field with the code.
    pub code: CodeField,
    /// The field with the text, if one is marked.
    pub text: Option<TextField>,
}

/// The integer or enum field that is marked with `due.code`. Never repeated, never in a oneof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeField {
    /// The Rust field.
    pub rust_name: String,
    /// The field's Rust type without `Option`: `i32` (enums too), `i64`, `u32` or `u64`.
    pub rust_type: String,
    /// The enum's Rust path, if it is one.
    pub enum_path: Option<String>,
    /// Declared `optional`: the Rust field is an `Option`.
    pub optional: bool,
}

/// The string field that is marked with `due.code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TextField {
    /// The Rust field.
    pub rust_name: String,
    /// Declared `optional`: the Rust field is an `Option`.
    pub optional: bool,
}

/// A message type as request, response or push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeRef {
    /// Full proto name: `hello.v1.GreetRequest`.
    pub proto: String,
    /// Rust type, seen from the package's module: `GreetRequest`, `super::super::shared::v1::Item`, `::shared::v1::Item`, `()`.
    pub rust: String,
    /// The same, seen from a module inside the package's module.
    pub inner: String,
    /// `google.protobuf.Empty`.
    pub empty: bool,
    /// Whether this run generates the type (it is not from `extern_paths` or `google.protobuf`).
    pub local: bool,
}

/// One line of the route table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteEntry {
    /// The number on the wire.
    pub id: RouteId,
    /// Full name of the rpc or the pushed message.
    pub full_name: String,
    /// Whether it is a push.
    pub push: bool,
    /// Where it is declared.
    pub position: Position,
}

/// A comment of the proto, one space after `//` removed, without blank lines at its ends. Not yet fit for rustdoc.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Doc {
    /// The lines.
    pub lines: Vec<String>,
}

impl Doc {
    /// The first line, for `RouteSpec::doc` and one-line mentions.
    pub fn summary(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// A place in a `.proto`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// Import name of the file: `hello/v1/hello.proto`.
    pub file: String,
    /// Counts from 1.
    pub line: usize,
    /// In characters, counts from 1.
    pub column: usize,
}

/// A route id that exists is positive and fits the packet's route field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RouteId(i32);

impl RouteId {
    /// `width` is the packet's route field; ids are signed on the wire and positive here.
    pub fn new(raw: i32, width: RouteWidth) -> Result<Self, RouteIdError> {
        if raw <= 0 {
            return Err(RouteIdError::NotPositive { raw });
        }
        if raw > width.max() {
            return Err(RouteIdError::TooWide { raw, width });
        }
        Ok(Self(raw))
    }

    /// The number.
    pub fn get(self) -> i32 {
        self.0
    }
}

/// Why a number is no route id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteIdError {
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
pub enum RouteWidth {
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
    pub fn max(self) -> i32 {
        match self {
            Self::One => i8::MAX.into(),
            Self::Two => i16::MAX.into(),
            Self::Four => i32::MAX,
        }
    }

    /// The width of `bytes` bytes, if there is one.
    pub fn from_bytes(bytes: i64) -> Option<Self> {
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

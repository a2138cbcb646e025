//! tonic's server of a mesh service, over bytes: what the typed layer of `mesh/service.rs.j2` stands on.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;
use syn::{Item, ItemMod, parse_quote, parse_str, parse2};
use tonic_build::{CodeGenBuilder, Method, Service};

use crate::model::{MeshMethod, MeshService};
use crate::render::RenderError;

/// A way to call rpcs: tonic gets one method for each that a service uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Kind {
    call: &'static str,
    client_streaming: bool,
    server_streaming: bool,
}

impl Kind {
    /// The kinds among a service's rpcs.
    pub(crate) fn of(service: &MeshService) -> BTreeSet<Self> {
        let kind = |method: &MeshMethod| Self {
            call: method.call,
            client_streaming: method.client_streaming,
            server_streaming: method.server_streaming,
        };
        service.methods.iter().map(kind).collect()
    }
}

/// The module `rpc_server` with the trait `Rpc` and its server, in names that no schema can clash with.
pub(crate) fn server(service: &MeshService, due: &str) -> Result<String, RenderError> {
    let package = service.full_name.strip_suffix(&service.proto_name).unwrap_or_default().trim_end_matches('.');
    let bytes = Bytes {
        package: package.to_owned(),
        name: service.proto_name.clone(),
        methods: Kind::of(service).into_iter().map(|kind| BytesMethod::new(kind, due)).collect(),
    };
    let text = CodeGenBuilder::new().generate_default_stubs(true).generate_server(&bytes, "");
    let not_rust = |source| RenderError::NotRust { file: service.full_name.clone(), source };
    let mut module: ItemMod = parse2(text).map_err(not_rust)?;
    // tonic's output names `tonic` itself; this way a user's Cargo.toml need not.
    let due: syn::Path = parse_str(due).map_err(not_rust)?;
    let import: Item = parse_quote!(use #due::tonic;);
    if let Some((_, items)) = &mut module.content {
        items.insert(0, import);
    }
    Ok(quote!(#module).to_string())
}

/// The service as tonic-build sees it.
struct Bytes {
    package: String,
    name: String,
    methods: Vec<BytesMethod>,
}

impl Service for Bytes {
    type Comment = String;
    type Method = BytesMethod;

    fn name(&self) -> &str {
        "Rpc"
    }

    fn package(&self) -> &str {
        &self.package
    }

    fn identifier(&self) -> &str {
        &self.name
    }

    fn methods(&self) -> &[BytesMethod] {
        &self.methods
    }

    fn comment(&self) -> &[String] {
        &[]
    }
}

struct BytesMethod {
    kind: Kind,
    codec: String,
    bytes: syn::Result<TokenStream>,
}

impl BytesMethod {
    fn new(kind: Kind, due: &str) -> Self {
        let codec = format!("{due}::mesh::BytesCodec");
        Self { kind, codec, bytes: parse_str(&format!("{due}::Bytes")) }
    }
}

impl Method for BytesMethod {
    type Comment = String;

    fn name(&self) -> &str {
        self.kind.call
    }

    fn identifier(&self) -> &str {
        self.kind.call
    }

    fn codec_path(&self) -> &str {
        &self.codec
    }

    fn client_streaming(&self) -> bool {
        self.kind.client_streaming
    }

    fn server_streaming(&self) -> bool {
        self.kind.server_streaming
    }

    fn comment(&self) -> &[String] {
        &[]
    }

    fn request_response_name(&self, _: &str, _: bool) -> (TokenStream, TokenStream) {
        let bytes = self.bytes.clone().unwrap_or_else(|err| err.into_compile_error());
        (bytes.clone(), bytes)
    }
}

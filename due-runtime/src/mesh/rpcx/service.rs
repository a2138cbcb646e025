use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use tonic::{Request, Response, Status};

use super::status::{no_method, no_service};
use crate::codec::{decode_serde, encode_serde};
use crate::mesh::dispatch::RpcIndex;
use crate::mesh::rpcs::{Rpcs, Unary};
use crate::mesh::typed::{codec_of, status};
use crate::mesh::{Code, MeshError};

/// A service without a `.proto`: methods by their names, with serde types of your own.
///
/// In MessagePack, which clients of due send, a field goes by its name in serde, and a Go struct's by its name in Go:
/// `#[serde(rename = "UID")]`.
///
/// ```
/// use due::mesh::{Mesh, Request, rpcx};
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct IncrGold {
///     #[serde(rename = "UID")]
///     uid: i64,
///     #[serde(rename = "Gold")]
///     gold: i64,
/// }
/// #[derive(Serialize, Deserialize)]
/// struct Total {
///     #[serde(rename = "Gold")]
///     gold: i64,
/// }
///
/// let wallet = rpcx::Service::new("wallet", "Wallet").method("IncrGold", |request: Request<IncrGold>| async move {
///     let IncrGold { uid, gold } = request.into_inner();
///     Ok(Total { gold: uid + gold })
/// });
/// let mesh = Mesh::builder().serve_rpcx(wallet).build();
/// ```
#[must_use]
#[derive(Clone)]
pub struct Service {
    pub(in crate::mesh) name: &'static str,
    pub(in crate::mesh) methods: Methods,
}

/// The methods at one service path.
#[derive(Clone)]
pub(in crate::mesh) struct Methods {
    path: &'static str,
    methods: HashMap<&'static str, Unary>,
    /// The first method that was added twice.
    twice: Option<&'static str>,
}

impl Service {
    /// A service without methods: the name that `discovery://name` finds, and the service path of its calls.
    pub fn new(name: &'static str, path: &'static str) -> Self {
        Self { name, methods: Methods { path, methods: HashMap::new(), twice: None } }
    }

    /// Adds a method. A panic in it fails that call with `internal`. When the client's deadline is over, or the client is
    /// gone, the future is dropped, unless the call is oneway.
    pub fn method<Q, R, H, F>(mut self, name: &'static str, handler: H) -> Self
    where
        Q: DeserializeOwned + Send + 'static,
        R: serde::Serialize,
        H: Fn(Request<Q>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, Status>> + Send + 'static,
    {
        let call: Unary = Arc::new(move |request: Request<Bytes>| {
            let codec = codec_of(&request);
            let (metadata, extensions, body) = request.into_parts();
            let handling = decode_serde::<Q>(&codec, &body)
                .map(|message| handler(Request::from_parts(metadata, extensions, message)));
            Box::pin(async move {
                let response = handling.map_err(|err| status(Code::InvalidArgument, err))?.await?;
                let mut body = BytesMut::new();
                encode_serde(&response, &codec, &mut body).map_err(|err| status(Code::Internal, err))?;
                Ok(Response::new(body.freeze()))
            })
        });
        self.methods.add(name, call);
        self
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("name", &self.name).field("path", &self.methods.path).finish_non_exhaustive()
    }
}

impl Methods {
    /// Those of a generated service. Its streams have no form here.
    pub(in crate::mesh) fn of(rpcs: &Rpcs) -> Self {
        let mut methods = Self { path: rpcs.path, methods: HashMap::new(), twice: None };
        for (index, (path, kind)) in rpcs.rpcs.iter().enumerate() {
            let name = path.rsplit('/').next().unwrap_or(path);
            let call: Unary = if kind.ends_with("/unary") {
                let call = Arc::clone(&rpcs.call);
                Arc::new(move |mut request: Request<Bytes>| {
                    request.extensions_mut().insert(RpcIndex(index));
                    call(request)
                })
            } else {
                Arc::new(move |_| {
                    let status =
                        Status::unimplemented(format!("{path} is a stream, which rpcx does not have; gRPC does"));
                    Box::pin(async move { Err(status) })
                })
            };
            methods.add(name, call);
        }
        methods
    }

    fn add(&mut self, name: &'static str, call: Unary) {
        match self.methods.entry(name) {
            Entry::Vacant(entry) => drop(entry.insert(call)),
            Entry::Occupied(_) => self.twice = self.twice.or(Some(name)),
        }
    }
}

/// The services of one mesh, by their paths.
pub(in crate::mesh) struct Table(HashMap<&'static str, HashMap<&'static str, Unary>>);

impl Table {
    pub(in crate::mesh) fn new(services: Vec<Methods>) -> Result<Self, MeshError> {
        let mut table = HashMap::new();
        for Methods { path, methods, twice } in services {
            if let Some(method) = twice {
                return Err(MeshError::ServedTwice(method));
            }
            if table.insert(path, methods).is_some() {
                return Err(MeshError::ServedTwice(path));
            }
        }
        Ok(Self(table))
    }

    pub(super) fn find(&self, path: &str, method: &str) -> Result<Unary, Status> {
        let methods = self.0.get(path).ok_or_else(|| no_service(path))?;
        methods.get(method).cloned().ok_or_else(|| no_method(method))
    }
}

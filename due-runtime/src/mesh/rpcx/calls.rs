//! What a [`Channel`] does where an instance speaks rpcx.

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

use super::{Connection, Outgoing, metadata};
use crate::codec::Codec;
use crate::mesh::Transporter;
use crate::mesh::channel::{ATTEMPTS, Channel, NeverSent, Path};
use crate::mesh::pool;

impl Channel {
    pub(super) fn rpcx_codec(&self) -> &Codec {
        &self.rpcx.codec
    }

    /// The call of a generated client on a connection; `path` is gRPC's. A `grpc-timeout` that is shorter than what is left
    /// until the deadline goes before it.
    pub(in crate::mesh) async fn unary_over_rpcx(
        &self,
        connection: &Connection,
        path: &str,
        (metadata, body): (&MetadataMap, &Bytes),
        mut deadline: Instant,
    ) -> Result<Response<Bytes>, Status> {
        let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
        let path = self.rpcx.path.unwrap_or_else(|| service.rsplit('.').next().unwrap_or(service));
        if let Some(timeout) = metadata::timeout(metadata) {
            deadline = deadline.min(Instant::now() + timeout);
        }
        let call = Outgoing { path, method, metadata, body, is_oneway: false, settings: &self.rpcx };
        let left = deadline.saturating_duration_since(Instant::now());
        timeout_at(deadline, connection.deliver(call, left)).await.unwrap_or_else(|_| Err(self.late()))
    }

    /// The call of a client without a `.proto`, on whatever instance speaks rpcx. One that is oneway has no bytes for an
    /// answer.
    pub(super) async fn over_rpcx(
        &self,
        path: &str,
        method: &str,
        body: &Bytes,
        is_oneway: bool,
    ) -> Result<Bytes, Status> {
        let Path::Remote(pool) = &self.path else {
            return Err(Status::unimplemented("a local channel has no rpcx: give a generated client to it"));
        };
        let metadata = MetadataMap::new();
        let call = Outgoing { path, method, metadata: &metadata, body, is_oneway, settings: &self.rpcx };
        let deadline = Instant::now() + self.timeout;
        let calls = async {
            let mut attempt = 1;
            loop {
                let result = match pool.next(Some(Transporter::Rpcx)).await {
                    Ok((_, pool::Connection::Rpcx(connection))) => {
                        connection.deliver(call, deadline.saturating_duration_since(Instant::now())).await
                    }
                    Ok((_, pool::Connection::Grpc(_))) => {
                        Err(Status::internal("a connection of gRPC for a call of rpcx"))
                    }
                    Err(status) => Err(status),
                };
                match result {
                    Err(status) if attempt < ATTEMPTS && NeverSent::caused(&status) => attempt += 1,
                    result => return result.map(Response::into_inner),
                }
            }
        };
        timeout_at(deadline, calls).await.unwrap_or_else(|_| Err(self.late()))
    }
}

//! The mesh: coins, by gRPC or by rpcx, as etc.toml has it. This one only writes down what it is asked for, as the sample of 2023 does.

use due::mesh::{Request, Response, Status};

use crate::v1::{DecrCoinRequest, DecrCoinResponse, IncrCoinRequest, IncrCoinResponse, Wallet};

/// The mesh's service.
#[derive(Clone, Copy, Debug, Default)]
pub struct WalletService;

impl Wallet for WalletService {
    async fn incr_coin(&self, request: Request<IncrCoinRequest>) -> Result<Response<IncrCoinResponse>, Status> {
        let IncrCoinRequest { uid, coin } = request.into_inner();
        check(uid, coin)?;
        tracing::info!(uid, coin, "coins given");
        Ok(Response::new(IncrCoinResponse {}))
    }

    async fn decr_coin(&self, request: Request<DecrCoinRequest>) -> Result<Response<DecrCoinResponse>, Status> {
        let DecrCoinRequest { uid, coin } = request.into_inner();
        check(uid, coin)?;
        tracing::info!(uid, coin, "coins taken");
        Ok(Response::new(DecrCoinResponse {}))
    }
}

fn check(uid: i64, coin: i64) -> Result<(), Status> {
    if uid <= 0 {
        return Err(Status::invalid_argument(format!("{uid} is no user id: it must be positive")));
    }
    if coin <= 0 {
        return Err(Status::invalid_argument(format!("{coin} coins cannot be given or taken: it must be positive")));
    }
    Ok(())
}

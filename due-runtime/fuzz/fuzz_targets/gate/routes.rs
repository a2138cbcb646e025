use due::codec::RawBody;
use due::{Context, RouteId, Routes, Uid};

pub(super) const ECHO: RouteId = RouteId(1);
pub(super) const LATER: RouteId = RouteId(3);

pub(super) fn table() -> impl Routes {
    due::routes![echo, login, later, secret, join, leave]
}

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(2)]
async fn login(ctx: &mut Context, body: RawBody) -> due::Result<()> {
    let uid = body.0.first().copied().unwrap_or_default();
    Ok(ctx.bind(Uid(uid.into())).await?)
}

/// The answer comes from a task of its own.
#[due::route(3)]
async fn later(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    tokio::task::yield_now().await;
    Ok(body)
}

#[due::route(4, internal)]
async fn secret(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(5, authorized)]
async fn join(ctx: &mut Context, body: RawBody) -> due::Result<()> {
    let channel = String::from_utf8_lossy(&body.0);
    Ok(ctx.subscribe(&channel).await?)
}

#[due::route(6)]
async fn leave(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    ctx.unsubscribe("").await?;
    ctx.unbind().await?;
    Ok(body)
}

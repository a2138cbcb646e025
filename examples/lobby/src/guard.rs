//! What stands before the handlers: the codes that clients of 2023 know, and the login.

use std::marker::PhantomData;

use due::{Body, Bytes, Context, Error, Middleware, Next, Reply};

use crate::v1::{LoginCode, Unauthorized};

/// The codes of all responses: 0 is success, 1 is failed, 2 is the one thing that the client can do something about.
const LAST: i32 = 2;

/// Answers with code 1 what no code of this application says: a body that cannot be read, a server that is away. `R` is the
/// response of the route.
pub(crate) struct Failed<R>(PhantomData<fn() -> R>);

impl<R> Failed<R> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<R: Body> Middleware for Failed<R> {
    async fn handle(&self, ctx: &mut Context, body: Bytes, next: Next<'_>) -> due::Result<Reply> {
        match next.run(ctx, body).await {
            Ok(reply) if (0..=LAST).contains(&reply.code().0) => return Ok(reply),
            // The log has the error already.
            Ok(_) => {}
            Err(error) => tracing::debug!(route = %ctx.route(), %error, "refused"),
        }
        match R::from_error(&failed()) {
            Some(response) => ctx.reply(&response),
            None => Err(failed()),
        }
    }
}

/// Sends those away who have not logged in, with the push that clients of 2023 wait for. It lies inside of [`Failed`], which
/// answers what they asked.
pub(crate) async fn authorized(ctx: &mut Context, body: Bytes, next: Next<'_>) -> due::Result<Reply> {
    if ctx.uid().is_none() {
        ctx.push(&Unauthorized {})?;
        return Err(failed());
    }
    next.run(ctx, body).await
}

/// Code 1: it is the same in all responses.
pub(crate) fn failed() -> Error {
    Error::new(LoginCode::Failed, "failed")
}

/// Refuses texts that are empty where they must not be, or too long.
pub(crate) fn check(text: &str, bytes: std::ops::RangeInclusive<usize>) -> due::Result<()> {
    if bytes.contains(&text.len()) { Ok(()) } else { Err(failed()) }
}

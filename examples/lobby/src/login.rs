//! The login node: accounts, and what follows a login.

use std::sync::Arc;
use std::time::Duration;

use due::{Context, EventExt as _, NodeBuilder, NodeHandle, Routes as _, Uid};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::guard::{Failed, check};
use crate::passwords::Passwords;
use crate::store::{NewAccount, Store};
use crate::v1::{
    IncrCoinRequest, LOGIN_LOGIN, LOGIN_REGISTER, LoggedIn, Login, LoginCode, LoginRequest, LoginResponse, LoginRoutes,
    RegisterCode, RegisterRequest, RegisterResponse, WalletClient,
};

/// What every login is worth.
const COINS: i64 = 10;
/// How long a login waits for each of those who are told of it; it succeeds without them.
const PATIENCE: Duration = Duration::from_secs(2);

/// The node's service.
#[derive(Debug)]
pub struct LoginService {
    store: Arc<dyn Store>,
    passwords: Passwords,
    /// Made by the first login: clones of it share their connections.
    wallet: OnceCell<WalletClient>,
}

impl Login for LoginService {
    async fn register(&self, _ctx: &mut Context, request: RegisterRequest) -> due::Result<RegisterResponse> {
        let RegisterRequest { account, password, nickname, age } = request;
        check(&account, 1..=64)?;
        check(&password, 1..=128)?;
        check(&nickname, 0..=64)?;
        // Hashing is what costs: it is not done for names that are taken.
        if self.store.account(&account).await?.is_some() {
            return Err(exists());
        }
        let new = NewAccount { password_hash: self.passwords.hash(password).await?, nickname, age };
        let id = self.store.register(&account, &new).await?.ok_or_else(exists)?;
        Ok(RegisterResponse { id, account, ..RegisterResponse::default() })
    }

    async fn login(&self, ctx: &mut Context, request: LoginRequest) -> due::Result<LoginResponse> {
        let LoginRequest { account, password } = request;
        check(&account, 1..=64).and_then(|()| check(&password, 1..=128)).map_err(|_| wrong())?;
        let found = self.store.account(&account).await?;
        let (id, stored) = found.map_or((0, None), |found| (found.id, Some(found.password_hash)));
        if !self.passwords.verify(password, stored).await? {
            return Err(wrong());
        }
        ctx.bind(Uid(id.into())).await?;
        self.tell(ctx, LoggedIn { id, account: account.clone() }).await;
        Ok(LoginResponse { id, account, ..LoginResponse::default() })
    }
}

impl LoginService {
    /// Accounts of this store.
    pub fn new(store: Arc<dyn Store>, passwords: Passwords) -> Self {
        Self { store, passwords, wallet: OnceCell::new() }
    }

    /// The other servers, then the wallet. The user is in, whatever becomes of it.
    async fn tell(&self, ctx: &Context, login: LoggedIn) {
        let (id, uid) = (login.id, i64::from(login.id));
        match timeout(PATIENCE, login.publish_event(ctx.cluster())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(id, %error, "nobody hears of a login"),
            Err(_) => tracing::warn!(id, "nobody hears of a login: the event bus does not answer"),
        }
        let wallet = self.wallet.get_or_try_init(|| async {
            WalletClient::connect(ctx.cluster(), "discovery://wallet").await.map(|wallet| wallet.with_timeout(PATIENCE))
        });
        let wallet = match wallet.await {
            Ok(wallet) => wallet,
            Err(error) => return tracing::warn!(id, %error, "no wallet"),
        };
        if let Err(status) = wallet.incr_coin(IncrCoinRequest { uid, coin: COINS }).await {
            tracing::warn!(id, %status, "the coins of a login are not given");
        }
    }
}

/// Makes a node serve logins, and hear of those on all login nodes.
pub fn serve(node: NodeBuilder, service: LoginService) -> NodeBuilder {
    let routes = LoginRoutes::new(service)
        .layer_route(LOGIN_REGISTER, Failed::<RegisterResponse>::new())
        .layer_route(LOGIN_LOGIN, Failed::<LoginResponse>::new());
    node.serve(routes).on_start(listen)
}

async fn listen(node: NodeHandle) -> due::Result<()> {
    let mut logins = LoggedIn::subscribe(node.cluster()).await?;
    let listening = node.clone();
    node.spawn(async move {
        loop {
            let login = tokio::select! {
                login = logins.next() => login,
                () = listening.until_stopping() => None,
            };
            match login {
                Some(Ok(login)) => tracing::info!(id = login.id, "somebody has logged in"),
                Some(Err(error)) => tracing::warn!(%error, "an event on the topic of logins is none"),
                None => break,
            }
        }
    });
    Ok(())
}

fn exists() -> due::Error {
    due::Error::new(RegisterCode::AccountExists, "the account exists")
}

fn wrong() -> due::Error {
    due::Error::new(LoginCode::WrongAccountOrPassword, "wrong account or password")
}

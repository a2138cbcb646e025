//! Reads what another process counts.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::HOST;
use axum::http::{Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// For one process to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of the longest answer: some 100,000 figures.
const LONGEST: usize = 8 << 20;

#[derive(Debug, thiserror::Error)]
pub(super) enum ScrapeError {
    #[error("{0:?} is not http://IP:PORT/PATH")]
    Url(String),
    #[error("no connection")]
    Connect(#[from] io::Error),
    #[error("no answer in HTTP")]
    Http(#[from] hyper::Error),
    #[error("no answer within {PATIENCE:?}")]
    Late,
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer is cut off, or has more than {LONGEST} bytes")]
    Body(#[source] axum::Error),
    #[error("the answer is no text")]
    Text(#[from] std::string::FromUtf8Error),
}

/// The text at an address that an instance has noted in the registry. Names are not resolved, nothing but the path is said.
pub(super) async fn fetch(url: &str) -> Result<String, ScrapeError> {
    timeout(PATIENCE, get(url)).await.unwrap_or(Err(ScrapeError::Late))
}

async fn get(url: &str) -> Result<String, ScrapeError> {
    let no_url = || ScrapeError::Url(url.to_owned());
    let rest = url.strip_prefix("http://").ok_or_else(no_url)?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let addr: SocketAddr = host.parse().map_err(|_| no_url())?;
    let path = if path.is_empty() { "/" } else { path };
    let request = Request::get(path).header(HOST, host).body(Body::empty()).map_err(|_| no_url())?;

    let stream = TcpStream::connect(addr).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with this call.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(ScrapeError::Status(response.status()));
    }
    let body = to_bytes(Body::new(response.into_body()), LONGEST).await.map_err(ScrapeError::Body)?;
    Ok(String::from_utf8(body.into())?)
}

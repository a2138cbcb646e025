//! The page of `web/`, built and embedded, and where its gate is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use tokio::net::{TcpListener, ToSocketAddrs};

/// A page that listens for browsers.
#[derive(Debug)]
pub struct Page {
    listener: TcpListener,
    address: SocketAddr,
}

impl Page {
    /// Listens on `addr`; port 0 takes any free one.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for a browser on this machine.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{address}/")
    }

    /// Serves until `stop`, and then what has been asked for already.
    pub async fn serve(self, gate: SocketAddr, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        axum::serve(self.listener, router(gate)).with_graceful_shutdown(stop).await
    }
}

fn router(gate: SocketAddr) -> Router {
    let config = config(gate);
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../web/dist/index.html")))
        .route("/app.js", file("text/javascript; charset=utf-8", include_str!("../web/dist/app.js")))
        .route("/app.css", file("text/css; charset=utf-8", include_str!("../web/dist/app.css")))
        .route("/config.json", get(async move || ([(CONTENT_TYPE, "application/json")], config)))
        .fallback(async || (StatusCode::NOT_FOUND, "There is only one page here: /\n"))
        .layer(map_response(guarded))
}

/// `host` is null where the gate listens on every address of this machine: the page uses the one that it came from.
fn config(gate: SocketAddr) -> String {
    let host = match gate.ip() {
        ip if ip.is_unspecified() => "null".to_owned(),
        IpAddr::V4(ip) => format!("\"{ip}\""),
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    };
    format!("{{\"host\":{host},\"port\":{}}}\n", gate.port())
}

fn file(content_type: &'static str, body: &'static str) -> axum::routing::MethodRouter {
    get(async move || ([(CONTENT_TYPE, content_type)], body))
}

/// The page talks to its own origin and to the gate, whose host and port only the browser knows.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ws: wss:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-cache"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

//! The page over plain HTTP.

use std::net::SocketAddr;

use arena::Page;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn new(gate: &str) -> Self {
        let page = Page::bind("127.0.0.1:0").await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let address = page.address();
        let ended = tokio::spawn(page.serve(gate.parse().unwrap(), async { stopped.await.unwrap() }));
        Self { address, stop, ended }
    }

    /// Head, in small letters, and body of the answer.
    async fn ask(&self, request: &str) -> (String, String) {
        let mut browser = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: arena\r\nConnection: close\r\n\r\n");
        browser.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        browser.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }
}

#[tokio::test]
async fn every_file_has_its_type_and_what_guards_it() {
    let page = Served::new("127.0.0.1:3553").await;
    for (path, kind, begin) in [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/app.js", "text/javascript; charset=utf-8", ""),
        ("/app.css", "text/css; charset=utf-8", ":root"),
        ("/config.json", "application/json", "{"),
    ] {
        let (head, body) = page.ask(&format!("GET {path}")).await;
        assert!(head.starts_with("http/1.1 200 ok"), "{path}: {head}");
        for header in [
            format!("content-type: {kind}"),
            format!("content-length: {}", body.len()),
            "cache-control: no-cache".to_owned(),
            "content-security-policy: default-src 'none'; script-src 'self';".to_owned(),
            "x-content-type-options: nosniff".to_owned(),
        ] {
            assert!(head.contains(&header), "{path} has no {header}: {head}");
        }
        assert!(!body.is_empty() && body.starts_with(begin), "{path}: {body:.40}");
        let (head_alone, nothing) = page.ask(&format!("HEAD {path}")).await;
        let undated =
            |head: &str| head.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n");
        assert_eq!((undated(&head_alone), nothing), (undated(&head), String::new()), "{path}");
    }
    for (request, status) in [("GET /app.map", "404 not found"), ("GET /../Cargo.toml", "404"), ("POST /", "405")] {
        let (head, _) = page.ask(request).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{request}: {head}");
    }
}

#[tokio::test]
async fn the_page_is_told_where_its_gate_is() {
    for (gate, config) in [
        ("127.0.0.1:3553", "{\"host\":\"127.0.0.1\",\"port\":3553}\n"),
        ("[::1]:9", "{\"host\":\"[::1]\",\"port\":9}\n"),
        ("0.0.0.0:3553", "{\"host\":null,\"port\":3553}\n"),
    ] {
        assert_eq!(Served::new(gate).await.ask("GET /config.json").await.1, config);
    }
}

#[tokio::test]
async fn a_browser_that_stays_connected_holds_up_nothing() {
    let page = Served::new("127.0.0.1:3553").await;
    let mut browser = TcpStream::connect(page.address).await.unwrap();
    browser.write_all(b"GET /config.json HTTP/1.1\r\nHost: arena\r\n\r\n").await.unwrap();
    browser.read_u8().await.unwrap();
    page.stop.send(()).unwrap();
    page.ended.await.unwrap().unwrap();
}

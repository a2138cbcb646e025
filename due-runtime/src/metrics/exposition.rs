//! What this process counts, in the text format of Prometheus.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::advertise::reachable;
use crate::http::HttpServer;

/// Upper bounds of the histograms whose names end in `_seconds`.
const SECONDS: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Samples of histograms pile up until they are put into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);
pub(crate) const PATH: &str = "/metrics";
pub(crate) const MIME: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The program has installed another recorder, which has what servers count.
#[derive(Debug, thiserror::Error)]
#[error("another recorder is installed in this process: leave it out, or serve what it counts yourself")]
pub struct OtherRecorder(());

/// Renders what was counted since it was installed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Exposition {
    handle: PrometheusHandle,
}

impl Exposition {
    /// The recorder of this process, which is installed if there is none.
    pub(crate) fn install() -> Result<Self, OtherRecorder> {
        static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = &*installed {
            return Ok(Self { handle: handle.clone() });
        }
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS).expect("there are buckets");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| OtherRecorder(()))?;
        *installed = Some(handle.clone());
        Ok(Self { handle })
    }

    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }

    /// Keeps what waits to be rendered small, also while nobody asks for it.
    pub(crate) fn keep_up(&self) -> DropGuard {
        let (stop, handle) = (CancellationToken::new(), self.handle.clone());
        let until = stop.clone();
        tokio::spawn(async move {
            let mut ticks = interval(UPKEEP);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while until.run_until_cancelled(ticks.tick()).await.is_some() {
                handle.run_upkeep();
            }
        });
        stop.drop_guard()
    }
}

/// Serves [`PATH`] to whoever asks.
pub(crate) struct MetricsServer {
    server: HttpServer,
    url: String,
    _upkeep: DropGuard,
}

impl MetricsServer {
    pub(crate) async fn bind(addr: &str) -> io::Result<(TcpListener, std::net::SocketAddr)> {
        HttpServer::bind(addr).await
    }

    pub(crate) fn start((listener, addr): (TcpListener, std::net::SocketAddr), exposition: Exposition) -> Self {
        let url = format!("http://{}{PATH}", reachable(addr));
        let upkeep = exposition.keep_up();
        let text = move || std::future::ready(([(CONTENT_TYPE, MIME)], exposition.render()).into_response());
        let server = HttpServer::serve(listener, addr, Router::new().route(PATH, get(text)));
        tracing::info!(url, "metrics are served");
        Self { server, url, _upkeep: upkeep }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}

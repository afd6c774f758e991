//! Figures for Prometheus.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
    messages: IntCounterVec,
}

/// Counts a request as in flight until it is dropped.
pub struct InFlight(IntGauge);

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let opts = Opts::new("http_requests_total", "Requests that were answered");
        let requests = IntCounterVec::new(opts, &["route", "method", "status"])?;
        let opts = HistogramOpts::new("http_request_duration_seconds", "Time until the answer began");
        let seconds = HistogramVec::new(opts, &["route", "method"])?;
        let in_flight = IntGauge::new("http_requests_in_flight", "Requests without an answer yet")?;
        let opts = Opts::new("billing_messages_total", "Orders that the broker confirmed, or not");
        let messages = IntCounterVec::new(opts, &["outcome"])?;
        for outcome in ["published", "failed"] {
            messages.with_label_values(&[outcome]);
        }
        let registry = Registry::new();
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(messages.clone()))?;
        Ok(Self { registry, requests, seconds, in_flight, messages })
    }

    pub fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// `route` is the pattern, not the path: there are only so many.
    pub fn answered(&self, route: &str, method: &Method, status: StatusCode, elapsed: Duration) {
        let method = known(method);
        self.requests.with_label_values(&[route, method, status.as_str()]).inc();
        self.seconds.with_label_values(&[route, method]).observe(elapsed.as_secs_f64());
    }

    pub fn published(&self, confirmed: bool) {
        self.messages.with_label_values(&[if confirmed { "published" } else { "failed" }]).inc();
    }

    /// In the text format of Prometheus.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A client may invent methods; each would be a new time series.
fn known(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

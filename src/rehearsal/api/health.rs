//! Is the server well, and which one is it?

use http::StatusCode;
use serde_json::json;

use super::{Api, Phase, query::Query, reply};

/// Answers `/livez`, `/readyz` and `/healthz`.
pub(super) fn health(api: &Api, check: &str, query: &Query) -> reply::Reply {
    let ready = api.phase() == Phase::Ready || check == "livez";
    let (code, mark, verdict) = if ready {
        (StatusCode::OK, "[+]ping ok\n[+]rehearsal ok\n", "passed")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "[+]ping ok\n[-]rehearsal failed: starting\n", "failed")
    };
    if ready && !query.has("verbose") {
        return reply::text(code, "ok");
    }
    reply::text(code, format!("{mark}{check} check {verdict}\n"))
}

/// Answers `/version`.
pub(super) fn version(api: &Api) -> reply::Reply {
    let version = api.version();
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or("1"), numbers.next().unwrap_or("0"));
    reply::json(
        StatusCode::OK,
        &json!({
            "major": major, "minor": minor, "gitVersion": version, "gitCommit": "rehearsal", "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none: this is a rehearsal", "compiler": "rustc",
            "platform": "linux/amd64",
        }),
    )
}

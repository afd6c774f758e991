//! Keeps movies in PostgreSQL and serves them over HTTP.

mod api;
mod body;
mod environment;
mod link;
mod movie;
mod problem;
mod settings;
mod shutdown;
mod store;

use std::{future::pending, io, net::Ipv4Addr, process::ExitCode, sync::Arc};

use axum::{ServiceExt, extract::Request, serve::ListenerExt};
use settings::Settings;
use store::Store;
use tokio::{net::TcpListener, runtime::Builder, time::sleep};
use tower_http::normalize_path::NormalizePathLayer;
use tower_layer::Layer;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
    let settings = match Settings::read() {
        Ok(settings) => settings,
        Err(problems) => {
            error!("cannot start: {problems}");
            return ExitCode::from(2);
        }
    };
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("cannot serve: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> io::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(serve(settings));
    // Not dropped: that waits for a look-up of a name, which may take its time.
    runtime.shutdown_background();
    outcome
}

async fn serve(settings: Settings) -> io::Result<()> {
    let store = Arc::new(Store::new(settings.database));
    let router = NormalizePathLayer::trim_trailing_slash().layer(api::router(Arc::clone(&store)));
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, settings.port)).await?;
    info!("listening on {}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let server = axum::serve(listener, ServiceExt::<Request>::into_make_service(router));
    tokio::select! {
        result = server.with_graceful_shutdown(shutdown::asked()) => result,
        () = async { store.migrate().await; pending().await } => Ok(()),
        () = async { shutdown::asked().await; info!("asked to end"); sleep(shutdown::DRAIN).await } => {
            warn!("some requests did not end in time");
            Ok(())
        }
    }
}

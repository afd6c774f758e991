//! Takes orders from RabbitMQ and writes each of them once into PostgreSQL.

mod consumer;
mod environment;
mod health;
mod link;
mod message;
mod order;
mod orders;
mod settings;
mod shutdown;

use std::{io, net::Ipv4Addr, process::ExitCode, sync::Arc};

use consumer::{Consumer, stopped};
use orders::Orders;
use settings::Settings;
use tokio::{net::TcpListener, runtime::Builder, sync::watch, time::sleep};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // lapin tells each error as it passes it on: it is told once, by whom it reaches.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,lapin=off,sqlx=warn"));
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
    let consumer = Consumer::new(settings.broker, settings.queue);
    let billing = Arc::new((Orders::new(settings.database), consumer));
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, settings.port)).await?;
    info!("listening on {}", listener.local_addr()?);
    let (stop, stopped) = watch::channel(false);
    tokio::select! {
        result = axum::serve(listener, health::router(Arc::clone(&billing))) => result,
        () = work(&billing, stopped) => Ok(()),
        () = async { shutdown::asked().await; info!("asked to end"); stop.send_replace(true); sleep(shutdown::DRAIN).await } => {
            warn!("the last message was not done in time: the broker keeps it");
            Ok(())
        }
    }
}

/// Consumes once the table is there, until it is told to stop.
async fn work((orders, consumer): &(Orders, Consumer), stop: watch::Receiver<bool>) {
    tokio::select! {
        () = orders.migrate() => consumer.run(orders, &stop).await,
        () = stopped(&stop) => (),
    }
}

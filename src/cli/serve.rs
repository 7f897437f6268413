//! `tenure serve`: the server, from its configuration to its end.
//!
//! This is the edge: here, and nowhere below, stand the operating system's clock, its signals, and the runtime.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use super::serve_config::{LogFormat, Overrides, Settings};
use crate::engine::Engine;
use crate::model::SystemClock;
use crate::server;
use crate::store::rocks::{RocksDatabase, RocksOptions};

/// Serve the HTTP API.
///
/// Each setting is taken from its flag, else from its environment variable, else from the configuration file, else
/// it has its default. In the file a setting has the name of its flag, with underscores: `request_timeout_ms = 3000`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Read settings from this TOML file
    #[arg(long, value_name = "FILE", env = "TENURE_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Overrides,
}

/// Runs the server until it is told to stop (SIGINT, SIGTERM). 0: it stopped cleanly; 1: it failed; 2: it was called
/// or configured wrongly.
pub fn run(args: ServeArgs) -> ExitCode {
    let settings = match Settings::resolve(args.settings, args.config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => return fail(2, &error),
    };
    if let Err(error) = start_logging(&settings) {
        return fail(2, &error);
    }
    match serve(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

fn fail(code: u8, error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}

fn start_logging(settings: &Settings) -> Result<(), String> {
    let filter = EnvFilter::try_new(&settings.log)
        .map_err(|error| format!("`log` is no filter such as `info` or `tenure=debug,warn`: {error}"))?;
    // Logs go to stderr, so that stdout has the address only.
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match settings.log_format {
        LogFormat::Json => logs.json().flatten_event(true).with_span_list(false).init(),
        LogFormat::Text => logs.with_ansi(io::stderr().is_terminal()).init(),
    }
    Ok(())
}

fn serve(settings: &Settings) -> Result<(), String> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the runtime: {error}"))?;
    // First the address, which costs nothing to get back.
    let listener = runtime
        .block_on(TcpListener::bind(settings.listen))
        .map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?;
    let address = listener.local_addr().map_err(|error| format!("cannot listen: {error}"))?;
    let database = RocksDatabase::open(&settings.data, Arc::new(SystemClock), &RocksOptions::default())
        .map_err(|error| error.to_string())?;
    let engine = Arc::new(Engine::new(database, settings.evaluation));
    let outcome = runtime.block_on(until_stopped(listener, address, &engine, settings));
    end(runtime, settings);
    // Whatever was acknowledged is durable already; this makes the next start short.
    engine.database().close().map_err(|error| format!("cannot close the database: {error}"))?;
    info!("stopped");
    outcome
}

async fn until_stopped(
    listener: TcpListener,
    address: SocketAddr,
    engine: &Arc<Engine<RocksDatabase>>,
    settings: &Settings,
) -> Result<(), String> {
    let no_signals = |error: io::Error| format!("cannot wait for signals: {error}");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let stop = async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        info!(signal = name, "asked to stop");
    };
    let router = server::router(Arc::clone(engine), &settings.server);
    info!(%address, data = %settings.data.display(), "listening on http://{address}");
    // For scripts, which learn from it that the server answers, and on which port where 0 was asked for.
    println!("listening on http://{address}");
    server::serve(listener, router, &settings.server, stop).await;
    Ok(())
}

/// Ends what still runs after the grace period: an evaluation whose client is gone.
fn end(runtime: Runtime, settings: &Settings) {
    runtime.shutdown_timeout(settings.server.request_timeout);
}

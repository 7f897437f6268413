//! `tenure serve`: the server, from its configuration to its end.
//!
//! This is the edge: here, and nowhere below, stand the operating system's clock, its signals, and the runtime.

use std::fs::File;
use std::future;
use std::io::{self, IsTerminal, Write as _};
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{Subscriber, info, warn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use super::explain_tree;
use super::serve_config::{LogFormat, Overrides, Settings};
use super::serve_observation::DecisionLogSettings;
use super::serve_traces::{self, TraceSettings};
use crate::callers::Callers;
use crate::callers::oidc::Oidc;
use crate::engine::Engine;
use crate::model::SystemClock;
use crate::server::{self, DecisionLog, ServerConfig, Tls, TreeDrawing};
use crate::store::rocks::{RocksDatabase, RocksOptions};

/// How long an evaluation that runs is waited for when the server has to end at once.
const CUT_OFF_WAIT: Duration = Duration::from_millis(100);
/// How many connections the runtime takes requests from at a time. Its threads have room for 256; what does not fit goes where
/// those tasks wait that other threads wake, which are the answers to queries that took a turn, and these would wait too.
const REQUESTS_AT_A_TIME: usize = 8;
/// How many tasks a thread of the runtime runs at the most before it looks for those that other threads woke. By itself it
/// would let a hundred requests go first, and three times for each query.
const TASKS_BEFORE_ANSWERS: u32 = 4;

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
    let traces = match start_logging(&settings) {
        Ok(traces) => traces,
        Err(error) => return fail(2, &error),
    };
    // Where there is no database, there is no key in it; nothing is made in vain.
    if !RocksDatabase::exists(&settings.data)
        && settings.oidc.is_none()
        && let Err(error) = refuse_strangers(&settings, false)
    {
        return fail(2, &error);
    }
    let outcome = serve(&settings);
    if let Some(traces) = traces {
        serve_traces::end(&traces);
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

/// Refuses to serve whoever reaches the server from elsewhere, where nobody is asked who they are.
fn refuse_strangers(settings: &Settings, are_authenticated: bool) -> Result<(), String> {
    let Settings { listen, data, insecure_no_auth, .. } = settings;
    if are_authenticated || *insecure_no_auth || listen.ip().is_loopback() {
        return Ok(());
    }
    let data = data.display();
    Err(format!(
        "`listen` is {listen}, which other machines reach, and nobody is asked for a key since there is none; make one \
         with `tenure key create NAME --permissions read,check,write,model,admin,act-as --data {data}`, listen on 127.0.0.1 \
         or [::1], or accept it with --insecure-no-auth"
    ))
}

fn fail(code: u8, error: &str) -> ExitCode {
    // Where not even that can be written, the exit code has to do.
    drop(writeln!(io::stderr(), "error: {error}"));
    ExitCode::from(code)
}

/// Starts the log, and what collects the spans for traces, where they are to be sent.
fn start_logging(settings: &Settings) -> Result<Option<SdkTracerProvider>, String> {
    let filter = EnvFilter::try_new(&settings.log)
        .map_err(|error| format!("`log` is no filter such as `info` or `tenure=debug,warn`: {error}"))?;
    let provider = settings.traces.as_ref().map(TraceSettings::provider);
    match &provider {
        // Without traces there is one layer, which filters for all.
        None => tracing_subscriber::registry().with(filter).with(log(settings)).init(),
        Some(provider) => {
            let traces = serve_traces::layer(provider);
            tracing_subscriber::registry().with(log(settings).with_filter(filter)).with(traces).init();
        }
    }
    Ok(provider)
}

fn log<S>(settings: &Settings) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // Logs go to stderr, so that stdout has the address only. A line that cannot be written is lost: to complain of it on
    // stderr, as is the default, would end the process.
    let logs = tracing_subscriber::fmt::layer()
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .with_target(false);
    match settings.log_format {
        LogFormat::Json => logs.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => logs.with_ansi(io::stderr().is_terminal()).boxed(),
    }
}

fn serve(settings: &Settings) -> Result<(), String> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .max_io_events_per_tick(REQUESTS_AT_A_TIME)
        .global_queue_interval(TASKS_BEFORE_ANSWERS)
        .build();
    let runtime = runtime.map_err(|error| format!("cannot start the runtime: {error}"))?;
    // First the address, which costs nothing to get back.
    let listener = runtime
        .block_on(TcpListener::bind(settings.listen))
        .map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?;
    let address = listener.local_addr().map_err(|error| format!("cannot listen: {error}"))?;
    let tls = settings.tls.clone().map(Tls::load).transpose().map_err(|error| error.to_string())?;
    let tls = tls.map(Arc::new);
    let decisions = settings.decision_log.as_ref().map(open_decision_log).transpose()?;
    let drawing = TreeDrawing(explain_tree::drawn);
    let server =
        ServerConfig { decision_log: decisions.clone(), tree_drawing: drawing, ..settings.server.clone() };
    let settings = &Settings { server, ..settings.clone() };
    let database = RocksDatabase::open(&settings.data, Arc::new(SystemClock), &RocksOptions::default())
        .map_err(|error| error.to_string())?;
    let engine = Engine::new(database, settings.evaluation)
        .with_list_limits(settings.lists)
        .with_decision_cache(settings.decision_cache_bytes);
    let engine = Arc::new(engine);
    let callers = callers(engine.database(), settings)?;
    let outcome = runtime.block_on(until_stopped(listener, address, &engine, (callers, tls), settings));
    // Ends what still runs: an evaluation whose client is gone.
    runtime.shutdown_timeout(match outcome {
        Ok(Stopped::AtOnce) => CUT_OFF_WAIT,
        _ => settings.server.request_timeout,
    });
    // What was checked last is recorded, whatever still runs.
    engine.settle_checks();
    if let Some(decisions) = decisions {
        decisions.close();
    }
    // Whatever was acknowledged is durable already; this makes the next start short.
    engine.database().close().map_err(|error| format!("cannot close the database: {error}"))?;
    info!("stopped");
    outcome.map(drop)
}

/// Who may call. Whoever reaches the server from elsewhere has to say who they are, unless the settings say otherwise.
fn callers(database: &RocksDatabase, settings: &Settings) -> Result<Arc<Callers>, String> {
    let callers = Callers::load(database).map_err(|error| error.to_string())?;
    let callers = match settings.oidc.clone().filter(|_| !settings.insecure_no_auth) {
        Some(config) => {
            let oidc = Arc::new(Oidc::new(config));
            oidc.keep_renewed()?;
            callers.with_oidc(oidc)
        }
        None => callers,
    };
    let callers = if settings.insecure_no_auth { callers.insecure() } else { callers };
    refuse_strangers(settings, callers.are_authenticated())?;
    match (settings.insecure_no_auth, callers.keys().is_empty()) {
        (true, false) => warn!("insecure: there are keys, and nobody is asked for one (--insecure-no-auth)"),
        (true, true) => warn!("insecure: nobody is asked for a key (--insecure-no-auth)"),
        (false, _) => {}
    }
    Ok(Arc::new(callers))
}

fn open_decision_log(settings: &DecisionLogSettings) -> Result<DecisionLog, String> {
    let DecisionLogSettings { path, sample } = settings;
    DecisionLog::open(path, *sample)
        .map_err(|error| format!("cannot open the decision log `{}`: {error}", path.display()))
}

/// How the server was stopped.
enum Stopped {
    /// Open requests were finished, or the grace period ended.
    InTime,
    /// It was asked a second time.
    AtOnce,
}

/// What asks the server to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

async fn until_stopped(
    listener: TcpListener,
    address: SocketAddr,
    engine: &Arc<Engine<RocksDatabase>>,
    (callers, tls): (Arc<Callers>, Option<Arc<Tls>>),
    settings: &Settings,
) -> Result<Stopped, String> {
    let mut signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let (asked, again) = oneshot::channel();
    let stop = async move {
        let name = signals.next().await;
        info!(signal = name, "asked to stop; once more ends it at once");
        // Nobody waits for the next one only where the server has stopped already.
        drop(asked.send(signals));
    };
    let second = async move {
        match again.await {
            Ok(mut signals) => signals.next().await,
            Err(_) => future::pending().await,
        }
    };
    let mut hang_up =
        signal(SignalKind::hangup()).map_err(|error| format!("cannot wait for signals: {error}"))?;
    let decisions = settings.server.decision_log.clone();
    // Taken where there is nothing to open anew as well: it would end the process, and a reload must not.
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            if let Some(decisions) = &decisions {
                decisions.reopen();
            }
        }
    });
    tell(address, settings, callers.are_authenticated());
    let api = server::api(Arc::clone(engine), &settings.server, callers);
    tokio::select! {
        () = server::serve(listener, api, &settings.server, tls, stop) => Ok(Stopped::InTime),
        name = second => {
            warn!(signal = name, "asked to stop again; open requests are cut off");
            Ok(Stopped::AtOnce)
        }
    }
}

/// Says that the server answers: to whoever reads the log, under which settings; to scripts, on which port, where 0 was
/// asked for.
fn tell(address: SocketAddr, settings: &Settings, are_authenticated: bool) {
    let (server, evaluation) = (&settings.server, &settings.evaluation);
    info!(
        version = env!("CARGO_PKG_VERSION"),
        %address,
        data = %settings.data.display(),
        request_timeout_ms = server.request_timeout.as_millis(),
        body_bytes_max = server.body_bytes_max,
        concurrent_requests_max = server.concurrent_requests_max,
        evaluation_depth_max = evaluation.depth_max,
        evaluation_reads_max = evaluation.reads_max,
        decision_cache_bytes = settings.decision_cache_bytes,
        tls = settings.tls.is_some(),
        authentication = match (are_authenticated, &settings.oidc) {
            (false, _) => "none",
            (true, None) => "keys",
            (true, Some(_)) => "keys and oidc",
        },
        "started"
    );
    if are_authenticated && settings.tls.is_none() && !address.ip().is_loopback() {
        warn!(
            "without TLS whoever sees the network sees the tokens of callers; give --tls-cert and --tls-key, or have a \
               proxy on this machine end TLS"
        );
    }
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    if let Err(error) = print(&format!("listening on {scheme}://{address}\n")) {
        warn!(%error, "cannot write the address to stdout");
    }
}

/// Writes to stdout past its buffer, which would keep what cannot be written and fail with it again at the end.
fn print(text: &str) -> io::Result<()> {
    File::from(io::stdout().as_fd().try_clone_to_owned()?).write_all(text.as_bytes())
}

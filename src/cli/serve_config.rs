//! The settings of `tenure serve`, and where each is taken from: its flag, else its environment variable, else the
//! configuration file, else its default.

use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use tracing_subscriber::filter::LevelFilter;

use super::listen_address;
use super::serve_observation::{self, DecisionLogSettings};
use super::serve_traces::TraceSettings;
use crate::callers::CallerLimits;
use crate::callers::oidc::{IssuerUrlError, OidcConfig};
use crate::cooperation::AccessRecordOptions;
use crate::model::StoreId;
use crate::model::limits::{CALLER_LIMIT_MAX, DECISION_CACHE_BYTES_DEFAULT, EvaluationLimits, ListLimits};
use crate::server::{BaseUrl, CorsOrigins, HostNames, ServerConfig, TlsFiles};

/// Where the server listens, if nothing says otherwise.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
/// Most requests, watches, connections and results that can be allowed.
const COUNT_MAX: usize = 1_000_000;
/// Longest time between two heartbeats of a watch that can be set: an hour.
const HEARTBEAT_MS_MAX: u64 = 3_600_000;
/// Most of the access record that can be left to a crash: a minute.
const RECORD_DELAY_MS_MAX: u64 = 60_000;
/// Longest time that the access record can be kept: a hundred years.
const RECORD_DAYS_MAX: u64 = 36_500;
/// The claim that lists the stores, if nothing says otherwise.
const STORES_CLAIM_DEFAULT: &str = "tenure_stores";
/// What is logged, if nothing says otherwise.
const LOG_DEFAULT: &str = "info";

/// What a flag, an environment variable or the file may set. A name unknown to the file is refused.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Directory of the database; made if it does not exist. Required
    #[arg(long, value_name = "DIR", env = "TENURE_DATA")]
    data: Option<PathBuf>,

    /// Address and port; port 0 takes a free one, which is printed [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "TENURE_LISTEN")]
    listen: Option<String>,

    /// Ask nobody for a token, even where other machines reach the server or there are keys [default: false]
    #[arg(long, env = "TENURE_INSECURE_NO_AUTH", num_args = 0..=1, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    insecure_no_auth: Option<bool>,

    /// Speak TLS with the certificate in this PEM file, and those behind it; read again when it changes
    #[arg(long, value_name = "FILE", env = "TENURE_TLS_CERT")]
    tls_cert: Option<PathBuf>,

    /// Private key of that certificate, a PEM file
    #[arg(long, value_name = "FILE", env = "TENURE_TLS_KEY")]
    tls_key: Option<PathBuf>,

    /// Serve only clients with a certificate that is signed by one in this PEM file [default: any client]
    #[arg(long, value_name = "FILE", env = "TENURE_TLS_CLIENT_CA")]
    tls_client_ca: Option<PathBuf>,

    /// Take tokens of this OpenID Connect issuer, such as https://issuer.example, too [default: none]
    #[arg(long, value_name = "URL", env = "TENURE_OIDC_ISSUER")]
    oidc_issuer: Option<String>,

    /// Audience that those tokens must be for
    #[arg(long, value_name = "NAME", env = "TENURE_OIDC_AUDIENCE")]
    oidc_audience: Option<String>,

    /// Claim of those tokens that lists the stores that they are for, or is `*` for all [default: tenure_stores]
    #[arg(long, value_name = "CLAIM", env = "TENURE_OIDC_STORES_CLAIM")]
    oidc_stores_claim: Option<String>,

    /// Origins whose web pages may call, separated by commas, such as https://app.example; * for any [default: none]
    #[arg(long, value_name = "ORIGINS", env = "TENURE_CORS_ORIGINS", value_delimiter = ',')]
    cors_origins: Option<Vec<String>>,

    /// Names that the server may be called by while it asks nobody for a key, separated by commas, beside addresses, localhost,
    /// and the names in --listen and --authzen-base-url; * for any, as where it listens for other machines [default: its own]
    #[arg(long, value_name = "NAMES", env = "TENURE_ALLOWED_HOSTS", value_delimiter = ',')]
    allowed_hosts: Option<Vec<String>>,

    /// What is logged: a level (error, warn, info, debug, trace), or a filter by part of the program [default: info]
    #[arg(long, value_name = "FILTER", env = "TENURE_LOG")]
    log: Option<String>,

    /// Form of the log, which goes to stderr [default: text]
    #[arg(long, value_name = "FORMAT", env = "TENURE_LOG_FORMAT")]
    log_format: Option<LogFormat>,

    /// Longest time for a request, in milliseconds [default: 3000]
    #[arg(long, value_name = "MS", env = "TENURE_REQUEST_TIMEOUT_MS", value_parser = milliseconds)]
    request_timeout_ms: Option<u64>,

    /// Longest time for a streamed list, in milliseconds [default: 60000]
    #[arg(long, value_name = "MS", env = "TENURE_STREAM_TIMEOUT_MS", value_parser = milliseconds)]
    stream_timeout_ms: Option<u64>,

    /// Largest request body, in bytes [default: 616448]
    #[arg(long, value_name = "BYTES", env = "TENURE_BODY_BYTES_MAX")]
    body_bytes_max: Option<usize>,

    /// Most requests served at once; one more is answered 429 [default: 1024]
    #[arg(long, value_name = "COUNT", env = "TENURE_CONCURRENT_REQUESTS_MAX")]
    concurrent_requests_max: Option<usize>,

    /// Most queries at once that take longer than a moment, such as lists and batches; others wait for a short while, and
    /// are answered 429 where more keeps coming than is done [default: as many as there are processors]
    #[arg(long, value_name = "COUNT", env = "TENURE_QUERIES_AT_ONCE")]
    queries_at_once: Option<usize>,

    /// Most requests of one key, or of one identity of the issuer, in a second; one more is answered 429. Keys may have
    /// limits of their own [default: any number]
    #[arg(long, value_name = "COUNT", env = "TENURE_KEY_REQUESTS_PER_SECOND")]
    key_requests_per_second: Option<u32>,

    /// Most requests of one key, or of one identity of the issuer, under way at once, streams included; one more is
    /// answered 429 [default: any number]
    #[arg(long, value_name = "COUNT", env = "TENURE_KEY_CONCURRENT_REQUESTS")]
    key_concurrent_requests: Option<u32>,

    /// Most open connections; one more waits [default: 10000]
    #[arg(long, value_name = "COUNT", env = "TENURE_CONNECTIONS_MAX")]
    connections_max: Option<usize>,

    /// Longest time for a client to send a request's head, and for a connection to be idle, in milliseconds [default:
    /// 30000]
    #[arg(long, value_name = "MS", env = "TENURE_HEADER_READ_TIMEOUT_MS", value_parser = milliseconds)]
    header_read_timeout_ms: Option<u64>,

    /// Longest time that a query waits for the `at_least_revision` that it asks for, in milliseconds; two thirds of the
    /// longest time for a request at the most [default: 2000]
    #[arg(long, value_name = "MS", env = "TENURE_REVISION_WAIT_MS", value_parser = milliseconds)]
    revision_wait_ms: Option<u64>,

    /// Most open watches; one more is answered 429 [default: 1000]
    #[arg(long, value_name = "COUNT", env = "TENURE_WATCHES_MAX")]
    watches_max: Option<usize>,

    /// Longest time that a watch is silent: then it sends a heartbeat, in milliseconds [default: 15000]
    #[arg(long, value_name = "MS", env = "TENURE_WATCH_HEARTBEAT_MS", value_parser = milliseconds)]
    watch_heartbeat_ms: Option<u64>,

    /// Longest time for open requests when the server stops, in milliseconds [default: 10000]
    #[arg(long, value_name = "MS", env = "TENURE_GRACE_PERIOD_MS", value_parser = milliseconds)]
    grace_period_ms: Option<u64>,

    /// Store that the AuthZEN paths without one, such as /access/v1/evaluation, ask [default: none]
    #[arg(long, value_name = "ID", env = "TENURE_AUTHZEN_STORE")]
    authzen_store: Option<String>,

    /// Where clients reach the server, such as https://tenure.example, for AuthZEN's configuration document [default: the
    /// host that a client names]
    #[arg(long, value_name = "URL", env = "TENURE_AUTHZEN_BASE_URL")]
    authzen_base_url: Option<String>,

    /// Directory in which `tenure backup create` has the server make backups [default: none]
    #[arg(long, value_name = "DIR", env = "TENURE_BACKUP_DIR")]
    backup_dir: Option<PathBuf>,

    /// How many backups are kept there, the last ones [default: all]
    #[arg(long, value_name = "COUNT", env = "TENURE_BACKUPS_KEPT")]
    backups_kept: Option<usize>,

    /// How much of the access record a crash may lose, in milliseconds [default: 1000]
    #[arg(long, value_name = "MS", env = "TENURE_ACCESS_RECORD_DELAY_MS", value_parser = milliseconds)]
    access_record_delay_ms: Option<u64>,

    /// How long the access record is kept, in days [default: 548]
    #[arg(long, value_name = "DAYS", env = "TENURE_ACCESS_RECORD_DAYS")]
    access_record_days: Option<u64>,

    /// How long the records of commands are kept, in days [default: for ever]
    #[arg(long, value_name = "DAYS", env = "TENURE_COMMAND_RECORD_DAYS")]
    command_record_days: Option<u64>,

    /// How long a check may take before it is logged as slow, with the tree of what it looked at, in milliseconds; 0 logs
    /// none [default: 1000]
    #[arg(long, value_name = "MS", env = "TENURE_SLOW_CHECK_MS", value_parser = milliseconds)]
    slow_check_ms: Option<u64>,

    /// File that decisions are logged into, a line of JSON for each check; opened anew at SIGHUP [default: none]
    #[arg(long, value_name = "FILE", env = "TENURE_DECISION_LOG")]
    decision_log: Option<PathBuf>,

    /// Part of the decisions that is logged: 1 all, 0.01 one in a hundred [default: 1]
    #[arg(long, value_name = "PART", env = "TENURE_DECISION_LOG_SAMPLE")]
    decision_log_sample: Option<f64>,

    /// Collector that traces are sent to, by OTLP over HTTP, such as http://127.0.0.1:4318 [default: none]
    #[arg(long, value_name = "URL", env = "TENURE_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,

    /// Part of the requests that is traced where the client's own trace does not say: 1 all, 0.01 one in a hundred
    /// [default: 1]
    #[arg(long, value_name = "PART", env = "TENURE_OTLP_SAMPLE")]
    otlp_sample: Option<f64>,

    /// Longest chain of tuples that an evaluation follows, in hops [default: 25]
    #[arg(long, value_name = "HOPS", env = "TENURE_EVALUATION_DEPTH_MAX")]
    evaluation_depth_max: Option<u32>,

    /// Most point reads, scans and scanned entries of one evaluation [default: 1000000]
    #[arg(long, value_name = "READS", env = "TENURE_EVALUATION_READS_MAX")]
    evaluation_reads_max: Option<u64>,

    /// Most point reads, scans and scanned entries of one list [default: 10000000]
    #[arg(long, value_name = "READS", env = "TENURE_LIST_READS_MAX")]
    list_reads_max: Option<u64>,

    /// Most results of a list that is not streamed [default: 10000]
    #[arg(long, value_name = "COUNT", env = "TENURE_LIST_RESULTS_MAX")]
    list_results_max: Option<usize>,

    /// Memory for decisions that are kept, in bytes; 0 keeps none [default: 268435456]
    #[arg(long, value_name = "BYTES", env = "TENURE_DECISION_CACHE_BYTES")]
    decision_cache_bytes: Option<usize>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Directory of the database.
    pub data: PathBuf,
    /// Address and port.
    pub listen: SocketAddr,
    /// Whether callers are asked for nothing, wherever they are and whatever keys there are.
    pub insecure_no_auth: bool,
    /// How connections are secured; `None`: they are not.
    pub tls: Option<TlsFiles>,
    /// Whose tokens are taken beside keys; `None`: nobody's.
    pub oidc: Option<OidcConfig>,
    /// What is logged.
    pub log: String,
    /// In which form.
    pub log_format: LogFormat,
    /// Where traces go.
    pub traces: Option<TraceSettings>,
    /// The server's limits.
    pub server: ServerConfig,
    /// Where decisions are logged.
    pub decision_log: Option<DecisionLogSettings>,
    /// What one evaluation may cost.
    pub evaluation: EvaluationLimits,
    /// What one list may cost.
    pub lists: ListLimits,
    /// Memory for decisions that are kept, in bytes; 0: none are.
    pub decision_cache_bytes: usize,
}

impl Settings {
    /// Puts together what flags and environment (`given`) and the file say. An error is one line that names the
    /// setting.
    pub fn resolve(given: Overrides, file: Option<&Path>) -> Result<Self, String> {
        let set = match file {
            Some(path) => given.or(read(path)?),
            None => given,
        };
        let data = set.data.filter(|path| !path.as_os_str().is_empty());
        let data =
            data.ok_or("no data directory is given; set --data DIR, TENURE_DATA, or `data` in the file")?;
        let listen = set.listen.as_deref().map_or(Ok(LISTEN_DEFAULT), listen_address::resolve)?;
        let authzen_base_url = set.authzen_base_url.map(base_url).transpose()?;
        let own_names = [
            set.listen.as_deref().and_then(listen_address::name),
            authzen_base_url.as_ref().map(BaseUrl::host),
        ];
        let host_names = host_names(set.allowed_hosts, listen, own_names.into_iter().flatten())?;
        let (server, evaluation) = (ServerConfig::default(), EvaluationLimits::default());
        let lists = ListLimits::default();
        let origins = set.cors_origins.iter().flatten().map(String::as_str);
        let cors_origins = CorsOrigins::parse(origins).map_err(|error| format!("`cors_origins`: {error}"))?;
        let concurrent = set.concurrent_requests_max.unwrap_or(server.concurrent_requests_max);
        let queries_at_once = set.queries_at_once.unwrap_or(server.queries_at_once);
        let connections = set.connections_max.unwrap_or(server.connections_max);
        let watches = set.watches_max.unwrap_or(server.watches_max);
        let body_bytes = set.body_bytes_max.unwrap_or(server.body_bytes_max);
        let depth = set.evaluation_depth_max.unwrap_or(evaluation.depth_max);
        let reads = set.evaluation_reads_max.unwrap_or(evaluation.reads_max);
        let list_reads = set.list_reads_max.unwrap_or(lists.reads_max);
        let list_results = set.list_results_max.unwrap_or(lists.results_max);
        Ok(Self {
            data,
            listen,
            insecure_no_auth: set.insecure_no_auth.unwrap_or(false),
            oidc: oidc(set.oidc_issuer, set.oidc_audience, set.oidc_stores_claim)?,
            tls: tls(set.tls_cert, set.tls_key, set.tls_client_ca)?,
            log: log_filter(set.log.unwrap_or_else(|| LOG_DEFAULT.to_owned()))?,
            log_format: set.log_format.unwrap_or_default(),
            traces: TraceSettings::resolve(set.otlp_endpoint, set.otlp_sample)?,
            server: ServerConfig {
                cors_origins,
                host_names,
                body_bytes_max: positive("body_bytes_max", body_bytes, "byte")?,
                request_timeout: timeout(
                    "request_timeout_ms",
                    set.request_timeout_ms,
                    server.request_timeout,
                )?,
                stream_timeout: timeout("stream_timeout_ms", set.stream_timeout_ms, server.stream_timeout)?,
                concurrent_requests_max: count("concurrent_requests_max", concurrent)?,
                queries_at_once: count("queries_at_once", queries_at_once)?,
                caller_limits: CallerLimits {
                    requests_per_second: limit("key_requests_per_second", set.key_requests_per_second)?,
                    concurrent_requests: limit("key_concurrent_requests", set.key_concurrent_requests)?,
                },
                connections_max: count("connections_max", connections)?,
                header_read_timeout: timeout(
                    "header_read_timeout_ms",
                    set.header_read_timeout_ms,
                    server.header_read_timeout,
                )?,
                revision_wait: set.revision_wait_ms.map_or(server.revision_wait, Duration::from_millis),
                watches_max: count("watches_max", watches)?,
                watch_heartbeat: heartbeat(set.watch_heartbeat_ms)?.unwrap_or(server.watch_heartbeat),
                grace_period: set.grace_period_ms.map_or(server.grace_period, Duration::from_millis),
                authzen_store: set.authzen_store.map(store_id).transpose()?,
                authzen_base_url,
                backup_directory: set.backup_dir,
                backups_kept: set.backups_kept.map(|kept| count("backups_kept", kept)).transpose()?,
                access_record: access_record(
                    set.access_record_delay_ms,
                    set.access_record_days,
                    set.command_record_days,
                )?,
                slow_check: serve_observation::slow_check(set.slow_check_ms, server.slow_check)?,
                // What is opened is opened at the start.
                ..ServerConfig::default()
            },
            decision_log: serve_observation::decision_log(set.decision_log, set.decision_log_sample)?,
            evaluation: EvaluationLimits {
                depth_max: positive("evaluation_depth_max", depth, "hop")?,
                reads_max: positive("evaluation_reads_max", reads, "read")?,
                ..evaluation
            },
            lists: ListLimits {
                reads_max: positive("list_reads_max", list_reads, "read")?,
                results_max: count("list_results_max", list_results)?,
                ..lists
            },
            decision_cache_bytes: set.decision_cache_bytes.unwrap_or(DECISION_CACHE_BYTES_DEFAULT),
        })
    }
}

/// An issuer signs tokens for many; without an audience, whoever has one for something else would be known here.
fn oidc(
    issuer: Option<String>,
    audience: Option<String>,
    stores_claim: Option<String>,
) -> Result<Option<OidcConfig>, String> {
    match (issuer, audience.filter(|audience| !audience.is_empty())) {
        (Some(issuer), Some(audience)) => {
            let issuer = issuer.parse().map_err(|error: IssuerUrlError| format!("`oidc_issuer`: {error}"))?;
            let stores_claim = stores_claim.unwrap_or_else(|| STORES_CLAIM_DEFAULT.to_owned());
            Ok(Some(OidcConfig { issuer, audience, stores_claim }))
        }
        (Some(_), None) => Err("`oidc_issuer` is given; expected `oidc_audience` as well".to_owned()),
        (None, None) if stores_claim.is_none() => Ok(None),
        (None, _) => Err("`oidc_issuer` is missing; expected it beside `oidc_audience`".to_owned()),
    }
}

/// A certificate and its key belong together, and clients show theirs only where the server does.
fn tls(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
) -> Result<Option<TlsFiles>, String> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key, client_ca })),
        (None, None) if client_ca.is_none() => Ok(None),
        (None, None) => Err("`tls_client_ca` is given; expected `tls_cert` and `tls_key` as well".to_owned()),
        (Some(_), None) => Err("`tls_cert` is given; expected `tls_key` as well".to_owned()),
        (None, Some(_)) => Err("`tls_key` is given; expected `tls_cert` as well".to_owned()),
    }
}

/// The names that the server may be called by: those that were set and its own. Where it listens for other machines and asks
/// nobody for a key, the operator has said that whoever reaches it may do everything, by whatever name it has for them.
fn host_names<'a>(
    set: Option<Vec<String>>,
    listen: SocketAddr,
    own: impl Iterator<Item = &'a str>,
) -> Result<HostNames, String> {
    let names = match set {
        None if !listen.ip().is_loopback() => HostNames::Any,
        set => HostNames::parse(set.iter().flatten().map(String::as_str))
            .map_err(|error| format!("`allowed_hosts`: {error}"))?,
    };
    Ok(own.fold(names, HostNames::and))
}

/// What cannot be less than one, since nothing at all could be done then.
fn positive<N: Default + PartialEq + Display>(name: &str, value: N, unit: &str) -> Result<N, String> {
    if value == N::default() {
        return Err(format!("`{name}` is {value}; expected at least 1 {unit}"));
    }
    Ok(value)
}

fn store_id(text: String) -> Result<StoreId, String> {
    text.parse().map_err(|()| {
        format!("`authzen_store` is `{text}`; expected the id of a store, as `tenure store list` shows it")
    })
}

fn base_url(text: String) -> Result<BaseUrl, String> {
    text.parse().map_err(|error| format!("`authzen_base_url`: {error}"))
}

/// A number of requests, watches, connections or results.
fn count(name: &str, value: usize) -> Result<usize, String> {
    match value {
        1..=COUNT_MAX => Ok(value),
        value => Err(format!("`{name}` is {value}; expected 1 to {COUNT_MAX}")),
    }
}

/// A limit of each caller.
fn limit(name: &str, value: Option<u32>) -> Result<Option<NonZeroU32>, String> {
    let Some(value) = value else { return Ok(None) };
    let limit = NonZeroU32::new(value).filter(|limit| limit.get() <= CALLER_LIMIT_MAX);
    limit.map(Some).ok_or_else(|| format!("`{name}` is {value}; expected 1 to {CALLER_LIMIT_MAX}"))
}

fn timeout(name: &str, value: Option<u64>, default: Duration) -> Result<Duration, String> {
    value.map_or(Ok(default), |ms| positive(name, ms, "millisecond").map(Duration::from_millis))
}

/// A watch must not be silent for so long that nobody can tell it from one that is broken.
fn heartbeat(ms: Option<u64>) -> Result<Option<Duration>, String> {
    match ms {
        None => Ok(None),
        Some(ms @ 1..=HEARTBEAT_MS_MAX) => Ok(Some(Duration::from_millis(ms))),
        Some(ms) => Err(format!("`watch_heartbeat_ms` is {ms}; expected 1 to {HEARTBEAT_MS_MAX}")),
    }
}

fn access_record(
    delay_ms: Option<u64>,
    access_days: Option<u64>,
    command_days: Option<u64>,
) -> Result<AccessRecordOptions, String> {
    let default = AccessRecordOptions::default();
    let delay = match delay_ms {
        None => default.delay,
        Some(ms @ 0..=RECORD_DELAY_MS_MAX) => Duration::from_millis(ms),
        Some(ms) => {
            return Err(format!("`access_record_delay_ms` is {ms}; expected 0 to {RECORD_DELAY_MS_MAX}"));
        }
    };
    let retention = record_days("access_record_days", access_days)?.unwrap_or(default.retention);
    let command_retention = record_days("command_record_days", command_days)?;
    Ok(AccessRecordOptions { delay, retention, command_retention })
}

fn record_days(name: &str, days: Option<u64>) -> Result<Option<Duration>, String> {
    match days {
        None => Ok(None),
        Some(days @ 1..=RECORD_DAYS_MAX) => Ok(Some(Duration::from_secs(days * 24 * 3600))),
        Some(days) => Err(format!("`{name}` is {days}; expected 1 to {RECORD_DAYS_MAX}")),
    }
}

/// A duration on the command line or in the environment.
fn milliseconds(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number of milliseconds, such as 3000 for 3 seconds".to_owned())
}

impl Overrides {
    fn or(self, other: Self) -> Self {
        Self {
            data: self.data.or(other.data),
            listen: self.listen.or(other.listen),
            insecure_no_auth: self.insecure_no_auth.or(other.insecure_no_auth),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            tls_client_ca: self.tls_client_ca.or(other.tls_client_ca),
            oidc_issuer: self.oidc_issuer.or(other.oidc_issuer),
            oidc_audience: self.oidc_audience.or(other.oidc_audience),
            oidc_stores_claim: self.oidc_stores_claim.or(other.oidc_stores_claim),
            cors_origins: self.cors_origins.or(other.cors_origins),
            allowed_hosts: self.allowed_hosts.or(other.allowed_hosts),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
            request_timeout_ms: self.request_timeout_ms.or(other.request_timeout_ms),
            stream_timeout_ms: self.stream_timeout_ms.or(other.stream_timeout_ms),
            body_bytes_max: self.body_bytes_max.or(other.body_bytes_max),
            concurrent_requests_max: self.concurrent_requests_max.or(other.concurrent_requests_max),
            queries_at_once: self.queries_at_once.or(other.queries_at_once),
            key_requests_per_second: self.key_requests_per_second.or(other.key_requests_per_second),
            key_concurrent_requests: self.key_concurrent_requests.or(other.key_concurrent_requests),
            connections_max: self.connections_max.or(other.connections_max),
            header_read_timeout_ms: self.header_read_timeout_ms.or(other.header_read_timeout_ms),
            revision_wait_ms: self.revision_wait_ms.or(other.revision_wait_ms),
            watches_max: self.watches_max.or(other.watches_max),
            watch_heartbeat_ms: self.watch_heartbeat_ms.or(other.watch_heartbeat_ms),
            grace_period_ms: self.grace_period_ms.or(other.grace_period_ms),
            authzen_store: self.authzen_store.or(other.authzen_store),
            authzen_base_url: self.authzen_base_url.or(other.authzen_base_url),
            backup_dir: self.backup_dir.or(other.backup_dir),
            backups_kept: self.backups_kept.or(other.backups_kept),
            access_record_delay_ms: self.access_record_delay_ms.or(other.access_record_delay_ms),
            access_record_days: self.access_record_days.or(other.access_record_days),
            command_record_days: self.command_record_days.or(other.command_record_days),
            slow_check_ms: self.slow_check_ms.or(other.slow_check_ms),
            decision_log: self.decision_log.or(other.decision_log),
            decision_log_sample: self.decision_log_sample.or(other.decision_log_sample),
            otlp_endpoint: self.otlp_endpoint.or(other.otlp_endpoint),
            otlp_sample: self.otlp_sample.or(other.otlp_sample),
            evaluation_depth_max: self.evaluation_depth_max.or(other.evaluation_depth_max),
            evaluation_reads_max: self.evaluation_reads_max.or(other.evaluation_reads_max),
            list_reads_max: self.list_reads_max.or(other.list_reads_max),
            list_results_max: self.list_results_max.or(other.list_results_max),
            decision_cache_bytes: self.decision_cache_bytes.or(other.decision_cache_bytes),
        }
    }
}

/// A word alone is a level, or a typing error: as the name of a part of the program it would turn all else off.
fn log_filter(filter: String) -> Result<String, String> {
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let words = filter.split(',').map(str::trim);
    match words.into_iter().find(|word| !word.contains(['=', '[']) && !is_level(word)) {
        Some(word) => Err(format!(
            "`log` has `{word}`, which is no level; expected off, error, warn, info, debug or trace, or parts of the \
             program with their levels, such as `tenure=debug,warn`"
        )),
        None => Ok(filter),
    }
}

fn read(path: &Path) -> Result<Overrides, String> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot read the configuration file `{shown}`: {error}"))?;
    toml::from_str(&text).map_err(|error| {
        // The message alone does not always name the setting; the line that it is about does.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let number = before.matches('\n').count();
        let line = text.lines().nth(number).unwrap_or_default().trim();
        let number = number.saturating_add(1);
        format!("the configuration file `{shown}` is wrong in line {number}, `{line}`: {}", error.message())
    })
}

//! What an operator may tune about the server, each with its unit and default. Where it comes from (flags, the
//! environment, a file) is the command line's business.

use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use super::base_url::BaseUrl;
use super::hosts::HostNames;
use super::observation::{DecisionLog, TreeDrawing};
use super::origins::CorsOrigins;
use crate::callers::CallerLimits;
use crate::cooperation::AccessRecordOptions;
use crate::model::StoreId;
use crate::model::limits::BODY_BYTES_MAX;

/// The server's limits. What one evaluation may cost is the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The web pages that may call.
    pub cors_origins: CorsOrigins,
    /// The names that it may be called by while nobody is asked who they are.
    pub host_names: HostNames,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Longest time from a request's head to its answer.
    pub request_timeout: Duration,
    /// Longest time that a list which is streamed may take, its reader's slowness included.
    pub stream_timeout: Duration,
    /// Most requests that are served at once; one more is turned away.
    pub concurrent_requests_max: usize,
    /// Queries at once that take longer than a moment: lists, batches, explanations, large checks.
    pub queries_at_once: usize,
    /// How much each caller may ask that has no limits of its own.
    pub caller_limits: CallerLimits,
    /// Most open connections; one more waits.
    pub connections_max: usize,
    /// Longest time that a client may take for a request's head, and that a connection may be idle.
    pub header_read_timeout: Duration,
    /// Longest time that a query waits for the revision that it asks for; never more than two thirds of `request_timeout`.
    pub revision_wait: Duration,
    /// Most open watches; one more is turned away.
    pub watches_max: usize,
    /// Longest time that a watch is silent.
    pub watch_heartbeat: Duration,
    /// Longest time that open requests are given when the server stops.
    pub grace_period: Duration,
    /// The store that AuthZEN's paths ask where they name none.
    pub authzen_store: Option<StoreId>,
    /// Where clients reach the server, for AuthZEN's configuration document.
    pub authzen_base_url: Option<BaseUrl>,
    /// Where backups are made; none are where it is not set.
    pub backup_directory: Option<PathBuf>,
    /// How many backups are kept, the last ones; all where it is not set.
    pub backups_kept: Option<usize>,
    /// How the checks that concern a cooperation are recorded.
    pub access_record: AccessRecordOptions,
    /// A check that takes longer is logged as slow; `None`: none is.
    pub slow_check: Option<Duration>,
    /// How the tree of a slow check is written into the log.
    pub tree_drawing: TreeDrawing,
    /// Where decisions are logged.
    pub decision_log: Option<DecisionLog>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            cors_origins: CorsOrigins::None,
            host_names: HostNames::default(),
            body_bytes_max: BODY_BYTES_MAX,
            request_timeout: Duration::from_millis(3_000),
            stream_timeout: Duration::from_millis(60_000),
            concurrent_requests_max: 1_024,
            queries_at_once: available_parallelism().map_or(1, NonZero::get),
            caller_limits: CallerLimits::default(),
            connections_max: 10_000,
            header_read_timeout: Duration::from_millis(30_000),
            revision_wait: Duration::from_millis(2_000),
            watches_max: 1_000,
            watch_heartbeat: Duration::from_millis(15_000),
            grace_period: Duration::from_millis(10_000),
            authzen_store: None,
            authzen_base_url: None,
            backup_directory: None,
            backups_kept: None,
            access_record: AccessRecordOptions::default(),
            slow_check: Some(Duration::from_millis(1_000)),
            tree_drawing: TreeDrawing::default(),
            decision_log: None,
        }
    }
}

//! Accepting connections, and stopping gracefully.
//!
//! HTTP/1.1 only, with TLS too: without it no client of OpenFGA speaks anything else, and telling the versions apart would
//! mean to wait for bytes from a client with no bound on the time.

use std::future;
use std::io;
use std::net::IpAddr;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tower::ServiceExt;
use tracing::{debug, info, warn};

use super::api::Api;
use super::config::ServerConfig;
use super::tls::{HANDSHAKE_MAX, RELOADED_EVERY, Tls};
use crate::model::limits::HEAD_BYTES_MAX;

/// Wait after an accept that failed for want of resources, such as file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// How long a reader may take for the end of its stream when the server stops.
const STREAM_END_WAIT: Duration = Duration::from_millis(500);

/// The connection of a request, as far as a stream has to do with it. Every request that came over one has this among
/// its extensions.
#[derive(Debug, Clone)]
pub(super) struct Connection(Arc<OfConnection>);

#[derive(Debug)]
struct OfConnection {
    /// Where it comes from; a proxy's own address, where one is between.
    address: Option<IpAddr>,
    /// Closed when the server stops.
    running: watch::Receiver<()>,
    /// Whether a stream is being sent.
    streams: AtomicBool,
}

/// A stream that is being sent.
pub(super) struct Streaming(Connection);

impl Connection {
    fn new(address: Option<IpAddr>, running: watch::Receiver<()>) -> Self {
        Self(Arc::new(OfConnection { address, running, streams: AtomicBool::new(false) }))
    }

    /// Where it comes from.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// Whether the server stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.0.running.has_changed().is_err()
    }

    /// Waits until the server stops.
    pub(super) async fn stopping(&self) {
        let mut running = self.0.running.clone();
        while running.changed().await.is_ok() {}
    }

    /// A stream begins, which will not end by itself. When the server stops it has to; if its reader does not even take
    /// its end, the connection is cut off.
    pub(super) fn stream(self) -> Streaming {
        self.0.streams.store(true, Ordering::Relaxed);
        Streaming(self)
    }

    /// Waits until there is no more time for a stream. Any other request has the whole grace period.
    async fn overdue(self) {
        self.stopping().await;
        tokio::time::sleep(STREAM_END_WAIT).await;
        if !self.0.streams.load(Ordering::Relaxed) {
            future::pending().await
        }
    }
}

impl Deref for Streaming {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.0.streams.store(false, Ordering::Relaxed);
    }
}

/// Serves `api` on `listener`, by `tls` where that is given, until `stop` completes; then accepts no more, ends streams,
/// lets open requests finish for the grace period of `config`, and returns.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    config: &ServerConfig,
    tls: Option<Arc<Tls>>,
    stop: impl Future<Output = ()>,
) {
    let renewing = tls.clone().map(|tls| tokio::spawn(renew(tls)));
    let connections = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(config.connections_max));
    let (running, while_running) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, permit)) => {
                let address = stream.peer_addr().ok().map(|address| address.ip());
                let connection = Connection::new(address, while_running.clone());
                let opened = Opened { stream, permit, about: connection };
                connect(opened, tls.as_deref(), &api, config, connections.watcher());
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    drop(running);
    if let Some(renewing) = renewing {
        renewing.abort();
    }
    info!(connections = connections.count(), "stopping");
    if timeout(config.grace_period, connections.shutdown()).await.is_err() {
        warn!("the grace period ended with requests open; they are cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// Looks again and again whether the certificate has changed.
async fn renew(tls: Arc<Tls>) {
    loop {
        tokio::time::sleep(RELOADED_EVERY).await;
        let tls = Arc::clone(&tls);
        // It ends by a panic at the worst, which the log has; the certificate stays as it is.
        drop(spawn_blocking(move || tls.reload()).await);
    }
}

/// A connection that was accepted.
struct Opened {
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    about: Connection,
}

fn connect(opened: Opened, tls: Option<&Tls>, api: &Api, config: &ServerConfig, watcher: Watcher) {
    let Opened { stream, permit, about } = opened;
    // Answers are small; waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "cannot set TCP_NODELAY");
    }
    let told = about.clone();
    let service = api.clone().map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(told.clone());
        request
    });
    let service = TowerToHyperService::new(service);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.header_read_timeout)
        // It takes 100 headers at the most. To name another number costs an allocation for each request.
        .max_buf_size(HEAD_BYTES_MAX);
    let Some(acceptor) = tls.map(Tls::acceptor) else {
        let connection = watcher.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(drive(connection, about, permit));
        return;
    };
    // The handshake waits for the client: never where others are accepted.
    tokio::spawn(async move {
        let secured = tokio::select! {
            secured = timeout(HANDSHAKE_MAX, acceptor.accept(stream)) => secured,
            () = about.stopping() => return,
        };
        match secured {
            Ok(Ok(stream)) => {
                let connection = watcher.watch(http.serve_connection(TokioIo::new(stream), service));
                drive(connection, about, permit).await;
            }
            Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
            Err(_) => debug!("a TLS handshake took too long"),
        }
    });
}

/// Serves one connection to its end.
async fn drive(
    connection: impl Future<Output = hyper::Result<()>>,
    about: Connection,
    permit: OwnedSemaphorePermit,
) {
    tokio::select! {
        outcome = connection => {
            if let Err(error) = outcome {
                debug!(%error, "a connection ended early");
            }
        }
        () = about.overdue() => debug!("a stream was cut off, as its reader did not take its end"),
    }
    drop(permit);
}

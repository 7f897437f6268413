//! One connection to the server that is loaded: a request at a time, kept alive, made anew when it breaks.
//!
//! HTTP/1.1 without a pool and without redirects, so that a request costs the client as little as it can and what is
//! measured is the server. Bodies come ready made. What an answer means is not known here.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::cli::client::ANSWER_BYTES_MAX;

/// Where requests go, and what stands in the head of each.
#[derive(Debug)]
pub struct Target {
    /// `HOST:PORT`.
    address: String,
    headers: HeaderMap,
    /// Longest time that one request may take.
    pub timeout: Duration,
}

/// Why a request was not answered. The text is the kind under which it is counted.
#[derive(Debug, Error)]
pub enum SendError {
    /// Nobody takes the connection.
    #[error("cannot connect: {0}")]
    Connect(io::ErrorKind),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection ended before the answer.
    #[error("connection broken")]
    Broken,
}

/// An answer.
#[derive(Debug)]
pub struct Received {
    /// HTTP status.
    pub status: u16,
    /// Whether the server says that there may be more results.
    pub partial: bool,
    /// The body.
    pub body: Bytes,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    target: Arc<Target>,
    /// `None` where the next request makes it.
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Target {
    /// The server at `server`, an address that the command line has taken; `None` where it has no host or a header cannot
    /// be one.
    pub fn new(server: &str, authorization: Option<&str>, timeout: Duration) -> Option<Self> {
        let uri: Uri = server.parse().ok()?;
        let authority = uri.authority()?;
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(authority.as_str()).ok()?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).ok()?);
        }
        let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        Some(Self { address, headers, timeout })
    }
}

impl Connection {
    /// A connection that is made by its first request, or by [`open`](Self::open).
    pub fn new(target: Arc<Target>) -> Self {
        Self { target, sender: None }
    }

    /// Makes the connection where there is none. Only within a set of local tasks.
    pub async fn open(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, SendError> {
        let usable = self.sender.take().filter(|sender| !sender.is_closed());
        let sender = match usable {
            Some(sender) => sender,
            None => {
                let connect = TcpStream::connect(&self.target.address);
                let stream = timeout(self.target.timeout, connect).await.map_err(|_| SendError::Timeout)?;
                let stream = stream.map_err(|error| SendError::Connect(error.kind()))?;
                stream.set_nodelay(true).map_err(|error| SendError::Connect(error.kind()))?;
                let shaken = http1::handshake(TokioIo::new(stream)).await;
                let (sender, connection) = shaken.map_err(|_| SendError::Broken)?;
                // It ends with the sender; an error of it is the sender's, too.
                spawn_local(async move { drop(connection.await) });
                sender
            }
        };
        Ok(self.sender.insert(sender))
    }

    /// Posts `body` to `path` and waits for the whole answer.
    pub async fn post(&mut self, path: &Uri, body: Bytes) -> Result<Received, SendError> {
        let limit = self.target.timeout;
        let outcome = timeout(limit, self.exchange(path, body)).await.unwrap_or(Err(SendError::Timeout));
        if outcome.is_err() {
            // Whatever comes over it yet belongs to this request.
            self.sender = None;
        }
        outcome
    }

    async fn exchange(&mut self, path: &Uri, body: Bytes) -> Result<Received, SendError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.clone();
        *request.headers_mut() = self.target.headers.clone();
        let sender = self.open().await?;
        sender.ready().await.map_err(|_| SendError::Broken)?;
        let (head, body) = sender.send_request(request).await.map_err(|_| SendError::Broken)?.into_parts();
        let limit = usize::try_from(ANSWER_BYTES_MAX).unwrap_or(usize::MAX);
        let body = Limited::new(body, limit).collect().await.map_err(|_| SendError::Broken)?;
        let partial = head.headers.contains_key("tenure-partial");
        Ok(Received { status: head.status.as_u16(), partial, body: body.to_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_port_and_the_key() {
        let target = Target::new("http://127.0.0.1", Some("Bearer k"), Duration::from_secs(1)).unwrap();
        assert_eq!(target.address, "127.0.0.1:80");
        assert_eq!(target.headers[AUTHORIZATION], "Bearer k");
        assert_eq!(target.headers[HOST], "127.0.0.1");
        let target = Target::new("http://[::1]:8080", None, Duration::from_secs(1)).unwrap();
        assert_eq!(target.address, "[::1]:8080");
        assert!(target.headers.get(AUTHORIZATION).is_none());
        assert!(Target::new("http://x", Some("a\nb"), Duration::from_secs(1)).is_none());
    }
}

//! The HTTP client that every command which talks to a server shares.
//!
//! Blocking, one request at a time, each with a time limit. It knows paths, headers and errors; what an answer means
//! stands with the command that asked. It must never print.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use ureq::Agent;
use ureq::http::request::Builder;
use ureq::http::{Request, StatusCode, Uri};
use ureq::tls::{Certificate, PemItem, parse_pem};

use crate::callers::trust;
use crate::cooperation::EntityId;
use crate::model::StoreId;

/// Longest answer that is taken, in bytes: far more than any page or tree, far less than the memory.
pub const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Most requests that one command has under way at once.
pub const PARALLEL_MAX: usize = 64;

/// Where the server is and how to speak with it.
#[derive(Debug, Clone, Args)]
pub struct ConnectionArgs {
    /// Address of the server
    #[arg(long, env = "TENURE_SERVER", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    #[arg(value_parser = server_address, help_heading = "Server")]
    pub server: String,
    /// Key to authenticate with, sent as `Authorization: Bearer`
    #[arg(long, env = "TENURE_TOKEN", value_name = "KEY", hide_env_values = true, help_heading = "Server")]
    pub token: Option<String>,
    /// PEM file of the certificates that a server with https is trusted by [default: those of this machine]
    #[arg(long, env = "TENURE_CA_FILE", value_name = "FILE", value_parser = certificates, help_heading = "Server")]
    pub ca_file: Option<Certificates>,
    /// Longest time that one request may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, help_heading = "Server")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout_s: u64,
}

/// A server, and how its answers are shown.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Where it is.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print the server's answers as they are, one JSON document a line
    #[arg(long, help_heading = "Server")]
    pub json: bool,
}

impl ConnectionArgs {
    /// The value of the header `Authorization`, where there is a key.
    pub fn authorization(&self) -> Option<String> {
        let token = self.token.as_deref().filter(|token| !token.is_empty());
        token.map(|token| format!("Bearer {token}"))
    }
}

/// Certificates that servers are trusted by.
#[derive(Debug, Clone)]
pub struct Certificates(Arc<Vec<Certificate<'static>>>);

/// Reads a file of certificates, for clap.
fn certificates(path: &str) -> Result<Certificates, String> {
    let pem = fs::read(path).map_err(|error| error.to_string())?;
    let items = parse_pem(&pem).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let certificate = |item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    let found: Vec<_> = items.into_iter().filter_map(certificate).collect();
    if found.is_empty() {
        Err("expected certificates in PEM, found none".to_owned())
    } else {
        Ok(Certificates(Arc::new(found)))
    }
}

/// A server, and the store to work on.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Store to work on, by its id
    #[arg(long, env = "TENURE_STORE", value_name = "ID", value_parser = store_id, help_heading = "Server")]
    pub store: StoreId,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// A server and a store, for commands that move many tuples and show none of the server's answers.
#[derive(Debug, Clone, Args)]
pub struct TransferArgs {
    /// Store to work on, by its id
    #[arg(long, env = "TENURE_STORE", value_name = "ID", value_parser = store_id, help_heading = "Server")]
    pub store: StoreId,
    /// Which server.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Reads the id of a store, for clap.
pub fn store_id(text: &str) -> Result<StoreId, String> {
    text.parse().map_err(|()| {
        "not the id of a store: 26 upper-case characters, as `tenure store list` shows them".to_owned()
    })
}

/// Reads the address of a server, for clap. Checked before anything is sent, so that a key never goes elsewhere.
fn server_address(text: &str) -> Result<String, String> {
    let expected = "expected http://HOST:PORT or https://HOST:PORT";
    let address: Uri = text.parse().map_err(|error| format!("{error}; {expected}"))?;
    match (address.scheme_str(), address.query()) {
        (Some("http" | "https"), None) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err(expected.to_owned()),
    }
}

/// Whether an address that [`server_address`] took is spoken to by TLS.
pub fn is_secured(server: &str) -> bool {
    server.parse().is_ok_and(|address: Uri| address.scheme_str() == Some("https"))
}

/// Whether an address that [`server_address`] took is one of this machine alone.
fn is_loopback(server: &str) -> bool {
    let address: Option<Uri> = server.parse().ok();
    let host = address.as_ref().and_then(Uri::host).unwrap_or_default();
    let number: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    number.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |number| number.is_loopback())
}

/// Why a request was not answered as hoped.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens there, or not on this path.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// No answer in time.
    #[error("{server} did not answer within {seconds} s")]
    Slow {
        /// The server's address.
        server: String,
        /// The time limit.
        seconds: u64,
    },
    /// The server refused or failed.
    #[error("{code}: {message} (HTTP {status})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The code of the API.
        code: String,
        /// The message of the API.
        message: String,
    },
    /// The answer is not one of this API.
    #[error("{server} answered with something that is not of this API: {reason}")]
    Foreign {
        /// The server's address.
        server: String,
        /// What was expected.
        reason: String,
    },
}

impl ClientError {
    /// The code of the API, where the server refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Unreachable { .. } | Self::Slow { .. } | Self::Foreign { .. } => None,
        }
    }

    /// Whether it may go better later, with nothing changed.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Slow { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Foreign { .. } => false,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => Some(
                "is the server running? start one with `tenure serve --data DIR`, or name another with --server",
            ),
            Self::Refused { status: 401, .. } => {
                Some("give the token of a key with --token or TENURE_TOKEN; `tenure key create` makes one")
            }
            Self::Refused { code, .. } if code == "store_id_not_found" => {
                Some("`tenure store list` shows the stores; name one with --store or TENURE_STORE")
            }
            Self::Refused { code, .. } if code == "latest_authorization_model_not_found" => Some(
                "write a model with `tenure model write FILE`, or is it another store? `tenure store list` shows them",
            ),
            Self::Refused { code, .. } if code == "actor_required" => {
                Some("say who does it with `--as USER`")
            }
            Self::Refused { code, .. } if code == "confirmation_required" => {
                Some("if that organization is meant, run the same command with `--confirm ORGANIZATION`")
            }
            Self::Refused { code, .. } if code == "cooperation_model_missing" => {
                Some("write the model with `tenure model write schema/cooperation.fga`")
            }
            Self::Slow { .. } => Some("raise the limit with --timeout-s"),
            Self::Refused { .. } | Self::Foreign { .. } => None,
        }
    }
}

/// An answer of the server: JSON text, or nothing.
#[derive(Debug)]
pub struct Answer {
    /// The body as it came.
    pub body: String,
    /// Whether the server says that there may be more results.
    pub partial: bool,
    /// The revision that it is of, where the server says that.
    pub revision: Option<u64>,
    server: String,
}

impl Answer {
    /// Reads the body.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.body)
            .map_err(|error| ClientError::Foreign { server: self.server.clone(), reason: error.to_string() })
    }
}

/// One page of a list.
pub trait Page: DeserializeOwned {
    /// Where the next page begins; empty after the last one.
    fn continuation_token(&self) -> &str;
}

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    server: String,
    authorization: Option<String>,
    /// Who acts: `user:id`.
    actor: Option<String>,
    timeout_s: u64,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    message: String,
}

impl Client {
    /// A client of this server. Sends nothing yet.
    pub fn new(args: &ServerArgs) -> Self {
        Self::connecting(&args.connection)
    }

    /// A client with these settings. Sends nothing yet.
    pub fn connecting(args: &ConnectionArgs) -> Self {
        let mut config = Agent::config_builder();
        if is_loopback(&args.server) {
            // A proxy would look for the server on its own machine.
            config = config.proxy(None);
        }
        if is_secured(&args.server) {
            config = config
                .tls_config(trust::tls(args.ca_file.as_ref().map(|Certificates(given)| Arc::clone(given))));
        }
        let config = config
            .timeout_global(Some(Duration::from_secs(args.timeout_s)))
            .http_status_as_error(false)
            // A key must not follow a redirect to another host.
            .max_redirects(0)
            // As many threads may write at once.
            .max_idle_connections_per_host(PARALLEL_MAX)
            .user_agent(concat!("tenure-cli/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.new_agent(),
            server: args.server.clone(),
            authorization: args.authorization(),
            actor: None,
            timeout_s: args.timeout_s,
        }
    }

    /// The same, acting for a user.
    #[must_use]
    pub fn acting_as(self, user: Option<&EntityId>) -> Self {
        Self { actor: user.map(|id| format!("user:{id}")), ..self }
    }

    /// Asks for `path`, which begins with `/`. Entries of `query` without a value are left out.
    pub fn get(&self, path: &str, query: &[(&str, Option<&str>)]) -> Result<Answer, ClientError> {
        self.send("GET", &target(path, query), None)
    }

    /// Asks for a page of at most `size` things behind a continuation token; an empty one is the first page's.
    pub fn page(
        &self,
        path: &str,
        filter: &[(&str, Option<&str>)],
        size: usize,
        token: &str,
    ) -> Result<Answer, ClientError> {
        let token = Some(token).filter(|token| !token.is_empty());
        let size = size.to_string();
        self.get(path, &[filter, &[("page_size", Some(&*size)), ("continuation_token", token)]].concat())
    }

    /// Asks for a stream of events, behind the one of the id `after` where that is given. It may be silent for as long as
    /// one request may take; longer, and it is taken for broken.
    pub fn stream(
        &self,
        path: &str,
        query: &[(&str, Option<&str>)],
        after: Option<&str>,
    ) -> Result<impl io::Read + use<>, ClientError> {
        let mut request = self.request("GET", &target(path, query)).header("Accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        let request = request.body(()).map_err(|error| self.failure(error.into()))?;
        let silence = Some(Duration::from_secs(self.timeout_s));
        let request = self.agent.configure_request(request);
        let request = request.timeout_global(None).timeout_connect(silence);
        let request = request.timeout_recv_response(silence).timeout_per_read(silence);
        let mut answer = self.agent.run(request.build()).map_err(|error| self.failure(error))?;
        let status = answer.status();
        if !status.is_success() {
            let body = answer.body_mut().read_to_string().map_err(|error| self.failure(error))?;
            return Err(self.refusal(status, &body));
        }
        Ok(answer.into_body().into_reader())
    }

    /// Posts `body` as JSON to `path`.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.send("POST", path, Some(body))
    }

    /// Puts `body` as JSON to `path`.
    pub fn put(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.send("PUT", path, Some(body))
    }

    /// Changes what is at `path` by what `body` names.
    pub fn patch(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.send("PATCH", path, Some(body))
    }

    /// Deletes `path`.
    pub fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.send("DELETE", path, None)
    }

    fn request(&self, method: &str, target: &str) -> Builder {
        let address = format!("{}{target}", self.server);
        let mut request =
            Request::builder().method(method).uri(address.as_str()).header("Tenure-Strict", "true");
        if let Some(actor) = &self.actor {
            request = request.header("Tenure-Actor", actor);
        }
        match &self.authorization {
            Some(authorization) => request.header("Authorization", authorization),
            None => request,
        }
    }

    fn send(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Answer, ClientError> {
        let request = self.request(method, target);
        let answer = match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json").body(body.to_string());
                self.agent.run(request.map_err(|error| self.failure(error.into()))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| self.failure(error.into()))?),
        };
        let mut answer = answer.map_err(|error| self.failure(error))?;
        let status = answer.status();
        let partial = answer.headers().contains_key("Tenure-Partial");
        let revision = answer.headers().get("Tenure-Revision");
        let revision = revision.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let body = body.map_err(|error| self.failure(error))?;
        if status.is_success() {
            Ok(Answer { body, partial, revision, server: self.server.clone() })
        } else {
            Err(self.refusal(status, &body))
        }
    }

    fn refusal(&self, status: StatusCode, body: &str) -> ClientError {
        match serde_json::from_str(body) {
            Ok(ErrorBody { code, message }) => {
                ClientError::Refused { status: status.as_u16(), code, message }
            }
            Err(_) => ClientError::Foreign { server: self.server.clone(), reason: format!("HTTP {status}") },
        }
    }

    fn failure(&self, error: ureq::Error) -> ClientError {
        let server = self.server.clone();
        match error {
            ureq::Error::Timeout(_) => ClientError::Slow { server, seconds: self.timeout_s },
            ureq::Error::Io(error) => ClientError::Unreachable { server, reason: error.to_string() },
            other => ClientError::Unreachable { server, reason: other.to_string() },
        }
    }
}

/// How often a request is tried again, and the first wait, which doubles: 12 s in all.
const RETRIES: u32 = 7;
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// Tries again for a while where an error says that this may help.
pub fn persistently<T>(
    helps: impl Fn(&ClientError) -> bool,
    ask: impl Fn() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let mut wait = RETRY_WAIT;
    for _ in 0..RETRIES {
        match ask() {
            Err(error) if helps(&error) => thread::sleep(wait),
            outcome => return outcome,
        }
        wait *= 2;
    }
    ask()
}

/// Asks for page after page, from the first to the last, and hands each to `visit` as it came and as it reads.
pub fn each_page<P: Page, E: From<ClientError>>(
    mut ask: impl FnMut(&str) -> Result<Answer, ClientError>,
    mut visit: impl FnMut(&Answer, P) -> Result<(), E>,
) -> Result<(), E> {
    let mut token = String::new();
    loop {
        let answer = ask(&token)?;
        let page: P = answer.read()?;
        let next = page.continuation_token().to_owned();
        visit(&answer, page)?;
        // The log of changes answers the token that it was given where nothing follows.
        if next.is_empty() || next == token {
            return Ok(());
        }
        token = next;
    }
}

/// A path with the entries of its query that have a value.
fn target(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let mut target = path.to_owned();
    let mut separator = '?';
    for (name, value) in query.iter().filter_map(|(name, value)| value.map(|value| (name, value))) {
        target.push(separator);
        target.push_str(name);
        target.push('=');
        percent_encode(value, &mut target);
        separator = '&';
    }
    target
}

/// Appends `text` as the value of a query parameter: everything but unreserved characters is escaped (RFC 3986).
fn percent_encode(text: &str, target: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                target.push(char::from(byte))
            }
            _ => target.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_query_parameters_are_escaped() {
        let mut target = String::new();
        percent_encode("a b&c=d+é~", &mut target);
        assert_eq!(target, "a%20b%26c%3Dd%2B%C3%A9~");
    }

    #[test]
    fn a_loopback_address_is_told_from_others() {
        for server in ["http://127.0.0.1:8080", "http://127.8.0.1", "http://[::1]:80", "http://LocalHost:1/x"]
        {
            assert!(is_loopback(server), "{server}");
        }
        for server in
            ["http://10.0.0.1", "http://[2001:db8::1]", "http://localhost.example.com", "http://127.x"]
        {
            assert!(!is_loopback(server), "{server}");
        }
    }

    #[derive(Deserialize)]
    struct Numbers {
        numbers: Vec<u32>,
        continuation_token: String,
    }

    impl Page for Numbers {
        fn continuation_token(&self) -> &str {
            &self.continuation_token
        }
    }

    fn walk(pages: &[(&str, &str)]) -> (Vec<String>, Vec<u32>) {
        let (mut asked, mut seen) = (Vec::new(), Vec::new());
        let ask = |token: &str| {
            asked.push(token.to_owned());
            let body = pages.iter().find(|(from, _)| *from == token).unwrap().1.to_owned();
            Ok(Answer { body, partial: false, revision: None, server: "test".to_owned() })
        };
        each_page::<Numbers, ClientError>(ask, |_, page| {
            seen.extend(page.numbers);
            Ok(())
        })
        .unwrap();
        (asked, seen)
    }

    #[test]
    fn pages_are_followed_to_the_last_one() {
        let (asked, seen) = walk(&[
            ("", r#"{"numbers":[1,2],"continuation_token":"a"}"#),
            ("a", r#"{"numbers":[3],"continuation_token":""}"#),
        ]);
        assert_eq!((asked.join(","), seen), (",a".to_owned(), vec![1, 2, 3]));
    }

    #[test]
    fn a_token_that_does_not_move_ends_the_walk() {
        let (asked, seen) = walk(&[
            ("", r#"{"numbers":[1],"continuation_token":"a"}"#),
            ("a", r#"{"numbers":[],"continuation_token":"a"}"#),
        ]);
        assert_eq!((asked.join(","), seen), (",a".to_owned(), vec![1]));
    }

    #[test]
    fn an_error_of_the_server_keeps_its_code_and_message() {
        let args = ConnectionArgs { server: "http://x".to_owned(), token: None, ca_file: None, timeout_s: 1 };
        let client = Client::connecting(&args);
        let body = r#"{"code":"validation_error","message":"no such relation"}"#;
        let refused = client.refusal(StatusCode::BAD_REQUEST, body);
        assert_eq!(refused.to_string(), "validation_error: no such relation (HTTP 400)");
        let foreign = client.refusal(StatusCode::BAD_GATEWAY, "<html>");
        assert_eq!(
            foreign.to_string(),
            "http://x answered with something that is not of this API: HTTP 502 Bad Gateway"
        );
    }
}

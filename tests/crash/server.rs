//! The built program: started, asked, and killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

/// A running server; killed hard when it is dropped.
pub struct Server {
    child: Mutex<Child>,
    address: String,
}

/// What a request came to; `None`: no answer, so that nobody knows.
pub type Answer = Option<(u16, Value)>;

/// The program with these arguments and no settings from the environment.
pub fn tenure(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TENURE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// `tenure serve` on a directory, on a free port.
pub fn serve(data: &Path, arguments: &[&str]) -> Child {
    let mut command = tenure(&["serve", "--listen", "127.0.0.1:0", "--log", "error"]);
    command.arg("--data").arg(data).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same, with more arguments.
    pub fn start_with(data: &Path, arguments: &[&str]) -> Self {
        Self::listening(serve(data, arguments))
    }

    /// A process that says on its stdout, which is piped, where it listens.
    pub fn listening(mut child: Child) -> Self {
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}"));
        Self { address: address.to_owned(), child: Mutex::new(child) }
    }

    /// Starts it and kills it after a while, wherever it is.
    pub fn start_and_kill(data: &Path, after: Duration) {
        let mut child = serve(data, &[]);
        thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Kills it hard.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The number of its process.
    pub fn id(&self) -> String {
        self.child.lock().unwrap().id().to_string()
    }

    /// Asks it over connections of its own.
    pub fn client(&self) -> Client {
        let config = Agent::config_builder().http_status_as_error(false).build();
        Client { agent: config.new_agent(), address: self.address.clone(), token: None }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let Ok(child) = self.child.get_mut() else { return };
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Asks a server.
pub struct Client {
    agent: Agent,
    address: String,
    token: Option<String>,
}

impl Client {
    /// The same, with the token of a key.
    pub fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// Sends a request; `actor` is a user's id, or empty.
    pub fn send(&self, actor: &str, method: &str, path: &str, body: &Value) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.address));
        if !actor.is_empty() {
            request = request.header("Tenure-Actor", format!("user:{actor}"));
        }
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut answer = self.agent.run(request.body(body.to_string()).unwrap()).ok()?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Sends a request that must be answered, with success.
    #[track_caller]
    pub fn ask(&self, actor: &str, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.send(actor, method, path, body).unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Every tuple of a store, inactive ones too, page by page.
    pub fn tuples(&self, store: &str) -> Vec<Value> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let body =
                serde_json::json!({"include_inactive": true, "page_size": 100, "continuation_token": token});
            let mut page = self.ask("", "POST", &format!("/stores/{store}/read"), &body);
            let tuples = page["tuples"].as_array_mut().unwrap();
            all.extend(tuples.drain(..).map(|mut tuple| tuple["key"].take()));
            token = page["continuation_token"].as_str().unwrap().to_owned();
            if token.is_empty() {
                return all;
            }
        }
    }

    /// The newest revision of a store.
    pub fn revision(&self, store: &str) -> u64 {
        self.check(store, "document:none", "user:none").1
    }

    /// Whether a user is a viewer of a document, and at which revision.
    pub fn check(&self, store: &str, object: &str, user: &str) -> (bool, u64) {
        self.try_check(store, object, user).unwrap()
    }

    /// [`check`](Self::check), where there may be no answer.
    pub fn try_check(&self, store: &str, object: &str, user: &str) -> Option<(bool, u64)> {
        let body = serde_json::json!({"tuple_key": {"object": object, "relation": "viewer", "user": user}});
        let (status, answer) = self.send("", "POST", &format!("/stores/{store}/check"), &body)?;
        assert_eq!(status, 200, "{answer}");
        Some((answer["allowed"].as_bool().unwrap(), answer["revision"].as_u64().unwrap()))
    }
}

/// `tenure store verify`: what it says where it does not find everything in order.
pub fn verify(data: &Path) -> Result<(), String> {
    let Output { status, stdout, stderr } =
        tenure(&["store", "verify", "--data"]).arg(data).output().unwrap();
    if status.success() {
        return Ok(());
    }
    Err(format!("{status}: {}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

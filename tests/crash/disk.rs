//! A disk that is full, or takes no more for another reason, or cannot be written at all.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::damage::log_of_writes;
use crate::server::{Client, Server, serve, tenure, verify};
use crate::world::{MODEL, create_store};

/// How long it may take until writes are accepted again.
const MENDED_S_MAX: u64 = 60;

/// Somebody who writes one tuple after the other, and what became of each.
struct Writer {
    store: String,
    next: u64,
    acknowledged: Vec<String>,
    /// Those of which the server said that it does not know.
    unsure: Vec<String>,
}

impl Writer {
    fn new(client: &Client) -> Self {
        let store = create_store(client, MODEL);
        Self { store, next: 0, acknowledged: Vec::new(), unsure: Vec::new() }
    }

    /// Writes one more; whether it was acknowledged. If not, the server says what to do about it.
    fn write(&mut self, client: &Client) -> bool {
        // Large enough for a small disk to be full soon.
        let object = format!("document:{:06}-{}", self.next, "x".repeat(200));
        self.next += 1;
        let users = (0..50)
            .map(|user| json!({"object": object, "relation": "viewer", "user": format!("user:{user}")}));
        let body = json!({"writes": {"tuple_keys": users.collect::<Vec<_>>()}});
        let (status, answer) =
            client.send("", "POST", &format!("/stores/{}/write", self.store), &body).unwrap();
        if status == 200 {
            self.acknowledged.push(object);
            return true;
        }
        assert_eq!((status, &answer["code"]), (503, &json!("unavailable")), "{answer}");
        let message = answer["message"].as_str().unwrap();
        if message.contains("whether it was stored shows when the database takes writes again") {
            self.unsure.push(object);
        } else {
            assert!(message.contains("nothing of this one was written; try again later"), "{message}");
        }
        false
    }

    fn write_until_refused(&mut self, client: &Client) {
        let began = Instant::now();
        while self.write(client) {
            assert!(began.elapsed() < Duration::from_secs(120), "nothing is refused");
        }
        assert!(!self.write(client), "and the next one is refused as well");
    }

    /// Reads go on: what was acknowledged is there.
    fn reads(&self, client: &Client) {
        for object in self.acknowledged.iter().rev().take(20) {
            assert!(client.check(&self.store, object, "user:7").0, "{object}");
        }
        assert_eq!(client.send("", "GET", "/healthz", &json!({})).unwrap().0, 200);
    }

    fn write_until_accepted(&mut self, client: &Client) {
        let began = Instant::now();
        while !self.write(client) {
            assert!(began.elapsed() < Duration::from_secs(MENDED_S_MAX), "writes are not accepted again");
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(client.send("", "GET", "/readyz", &json!({})).unwrap().0, 200);
    }

    /// Everything acknowledged is there, whole, and beyond it only what nobody knew of.
    fn compare(&self, client: &Client) {
        let mut found = std::collections::BTreeMap::<String, usize>::new();
        for tuple in client.tuples(&self.store) {
            *found.entry(tuple["object"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert!(found.values().all(|tuples| *tuples == 50), "no batch is there by halves");
        for object in &self.acknowledged {
            assert!(found.remove(object).is_some(), "{object}");
        }
        assert!(found.keys().all(|object| self.unsure.contains(object)), "{found:?}");
    }
}

/// Has a disk that is full and that has room again, three times, under a server: what is wrong is said, reads go on,
/// nothing is lost, and writes go on by themselves.
fn fill_and_free(data: &Path, server: &Server, mut fill: impl FnMut(), mut free: impl FnMut()) {
    let client = server.client();
    let mut writer = Writer::new(&client);
    for _ in 0..20 {
        assert!(writer.write(&client));
    }
    for _ in 0..3 {
        fill();
        writer.write_until_refused(&client);
        assert_eq!(client.send("", "GET", "/readyz", &json!({})).unwrap().0, 503);
        thread::sleep(Duration::from_millis(1500));
        assert!(!writer.write(&client), "there is no room yet");
        writer.reads(&client);
        free();
        writer.write_until_accepted(&client);
        writer.compare(&client);
    }
    server.kill();
    verify(data).unwrap_or_else(|report| panic!("{report}"));
    writer.compare(&Server::start(data).client());
}

#[test]
fn where_files_may_not_grow_writes_are_refused_and_go_on_when_they_may() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    // The signal that comes with the limit would end the process; to ignore it is inherited.
    let program = tenure(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#]).arg(program.get_program());
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "off", "--data"]).arg(&data);
    let server = Server::listening(command.stdout(Stdio::piped()).spawn().unwrap());
    let limit = |size: &str| {
        let set = Command::new("prlimit").args(["--pid", &server.id(), &format!("--fsize={size}:")]).status();
        assert!(set.unwrap().success());
    };
    let fill = || {
        let size = fs::metadata(log_of_writes(&data).unwrap()).unwrap().len();
        // In the middle of some write.
        limit(&(size + 30_000).to_string());
    };
    fill_and_free(&data, &server, fill, || limit("unlimited"));
}

/// A file system of its own, gone with this.
struct Mounted(TempDir);

impl Mounted {
    /// Mounts what the arguments say; `None`, and it is said, where nothing can be mounted.
    fn new(arguments: &[&str]) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(arguments).arg(place.path()).stderr(Stdio::null()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(place));
        }
        println!("NOT RUN: no file system can be mounted here, which takes root");
        None
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_writes_are_refused_and_go_on_when_there_is_room() {
    let Some(disk) = Mounted::new(&["-t", "tmpfs", "-o", "size=24m", "tmpfs"]) else { return };
    let (data, ballast) = (disk.path().join("data"), disk.path().join("ballast"));
    let server = Server::listening(serve(&data, &[]));
    let fill = || {
        let mut file = File::create(&ballast).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    };
    fill_and_free(&data, &server, fill, || fs::remove_file(&ballast).unwrap());
}

#[test]
fn on_a_read_only_disk_the_server_does_not_start_and_says_why() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    create_store(&Server::start(&data).client(), MODEL);
    let Some(disk) = Mounted::new(&["--bind", place.path().to_str().unwrap()]) else { return };
    let remounted = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(disk.path()).status().unwrap();
    assert!(remounted.success());
    let data = disk.path().join("data");
    let mut child = {
        let mut command = tenure(&["serve", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(&data).stderr(Stdio::piped()).spawn().unwrap()
    };
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let expected =
        format!("error: cannot use the data directory `{}`: Read-only file system", data.display());
    assert!(said.starts_with(&expected) && said.lines().count() == 1, "{said}");
}

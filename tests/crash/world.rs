//! A directory, who writes into it, and what must be found there.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::Figures;
use crate::cooperator::Cooperator;
use crate::server::{Client, Server};
use crate::tuples::TupleWriter;

/// Threads that write tuples.
const TUPLE_WRITERS: usize = 4;
pub const MODEL: &str =
    "model\n  schema 1.1\ntype user\ntype document\n  relations\n    define viewer: [user]\n";

/// Random numbers from a seed (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What somebody who writes knows: what was acknowledged, and what was asked for and not answered.
#[derive(Clone)]
pub struct Known<S> {
    pub acknowledged: S,
    pub unanswered: Option<S>,
    /// Commits that were acknowledged since it was compared.
    pub commits: u64,
}

impl<S: PartialEq + std::fmt::Debug> Known<S> {
    pub fn new(state: S) -> Self {
        Self { acknowledged: state, unanswered: None, commits: 0 }
    }

    /// Holds it against what is there, which is all that was acknowledged, with the last request whole or without it.
    pub fn compare(&mut self, found: S, figures: &mut Figures) {
        figures.acknowledged += std::mem::take(&mut self.commits);
        if let Some(unanswered) = self.unanswered.take() {
            figures.unanswered += 1;
            if found == unanswered {
                figures.found_whole += 1;
                self.acknowledged = unanswered;
                return;
            }
        }
        assert_eq!(found, self.acknowledged);
    }
}

/// The largest revision of a store that anybody was told of.
#[derive(Clone, Default)]
pub struct Told(Arc<AtomicU64>);

impl Told {
    pub fn told(&self, revision: u64) {
        self.0.fetch_max(revision, Ordering::SeqCst);
    }

    fn compare(&self, client: &Client, store: &str) {
        let (newest, told) = (client.revision(store), self.0.load(Ordering::SeqCst));
        assert!(newest >= told, "revision {told} was told, and the newest one is {newest}");
    }
}

/// A directory, and what is known of it.
#[derive(Clone)]
pub struct World {
    directory: Arc<TempDir>,
    store: String,
    told: Told,
    writers: Vec<TupleWriter>,
    cooperator: Cooperator,
}

impl World {
    /// A new directory with two stores, one for tuples, one for cooperations.
    pub fn new() -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let server = Server::start(&directory.path().join("data"));
        let client = server.client();
        let store = create_store(&client, MODEL);
        let told = Told::default();
        let writers = (0..TUPLE_WRITERS).map(|number| TupleWriter::new(number, &store, &told)).collect();
        let cooperator =
            Cooperator::new(&client, create_store(&client, tenure::cooperation::COOPERATION_MODEL));
        drop(server);
        Self { directory, store, told, writers, cooperator }
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Compares what is there with what was acknowledged.
    pub fn compare(&mut self, server: &Server, figures: &mut Figures) {
        let client = server.client();
        self.told.compare(&client, &self.store);
        let tuples = client.tuples(&self.store);
        for writer in &mut self.writers {
            writer.compare(&tuples, figures);
        }
        self.cooperator.compare(&client, figures);
    }

    /// The stores, the one of tuples first.
    pub fn stores(&self) -> [&str; 2] {
        [&self.store, self.cooperator.store()]
    }

    /// Has all write for a while, and kills the server meanwhile. Whether somebody was left without an answer.
    pub fn write_until_killed(&mut self, server: Server, time: Duration, random: &mut Random) -> bool {
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(time);
                server.kill();
            });
            self.write_until_gone(&server, random);
        });
        self.writers.iter().any(TupleWriter::is_unanswered) || self.cooperator.is_unanswered()
    }

    /// Has all write until there is no answer any more.
    pub fn write_until_gone(&mut self, server: &Server, random: &mut Random) {
        thread::scope(|scope| {
            for writer in &mut self.writers {
                let (client, random) = (server.client(), Random::new(random.next()));
                scope.spawn(move || writer.write_until_killed(&client, random));
            }
            let (client, random) = (server.client(), Random::new(random.next()));
            let cooperator = &mut self.cooperator;
            scope.spawn(move || cooperator.write_until_killed(&client, random));
        });
    }
}

/// A store with a model.
pub fn create_store(client: &Client, model: &str) -> String {
    let store = client.ask("", "POST", "/stores", &json!({"name": "crash"}));
    let store = store["id"].as_str().unwrap().to_owned();
    let model = tenure::schema::parse(model).unwrap();
    let model = tenure::schema::json::to_value(&model, tenure::schema::json::Style::Compact);
    client.ask("", "POST", &format!("/stores/{store}/authorization-models"), &model);
    store
}

//! Somebody who writes tuples of his own: batches that grant, pause, renew and remove at once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Figures;
use crate::server::Client;
use crate::world::{Known, Random, Told};

const DOCUMENTS: u64 = 8;
const USERS: u64 = 5;
/// Most tuples that one batch changes, beside the mark.
const CHANGES_MAX: u64 = 20;
const PAST: &str = "2020-01-01T00:00:00Z";
const FUTURE: &str = "2099-01-01T00:00:00Z";

/// A tuple's object and user.
type Key = (String, String);
type Tuples = BTreeMap<Key, Lifetime>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lifetime {
    paused: bool,
    expires_at: Option<&'static str>,
}

impl Lifetime {
    fn random(random: &mut Random) -> Self {
        let expires_at = [None, Some(PAST), Some(FUTURE)][usize::try_from(random.below(3)).unwrap()];
        Self { paused: random.one_in(3), expires_at }
    }

    fn is_live(self) -> bool {
        !self.paused && self.expires_at != Some(PAST)
    }
}

/// Writes tuples on objects of its own.
#[derive(Clone)]
pub struct TupleWriter {
    number: usize,
    store: String,
    told: Told,
    known: Known<Tuples>,
    /// Batches that were sent. Each carries its number as a tuple, in the place of the one before, so that no two of
    /// them leave the same.
    batches: u64,
}

impl TupleWriter {
    pub fn new(number: usize, store: &str, told: &Told) -> Self {
        let known = Known::new(Tuples::new());
        Self { number, store: store.to_owned(), told: told.clone(), known, batches: 0 }
    }

    pub fn is_unanswered(&self) -> bool {
        self.known.unanswered.is_some()
    }

    /// What is its own begins so.
    fn prefix(&self) -> String {
        format!("document:w{}-", self.number)
    }

    pub fn compare(&mut self, tuples: &[Value], figures: &mut Figures) {
        let prefix = self.prefix();
        let own = tuples.iter().filter(|tuple| text(tuple, "object").starts_with(&prefix));
        self.known.compare(own.map(read).collect(), figures);
    }

    /// Writes, and checks what it wrote, until there is no answer any more.
    pub fn write_until_killed(&mut self, client: &Client, mut random: Random) {
        while self.write(client, &mut random).is_some() {}
    }

    fn write(&mut self, client: &Client, random: &mut Random) -> Option<()> {
        let (body, after, touched) = self.batch(random);
        self.known.unanswered = Some(after);
        let path = format!("/stores/{}/write", self.store);
        let (status, answer) = client.send("", "POST", &path, &body)?;
        assert_eq!(status, 200, "{answer}");
        self.told.told(answer["revision"].as_u64().unwrap());
        self.known.acknowledged = self.known.unanswered.take().unwrap();
        self.known.commits += 1;
        if random.one_in(2) {
            let (object, user) = &touched;
            let live = self.known.acknowledged.get(&touched).is_some_and(|lifetime| lifetime.is_live());
            let (allowed, revision) = client.try_check(&self.store, object, user)?;
            assert_eq!(allowed, live, "{object} {user}");
            self.told.told(revision);
        }
        Some(())
    }

    /// A batch, what it leaves, and one of the tuples that it is about.
    fn batch(&mut self, random: &mut Random) -> (Value, Tuples, Key) {
        let prefix = self.prefix();
        let mut after = self.known.acknowledged.clone();
        let mut touched: BTreeMap<Key, Option<Lifetime>> = BTreeMap::new();
        for _ in 0..=random.below(CHANGES_MAX) {
            let key =
                (format!("{prefix}{}", random.below(DOCUMENTS)), format!("user:{}", random.below(USERS)));
            let lifetime = (!random.one_in(3)).then(|| Lifetime::random(random));
            touched.insert(key, lifetime);
        }
        let some = touched.keys().next().unwrap().clone();
        let mark = |number: u64| (format!("{prefix}mark"), format!("user:{number}"));
        touched.insert(mark(self.batches), None);
        self.batches += 1;
        touched.insert(mark(self.batches), Some(Lifetime { paused: false, expires_at: None }));

        let (mut writes, mut deletes) = (Vec::new(), Vec::new());
        for (key, lifetime) in touched {
            let (object, user) = &key;
            match lifetime {
                Some(Lifetime { paused, expires_at }) => {
                    writes.push(json!({"object": object, "relation": "viewer", "user": user,
                        "paused": paused, "expires_at": expires_at}));
                    after.insert(key, lifetime.unwrap());
                }
                None => {
                    deletes.push(json!({"object": object, "relation": "viewer", "user": user}));
                    after.remove(&key);
                }
            }
        }
        let body = json!({
            "writes": {"tuple_keys": writes, "on_duplicate": "update"},
            "deletes": {"tuple_keys": deletes, "on_missing": "ignore"},
        });
        (body, after, some)
    }
}

fn text<'a>(tuple: &'a Value, field: &str) -> &'a str {
    tuple[field].as_str().unwrap()
}

fn read(tuple: &Value) -> (Key, Lifetime) {
    let expires_at = tuple["expires_at"].as_str().map(|at| match at {
        PAST => PAST,
        FUTURE => FUTURE,
        other => panic!("nobody wrote {other}"),
    });
    let lifetime = Lifetime { paused: tuple["paused"].as_bool().unwrap_or_default(), expires_at };
    ((text(tuple, "object").to_owned(), text(tuple, "user").to_owned()), lifetime)
}

//! `tenure import`: a file of any size into a store.
//!
//! The file is read as it is written, a few requests at a time are under way, and what a run has written another one
//! finds there and skips. So a run that was stopped is begun again, and nothing has to be kept for that.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Answer, Client, ClientError, PARALLEL_MAX, TransferArgs, persistently};
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output;
use super::tuple_file::{self, Format, GivenTuple, Place, TupleFileError};
use super::{parallel, progress};
use crate::model::limits::{BODY_BYTES_MAX, PAGE_SIZE_MAX, TUPLES_PER_WRITE_MAX};
use crate::model::{Instant, Object, TupleKey};
use crate::store::Field;

/// Most that one request carries, in bytes of its tuples: well below what a server takes, and never less than a line.
const BATCH_BYTES_MAX: usize = BODY_BYTES_MAX / 2;
/// About what a tuple has beside its names and its context, in bytes.
const TUPLE_BYTES_BESIDE: usize = 160;
/// So many tuples of one object are looked for among all that it has, in one request; fewer, each for itself.
const WHOLE_OBJECT_FROM: usize = 3;
/// The refusal of a tuple that exists.
const EXISTS: &str = "write_failed_due_to_invalid_input";

/// Write the tuples of a file of any size
///
/// NDJSON has one tuple as JSON a line; CSV has a header. Both have the fields user, relation, object, expires_at, paused and
/// the condition, as `tenure export` writes them. Tuples are written 100 at a time, several requests at once. Run it again
/// after it was stopped: what is there is skipped, and counted. Ctrl-C stops it and says where to go on. A file should have
/// each tuple once; which of two stays, where they differ, is not said.
///
/// Exit code: 0 done, 1 some tuples existed with another lifetime or condition and were left so, 2 not done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure import tuples.ndjson
  tenure import tuples.csv --parallel 16
  tenure import tuples.ndjson --from-line 120001
  zcat tuples.ndjson.gz | tenure import - --format ndjson")]
pub struct ImportArgs {
    /// The file; `-` is the standard input
    file: PathBuf,
    /// How it is written, NDJSON or CSV [default: by its name]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Begin at this line
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from_line: u64,
    /// What to do about a tuple that exists
    #[arg(long, value_name = "WHAT", default_value = "ignore")]
    on_duplicate: OnDuplicate,
    /// Most requests that are under way at once; with 1, tuples are written in their order
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=PARALLEL_MAX as u64))]
    parallel: u64,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    to: TransferArgs,
}

/// What an import does about a tuple that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnDuplicate {
    /// Leave it as it is, and count it
    Ignore,
    /// Make it what the file has; without an end, a pause or a condition there, it has none. Tenure only
    Update,
    /// Stop
    Error,
}

/// Where tuples come from.
struct Source {
    /// For messages.
    name: String,
    text: Box<dyn Read>,
    /// How long it is, where that is known.
    bytes: Option<u64>,
}

/// A tuple with the place that it has in the file.
#[derive(Debug)]
struct Given {
    place: Place,
    tuple: GivenTuple,
}

/// Tuples that are written together, no key twice.
#[derive(Debug)]
struct Batch {
    number: u64,
    tuples: Vec<Given>,
}

/// Puts tuples together.
struct Batches<I> {
    tuples: I,
    waiting: Option<Given>,
    /// What comes behind the batch that was given out last.
    failed: Option<TupleFileError>,
    number: u64,
}

/// What threads share while they write.
struct Importer<'a> {
    args: &'a ImportArgs,
    name: &'a str,
    client: Client,
    /// Whether the server knows lifetimes.
    lifetimes: bool,
    interrupt: Interrupt,
    counts: Counts,
    /// Batches that are not through, with the place of their first tuple.
    open: Mutex<BTreeSet<(u64, Place)>>,
}

/// What became of the tuples.
#[derive(Debug, Default)]
struct Counts {
    /// Written; with `--on-duplicate update`, accepted.
    written: AtomicU64,
    /// Existed as the file has them.
    alike: AtomicU64,
    /// Existed otherwise.
    otherwise: AtomicU64,
    /// The first of those.
    first_otherwise: Mutex<Option<Place>>,
}

#[derive(Deserialize)]
struct Found {
    tuples: Vec<FoundTuple>,
    continuation_token: String,
}

#[derive(Deserialize)]
struct FoundTuple {
    key: StoredKey,
}

#[derive(Deserialize)]
struct StoredKey {
    user: String,
    relation: String,
    #[serde(flatten)]
    terms: Terms,
}

/// The lifetime and the condition of a stored tuple.
#[derive(Debug, Deserialize)]
struct Terms {
    expires_at: Option<String>,
    #[serde(default)]
    paused: bool,
    condition: Option<Condition>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Condition {
    name: String,
    #[serde(default)]
    context: Option<Value>,
}

impl ImportArgs {
    /// Runs the command. Answers whether no tuple existed otherwise than the file has it.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        let format = self.format.map_or_else(|| self.format_of_name(), Ok)?;
        if matches!(format, Format::Yaml | Format::Json) {
            return Err(Failure::Input(format!(
                "{format} cannot be read piece by piece: import takes NDJSON and CSV, `tenure write --file` the others"
            )));
        }
        let Source { name, text, bytes } = self.open()?;
        let client = Client::connecting(&self.to.connection);
        // A wrong store is found before the file is read; to read from one that does not exist is no error.
        client.get(&format!("/stores/{}", self.to.store), &[])?;
        let first = client.post(&self.path("read"), &json!({ "page_size": 1 }))?;
        let bar = progress::bytes("importing", bytes);
        let importer = Importer {
            args: self,
            name: &name,
            client,
            lifetimes: first.revision.is_some(),
            interrupt: Interrupt::listen()?,
            counts: Counts::default(),
            open: Mutex::default(),
        };
        let tuples = tuple_file::stream(&name, format, bar.wrap_read(text), self.from_line)?;
        let batches = Batches { tuples, waiting: None, failed: None, number: 0 };
        let batches =
            batches.map(|batch| batch.map_err(Failure::from).and_then(|batch| importer.begin(batch)));
        let workers = usize::try_from(self.parallel).unwrap_or(PARALLEL_MAX);
        let outcome = parallel::each(batches, workers, |batch| importer.finish(&batch));
        bar.finish_and_clear();
        match outcome {
            Ok(()) => importer.say(out),
            Err(failure) => Err(importer.stopped(failure)),
        }
    }

    fn format_of_name(&self) -> Result<Format, Failure> {
        if self.file == Path::new("-") {
            return Err(Failure::Input("tuples on the standard input need --format".to_owned()));
        }
        Ok(Format::of(&self.file)?)
    }

    fn open(&self) -> Result<Source, Failure> {
        if self.file == Path::new("-") {
            let text = Box::new(io::stdin().lock());
            return Ok(Source { name: "standard input".to_owned(), text, bytes: None });
        }
        let name = self.file.display().to_string();
        let opened = File::open(&self.file).and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((about, file)) => {
                Ok(Source { name, text: Box::new(file), bytes: about.is_file().then_some(about.len()) })
            }
            Err(reason) => Err(Failure::Read { name, reason }),
        }
    }

    fn path(&self, operation: &str) -> String {
        format!("/stores/{}/{operation}", self.to.store)
    }
}

impl<I: Iterator<Item = Result<(Place, GivenTuple), TupleFileError>>> Iterator for Batches<I> {
    type Item = Result<Batch, TupleFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        let mut keys = HashSet::new();
        let mut bytes = 0;
        let mut tuples = Vec::new();
        while tuples.len() < TUPLES_PER_WRITE_MAX {
            let given = match self.waiting.take() {
                Some(given) => given,
                None => match self.tuples.next() {
                    Some(Ok((place, tuple))) => Given { place, tuple },
                    Some(Err(error)) if tuples.is_empty() => return Some(Err(error)),
                    Some(Err(error)) => {
                        self.failed = Some(error);
                        break;
                    }
                    None => break,
                },
            };
            bytes += given.bytes();
            let fits = tuples.is_empty() || bytes <= BATCH_BYTES_MAX;
            // A request must not have a key twice.
            if !fits || !keys.insert(given.tuple.key.clone()) {
                self.waiting = Some(given);
                break;
            }
            tuples.push(given);
        }
        self.number += 1;
        (!tuples.is_empty()).then_some(Ok(Batch { number: self.number, tuples }))
    }
}

impl Given {
    /// About how many bytes it has in a request.
    fn bytes(&self) -> usize {
        let key = &self.tuple.key;
        let condition = self.tuple.condition.as_ref().map_or(0, |condition| condition.to_string().len());
        TUPLE_BYTES_BESIDE
            + key.object.id.len()
            + key.object.type_name.len()
            + key.subject.to_string().len()
            + condition
    }

    fn has_lifetime(&self) -> bool {
        matches!(self.tuple.expires_at, Field::Set(_)) || self.tuple.paused == Some(true)
    }

    /// Whether what is stored is what the file has. What the file says nothing about is as on a new tuple.
    fn is_alike(&self, stored: &Terms) -> bool {
        let ends: Option<Instant> = stored.expires_at.as_deref().and_then(|text| text.parse().ok());
        let given_end = match self.tuple.expires_at {
            Field::Set(end) => Some(end),
            Field::Absent | Field::Clear => None,
        };
        ends == given_end
            && stored.expires_at.is_some() == ends.is_some()
            && stored.paused == self.tuple.paused.unwrap_or(false)
            && self.has_condition(stored.condition.as_ref())
    }

    fn has_condition(&self, stored: Option<&Condition>) -> bool {
        let given = self.tuple.condition.clone().filter(|condition| !condition.is_null());
        let given: Option<Condition> = given.and_then(|condition| serde_json::from_value(condition).ok());
        // No context and one without fields are the same.
        let plain = |condition: &Condition| {
            let context = condition.context.clone().filter(|context| !context.is_null());
            (condition.name.clone(), context.unwrap_or_else(|| json!({})))
        };
        given.as_ref().map(plain) == stored.map(plain)
    }
}

impl Importer<'_> {
    /// Remembers that a batch is not through.
    fn begin(&self, batch: Batch) -> Result<Batch, Failure> {
        if let Some(first) = batch.tuples.first() {
            lock(&self.open).insert((batch.number, first.place));
        }
        if self.interrupt.has_come() {
            return Err(Failure::Input("interrupted".to_owned()));
        }
        if let Some(given) = batch.tuples.iter().find(|given| given.has_lifetime() && !self.lifetimes) {
            let reason = "it has a lifetime, which this server does not know: the tuple would count for ever";
            return Err(Failure::Input(format!("{} of `{}`: {reason}", given.place, self.name)));
        }
        Ok(batch)
    }

    fn finish(&self, batch: &Batch) -> Result<(), Failure> {
        self.write(&batch.tuples.iter().collect::<Vec<_>>())?;
        if let Some(first) = batch.tuples.first() {
            lock(&self.open).remove(&(batch.number, first.place));
        }
        Ok(())
    }

    /// Writes tuples; where they are refused, as many as stand before the one that is to blame.
    fn write(&self, tuples: &[&Given]) -> Result<(), Failure> {
        match self.send(tuples) {
            Ok(_) => {
                self.counts.written.fetch_add(tuples.len() as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.code() == Some(EXISTS) && self.args.on_duplicate == OnDuplicate::Ignore => {
                self.write_what_is_new(tuples)
            }
            Err(error) => self.blame(tuples, error),
        }
    }

    fn blame(&self, tuples: &[&Given], error: ClientError) -> Result<(), Failure> {
        match tuples {
            [given] => Err(Failure::Input(format!("{} of `{}`: {error}", given.place, self.name))),
            _ if matches!(error, ClientError::Refused { status: 400, .. }) => {
                let (first, second) = tuples.split_at(tuples.len() / 2);
                self.write(first).and_then(|()| self.write(second))
            }
            _ => Err(error.into()),
        }
    }

    fn send(&self, tuples: &[&Given]) -> Result<Answer, ClientError> {
        let what = match self.args.on_duplicate {
            OnDuplicate::Update => "update",
            // What exists is looked at, so that it can be counted.
            OnDuplicate::Ignore | OnDuplicate::Error => "error",
        };
        // What exists becomes what the file has: a tuple without an end in the file has none afterwards.
        let json = |tuple: &GivenTuple| match self.args.on_duplicate {
            OnDuplicate::Update => tuple.whole_json(),
            OnDuplicate::Ignore | OnDuplicate::Error => tuple.json(),
        };
        let tuples: Vec<Value> = tuples.iter().map(|given| json(&given.tuple).into()).collect();
        let body = json!({ "writes": { "tuple_keys": tuples, "on_duplicate": what } });
        persistently(|error| self.may_repeat(error), || self.client.post(&self.args.path("write"), &body))
    }

    /// Whether a write may be sent once more. One whose answer was lost may have been done: then its tuples exist.
    fn may_repeat(&self, error: &ClientError) -> bool {
        match self.args.on_duplicate {
            OnDuplicate::Error => matches!(error, ClientError::Refused { status: 429, .. }),
            OnDuplicate::Ignore | OnDuplicate::Update => error.is_passing(),
        }
    }

    /// Writes those that do not exist, and counts the others.
    fn write_what_is_new(&self, tuples: &[&Given]) -> Result<(), Failure> {
        let mut new = Vec::new();
        let found = self.find(tuples)?;
        for given in tuples {
            match found.get(&given.tuple.key) {
                Some(stored) => self.counts.count_existing(given, stored),
                None => new.push(*given),
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        match self.send(&new) {
            Ok(_) => {
                self.counts.written.fetch_add(new.len() as u64, Ordering::Relaxed);
                Ok(())
            }
            // One of them has come into being meanwhile.
            Err(error) if error.code() == Some(EXISTS) && new.len() > 1 => {
                new.iter().try_for_each(|given| self.write(&[*given]))
            }
            Err(error) => self.blame(&new, error),
        }
    }

    /// What is stored under the keys of these tuples.
    fn find<'t>(&self, tuples: &[&'t Given]) -> Result<HashMap<&'t TupleKey, Terms>, ClientError> {
        let mut by_object: HashMap<&Object, Vec<&TupleKey>> = HashMap::new();
        for given in tuples {
            by_object.entry(&given.tuple.key.object).or_default().push(&given.tuple.key);
        }
        let mut found = HashMap::new();
        for (object, keys) in by_object {
            if keys.len() >= WHOLE_OBJECT_FROM && self.find_all_of(object, &keys, &mut found)? {
                continue;
            }
            for key in keys {
                let stored = self.read(&tuple_file::key_json(key).into())?.tuples.into_iter().next();
                found.extend(stored.map(|stored| (key, stored.key.terms)));
            }
        }
        Ok(found)
    }

    /// Finds these keys among all tuples of their object; answers whether that is all of them: an object may have many.
    fn find_all_of<'t>(
        &self,
        object: &Object,
        keys: &[&'t TupleKey],
        found: &mut HashMap<&'t TupleKey, Terms>,
    ) -> Result<bool, ClientError> {
        let Found { tuples, continuation_token } = self.read(&json!({ "object": object.to_string() }))?;
        if !continuation_token.is_empty() {
            return Ok(false);
        }
        let mut stored: HashMap<(String, String), Terms> =
            tuples.into_iter().map(|FoundTuple { key }| ((key.user, key.relation), key.terms)).collect();
        for key in keys {
            let terms = stored.remove(&(key.subject.to_string(), key.relation.to_string()));
            found.extend(terms.map(|terms| (*key, terms)));
        }
        Ok(true)
    }

    fn read(&self, key: &Value) -> Result<Found, ClientError> {
        let body = json!({ "tuple_key": key, "include_inactive": true, "page_size": PAGE_SIZE_MAX });
        persistently(ClientError::is_passing, || self.client.post(&self.args.path("read"), &body))?.read()
    }

    fn say(&self, out: &mut impl Write) -> Result<bool, Failure> {
        let Counts { written, alike, otherwise, first_otherwise } = &self.counts;
        let [written, alike, otherwise] =
            [written, alike, otherwise].map(|count| count.load(Ordering::Relaxed));
        let first = *lock(first_otherwise);
        if self.args.json {
            let first = first.map(|place| place.to_string());
            let outcome = json!({
                "written": written, "existed": alike, "existed_otherwise": otherwise, "first_otherwise": first,
            });
            writeln!(out, "{outcome}")?;
            return Ok(otherwise == 0);
        }
        let count = |number: u64| output::count(usize::try_from(number).unwrap_or(usize::MAX), "tuple");
        match self.args.on_duplicate {
            OnDuplicate::Update => {
                writeln!(out, "{} accepted; those that existed were updated", count(written))?
            }
            OnDuplicate::Ignore | OnDuplicate::Error => writeln!(out, "{} written", count(written))?,
        }
        if alike > 0 {
            writeln!(out, "{} skipped: they exist as the file has them", count(alike))?;
        }
        if let Some(first) = first {
            writeln!(
                out,
                "{} skipped that exist with another lifetime or condition, the first in {first}; --on-duplicate update \
                 would change them",
                count(otherwise)
            )?;
        }
        Ok(otherwise == 0)
    }

    /// A failure, with what was done before it.
    fn stopped(&self, failure: Failure) -> Failure {
        let Counts { written, alike, otherwise, .. } = &self.counts;
        let [written, skipped] = [written, alike].map(|count| count.load(Ordering::Relaxed));
        let first = lock(&self.open).first().map(|(_, place)| *place);
        if written + skipped + otherwise.load(Ordering::Relaxed) == 0 {
            return Failure::Stopped { reason: Box::new(failure), done: "nothing was written".to_owned() };
        }
        let before = match first {
            Some(place) => format!("all before {place} are in the store"),
            None => "all before that are in the store".to_owned(),
        };
        let again = match (first, self.args.on_duplicate) {
            (Some(Place::Line(line)), _) => format!("; to go on there: --from-line {line}"),
            (_, OnDuplicate::Error) => String::new(),
            (_, OnDuplicate::Ignore | OnDuplicate::Update) => "; run it again: it goes on".to_owned(),
        };
        let count = output::count(usize::try_from(written).unwrap_or(usize::MAX), "tuple");
        Failure::Stopped { reason: Box::new(failure), done: format!("{count} written, {before}{again}") }
    }
}

impl Counts {
    fn count_existing(&self, given: &Given, stored: &Terms) {
        if given.is_alike(stored) {
            self.alike.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.otherwise.fetch_add(1, Ordering::Relaxed);
        let mut first = lock(&self.first_otherwise);
        *first = Some(first.map_or(given.place, |first| first.min(given.place)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(lines: &str) -> Vec<Vec<u64>> {
        let tuples = tuple_file::stream("t", Format::Ndjson, lines.as_bytes(), 1).unwrap();
        let batches = Batches { tuples, waiting: None, failed: None, number: 0 };
        let line = |given: &Given| match given.place {
            Place::Line(line) => line,
            Place::Tuple(_) => panic!("lines have numbers"),
        };
        batches.map(|batch| batch.unwrap().tuples.iter().map(line).collect()).collect()
    }

    fn line(object: &str, more: &str) -> String {
        format!("{{\"user\":\"user:a\",\"relation\":\"r\",\"object\":\"o:{object}\"{more}}}\n")
    }

    #[test]
    fn a_batch_has_a_hundred_tuples() {
        let lines: String = (0..250).map(|number| line(&number.to_string(), "")).collect();
        assert_eq!(batches(&lines).iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
        assert_eq!(batches(""), Vec::<Vec<u64>>::new());
    }

    #[test]
    fn a_key_that_comes_again_begins_a_batch() {
        let lines: String = ["1", "2", "1", "3", "1"].map(|object| line(object, "")).concat();
        assert_eq!(batches(&lines), [vec![1, 2], vec![3, 4], vec![5]]);
    }

    #[test]
    fn a_batch_fits_into_a_request() {
        let context =
            format!(",\"condition\":{{\"name\":\"c\",\"context\":{{\"x\":\"{}\"}}}}", "x".repeat(30_000));
        let lines: String = (0..25).map(|number| line(&number.to_string(), &context)).collect();
        assert_eq!(batches(&lines).iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    }

    #[test]
    fn a_stored_tuple_is_held_against_all_that_the_file_says() {
        let alike = |more: &str, stored: &str| {
            let text = line("1", more);
            let (place, tuple) =
                tuple_file::stream("t", Format::Ndjson, text.as_bytes(), 1).unwrap().next().unwrap().unwrap();
            Given { place, tuple }.is_alike(&serde_json::from_str(stored).unwrap())
        };
        assert!(alike("", r#"{"condition":null}"#));
        assert!(alike("", r#"{"condition":null,"expires_at":null,"paused":false}"#));
        assert!(!alike("", r#"{"expires_at":"2027-01-31T12:00:00Z"}"#));
        assert!(!alike("", r#"{"expires_at":"never heard of"}"#));
        assert!(!alike("", r#"{"paused":true}"#));
        let end = r#","expires_at":"2027-01-31T13:00:00+01:00""#;
        assert!(alike(end, r#"{"expires_at":"2027-01-31T12:00:00Z"}"#));
        assert!(!alike(end, r#"{"expires_at":"2027-01-31T12:00:01Z"}"#));
        assert!(!alike(end, "{}"));
        assert!(alike(r#","condition":{"name":"c"}"#, r#"{"condition":{"name":"c","context":{}}}"#));
        assert!(alike(r#","condition":{"name":"c","context":null}"#, r#"{"condition":{"name":"c"}}"#));
        assert!(!alike(r#","condition":{"name":"c"}"#, r#"{"condition":{"name":"d"}}"#));
        assert!(!alike(r#","condition":{"name":"c"}"#, r#"{"condition":{"name":"c","context":{"x":1}}}"#));
        assert!(!alike("", r#"{"condition":{"name":"c"}}"#));
    }
}

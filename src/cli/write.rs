//! `tenure write`: tuples into a store and out of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, StoreArgs};
use super::failure::Failure;
use super::output;
use super::tuple_file::{self, Format, GivenTuple};
use crate::model::limits::TUPLES_PER_WRITE_MAX;
use crate::model::{Clock, Instant, SystemClock, TupleKey};
use crate::store::Field;

/// Write tuples, change their lifetimes, or delete them
///
/// The tuples of one command are written in one commit, those of a file in commits of 100.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure write park:p1 viewer_grant user:carl user:dora
  tenure write park:p1 viewer_grant user:carl --expires-at 2027-01-31T12:00:00Z
  tenure write cooperation:c1 partner organization:sun --on-duplicate update --paused
  tenure write cooperation:c1 partner organization:sun --resume
  tenure write --delete park:p1 viewer_grant user:carl
  tenure write --file tuples.yaml --on-duplicate ignore")]
pub struct WriteArgs {
    /// On what, `type:id`
    #[arg(required_unless_present = "file")]
    object: Option<String>,
    /// Which relation
    #[arg(required_unless_present = "file")]
    relation: Option<String>,
    /// Who: `type:id`, `type:id#relation` or `type:*`
    #[arg(required_unless_present = "file", value_name = "SUBJECT")]
    subjects: Vec<String>,
    /// Delete the tuples instead
    #[arg(long, conflicts_with_all = ["expires_at", "paused", "resume", "on_duplicate"])]
    delete: bool,
    /// From when on the tuples count as absent: an instant such as 2027-01-31T12:00:00Z, `+90s`, `+15m`, `+12h` or
    /// `+30d` from now by this machine's clock, or `never`
    #[arg(long, value_name = "T", value_parser = expiry)]
    expires_at: Option<Expiry>,
    /// Write the tuples as paused: they stay and count as absent
    #[arg(long, conflicts_with = "resume")]
    paused: bool,
    /// Let tuples that are paused count again; refused unless they exist
    #[arg(long, conflicts_with = "on_duplicate")]
    resume: bool,
    /// What to do about a tuple that exists; `update` gives it the lifetime that is named here [default: error]
    #[arg(long, value_name = "WHAT")]
    on_duplicate: Option<OnDuplicate>,
    /// Take the tuples from a file (YAML, JSON, NDJSON or CSV; `-` is the standard input)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["object", "relation", "subjects"])]
    file: Option<PathBuf>,
    /// How the file is written [default: by its name]
    #[arg(long, value_name = "FORMAT", requires = "file")]
    format: Option<Format>,
    #[command(flatten)]
    store: StoreArgs,
}

/// What a write does about a tuple that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnDuplicate {
    /// Refuse the whole write
    Error,
    /// Leave the tuple as it is
    Ignore,
    /// Give it the lifetime and condition that are named; what is not named stays
    Update,
}

/// An expiration as it can be given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    Never,
    At(Instant),
    /// Microseconds from now.
    After(i64),
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let Some(span) = text.strip_prefix('+') else {
        return text.parse().map(Expiry::At).map_err(|error: crate::model::InstantError| error.to_string());
    };
    let unit = span.chars().next_back();
    let seconds: Option<i64> = match unit {
        Some('s') => Some(1),
        Some('m') => Some(60),
        Some('h') => Some(3600),
        Some('d') => Some(86_400),
        _ => None,
    };
    let number = span.get(..span.len().saturating_sub(1)).and_then(|digits| digits.parse::<u32>().ok());
    match (number, seconds) {
        (Some(number), Some(seconds)) => {
            Ok(Expiry::After(i64::from(number).saturating_mul(seconds * 1_000_000)))
        }
        _ => Err("a span is a whole number with a unit: `+90s`, `+15m`, `+12h` or `+30d`".to_owned()),
    }
}

/// What the server answers to a write.
#[derive(Deserialize)]
struct Written {
    revision: Option<Value>,
}

impl WriteArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let mut tuples = match &self.file {
            Some(path) => tuples_of_file(path, self.format)?,
            None => self.tuples_of_arguments()?,
        };
        self.set_lifetimes(&mut tuples, &SystemClock);
        let client = Client::new(&self.store.server);
        let path = format!("/stores/{}/write", self.store.store);
        let (mut done, mut revision) = (0, None);
        for chunk in tuples.chunks(TUPLES_PER_WRITE_MAX) {
            let answer = client.post(&path, &self.request(chunk)).map_err(|reason| {
                if tuples.len() <= TUPLES_PER_WRITE_MAX {
                    return Failure::Client(reason);
                }
                Failure::Partly { reason, verb: self.verb(), done, total: tuples.len(), chunk: chunk.len() }
            })?;
            done += chunk.len();
            if self.store.server.json {
                output::raw(out, &answer)?;
            } else {
                revision = answer.read::<Written>()?.revision;
            }
        }
        if !self.store.server.json {
            let revision = revision.map_or_else(String::new, |revision| format!(", revision {revision}"));
            writeln!(out, "{} {}{revision}", output::count(done, "tuple"), self.verb())?;
        }
        Ok(())
    }

    fn verb(&self) -> &'static str {
        if self.delete { "deleted" } else { "written" }
    }

    fn tuples_of_arguments(&self) -> Result<Vec<GivenTuple>, Failure> {
        let (Some(object), Some(relation)) = (&self.object, &self.relation) else { return Ok(Vec::new()) };
        let tuple = |subject: &String| {
            let key = TupleKey::parse(object, relation, subject)
                .map_err(|error| Failure::Input(error.to_string()))?;
            Ok(GivenTuple { key, expires_at: Field::Absent, paused: None, condition: None })
        };
        self.subjects.iter().map(tuple).collect()
    }

    /// The lifetime that the options name goes before the one in a file.
    fn set_lifetimes(&self, tuples: &mut [GivenTuple], clock: &dyn Clock) {
        let expires_at = self.expires_at.map(|expiry| match expiry {
            Expiry::Never => Field::Clear,
            Expiry::At(instant) => Field::Set(instant),
            Expiry::After(micros) => Field::Set(clock.now().saturating_add_micros(micros)),
        });
        for tuple in tuples {
            tuple.expires_at = expires_at.unwrap_or(tuple.expires_at);
            if self.paused || self.resume {
                tuple.paused = Some(self.paused);
            }
        }
    }

    fn request(&self, tuples: &[GivenTuple]) -> Value {
        if self.delete {
            let keys: Vec<_> = tuples.iter().map(GivenTuple::key_json).collect();
            return json!({ "deletes": { "tuple_keys": keys } });
        }
        let keys: Vec<_> = tuples.iter().map(GivenTuple::json).collect();
        if self.resume {
            // An update writes a tuple that does not exist. To resume one that was taken away meanwhile must not bring
            // it back.
            let exist: Vec<_> = tuples
                .iter()
                .map(|tuple| json!({ "tuple_key": tuple.key_json(), "must": "exist" }))
                .collect();
            return json!({ "writes": { "tuple_keys": keys, "on_duplicate": "update" }, "preconditions": exist });
        }
        match self.on_duplicate.as_ref().and_then(ValueEnum::to_possible_value) {
            Some(what) => json!({ "writes": { "tuple_keys": keys, "on_duplicate": what.get_name() } }),
            None => json!({ "writes": { "tuple_keys": keys } }),
        }
    }
}

fn tuples_of_file(path: &Path, format: Option<Format>) -> Result<Vec<GivenTuple>, Failure> {
    if path == Path::new("-") {
        let format =
            format.ok_or_else(|| Failure::Input("tuples on the standard input need --format".to_owned()))?;
        return Ok(tuple_file::read("standard input", format, io::stdin().lock())?);
    }
    let format = format.map_or_else(|| Format::of(path), Ok)?;
    let file =
        File::open(path).map_err(|reason| Failure::Read { name: path.display().to_string(), reason })?;
    Ok(tuple_file::read(&path.display().to_string(), format, file)?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        write: WriteArgs,
    }

    fn parse(arguments: &str) -> Result<WriteArgs, clap::Error> {
        let store = ["write", "--store", "01ARZ3NDEKTSV4RRFFQ69G5FAV"];
        Command::try_parse_from(store.into_iter().chain(arguments.split_whitespace()))
            .map(|command| command.write)
    }

    fn request(arguments: &str) -> Value {
        struct Noon;
        impl Clock for Noon {
            fn now(&self) -> Instant {
                "2027-01-31T12:00:00Z".parse().unwrap()
            }
        }
        let args = parse(arguments).unwrap();
        let mut tuples = args.tuples_of_arguments().unwrap();
        args.set_lifetimes(&mut tuples, &Noon);
        args.request(&tuples)
    }

    #[test]
    fn several_subjects_are_several_tuples() {
        let key = |user: &str| json!({ "user": user, "relation": "viewer", "object": "park:p1" });
        assert_eq!(
            request("park:p1 viewer user:a user:b"),
            json!({ "writes": { "tuple_keys": [key("user:a"), key("user:b")] } })
        );
        assert_eq!(
            request("--delete park:p1 viewer user:a"),
            json!({ "deletes": { "tuple_keys": [key("user:a")] } })
        );
    }

    #[test]
    fn a_lifetime_goes_with_every_tuple() {
        let written = |arguments: &str| request(arguments)["writes"].clone();
        assert_eq!(
            written("park:p1 viewer user:a --expires-at +90s --paused")["tuple_keys"][0],
            json!({ "user": "user:a", "relation": "viewer", "object": "park:p1",
                    "expires_at": "2027-01-31T12:01:30Z", "paused": true })
        );
        let cleared = written("park:p1 viewer user:a --expires-at never --on-duplicate update");
        assert_eq!(cleared["on_duplicate"], "update");
        assert_eq!(cleared["tuple_keys"][0].as_object().unwrap().get("expires_at"), Some(&Value::Null));
    }

    #[test]
    fn resuming_is_an_update_of_tuples_that_must_exist() {
        let resumed = request("park:p1 viewer user:a --resume");
        assert_eq!(resumed["writes"]["on_duplicate"], "update");
        assert_eq!(resumed["writes"]["tuple_keys"][0]["paused"], false);
        assert_eq!(resumed["preconditions"][0]["must"], "exist");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for arguments in [
            "",
            "park:p1 viewer",
            "park:p1 viewer user:a --file t.csv",
            "park:p1 viewer user:a --paused --resume",
            "park:p1 viewer user:a --delete --expires-at +1d",
            "park:p1 viewer user:a --expires-at tomorrow",
            "park:p1 viewer user:a --expires-at +3",
            "park:p1 viewer user:a --expires-at +-3s",
            "park:p1 viewer user:a --resume --on-duplicate ignore",
        ] {
            assert!(parse(arguments).is_err(), "{arguments}");
        }
    }
}

//! `tenure write`: tuples into a store and out of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Client, ClientError, StoreArgs};
use super::failure::Failure;
use super::output;
use super::query::json_object;
use super::tuple_file::{self, Format, GivenTuple};
use crate::model::limits::TUPLES_PER_WRITE_MAX;
use crate::model::{Clock, Instant, SystemClock, TupleKey};
use crate::store::Field;

/// Write tuples, change the lifetimes of those that exist, or delete them
///
/// The tuples of one command are written in one commit, those of a file in commits of 100.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure write user:carl viewer_grant park:p1 park:p2
  tenure write user:carl viewer_grant park:p3 --expires-at 2027-01-31T12:00:00Z
  tenure write user:carl viewer_grant park:p3 --renew +30d
  tenure write organization:sun partner cooperation:c1 --pause
  tenure write organization:sun partner cooperation:c1 --resume
  tenure write user:carl viewer document:d1 --condition in_hours --condition-context '{\"from\": 8}'
  tenure write --delete user:carl viewer_grant park:p1
  tenure write --file tuples.yaml --on-duplicate ignore")]
pub struct WriteArgs {
    /// Who: `type:id`, `type:id#relation` or `type:*`
    #[arg(required_unless_present = "file")]
    subject: Option<String>,
    /// Which relation
    #[arg(required_unless_present = "file")]
    relation: Option<String>,
    /// On what, `type:id`
    #[arg(required_unless_present = "file", value_name = "OBJECT")]
    objects: Vec<String>,
    /// Delete the tuples instead
    #[arg(long, conflicts_with_all = ["expires_at", "paused", "on_duplicate", "change"])]
    delete: bool,
    /// From when on new tuples count as absent: an instant such as 2027-01-31T12:00:00Z, or `+90s`, `+15m`, `+12h` or
    /// `+30d` from now by this machine's clock
    #[arg(long, value_name = "T", value_parser = expiry)]
    expires_at: Option<Expiry>,
    /// Write new tuples as paused: they stay and count as absent
    #[arg(long)]
    paused: bool,
    /// Write new tuples that count only while this condition of the model holds
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "delete", "change"])]
    condition: Option<String>,
    /// Values of the condition's parameters, as a JSON object; they go before a request's
    #[arg(long, value_name = "JSON", value_parser = json_object, requires = "condition")]
    condition_context: Option<Map<String, Value>>,
    /// What to do about a tuple that exists [default: error]
    #[arg(long, value_name = "WHAT")]
    on_duplicate: Option<OnDuplicate>,
    #[command(flatten)]
    change: ChangeArgs,
    /// Take the tuples from a file (YAML, JSON, NDJSON or CSV; `-` is the standard input)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["subject", "relation", "objects"])]
    file: Option<PathBuf>,
    /// How the file is written [default: by its name]
    #[arg(long, value_name = "FORMAT", requires = "file")]
    format: Option<Format>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Changes of tuples that exist. Where one of them does not, nothing is changed and none is made: a typing error must
/// not grant anything.
#[derive(Debug, Args)]
#[group(id = "change", multiple = true, conflicts_with_all = ["expires_at", "paused", "on_duplicate"])]
struct ChangeArgs {
    /// Pause: the tuples stay and count as absent
    #[arg(long, conflicts_with = "resume", help_heading = "Changes of tuples that exist")]
    pause: bool,
    /// Let paused tuples count again
    #[arg(long, help_heading = "Changes of tuples that exist")]
    resume: bool,
    /// Change from when on they count as absent; T as for --expires-at
    #[arg(long, value_name = "T", value_parser = expiry, conflicts_with = "never_expires")]
    #[arg(help_heading = "Changes of tuples that exist")]
    renew: Option<Expiry>,
    /// Let them count without an end
    #[arg(long, help_heading = "Changes of tuples that exist")]
    never_expires: bool,
}

impl ChangeArgs {
    /// What has been done to the tuples; `None` where no change is asked for.
    fn verb(&self) -> Option<&'static str> {
        let expiry = self.renew.is_some() || self.never_expires;
        match (self.pause, self.resume, expiry) {
            (false, false, false) => None,
            (false, false, true) => Some("renewed"),
            (true, _, false) => Some("paused"),
            (false, true, false) => Some("resumed"),
            (true, _, true) => Some("paused and renewed"),
            (false, true, true) => Some("resumed and renewed"),
        }
    }
}

/// What a write does about a tuple that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnDuplicate {
    /// Refuse the whole write
    Error,
    /// Leave the tuple as it is
    Ignore,
    /// Give it the lifetime and condition that the file names; what is not named stays. Needs --file
    Update,
}

/// An instant as it can be given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    At(Instant),
    /// Microseconds from now.
    After(i64),
}

/// Reads an instant, or a span from now, for clap.
pub(super) fn expiry(text: &str) -> Result<Expiry, String> {
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

impl Expiry {
    /// The instant, by a clock.
    pub(super) fn at(self, clock: &dyn Clock) -> Instant {
        match self {
            Self::At(instant) => instant,
            Self::After(micros) => clock.now().saturating_add_micros(micros),
        }
    }
}

/// The part of an answer that says which revision it is of.
#[derive(Deserialize)]
struct Revised {
    revision: Option<u64>,
}

impl WriteArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        if self.on_duplicate == Some(OnDuplicate::Update) && self.file.is_none() {
            return Err(Failure::Input(
                "`--on-duplicate update` is for the lifetimes of a --file; to change one tuple that exists: --pause, \
                 --resume, --renew or --never-expires"
                    .to_owned(),
            ));
        }
        let mut tuples = match &self.file {
            Some(path) => tuples_of_file(path, self.format)?,
            None => self.tuples_of_arguments()?,
        };
        self.set_lifetimes(&mut tuples, &SystemClock);
        let client = Client::new(&self.store.server);
        let before = self.revision_before(&client, &tuples);
        let path = format!("/stores/{}/write", self.store.store);
        let (mut done, mut revision) = (0, None);
        for chunk in tuples.chunks(TUPLES_PER_WRITE_MAX) {
            let answer = client.post(&path, &self.request(chunk)).map_err(|reason| {
                if tuples.len() <= TUPLES_PER_WRITE_MAX {
                    return self.advised(reason);
                }
                Failure::Partly { reason, verb: self.verb(), done, total: tuples.len(), chunk: chunk.len() }
            })?;
            done += chunk.len();
            if self.store.server.json {
                output::raw(out, &answer)?;
            } else {
                revision = answer.read::<Revised>()?.revision;
            }
        }
        if !self.store.server.json {
            writeln!(out, "{}", self.outcome(done, before, revision))?;
        }
        Ok(())
    }

    /// Whether the server may accept the write and change nothing.
    fn may_change_nothing(&self) -> bool {
        self.change.verb().is_some() || self.accepts_what_exists()
    }

    fn accepts_what_exists(&self) -> bool {
        matches!(self.on_duplicate, Some(OnDuplicate::Ignore | OnDuplicate::Update))
    }

    /// The newest revision before the write, where it will have to be told whether anything has changed: a write that
    /// changes nothing makes none. The cheapest answer that has a revision is that to a check; where it is refused, so
    /// will be the write, and that is the message to see.
    fn revision_before(&self, client: &Client, tuples: &[GivenTuple]) -> Option<u64> {
        let first = tuples.first().filter(|_| self.may_change_nothing() && !self.store.server.json)?;
        let path = format!("/stores/{}/check", self.store.store);
        let answer = client.post(&path, &json!({ "tuple_key": first.key_json() })).ok()?;
        answer.read::<Revised>().ok()?.revision
    }

    /// What has happened, in one line.
    fn outcome(&self, done: usize, before: Option<u64>, after: Option<u64>) -> String {
        let revision = after.map_or_else(String::new, |revision| format!(", revision {revision}"));
        if self.may_change_nothing() && before.is_some() && before == after {
            return format!("nothing changed{revision}");
        }
        let rest = match self.on_duplicate {
            Some(OnDuplicate::Ignore) => "; those that existed stay as they were",
            Some(OnDuplicate::Update) => "; those that existed were updated",
            Some(OnDuplicate::Error) | None => "",
        };
        format!("{} {}{revision}{rest}", output::count(done, "tuple"), self.verb())
    }

    fn verb(&self) -> &'static str {
        match self.change.verb() {
            Some(verb) => verb,
            None if self.delete => "deleted",
            None if self.accepts_what_exists() => "accepted",
            None => "written",
        }
    }

    /// The refusal, with what to do about it where this command knows more than the server.
    fn advised(&self, reason: ClientError) -> Failure {
        let help = match reason.code() {
            Some("precondition_failed") if self.change.verb().is_some() => {
                "each tuple must exist to be changed, and one does not; `tenure read --include-inactive` shows those that do"
            }
            Some("write_failed_due_to_invalid_input") if !self.delete => {
                "a tuple that exists is changed with --pause, --resume, --renew T or --never-expires, and left as it is \
                 with --on-duplicate ignore"
            }
            _ => return Failure::Client(reason),
        };
        Failure::Advised { reason, help }
    }

    fn tuples_of_arguments(&self) -> Result<Vec<GivenTuple>, Failure> {
        let (Some(subject), Some(relation)) = (&self.subject, &self.relation) else { return Ok(Vec::new()) };
        let context = self.condition_context.clone().unwrap_or_default();
        let condition = self.condition.as_ref().map(|name| json!({ "name": name, "context": context }));
        let tuple = |object: &String| {
            let key = TupleKey::parse(object, relation, subject)
                .map_err(|error| Failure::Input(error.to_string()))?;
            Ok(GivenTuple { key, expires_at: Field::Absent, paused: None, condition: condition.clone() })
        };
        self.objects.iter().map(tuple).collect()
    }

    /// The lifetime that the options name goes before the one in a file.
    fn set_lifetimes(&self, tuples: &mut [GivenTuple], clock: &dyn Clock) {
        let end = self.expires_at.or(self.change.renew).map(|expiry| Field::Set(expiry.at(clock)));
        let end = if self.change.never_expires { Some(Field::Clear) } else { end };
        let paused = match (self.paused || self.change.pause, self.change.resume) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        for tuple in tuples {
            tuple.expires_at = end.unwrap_or(tuple.expires_at);
            tuple.paused = paused.or(tuple.paused);
        }
    }

    fn request(&self, tuples: &[GivenTuple]) -> Value {
        if self.delete {
            let keys: Vec<_> = tuples.iter().map(GivenTuple::key_json).collect();
            return json!({ "deletes": { "tuple_keys": keys } });
        }
        let keys: Vec<_> = tuples.iter().map(GivenTuple::json).collect();
        if self.change.verb().is_some() {
            // An update writes a tuple that does not exist. To change one that is misspelt, or was taken away
            // meanwhile, must not make it.
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
    fn several_objects_are_several_tuples() {
        let key = |object: &str| json!({ "user": "user:a", "relation": "viewer", "object": object });
        assert_eq!(
            request("user:a viewer park:p1 park:p2"),
            json!({ "writes": { "tuple_keys": [key("park:p1"), key("park:p2")] } })
        );
        assert_eq!(
            request("--delete user:a viewer park:p1"),
            json!({ "deletes": { "tuple_keys": [key("park:p1")] } })
        );
    }

    #[test]
    fn a_lifetime_goes_with_every_tuple() {
        let written = request("user:a viewer park:p1 --expires-at +90s --paused");
        assert_eq!(
            written["writes"]["tuple_keys"][0],
            json!({ "user": "user:a", "relation": "viewer", "object": "park:p1",
                    "expires_at": "2027-01-31T12:01:30Z", "paused": true })
        );
        assert_eq!(written.get("preconditions"), None);
    }

    #[test]
    fn a_condition_goes_with_every_tuple() {
        let written = request("user:a viewer park:p1 --condition c --condition-context {\"x\":[1]}");
        let condition = &written["writes"]["tuple_keys"][0]["condition"];
        assert_eq!(*condition, json!({ "name": "c", "context": { "x": [1] } }));
        let written = request("user:a viewer park:p1 --condition c");
        assert_eq!(written["writes"]["tuple_keys"][0]["condition"], json!({ "name": "c", "context": {} }));
    }

    #[test]
    fn a_change_is_an_update_of_tuples_that_must_exist() {
        for (option, field, value) in [
            ("--pause", "paused", json!(true)),
            ("--resume", "paused", json!(false)),
            ("--renew +90s", "expires_at", json!("2027-01-31T12:01:30Z")),
            ("--never-expires", "expires_at", Value::Null),
        ] {
            let changed = request(&format!("user:a viewer park:p1 {option}"));
            assert_eq!(changed["writes"]["on_duplicate"], "update", "{option}");
            let tuple = changed["writes"]["tuple_keys"][0].as_object().unwrap();
            assert_eq!((tuple.len(), tuple.get(field)), (4, Some(&value)), "{option}: and nothing else");
            assert_eq!(changed["preconditions"][0]["must"], "exist", "{option}");
        }
    }

    #[test]
    fn the_outcome_claims_no_more_than_is_known() {
        let outcome = |arguments: &str, before, after| parse(arguments).unwrap().outcome(1, before, after);
        let tuple = "user:a viewer park:p1";
        assert_eq!(outcome(tuple, None, Some(2)), "1 tuple written, revision 2");
        assert_eq!(outcome(&format!("{tuple} --pause"), Some(2), Some(3)), "1 tuple paused, revision 3");
        assert_eq!(outcome(&format!("{tuple} --pause"), Some(3), Some(3)), "nothing changed, revision 3");
        let ignore = format!("{tuple} --on-duplicate ignore");
        assert_eq!(outcome(&ignore, Some(3), Some(3)), "nothing changed, revision 3");
        assert_eq!(
            outcome(&ignore, Some(3), Some(4)),
            "1 tuple accepted, revision 4; those that existed stay as they were"
        );
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for arguments in [
            "",
            "user:a viewer",
            "user:a viewer park:p1 --file t.csv",
            "user:a viewer park:p1 --pause --resume",
            "user:a viewer park:p1 --paused --pause",
            "user:a viewer park:p1 --renew +1d --never-expires",
            "user:a viewer park:p1 --expires-at +1d --renew +1d",
            "user:a viewer park:p1 --delete --expires-at +1d",
            "user:a viewer park:p1 --delete --pause",
            "user:a viewer park:p1 --expires-at tomorrow",
            "user:a viewer park:p1 --expires-at never",
            "user:a viewer park:p1 --expires-at +3",
            "user:a viewer park:p1 --expires-at +-3s",
            "user:a viewer park:p1 --resume --on-duplicate ignore",
            "user:a viewer park:p1 --condition-context {}",
            "user:a viewer park:p1 --condition c --condition-context 1",
            "user:a viewer park:p1 --condition c --pause",
        ] {
            assert!(parse(arguments).is_err(), "{arguments}");
        }
    }
}

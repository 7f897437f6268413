//! Files of tuples: YAML, JSON, NDJSON and CSV, read into one shape.
//!
//! Every tuple is checked for its form here. Where a file is read whole, that is before anything is sent, so that a typing
//! error in the last row does not leave the rows before it written. Whether a tuple fits the model is the server's to say.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use clap::ValueEnum;
use csv::StringRecord;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::model::limits::TUPLE_LINE_BYTES_MAX;
use crate::model::{Instant, InstantError, TupleKey, TupleParseError};
use crate::store::Field;

/// How a file of tuples is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A list of tuples, or a mapping with such a list under `tuples`
    Yaml,
    /// The same in JSON
    Json,
    /// One tuple as JSON a line
    Ndjson,
    /// Comma-separated, with a header line
    Csv,
}

/// Why a file of tuples cannot be used.
#[derive(Debug, Error)]
pub enum TupleFileError {
    /// The ending says nothing about the format.
    #[error("cannot tell the format of `{name}` by its name; say it with --format")]
    UnknownFormat {
        /// The file's name.
        name: String,
    },
    /// It cannot be read as its format.
    #[error("`{name}` is not valid {format}: {reason}")]
    Syntax {
        /// The file's name.
        name: String,
        /// The format.
        format: Format,
        /// What is wrong, with the place.
        reason: String,
    },
    /// One of the tuples cannot be one.
    #[error("{place} of `{name}`: {reason}")]
    Tuple {
        /// The file's name.
        name: String,
        /// Which of them it is.
        place: Place,
        /// What is wrong.
        reason: TupleError,
    },
}

/// Where a tuple stands, as far as its format tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The line, from 1.
    Line(u64),
    /// Which of the tuples, from 1.
    Tuple(usize),
}

/// Why one tuple of a file cannot be one.
#[derive(Debug, Error)]
pub enum TupleError {
    /// A name is malformed.
    #[error(transparent)]
    Key(#[from] TupleParseError),
    /// The expiration is malformed.
    #[error(transparent)]
    ExpiresAt(#[from] InstantError),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::Tuple(number) => write!(f, "tuple {number}"),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Ndjson => "NDJSON",
            Self::Csv => "CSV",
        })
    }
}

impl Format {
    /// The format that a file's name tells.
    pub fn of(path: &Path) -> Result<Self, TupleFileError> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("yaml" | "yml") => Ok(Self::Yaml),
            Some("json") => Ok(Self::Json),
            Some("ndjson" | "jsonl") => Ok(Self::Ndjson),
            Some("csv") => Ok(Self::Csv),
            _ => Err(TupleFileError::UnknownFormat { name: path.display().to_string() }),
        }
    }
}

/// A tuple to be written or deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenTuple {
    /// Its key.
    pub key: TupleKey,
    /// When it ends.
    pub expires_at: Field<Instant>,
    /// Whether it is paused; `None` says nothing about it.
    pub paused: Option<bool>,
    /// Its condition, as the API has it.
    pub condition: Option<Value>,
}

impl GivenTuple {
    /// Its key as the API has it.
    pub fn key_json(&self) -> Map<String, Value> {
        key_json(&self.key)
    }

    /// The whole tuple as the API has it; what it says nothing about is absent.
    pub fn json(&self) -> Map<String, Value> {
        let mut fields = self.key_json();
        if let Some(condition) = &self.condition {
            fields.insert("condition".to_owned(), condition.clone());
        }
        match self.expires_at {
            Field::Absent => {}
            Field::Clear => drop(fields.insert("expires_at".to_owned(), Value::Null)),
            Field::Set(end) => drop(fields.insert("expires_at".to_owned(), end.to_string().into())),
        }
        if let Some(paused) = self.paused {
            fields.insert("paused".to_owned(), paused.into());
        }
        fields
    }

    /// The same, in which what it says nothing about is as on a new tuple.
    pub fn whole_json(&self) -> Map<String, Value> {
        let mut fields = self.json();
        for (name, value) in
            [("condition", Value::Null), ("expires_at", Value::Null), ("paused", Value::Bool(false))]
        {
            fields.entry(name).or_insert(value);
        }
        fields
    }
}

/// A key as the API has it.
pub fn key_json(key: &TupleKey) -> Map<String, Value> {
    let fields = [
        ("user", key.subject.to_string()),
        ("relation", key.relation.to_string()),
        ("object", key.object.to_string()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// A tuple as YAML and JSON have it. A misspelt field is refused: an `expire_at` must not grant for ever.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    user: String,
    relation: String,
    object: String,
    condition: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    expires_at: Field<String>,
    paused: Option<bool>,
}

/// Tells null from absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Field<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map_or(Field::Clear, Field::Set))
}

/// A row of CSV: either whole names, or their parts in the columns that OpenFGA's command line has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    user: Option<String>,
    user_type: Option<String>,
    user_id: Option<String>,
    user_relation: Option<String>,
    relation: String,
    object: Option<String>,
    object_type: Option<String>,
    object_id: Option<String>,
    condition_name: Option<String>,
    condition_context: Option<String>,
    expires_at: Option<String>,
    paused: Option<bool>,
}

/// A list of tuples, or a mapping with such a list under `tuples`; its other fields (a store test file has some) play
/// no part here.
struct Document(Vec<Entry>);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor).map(Self)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tuples, or a mapping with one under `tuples`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Vec<Entry>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_element()? {
            entries.push(entry);
        }
        Ok(entries)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Vec<Entry>, A::Error> {
        let mut entries = None;
        while let Some(name) = access.next_key::<String>()? {
            if name != "tuples" {
                access.next_value::<IgnoredAny>()?;
            } else if entries.replace(access.next_value()?).is_some() {
                return Err(A::Error::duplicate_field("tuples"));
            }
        }
        entries.ok_or_else(|| A::Error::missing_field("tuples"))
    }
}

impl Entry {
    fn read(self) -> Result<GivenTuple, TupleError> {
        Ok(GivenTuple {
            key: TupleKey::parse(&self.object, &self.relation, &self.user)?,
            expires_at: match self.expires_at {
                Field::Absent => Field::Absent,
                Field::Clear => Field::Clear,
                Field::Set(text) => Field::Set(text.parse()?),
            },
            paused: self.paused,
            condition: self.condition,
        })
    }
}

impl TryFrom<Row> for Entry {
    type Error = String;

    fn try_from(row: Row) -> Result<Self, String> {
        let whole = |name, whole: Option<String>, type_name: Option<String>, id: Option<String>| match (
            whole, type_name, id,
        ) {
            (Some(whole), None, None) => Ok(whole),
            (None, Some(type_name), Some(id)) => Ok(format!("{type_name}:{id}")),
            _ => Err(format!("needs either `{name}`, or `{name}_type` and `{name}_id`")),
        };
        let mut user = whole("user", row.user, row.user_type, row.user_id)?;
        if let Some(relation) = row.user_relation {
            user = format!("{user}#{relation}");
        }
        let context = row.condition_context.map(|text| serde_json::from_str::<Value>(&text)).transpose();
        let context = context.map_err(|error| format!("`condition_context` is not JSON: {error}"))?;
        let condition = match (row.condition_name, context) {
            (None, None) => None,
            (Some(name), None) => Some(json!({ "name": name })),
            (Some(name), Some(context)) => Some(json!({ "name": name, "context": context })),
            (None, Some(_)) => return Err("has `condition_context` without `condition_name`".to_owned()),
        };
        Ok(Self {
            user,
            relation: row.relation,
            object: whole("object", row.object, row.object_type, row.object_id)?,
            condition,
            expires_at: row.expires_at.map_or(Field::Absent, Field::Set),
            paused: row.paused,
        })
    }
}

/// What is read of a tuple before its names are looked at; an error is text without the file's name.
type Entries<'a> = Box<dyn Iterator<Item = Result<(Place, Entry), String>> + 'a>;

/// Reads the tuples of a file; `name` is for messages.
pub fn read(name: &str, format: Format, text: impl Read) -> Result<Vec<GivenTuple>, TupleFileError> {
    let tuples = stream(name, format, text, 1)?;
    tuples.map(|tuple| tuple.map(|(_, tuple)| tuple)).collect()
}

/// The tuples of a file one after the other, each with its place, without those in lines before `from_line`. Only NDJSON
/// and CSV are read as they are asked for; the others are held whole.
pub fn stream<'a>(
    name: &'a str,
    format: Format,
    text: impl Read + 'a,
    from_line: u64,
) -> Result<impl Iterator<Item = Result<(Place, GivenTuple), TupleFileError>> + 'a, TupleFileError> {
    let syntax = move |reason| TupleFileError::Syntax { name: name.to_owned(), format, reason };
    let entries: Entries<'a> = match format {
        Format::Csv => csv_entries(text, from_line).map_err(syntax)?,
        Format::Ndjson => lines(text, from_line),
        Format::Yaml | Format::Json => Box::new(document(format, text).map_err(syntax)?.into_iter().map(Ok)),
    };
    Ok(entries.map(move |entry| {
        let (place, entry) = entry.map_err(syntax)?;
        let tuple = entry.read();
        let wrong = |reason| TupleFileError::Tuple { name: name.to_owned(), place, reason };
        tuple.map(|tuple| (place, tuple)).map_err(wrong)
    }))
}

fn document(format: Format, text: impl Read) -> Result<Vec<(Place, Entry)>, String> {
    let text = whole_text(text)?;
    let document: Result<Document, String> = match format {
        Format::Yaml => serde_saphyr::from_str(&text).map_err(|error| error.to_string()),
        _ => serde_json::from_str(&text).map_err(|error| error.to_string()),
    };
    document.map(numbered)
}

fn numbered(Document(entries): Document) -> Vec<(Place, Entry)> {
    entries.into_iter().enumerate().map(|(index, entry)| (Place::Tuple(index + 1), entry)).collect()
}

fn whole_text(mut text: impl Read) -> Result<String, String> {
    let mut whole = String::new();
    text.read_to_string(&mut whole).map_err(|error| error.to_string())?;
    Ok(whole)
}

fn lines<'a>(text: impl Read + 'a, from_line: u64) -> Entries<'a> {
    let mut text = BufReader::new(text);
    let next = move || {
        let mut line = Vec::new();
        let taken = text.by_ref().take(TUPLE_LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let too_long = line.len() as u64 == TUPLE_LINE_BYTES_MAX && !line.ends_with(b"\n");
        match taken {
            Ok(0) => None,
            Ok(_) if too_long => Some(Err(format!("it has more than {TUPLE_LINE_BYTES_MAX} bytes"))),
            Ok(_) => Some(Ok(line)),
            Err(error) => Some(Err(error.to_string())),
        }
    };
    let filled = (1..).zip(std::iter::from_fn(next)).filter(move |(number, line)| {
        *number >= from_line && line.as_ref().map_or(true, |line| !line.trim_ascii().is_empty())
    });
    Box::new(filled.map(|(number, line)| {
        let place = Place::Line(number);
        let entry = line.and_then(|line| serde_json::from_slice(&line).map_err(|error| error.to_string()));
        entry.map(|entry| (place, entry)).map_err(|reason| format!("{place}: {reason}"))
    }))
}

fn csv_entries<'a>(text: impl Read + 'a, from_line: u64) -> Result<Entries<'a>, String> {
    let room = Rc::new(Cell::new(TUPLE_LINE_BYTES_MAX));
    let text = RowBound { text, room: Rc::clone(&room) };
    let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header = rows.headers().map_err(|error| error.to_string())?.clone();
    let mut count = 0;
    let entry = move |record: Result<StringRecord, csv::Error>| {
        room.set(TUPLE_LINE_BYTES_MAX);
        count += 1;
        let record = record.map_err(|error| error.to_string())?;
        let place = record.position().map_or(Place::Tuple(count), |at| Place::Line(at.line()));
        if matches!(place, Place::Line(line) if line < from_line) {
            return Ok(None);
        }
        let row: Row = record.deserialize(Some(&header)).map_err(|error| error.to_string())?;
        let entry = Entry::try_from(row).map_err(|reason| format!("{place} {reason}"))?;
        Ok(Some((place, entry)))
    };
    Ok(Box::new(rows.into_records().map(entry).filter_map(Result::transpose)))
}

/// Bounds what is read for one row: a quote that nobody closes must not take in the rest of the file.
struct RowBound<R> {
    text: R,
    room: Rc<Cell<u64>>,
}

impl<R: Read> Read for RowBound<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.text.read(into)?;
        let room = self.room.get().checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!(
                "a row has more than {TUPLE_LINE_BYTES_MAX} bytes; is a quote in it not closed?"
            ))
        })?;
        self.room.set(room);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuples(format: Format, text: &str) -> Result<Vec<String>, String> {
        let tuples = read("tuples", format, text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(tuples.iter().map(|tuple| Value::Object(tuple.json()).to_string()).collect())
    }

    const ALICE: &str = r#"{"object":"park:p1","relation":"viewer","user":"user:alice"}"#;

    #[test]
    fn every_format_gives_the_same_tuples() {
        let yaml = "- user: user:alice\n  relation: viewer\n  object: park:p1\n";
        assert_eq!(tuples(Format::Yaml, yaml).unwrap(), [ALICE]);
        let nested = "name: example\ntuples:\n  - {user: user:alice, relation: viewer, object: park:p1}\n";
        assert_eq!(tuples(Format::Yaml, nested).unwrap(), [ALICE]);
        assert_eq!(tuples(Format::Json, &format!("[{ALICE}]")).unwrap(), [ALICE]);
        assert_eq!(tuples(Format::Ndjson, &format!("{ALICE}\n\n{ALICE}\n")).unwrap(), [ALICE, ALICE]);
        assert_eq!(
            tuples(Format::Csv, "user,relation,object\nuser:alice, viewer, park:p1\n").unwrap(),
            [ALICE]
        );
        let parts =
            "user_type,user_id,user_relation,relation,object_type,object_id\nuser,alice,,viewer,park,p1\n";
        assert_eq!(tuples(Format::Csv, parts).unwrap(), [ALICE]);
    }

    #[test]
    fn lifetimes_and_conditions_are_taken_from_every_format() {
        let expected = concat!(
            r#"{"condition":{"context":{"cidr":"10.0.0.0/8"},"name":"inside"},"expires_at":"2027-01-31T12:00:00Z","#,
            r#""object":"park:p1","paused":true,"relation":"viewer","user":"group:eng#member"}"#
        );
        let yaml = "- user: group:eng#member\n  relation: viewer\n  object: park:p1\n  paused: true\n  \
                    expires_at: 2027-01-31T13:00:00+01:00\n  condition: {name: inside, context: {cidr: 10.0.0.0/8}}\n";
        assert_eq!(tuples(Format::Yaml, yaml).unwrap(), [expected]);
        let csv = "user_type,user_id,user_relation,relation,object,expires_at,paused,condition_name,condition_context\n\
                   group,eng,member,viewer,park:p1,2027-01-31T12:00:00Z,true,inside,\"{\"\"cidr\"\":\"\"10.0.0.0/8\"\"}\"\n";
        assert_eq!(tuples(Format::Csv, csv).unwrap(), [expected]);
    }

    #[test]
    fn null_clears_an_expiration_and_absence_says_nothing() {
        let cleared = r#"[{"user":"user:a","relation":"r","object":"o:1","expires_at":null}]"#;
        let read = read("t", Format::Json, cleared.as_bytes()).unwrap();
        assert_eq!(read[0].expires_at, Field::Clear);
        assert_eq!(Value::Object(read[0].json())["expires_at"], Value::Null);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let wrong = |format, text| tuples(format, text).unwrap_err();
        let misspelt =
            format!("{ALICE}\n{}", r#"{"user":"user:a","relation":"r","object":"o:1","expire_at":null}"#);
        let message = wrong(Format::Ndjson, &misspelt);
        assert!(
            message.starts_with("`tuples` is not valid NDJSON: line 2: unknown field `expire_at`"),
            "{message}"
        );
        assert_eq!(
            wrong(Format::Csv, "user,relation,object\nuser:a,r,o:1\nalice,r,o:1\n"),
            "line 3 of `tuples`: `alice` has no `:`; expected `type:id`"
        );
        assert_eq!(
            wrong(Format::Ndjson, "\n{\"user\":\"alice\",\"relation\":\"r\",\"object\":\"o:1\"}"),
            "line 2 of `tuples`: `alice` has no `:`; expected `type:id`"
        );
        assert_eq!(
            wrong(Format::Json, r#"[{"user":"user:a","relation":"r","object":"o:1","expires_at":"soon"}]"#),
            "tuple 1 of `tuples`: `soon` is not an instant; expected RFC 3339, for example `2027-01-31T12:00:00Z`"
        );
        let message =
            wrong(Format::Csv, "user,relation,object,expire_at\nuser:a,r,o:1,2027-01-31T12:00:00Z\n");
        assert!(message.contains("expire_at"), "{message}");
        let message = wrong(Format::Csv, "user,relation\nuser:a,r\n");
        assert!(
            message.ends_with("line 2 needs either `object`, or `object_type` and `object_id`"),
            "{message}"
        );
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        let twice = r#"{"user":"user:a","relation":"r","object":"o:1","expires_at":"2027-01-31T12:00:00Z","expires_at":null}"#;
        assert!(tuples(Format::Ndjson, twice).is_err());
        assert!(tuples(Format::Json, &format!("[{twice}]")).is_err());
        assert!(tuples(Format::Yaml, &format!("[{twice}]")).is_err());
        assert!(tuples(Format::Json, r#"{"tuples":[],"tuples":[]}"#).is_err());
        assert!(tuples(Format::Json, r#"{"tuple":[]}"#).is_err());
    }

    #[test]
    fn a_stream_is_read_as_it_is_asked_for_and_from_a_line_on() {
        struct Endless(&'static [u8]);
        impl Read for Endless {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let text = self.0.iter().cycle();
                let read = into.iter_mut().zip(text).map(|(into, from)| *into = *from).count();
                Ok(read / self.0.len() * self.0.len())
            }
        }
        let places = |format, text: Box<dyn Read>, from_line| {
            let tuples = stream("t", format, text, from_line).unwrap().take(3);
            tuples.map(|tuple| tuple.unwrap().0.to_string()).collect::<Vec<_>>()
        };
        let line = Endless(b"{\"user\":\"user:a\",\"relation\":\"r\",\"object\":\"o:1\"}\n");
        assert_eq!(places(Format::Ndjson, Box::new(line), 1_000), ["line 1000", "line 1001", "line 1002"]);
        let rows = b"user,relation,object\n".chain(Endless(b"user:a,r,o:1\n"));
        assert_eq!(places(Format::Csv, Box::new(rows), 1_000), ["line 1000", "line 1001", "line 1002"]);
    }

    #[test]
    fn a_line_or_row_without_end_is_refused() {
        let refused = |format, text: Box<dyn Read>| {
            let mut tuples = stream("t", format, text, 1).unwrap();
            tuples.find_map(Result::err).unwrap().to_string()
        };
        assert_eq!(
            refused(Format::Ndjson, Box::new(io::repeat(b'x'))),
            "`t` is not valid NDJSON: line 1: it has more than 1048576 bytes"
        );
        let rows = b"user,relation,object\nuser:a,r,o:1\n\"user:a,r,o:1\n".chain(io::repeat(b'x'));
        let message = refused(Format::Csv, Box::new(rows));
        assert!(
            message.ends_with("a row has more than 1048576 bytes; is a quote in it not closed?"),
            "{message}"
        );
    }

    #[test]
    fn the_format_is_told_by_the_name() {
        assert_eq!(Format::of(Path::new("a/tuples.YML")).unwrap(), Format::Yaml);
        assert_eq!(Format::of(Path::new("t.jsonl")).unwrap(), Format::Ndjson);
        assert!(Format::of(Path::new("tuples.txt")).is_err());
    }
}

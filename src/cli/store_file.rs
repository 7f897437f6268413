//! Store files (`*.fga.yaml`): a model, tuples, and tests of what the model then decides.
//!
//! The format is that of OpenFGA's command line, with three additions: `expires_at` and `paused` on a tuple, and `at`,
//! the instant that a test is decided for. A tuple of a test stands in the place of a global one with the same key.
//!
//! Everything is read strictly: a misspelt key would otherwise be a test that tests nothing, or a tuple that never
//! expires. An error names the file, the line, the test and the field.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use thiserror::Error;

use super::store_file_lists::{
    ListAssertion, RawListObjects, RawListUsers, add_list_objects, add_list_users,
};
use crate::cel::{Context, canonical};
use crate::model::{
    Instant, Lifetime, Object, Subject, TupleCondition, TupleKey, check_condition_name, check_relation,
};

/// A store file.
#[derive(Debug, Clone)]
pub struct StoreFile {
    /// Its name, for people.
    pub name: Option<String>,
    /// The model.
    pub model: ModelSource,
    /// The tuples that every test has.
    pub tuples: Vec<StoreTuple>,
    /// The tests, in the order of the file.
    pub tests: Vec<StoreTest>,
}

/// Where the model of a store file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// In the file itself.
    Inline(String),
    /// In files of its own; the path is resolved from the store file's directory.
    File(PathBuf),
}

/// A tuple of a store file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreTuple {
    /// Its key.
    pub key: TupleKey,
    /// When it counts.
    pub lifetime: Lifetime,
    /// The condition under which it counts.
    pub condition: Option<TupleCondition>,
}

/// One test.
#[derive(Debug, Clone)]
pub struct StoreTest {
    /// Its name; `test 3` where the file gives none.
    pub name: String,
    /// What it shows.
    pub description: Option<String>,
    /// The instant that it is decided for. There is one whenever a tuple of the test expires.
    pub at: Option<Instant>,
    /// Its own tuples.
    pub tuples: Vec<StoreTuple>,
    /// What is asked and expected, one entry for each user, object and relation.
    pub checks: Vec<CheckAssertion>,
    /// What lists are asked for and expected, one entry for each of them and each relation.
    pub lists: Vec<ListAssertion>,
}

/// One question and the answer that is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckAssertion {
    /// Who.
    pub subject: Subject,
    /// Which relation.
    pub relation: Box<str>,
    /// On what.
    pub object: Object,
    /// The request's context; conditions alone look at it.
    pub context: Context,
    /// Whether it is to be allowed.
    pub expected: bool,
}

/// Why a store file cannot be used.
#[derive(Debug, Error)]
pub struct StoreFileError {
    /// The store file's name.
    file: String,
    /// Line and column, where known.
    place: Option<(u64, u64)>,
    /// The test that it is in.
    test: Option<String>,
    /// What is wrong, with the field.
    reason: String,
}

impl fmt::Display for StoreFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(test) = &self.test {
            write!(f, ": {test}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Reads the tuples of a file that `tuple_file` or `tuple_files` names. The format of these files is another module's.
pub type ReadTuples<'a> = &'a dyn Fn(&Path) -> Result<Vec<StoreTuple>, String>;

impl StoreFile {
    /// Reads the text of the store file at `path`; the files that it names lie relative to that.
    pub fn parse(path: &Path, text: &str, read_tuples: ReadTuples<'_>) -> Result<Self, StoreFileError> {
        let reader = Reader { path, read_tuples };
        let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
        match serde_saphyr::from_str_with_options::<RawFile>(text, options) {
            Ok(raw) => reader.file(raw),
            Err(error) => Err(reader.syntax(text, &error)),
        }
    }

    /// The tuples that a test is decided on: its own, and those of the file that it does not replace.
    pub fn tuples_of<'a>(&'a self, test: &'a StoreTest) -> impl Iterator<Item = &'a StoreTuple> {
        effective(&self.tuples, &test.tuples)
    }
}

fn effective<'a>(global: &'a [StoreTuple], own: &'a [StoreTuple]) -> impl Iterator<Item = &'a StoreTuple> {
    let replaced: HashSet<&TupleKey> = own.iter().map(|tuple| &tuple.key).collect();
    global.iter().filter(move |tuple| !replaced.contains(&tuple.key)).chain(own)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    name: Option<String>,
    model: Option<String>,
    model_file: Option<Spanned<String>>,
    tuples: Option<Vec<RawTuple>>,
    tuple_file: Option<Spanned<String>>,
    tuple_files: Option<Vec<Spanned<String>>>,
    tests: Option<Vec<Spanned<RawTest>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTuple {
    user: Spanned<String>,
    relation: Spanned<String>,
    object: Spanned<String>,
    condition: Option<Spanned<RawCondition>>,
    expires_at: Option<Spanned<String>>,
    paused: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCondition {
    name: String,
    context: Option<Context>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTest {
    name: Option<String>,
    description: Option<String>,
    at: Option<Spanned<String>>,
    tuples: Option<Vec<RawTuple>>,
    tuple_file: Option<Spanned<String>>,
    tuple_files: Option<Vec<Spanned<String>>>,
    check: Option<Vec<Spanned<RawCheck>>>,
    list_objects: Option<Vec<Spanned<RawListObjects>>>,
    list_users: Option<Vec<Spanned<RawListUsers>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCheck {
    user: Option<Spanned<String>>,
    users: Option<Vec<Spanned<String>>>,
    object: Option<Spanned<String>>,
    objects: Option<Vec<Spanned<String>>>,
    context: Option<Context>,
    assertions: BTreeMap<String, bool>,
}

/// Only what tells which test a line is in.
#[derive(Deserialize)]
struct Outline {
    tests: Vec<Spanned<OutlineTest>>,
}

#[derive(Deserialize)]
struct OutlineTest {
    name: Option<String>,
}

/// What is wrong, and where; who reads a test or the file adds its name.
pub(super) struct Wrong {
    pub(super) place: Option<(u64, u64)>,
    pub(super) reason: String,
}

pub(super) type Read<T> = Result<T, Wrong>;

pub(super) fn place(location: Location) -> Option<(u64, u64)> {
    (location != Location::UNKNOWN).then(|| (location.line(), location.column()))
}

pub(super) fn wrong<T>(at: &Spanned<T>, field: &str, reason: impl fmt::Display) -> Wrong {
    Wrong { place: place(at.referenced), reason: format!("`{field}`: {reason}") }
}

struct Reader<'a> {
    path: &'a Path,
    read_tuples: ReadTuples<'a>,
}

impl Reader<'_> {
    fn error(&self, test: Option<&str>, wrong: Wrong) -> StoreFileError {
        StoreFileError {
            file: self.path.display().to_string(),
            place: wrong.place,
            test: test.map(str::to_owned),
            reason: wrong.reason,
        }
    }

    /// Adds to an error of the YAML reader the name of the test that it is in, if the file can be read at all.
    fn syntax(&self, text: &str, error: &serde_saphyr::Error) -> StoreFileError {
        let place = error.location().and_then(place);
        let rendered = error.to_string();
        // The message says the place too, which stands before it here.
        let repeated = place.map(|(line, column)| format!(" at line {line}, column {column}"));
        let reason = match &repeated {
            Some(repeated) => rendered.replace(repeated, ""),
            None => rendered,
        };
        let outline =
            serde_saphyr::from_str::<Outline>(text).map(|outline| outline.tests).unwrap_or_default();
        let tests = outline.iter().enumerate();
        let test = tests
            .take_while(|(_, test)| place.is_some_and(|(line, _)| test.referenced.line() <= line))
            .last();
        let test = test.map(|(index, test)| test_title(index, test.value.name.as_deref()));
        self.error(test.as_deref(), Wrong { place, reason })
    }

    fn file(&self, raw: RawFile) -> Result<StoreFile, StoreFileError> {
        let in_file = |wrong| self.error(None, wrong);
        let model = match (raw.model, raw.model_file) {
            (Some(text), None) => ModelSource::Inline(text),
            (None, Some(file)) => ModelSource::File(self.beside(&file.value)),
            (Some(_), Some(file)) => {
                return Err(in_file(wrong(&file, "model_file", "stands beside `model`; give one")));
            }
            (None, None) => {
                let reason = "needs either `model` or `model_file`".to_owned();
                return Err(in_file(Wrong { place: None, reason }));
            }
        };
        let tuples = self.tuples(raw.tuples, raw.tuple_file, raw.tuple_files).map_err(in_file)?;
        let mut tests = Vec::new();
        for (index, test) in raw.tests.unwrap_or_default().into_iter().enumerate() {
            let title = test_title(index, test.value.name.as_deref());
            let test = self.test(index, test, &tuples).map_err(|wrong| self.error(Some(&title), wrong))?;
            tests.push(test);
        }
        Ok(StoreFile { name: raw.name, model, tuples, tests })
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(name)
    }

    fn tuples(
        &self,
        raw: Option<Vec<RawTuple>>,
        file: Option<Spanned<String>>,
        files: Option<Vec<Spanned<String>>>,
    ) -> Read<Vec<StoreTuple>> {
        let mut tuples = Tuples::default();
        for raw in raw.unwrap_or_default() {
            let location = raw.object.referenced;
            tuples.add(tuple(raw)?).map_err(|reason| Wrong { place: place(location), reason })?;
        }
        for (field, file) in file
            .map(|file| ("tuple_file", file))
            .into_iter()
            .chain(files.into_iter().flatten().map(|file| ("tuple_files", file)))
        {
            for tuple in
                (self.read_tuples)(&self.beside(&file.value)).map_err(|reason| wrong(&file, field, reason))?
            {
                tuples.add(tuple).map_err(|reason| wrong(&file, field, reason))?;
            }
        }
        Ok(tuples.in_order)
    }

    fn test(&self, index: usize, raw: Spanned<RawTest>, global: &[StoreTuple]) -> Read<StoreTest> {
        let start = raw.referenced;
        let raw = raw.value;
        let tuples = self.tuples(raw.tuples, raw.tuple_file, raw.tuple_files)?;
        let at = raw.at.as_ref().map(|at| instant(at, "at")).transpose()?;
        if at.is_none() && effective(global, &tuples).any(|tuple| tuple.lifetime.expires_at.is_some()) {
            let reason =
                "has tuples that expire, so it needs `at`, the instant that it is decided for".to_owned();
            return Err(Wrong { place: place(start), reason });
        }
        let mut checks = Vec::new();
        for check in raw.check.unwrap_or_default() {
            add_checks(&mut checks, check)?;
        }
        let mut lists = Vec::new();
        for list in raw.list_objects.unwrap_or_default() {
            add_list_objects(&mut lists, list)?;
        }
        for list in raw.list_users.unwrap_or_default() {
            add_list_users(&mut lists, list)?;
        }
        Ok(StoreTest {
            name: raw.name.unwrap_or_else(|| format!("test {}", index + 1)),
            description: raw.description,
            at,
            tuples,
            checks,
            lists,
        })
    }
}

fn test_title(index: usize, name: Option<&str>) -> String {
    name.map_or_else(|| format!("test {}", index + 1), |name| format!("test `{name}`"))
}

/// Tuples of one level, each key once.
#[derive(Default)]
struct Tuples {
    in_order: Vec<StoreTuple>,
    by_key: HashMap<TupleKey, usize>,
}

impl Tuples {
    /// Adds a tuple. The same tuple twice is one, as with several files it may well be; which of two with different
    /// lifetimes or conditions should count, nobody can say.
    fn add(&mut self, tuple: StoreTuple) -> Result<(), String> {
        match self.by_key.get(&tuple.key).and_then(|index| self.in_order.get(*index)) {
            None => {
                self.by_key.insert(tuple.key.clone(), self.in_order.len());
                self.in_order.push(tuple);
                Ok(())
            }
            Some(known) if *known == tuple => Ok(()),
            Some(_) => Err(format!("`{}` stands here twice, and not the same", tuple.key)),
        }
    }
}

fn tuple(raw: RawTuple) -> Read<StoreTuple> {
    Ok(StoreTuple {
        key: TupleKey {
            object: object(&raw.object, "object")?,
            relation: relation(&raw.relation.value)
                .map_err(|reason| wrong(&raw.relation, "relation", reason))?,
            subject: subject(&raw.user, "user")?,
        },
        lifetime: Lifetime {
            expires_at: raw.expires_at.as_ref().map(|end| instant(end, "expires_at")).transpose()?,
            paused: raw.paused.unwrap_or(false),
        },
        condition: raw.condition.map(condition).transpose()?,
    })
}

fn condition(raw: Spanned<RawCondition>) -> Read<TupleCondition> {
    let name = &raw.value.name;
    check_condition_name(name)
        .map_err(|reason| wrong(&raw, "condition", format_args!("the name `{name}` {reason}")))?;
    let context = canonical(raw.value.context.unwrap_or_default());
    Ok(TupleCondition { name: raw.value.name.into(), context: context.into() })
}

fn add_checks(checks: &mut Vec<CheckAssertion>, raw: Spanned<RawCheck>) -> Read<()> {
    let start = place(raw.referenced);
    let either =
        |name: &str, one: Option<Spanned<String>>, many: Option<Vec<Spanned<String>>>| match (one, many) {
            (Some(one), None) => Ok(vec![one]),
            (None, Some(many)) if !many.is_empty() => Ok(many),
            _ => Err(Wrong {
                place: start,
                reason: format!("`check`: needs either `{name}` or a list `{name}s`"),
            }),
        };
    let raw = raw.value;
    let subjects = either("user", raw.user, raw.users)?;
    let subjects = subjects.iter().map(|text| subject(text, "user")).collect::<Read<Vec<_>>>()?;
    let objects = either("object", raw.object, raw.objects)?;
    let objects = objects.iter().map(|text| object(text, "object")).collect::<Read<Vec<_>>>()?;
    let context = raw.context.unwrap_or_default();
    if raw.assertions.is_empty() {
        return Err(Wrong { place: start, reason: "`assertions`: asserts nothing".to_owned() });
    }
    let mut assertions = Vec::new();
    for (name, expected) in raw.assertions {
        let relation = relation(&name)
            .map_err(|reason| Wrong { place: start, reason: format!("`assertions`: {reason}") })?;
        assertions.push((relation, expected));
    }
    for subject in &subjects {
        for object in &objects {
            checks.extend(assertions.iter().map(|(relation, expected)| CheckAssertion {
                subject: subject.clone(),
                relation: relation.clone(),
                object: object.clone(),
                context: context.clone(),
                expected: *expected,
            }));
        }
    }
    Ok(())
}

pub(super) fn object(text: &Spanned<String>, field: &str) -> Read<Object> {
    Object::parse(&text.value).map_err(|reason| wrong(text, field, reason))
}

pub(super) fn subject(text: &Spanned<String>, field: &str) -> Read<Subject> {
    Subject::parse(&text.value).map_err(|reason| wrong(text, field, reason))
}

pub(super) fn relation(name: &str) -> Result<Box<str>, String> {
    check_relation(name).map_err(|reason| format!("`{name}` {reason}"))?;
    Ok(name.into())
}

fn instant(text: &Spanned<String>, field: &str) -> Read<Instant> {
    text.value.parse().map_err(|reason| wrong(text, field, reason))
}

#[cfg(test)]
#[path = "store_file_tests.rs"]
mod tests;

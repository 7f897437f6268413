//! What is sent, made before the run so that a request costs the tester little, and what its answer should be.
//!
//! Every answer is compared with what is known of it: the decision of a check; for a list, whether it has the object
//! that it was asked for the sake of. What a tuple means is not known here.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use clap::ValueEnum;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::Received;
use crate::cli::tuple_file::GivenTuple;
use crate::cli::workload::{DataSet, Draw, Question, Skew, Tuple};
use crate::model::{Instant, ModelId};
use crate::store::Field;

/// As many entries has a list that OpenFGA's server cuts off, where nobody has said otherwise; it does not say so.
const OPENFGA_RESULTS_MAX: usize = 1_000;
/// For each question that is wanted, so many are drawn at most: a small data set has not so many.
const DRAWS_PER_QUESTION: usize = 20;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Operation {
    /// One decision
    Check,
    /// Many decisions in one request
    BatchCheck,
    /// All objects of a type that a user has a relation with
    ListObjects,
    /// New tuples
    Write,
}

impl Operation {
    /// The name, as options and reports have it; it is that of the route, too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::BatchCheck => "batch-check",
            Self::ListObjects => "list-objects",
            Self::Write => "write",
        }
    }
}

/// How often each operation is asked for, in relation to the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix(pub Vec<(Operation, f64)>);

impl Mix {
    /// Whether it has the operation.
    pub fn has(&self, operation: Operation) -> bool {
        self.0.iter().any(|(own, _)| *own == operation)
    }

    /// The operation at a place between 0 and 1.
    fn at(&self, place: f64) -> Operation {
        let mut left = place * self.0.iter().map(|(_, weight)| weight).sum::<f64>();
        for (operation, weight) in &self.0 {
            left -= weight;
            if left < 0.0 {
                return *operation;
            }
        }
        self.0.last().map_or(Operation::Check, |(operation, _)| *operation)
    }
}

/// Reads `check=9,write=1`, for clap. A name alone has the weight 1.
pub fn mix(text: &str) -> Result<Mix, String> {
    let mut parts: Vec<(Operation, f64)> = Vec::new();
    for part in text.split(',') {
        let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
        let operation = Operation::from_str(name.trim(), false).map_err(|_| {
            format!("`{}` is no operation; expected check, batch-check, list-objects or write", name.trim())
        })?;
        let weight: f64 =
            weight.trim().parse().ok().filter(|weight| *weight > 0.0 && *weight <= 1e9).ok_or_else(|| {
                format!(
                    "the weight of {} is a number above 0, such as {}=9",
                    operation.name(),
                    operation.name()
                )
            })?;
        if parts.iter().any(|(own, _)| *own == operation) {
            return Err(format!("{} stands twice", operation.name()));
        }
        parts.push((operation, weight));
    }
    Ok(Mix(parts))
}

/// What the requests are to be like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which operations.
    pub mix: Mix,
    /// Share of the questions whose answer is no, from 0 to 1.
    pub deny_share: f64,
    /// Most different questions.
    pub distinct: usize,
    /// How often the same is asked.
    pub skew: Skew,
    /// Draws the questions.
    pub seed: u64,
    /// Checks in one batch.
    pub batch_size: usize,
    /// Tuples in one write.
    pub write_size: usize,
    /// The field `consistency` of every question.
    pub consistency: Option<&'static str>,
    /// The model that every request names.
    pub model: ModelId,
    /// Sets the objects of this run's writes apart from those of others.
    pub run: String,
}

/// A question, rendered.
struct Asked {
    object: Box<str>,
    /// Each empty where its operation is not asked for.
    check: Bytes,
    list: Bytes,
    /// An entry of a batch up to its correlation id.
    entry: Box<str>,
}

/// All that may be sent.
pub struct Requests<'a> {
    settings: Settings,
    data: &'a DataSet,
    /// Those that are to be denied, and those that are to be allowed.
    questions: [Vec<Asked>; 2],
}

/// Draws the requests of one connection.
pub struct Dice {
    even: Draw,
    skewed: Draw,
    connection: usize,
    written: u64,
}

/// A request, and what is known of its answer.
pub struct Prepared<'a> {
    /// What it asks for.
    pub operation: Operation,
    /// What is sent.
    pub body: Bytes,
    expected: Expected<'a>,
}

enum Expected<'a> {
    Decision { allowed: bool },
    Decisions(Vec<bool>),
    Listed { object: &'a str, listed: bool },
    Nothing,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Answered as expected.
    Right {
        /// How many decisions it has.
        decisions: u64,
    },
    /// Done; there was nothing to compare.
    Written,
    /// Answered, by a list that is not whole, so that what is not in it says nothing.
    Unknown,
    /// Answered otherwise: what was asked, and the answer.
    Wrong(String),
    /// Not answered: the kind of error.
    Failed(String),
}

impl Outcome {
    /// How many decisions the answer has.
    pub fn decisions(&self) -> u64 {
        match self {
            Self::Right { decisions } => *decisions,
            Self::Written | Self::Unknown | Self::Wrong(_) | Self::Failed(_) => 0,
        }
    }
}

#[derive(Deserialize)]
struct Decision {
    allowed: bool,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    result: HashMap<Cow<'a, str>, BatchItem>,
}

#[derive(Deserialize)]
struct BatchItem {
    allowed: Option<bool>,
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    objects: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

impl<'a> Requests<'a> {
    /// Draws and renders the questions.
    pub fn new(data: &'a DataSet, settings: Settings) -> Self {
        let denied = (settings.distinct as f64 * settings.deny_share).round() as usize;
        let draw = |allowed: bool, share: f64, count: usize| {
            if share == 0.0 {
                return Vec::new();
            }
            render_all(data.questions(allowed, settings.seed), count.max(1), &settings)
        };
        let questions = [
            draw(false, settings.deny_share, denied),
            draw(true, 1.0 - settings.deny_share, settings.distinct.saturating_sub(denied)),
        ];
        Self { settings, data, questions }
    }

    /// How many different questions there are.
    pub fn distinct(&self) -> usize {
        self.questions.iter().map(Vec::len).sum()
    }

    /// What the requests are like.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Dice for a connection, by its number.
    pub fn dice(&self, connection: usize) -> Dice {
        // Far apart, so that no two connections draw the same.
        let seed = self.settings.seed ^ (connection as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95);
        let [even, skewed] = [Skew::Uniform, self.settings.skew].map(|skew| Draw::new(skew, seed));
        Dice { even, skewed, connection, written: 0 }
    }

    /// The next request.
    pub fn next(&'a self, dice: &mut Dice) -> Prepared<'a> {
        let operation = self.settings.mix.at(dice.even.unit());
        let (body, expected) = match operation {
            Operation::Check => {
                self.ask(dice, |asked, allowed| (asked.check.clone(), Expected::Decision { allowed }))
            }
            Operation::ListObjects => self.ask(dice, |asked, listed| {
                (asked.list.clone(), Expected::Listed { object: &asked.object, listed })
            }),
            Operation::BatchCheck => self.batch(dice),
            Operation::Write => (self.write(dice), Expected::Nothing),
        };
        Prepared { operation, body, expected }
    }

    fn pick(&self, dice: &mut Dice) -> Option<(&Asked, bool)> {
        let [denied, allowed] = &self.questions;
        let is_allowed = dice.even.unit() >= self.settings.deny_share;
        let of = if is_allowed { allowed } else { denied };
        dice.skewed.from(of).map(|(_, asked)| (asked, is_allowed))
    }

    fn ask(
        &'a self,
        dice: &mut Dice,
        with: impl Fn(&'a Asked, bool) -> (Bytes, Expected<'a>),
    ) -> (Bytes, Expected<'a>) {
        // Every share that is not 0 has a question.
        self.pick(dice)
            .map_or_else(|| (Bytes::new(), Expected::Nothing), |(asked, allowed)| with(asked, allowed))
    }

    fn batch(&self, dice: &mut Dice) -> (Bytes, Expected<'a>) {
        let mut body = String::from("{\"checks\":[");
        let mut expected = Vec::with_capacity(self.settings.batch_size);
        for number in 0..self.settings.batch_size {
            let Some((asked, allowed)) = self.pick(dice) else { break };
            if number > 0 {
                body.push(',');
            }
            body.push_str(&asked.entry);
            body.push_str(&format!("{number}\"}}"));
            expected.push(allowed);
        }
        body.push_str("],");
        body.push_str(&tail(&self.settings));
        (body.into(), Expected::Decisions(expected))
    }

    fn write(&self, dice: &mut Dice) -> Bytes {
        let Settings { run, write_size, model, .. } = &self.settings;
        let first = dice.written;
        dice.written += *write_size as u64;
        let tuple = |number| {
            let id = format!("{run}-{}-{number}", dice.connection);
            given(self.data.unrelated(&id), false).json()
        };
        let tuples: Vec<_> = (first..dice.written).map(tuple).collect();
        let model = model.to_string();
        json!({ "writes": { "tuple_keys": tuples }, "authorization_model_id": model }).to_string().into()
    }
}

/// A tuple as it is sent; its lifetime only to a server that knows them.
pub fn given(tuple: Tuple, with_lifetime: bool) -> GivenTuple {
    let expires_at = tuple.lifetime.expires_at.filter(|_| with_lifetime);
    GivenTuple {
        key: tuple.key,
        expires_at: expires_at.map_or(Field::Absent, Field::<Instant>::Set),
        paused: (with_lifetime && tuple.lifetime.paused).then_some(true),
        condition: None,
    }
}

/// The end of a question: its model and consistency, and the closing brace.
fn tail(settings: &Settings) -> String {
    let model = settings.model;
    match settings.consistency {
        Some(consistency) => {
            format!("\"authorization_model_id\":\"{model}\",\"consistency\":\"{consistency}\"}}")
        }
        None => format!("\"authorization_model_id\":\"{model}\"}}"),
    }
}

fn render_all(questions: impl Iterator<Item = Question>, count: usize, settings: &Settings) -> Vec<Asked> {
    let mut seen = HashSet::new();
    let mut rendered = Vec::new();
    for question in questions.take(count.saturating_mul(DRAWS_PER_QUESTION)) {
        let key = key(&question);
        if seen.insert(key.clone()) {
            rendered.push(render(&question, &key, settings));
            if rendered.len() == count {
                break;
            }
        }
    }
    rendered
}

/// The field `tuple_key` of a question.
fn key(Question { check, .. }: &Question) -> String {
    let key = json!({
        "user": check.subject.to_string(), "relation": check.relation, "object": check.object.to_string(),
    });
    format!("\"tuple_key\":{key}")
}

fn render(Question { check, .. }: &Question, key: &str, settings: &Settings) -> Asked {
    let has = |operation| settings.mix.has(operation);
    let text = |operation, text: &dyn Fn() -> String| if has(operation) { text() } else { String::new() };
    let list = || {
        let user = Value::from(check.subject.to_string());
        let (of, relation) = (Value::from(&*check.object.type_name), Value::from(&*check.relation));
        format!("{{\"type\":{of},\"relation\":{relation},\"user\":{user},{}", tail(settings))
    };
    Asked {
        object: check.object.to_string().into(),
        check: text(Operation::Check, &|| format!("{{{key},{}", tail(settings))).into(),
        list: text(Operation::ListObjects, &list).into(),
        entry: text(Operation::BatchCheck, &|| format!("{{{key},\"correlation_id\":\"")).into(),
    }
}

impl Prepared<'_> {
    /// Compares an answer with what is known of it.
    pub fn compare(&self, answer: &Received) -> Outcome {
        if !(200..300).contains(&answer.status) {
            let code = serde_json::from_slice(&answer.body).map(|Refusal { code }| code.into_owned());
            return Outcome::Failed(
                format!("HTTP {} {}", answer.status, code.unwrap_or_default()).trim_end().to_owned(),
            );
        }
        let compared = match &self.expected {
            Expected::Nothing => Ok(Outcome::Written),
            Expected::Decision { allowed } => serde_json::from_slice(&answer.body)
                .map(|decision: Decision| self.judge(decision.allowed == *allowed, 1, answer)),
            Expected::Decisions(expected) => serde_json::from_slice(&answer.body)
                .map(|batch: Batch<'_>| self.judge_batch(&batch, expected, answer)),
            Expected::Listed { object, listed } => {
                serde_json::from_slice(&answer.body).map(|list: Listed<'_>| {
                    let found = list.objects.iter().any(|own| own == object);
                    let whole = !answer.partial && list.objects.len() != OPENFGA_RESULTS_MAX;
                    if !found && *listed && !whole {
                        Outcome::Unknown
                    } else {
                        self.judge(found == *listed, 0, answer)
                    }
                })
            }
        };
        compared.unwrap_or_else(|_| Outcome::Failed("an answer that is not of this API".to_owned()))
    }

    fn judge_batch(&self, batch: &Batch<'_>, expected: &[bool], answer: &Received) -> Outcome {
        let decision =
            |number: usize| batch.result.get(number.to_string().as_str()).and_then(|item| item.allowed);
        let mut right = true;
        for (number, allowed) in expected.iter().enumerate() {
            match decision(number) {
                None => return Outcome::Failed("an item of a batch failed".to_owned()),
                Some(decision) => right &= decision == *allowed,
            }
        }
        self.judge(right, expected.len() as u64, answer)
    }

    fn judge(&self, right: bool, decisions: u64, answer: &Received) -> Outcome {
        if right {
            return Outcome::Right { decisions };
        }
        let shown = |bytes: &Bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.chars().take(500).collect::<String>()
        };
        Outcome::Wrong(format!(
            "{} {} was answered {}",
            self.operation.name(),
            shown(&self.body),
            shown(&answer.body)
        ))
    }
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;

//! Explain: why does a check decide as it does, when does that end, and what would turn a denial? A route of Tenure's own,
//! so that unknown fields are refused.

use axum::extract::State;
use axum::http::StatusCode;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::engine::{Engine, ExplainRequest, QueryContext};
use crate::eval::explain::{
    Change, ChangeKind, ExplainedNode, Explanation, Incomplete, NodeKind, Note, Reason, ShownTuple,
    TupleState, Verdict,
};
use crate::model::Revision;
use crate::model::limits::{CHANGES_PER_REASON_MAX, REASONS_MAX};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::extract::{Input, StorePath};
use crate::server::metrics::Purpose;
use crate::server::openapi::schema::{Schema, Shape, boolean, choice, list_of, one_of, shape, text};
use crate::server::openapi::{Operation, Tag, Verb, shapes};
use crate::server::reply::Reply;
use crate::server::routes::check::{FAILURES, given, tuple_key};
use crate::server::wire;
use crate::store::Database;

/// The answer.
#[derive(Serialize)]
pub(in crate::server) struct Explained {
    /// The decision, as Check has it.
    allowed: bool,
    /// The revision of the data.
    revision: Revision,
    /// The instant that is decided for: the one that was asked for, else now.
    at: String,
    /// As Check has it: up to this instant (exclusive) time alone cannot change the decision; `null`: never. A lower bound.
    stable_until: Option<String>,
    /// For an allowance: the first instant at which Check denies if nothing is written, over all paths; `null`: never.
    /// Where `incomplete` names it, access does not end before it and may last longer. `null` for a denial.
    ends_at: Option<String>,
    /// For a denial: the first instant at which Check allows if nothing is written, as when an exclusion expires; `null`:
    /// never, or not found out where `incomplete` names it. `null` for an allowance.
    begins_at: Option<String>,
    /// What was looked at, see [`Shown`].
    tree: Shown,
    /// For a denial: the smallest changes of tuples that would turn it, each verified, the nearest first, 10 at most.
    reasons: Vec<ShownReason>,
    /// Of `ends_at`, `begins_at`, `tree` and `reasons` those that met a limit of the explanation. The decision never has.
    incomplete: Vec<&'static str>,
}

pub(in crate::server) fn operation() -> Operation {
    let at = shapes::instant().says("The instant to decide for, the data being as it is; without it, now.");
    let instant = |says| shapes::instant().nullable().says(says);
    let ends_at = instant("When an allowance ends if nothing is written; null: never, or it is a denial.");
    let begins_at =
        instant("When a denial ends if nothing is written; null: never, not found out, or it is no denial.");
    let reason = shape().must("changes", list_of(change()).with("maxItems", CHANGES_PER_REASON_MAX)).closed();
    let reasons = list_of(reason.named("ExplainReason"))
        .with("maxItems", REASONS_MAX)
        .says("The smallest changes of tuples that would turn a denial, the nearest first.");
    let parts = choice(["ends_at", "begins_at", "tree", "reasons"]);
    let body = shape()
        .must("allowed", boolean())
        .must("revision", shapes::revision())
        .must("at", shapes::instant().says("The instant that this is decided for."))
        .must("stable_until", shapes::stable_until())
        .must("ends_at", ends_at)
        .must("begins_at", begins_at)
        .must("tree", node())
        .must("reasons", reasons)
        .must(
            "incomplete",
            list_of(parts).says("What met a limit of the explanation; the decision never has."),
        )
        .closed();
    let summary =
        "An addition: say why a check decides as it does, when that ends, and what would turn a denial.";
    Operation::new(Verb::Post, "/stores/{store_id}/explain", Tag::Queries, "Explain", summary)
        .takes_strictly(given().may("at", at).closed().named("ExplainRequest"))
        .answers(StatusCode::OK, "The explanation.", body.named("ExplainResponse"))
        .names_revision()
        .fails(FAILURES)
}

/// A node of the tree, as [`Shown`] is written.
fn node() -> Schema {
    const NAME: &str = "ExplainNode";
    let states = [
        "live",
        "paused",
        "expired",
        "paused_and_expired",
        "not_admitted",
        "condition_false",
        "condition_failed",
    ];
    let of = |kinds: &[&'static str]| shape().must("kind", choice(kinds.iter().copied()));
    let forms = [
        of(&["union", "intersection", "difference"]),
        of(&["relation", "tuples"]).must("name", shapes::userset()),
        of(&["from"]).must("name", shapes::userset()).must("computed", shapes::relation()),
        of(&["tuple"])
            .must("tuple_key", shapes::shown_tuple())
            .must("state", choice(states))
            .may("contextual", contextual()),
    ];
    let outcome = || choice(["true", "false", "unknown", "error", "not_evaluated"]);
    let note = || choice(["repeated", "limit", "unreachable", "itself"]);
    let whole = |form: Shape| {
        form.must("outcome", outcome())
            .may("error", text().says("Why the outcome is `error`."))
            .must("decides", boolean().says("Whether the decision rests on it."))
            .may("note", note())
            .may("children", list_of(Schema::reference(NAME)))
            .closed()
    };
    one_of(forms.map(whole)).named(NAME)
}

fn contextual() -> Schema {
    boolean().says("Whether the tuple came with the request; left out where it is stored.")
}

/// A change of one tuple, as [`ShownChange`] is written.
fn change() -> Schema {
    shape()
        .must("kind", choice(["resume", "renew", "raise_ceiling", "remove", "add"]))
        .must("tuple_key", shapes::shown_tuple())
        .may("contextual", contextual())
        .may("ceiling", shapes::shown_tuple().says("The live tuple that the role is capped at."))
        .closed()
        .named("ExplainChange")
}

/// `POST /stores/{store_id}/explain`
pub(in crate::server) async fn explain<D: Database>(
    State(app): State<App<D>>,
    StorePath(store): StorePath,
    mut input: Input,
) -> Result<Reply<Explained>, ApiError> {
    input.strict = true;
    let (context, request) = input.read(|fields| {
        let check = tuple_key(fields)?;
        let context = QueryContext {
            contextual_tuples: wire::contextual_tuples(fields)?,
            context: wire::context(fields)?,
            ..wire::query_context(fields)?
        };
        fields.boolean("trace")?;
        Ok((context, ExplainRequest { check, at: wire::given_instant(fields, "at")? }))
    })?;
    let explain = move |engine: &Engine<D>, context: &QueryContext| engine.explain(store, context, &request);
    let (answer, counts) = app.run_evaluation(store, context, explain).await?;
    app.metrics.evaluated(store, Purpose::Explanation, counts.made());
    let Explanation { allowed, stable_until, ends_at, begins_at, ref tree, ref reasons, incomplete } =
        answer.value;
    let body = Explained {
        allowed,
        revision: answer.revision,
        at: wire::instant(answer.at),
        stable_until: wire::optional_instant(stable_until),
        ends_at: wire::optional_instant(ends_at),
        begins_at: wire::optional_instant(begins_at),
        tree: Shown(tree.clone()),
        reasons: reasons.iter().cloned().map(ShownReason::from).collect(),
        incomplete: parts(incomplete),
    };
    Ok(Reply::computed(&answer, body))
}

fn parts(incomplete: Incomplete) -> Vec<&'static str> {
    let Incomplete { ends_at, begins_at, tree, reasons } = incomplete;
    let parts = [("ends_at", ends_at), ("begins_at", begins_at), ("tree", tree), ("reasons", reasons)];
    parts.into_iter().filter(|(_, met)| *met).map(|(name, _)| name).collect()
}

/// A tree as it is answered.
pub(in crate::server) fn tree(node: &ExplainedNode) -> Value {
    // It has no key that is no text, and nothing else fails.
    serde_json::to_value(Node(node)).unwrap_or_default()
}

/// A node of the tree:
///
/// - `kind`: `relation`, `union`, `intersection`, `difference`, `tuples` (a relation's own), `from` (`computed from
///   tupleset`) or `tuple`;
/// - `name`: of `relation` and `tuples` the relation of an object, of `from` the tupleset, as `object#relation`; beside it,
///   of `from`, `computed`;
/// - `tuple_key`, `state` (`live`, `paused`, `expired`, `paused_and_expired`, `not_admitted` by the model, `condition_false`
///   or `condition_failed`) and, where it was given with the request, `contextual`: of `tuple`;
/// - `outcome`: `true`, `false`, `unknown` (a circle through a subtraction, which denies), `error` (with the reason in
///   `error`) or `not_evaluated`;
/// - `decides`: whether the decision rests on it: for an allowance one proof, for a denial all that fails;
/// - `note`, where there is one: `repeated` (shown in full elsewhere in the tree), `limit` (not shown in full), `unreachable`
///   (by the model no subject of this kind can hold it) or `itself` (a userset holds its own relation);
/// - `children`, where there are any: of `difference` first who may be in it, then who is taken out.
struct Shown(ExplainedNode);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Node(&self.0).serialize(serializer)
    }
}

struct Node<'a>(&'a ExplainedNode);

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ExplainedNode { kind, verdict, decides, note, children } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", kind_name(kind))?;
        match kind {
            NodeKind::Relation { object, relation } | NodeKind::Tuples { object, relation } => {
                map.serialize_entry("name", &format!("{object}#{relation}"))?;
            }
            NodeKind::From { object, tupleset, computed } => {
                map.serialize_entry("name", &format!("{object}#{tupleset}"))?;
                map.serialize_entry("computed", computed)?;
            }
            NodeKind::Tuple(ShownTuple { key, record, state, contextual }) => {
                map.serialize_entry("tuple_key", &wire::ShownTuple { key, record: Some(record) })?;
                map.serialize_entry("state", state_name(state))?;
                if *contextual {
                    map.serialize_entry("contextual", contextual)?;
                }
            }
            NodeKind::Union | NodeKind::Intersection | NodeKind::Difference => {}
        }
        map.serialize_entry("outcome", outcome_name(verdict))?;
        if let Verdict::Failed(reason) = verdict {
            map.serialize_entry("error", reason)?;
        }
        map.serialize_entry("decides", decides)?;
        if let Some(note) = note {
            map.serialize_entry("note", note_name(*note))?;
        }
        if !children.is_empty() {
            map.serialize_entry("children", &children.iter().map(Node).collect::<Vec<_>>())?;
        }
        map.end()
    }
}

fn kind_name(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::Relation { .. } => "relation",
        NodeKind::Union => "union",
        NodeKind::Intersection => "intersection",
        NodeKind::Difference => "difference",
        NodeKind::Tuples { .. } => "tuples",
        NodeKind::From { .. } => "from",
        NodeKind::Tuple(_) => "tuple",
    }
}

fn state_name(state: &TupleState) -> &'static str {
    match state {
        TupleState::Live => "live",
        TupleState::Paused => "paused",
        TupleState::Expired => "expired",
        TupleState::PausedAndExpired => "paused_and_expired",
        TupleState::NotAdmitted => "not_admitted",
        TupleState::ConditionFalse => "condition_false",
        TupleState::ConditionFailed(_) => "condition_failed",
    }
}

fn outcome_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::True => "true",
        Verdict::False => "false",
        Verdict::Unknown => "unknown",
        Verdict::Failed(_) => "error",
        Verdict::NotEvaluated => "not_evaluated",
    }
}

fn note_name(note: Note) -> &'static str {
    match note {
        Note::Repeated => "repeated",
        Note::Limit => "limit",
        Note::Unreachable => "unreachable",
        Note::Itself => "itself",
    }
}

/// Changes that would, together and no fewer of them, turn the denial.
#[derive(Serialize)]
struct ShownReason {
    changes: Vec<ShownChange>,
}

impl From<Reason> for ShownReason {
    fn from(reason: Reason) -> Self {
        Self { changes: reason.changes.into_iter().map(ShownChange).collect() }
    }
}

/// A change of one tuple; one that is paused and has expired takes two.
///
/// - `kind`: `resume` (it is paused), `renew` (it has expired), `raise_ceiling` (it is not there, and another one caps the
///   role), `remove` (it stands in the way, as what `but not` takes out) or `add` (it is not there);
/// - `tuple_key`: which tuple, as it is; `contextual` where it was given with the request;
/// - `ceiling`, of `raise_ceiling`: the live tuple that the role is capped at.
///
/// A missing tuple is `raise_ceiling` if a live tuple of another relation ties the same subject to the same object, which is
/// the `ceiling`, and the missing one is asked for in a conjunction: it is a tupleset's (`a from b`) or names a userset, or
/// it stands anywhere within an operand of an `and`, the other operands of which hold. Else it is `add`, and it is on the
/// object asked about or on one that is a single tuple away.
struct ShownChange(Change);

impl Serialize for ShownChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Change { kind, key, record, contextual, ceiling } = &self.0;
        let mut map = serializer.serialize_map(None)?;
        let kind = match kind {
            ChangeKind::Resume => "resume",
            ChangeKind::Renew => "renew",
            ChangeKind::RaiseCeiling => "raise_ceiling",
            ChangeKind::Remove => "remove",
            ChangeKind::Add => "add",
        };
        map.serialize_entry("kind", kind)?;
        map.serialize_entry("tuple_key", &wire::ShownTuple { key, record: record.as_ref() })?;
        if *contextual {
            map.serialize_entry("contextual", contextual)?;
        }
        if let Some(key) = ceiling {
            map.serialize_entry("ceiling", &wire::ShownTuple { key, record: None })?;
        }
        map.end()
    }
}

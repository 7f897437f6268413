//! Explanations of small models.

use std::sync::Arc;

use serde_json::json;

use super::{ChangeKind, ExplainedNode, Explanation, NodeKind, Note, TupleState, Verdict, explain};
use crate::eval::{ContextualTuples, EvalError, LimitReached, Plan, Wanted};
use crate::model::limits::{
    EXPLAINED_TUPLES_PER_RELATION_MAX, EvaluationLimits, INSTANTS_ASKED_MAX, SHOWN_NODES_MAX,
    SHOWN_TUPLES_PER_RELATION_MAX,
};
use crate::model::{Clock, Instant, Lifetime, TupleCondition, TupleKey, TupleRecord};
use crate::schema;
use crate::store::memory::MemoryDatabase;
use crate::store::{Batch, Database, Field, OnDuplicate, Write};

fn instant(seconds: i64) -> Instant {
    Instant::from_unix_micros(seconds * 1_000_000).unwrap()
}

struct Still;
impl Clock for Still {
    fn now(&self) -> Instant {
        instant(0)
    }
}

/// `object relation subject`, then `paused`, the second of its end, and `with CONDITION`, as far as it has them.
fn tuple(line: &str) -> (TupleKey, TupleRecord) {
    let mut parts = line.split_whitespace();
    let mut part = || parts.next();
    let (object, relation, subject) = (part().unwrap(), part().unwrap(), part().unwrap());
    let key = TupleKey::parse(object, relation, subject).unwrap();
    let mut record = TupleRecord { lifetime: Lifetime::default(), condition: None, written_at: instant(0) };
    while let Some(term) = part() {
        match term {
            "paused" => record.lifetime.paused = true,
            "with" => {
                let name = part().unwrap().into();
                record.condition = Some(TupleCondition { name, context: "{}".into() });
            }
            end => record.lifetime.expires_at = Some(instant(end.parse().unwrap())),
        }
    }
    (key, record)
}

fn tuples(text: &str) -> impl Iterator<Item = (TupleKey, TupleRecord)> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(tuple)
}

/// What is asked, and in which surroundings.
#[derive(Default)]
struct Asked<'t> {
    model: &'t str,
    stored: &'t str,
    given: &'t str,
    context: serde_json::Map<String, serde_json::Value>,
    limits: EvaluationLimits,
    /// In seconds.
    at: i64,
}

impl Asked<'_> {
    fn explain(&self, question: &str) -> Result<Explanation, EvalError> {
        let model = schema::parse(self.model).unwrap_or_else(|errors| panic!("{}", errors.render("", false)));
        let database = MemoryDatabase::new(Arc::new(Still));
        let store = database.create_store("explain").unwrap().id;
        let write = |(key, record): (TupleKey, TupleRecord)| Write {
            key,
            condition: record.condition.map_or(Field::Absent, Field::Set),
            expires_at: record.lifetime.expires_at.map_or(Field::Absent, Field::Set),
            paused: Field::Set(record.lifetime.paused),
            on_duplicate: OnDuplicate::Error,
        };
        let batch = Batch { writes: tuples(self.stored).map(write).collect(), ..Batch::default() };
        database.commit(store, batch).unwrap();
        let snapshot = database.snapshot(store).unwrap().unwrap();
        let contextual = ContextualTuples::new(tuples(self.given));
        let (plan, (key, _)) = (Plan::compile(&model), tuple(question));
        let (at, limits, asked) = (instant(self.at), self.limits, key.as_ref());
        let wanted = Wanted::default();
        let explained = explain(&plan, &snapshot, &contextual, &self.context, at, (limits, &wanted), asked);
        explained.map(|(explanation, _)| explanation)
    }
}

/// At the second 100.
fn explained(model: &str, stored: &str, question: &str) -> Explanation {
    Asked { model, stored, at: 100, ..Asked::default() }.explain(question).unwrap()
}

/// Each reason in one line.
fn reasons(explanation: &Explanation) -> Vec<String> {
    let change = |change: &super::Change| {
        let kind = match change.kind {
            ChangeKind::Resume => "resume",
            ChangeKind::Renew => "renew",
            ChangeKind::RaiseCeiling => "raise",
            ChangeKind::Remove => "remove",
            ChangeKind::Add => "add",
        };
        format!("{kind} {}", change.key)
    };
    let reason = |reason: &super::Reason| reason.changes.iter().map(change).collect::<Vec<_>>().join(" + ");
    explanation.reasons.iter().map(reason).collect()
}

/// All nodes of a tree, parents before their children.
fn nodes(tree: &ExplainedNode) -> Vec<&ExplainedNode> {
    let mut found = vec![tree];
    tree.children.iter().for_each(|child| found.extend(nodes(child)));
    found
}

/// The tree, a node a line.
fn drawn(tree: &ExplainedNode) -> String {
    fn draw(node: &ExplainedNode, depth: usize, text: &mut String) {
        let what = match &node.kind {
            NodeKind::Relation { object, relation } => format!("{object}#{relation}"),
            NodeKind::Union => "or".to_owned(),
            NodeKind::Intersection => "and".to_owned(),
            NodeKind::Difference => "but not".to_owned(),
            NodeKind::Tuples { .. } => "tuples".to_owned(),
            NodeKind::From { tupleset, computed, .. } => format!("{computed} from {tupleset}"),
            NodeKind::Tuple(tuple) => format!("{} {:?}", tuple.key.subject, tuple.state),
        };
        let verdict = match &node.verdict {
            Verdict::True => "+",
            Verdict::False => "-",
            Verdict::Unknown => "?",
            Verdict::Failed(_) => "!",
            Verdict::NotEvaluated => ".",
        };
        let decides = if node.decides { " *" } else { "" };
        let note = node.note.map_or_else(String::new, |note| format!(" ({note:?})"));
        text.push_str(&format!("{}{verdict} {what}{decides}{note}\n", "  ".repeat(depth)));
        node.children.iter().for_each(|child| draw(child, depth + 1, text));
    }
    let mut text = String::new();
    draw(tree, 0, &mut text);
    text
}

const SHARED: &str = "
model
  schema 1.1
type user
type group
  relations
    define member: [user, user:*, group#member]
type share
  relations
    define partner: [group]
    define linked: [group]
    define admin: member from partner
type park
  relations
    define owner: [group]
    define manager_share: [share]
    define viewer_share: [share]
    define manager_delegate: [user]
    define viewer_delegate: [user]
    define blocked: [user, user:*, group#member]
    define manager: admin from manager_share or (manager_delegate and member from owner)
    define viewer: manager or admin from viewer_share or viewer_delegate
    define reader: viewer but not blocked
";

#[test]
fn an_allowance_shows_what_it_rests_on_and_what_it_does_not() {
    let stored = "
        park:1 viewer_delegate user:ann 300
        park:1 viewer_share share:1
        share:1 partner group:1 paused
        group:1 member user:ann";
    let explanation = explained(SHARED, stored, "park:1 viewer user:ann");
    assert!(explanation.allowed);
    assert_eq!(reasons(&explanation), [""; 0]);
    assert_eq!(
        drawn(&explanation.tree),
        "\
+ park:1#viewer *
  + or *
    - park:1#manager
      - or
        - admin from manager_share
        - and
          - park:1#manager_delegate
            - tuples
          - member from owner
    - admin from viewer_share
      - share:1 Live
        - share:1#admin
          - member from partner
            - group:1 Paused
              + group:1#member
                + tuples
                  + user:ann Live
    + park:1#viewer_delegate *
      + tuples *
        + user:ann Live *
"
    );
}

#[test]
fn a_denial_shows_what_was_passed_over() {
    let stored = "
        park:1 viewer_share share:1 90
        share:1 partner group:1 paused 80
        group:1 member user:*";
    let explanation = explained(SHARED, stored, "park:1 viewer user:ann");
    let states: Vec<_> = nodes(&explanation.tree)
        .into_iter()
        .filter_map(|node| match &node.kind {
            NodeKind::Tuple(tuple) => {
                Some((tuple.key.to_string(), tuple.state.clone(), node.verdict.clone()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        states,
        [
            ("park:1#viewer_share@share:1".to_owned(), TupleState::Expired, Verdict::False),
            ("share:1#partner@group:1".to_owned(), TupleState::PausedAndExpired, Verdict::False),
            ("group:1#member@user:*".to_owned(), TupleState::Live, Verdict::True),
        ]
    );
}

#[test]
fn a_paused_tuple_is_resumed_an_expired_one_renewed_and_one_that_is_both_takes_both() {
    let question = "park:1 viewer user:ann";
    let explanation = explained(SHARED, "park:1 viewer_delegate user:ann paused", question);
    assert_eq!(reasons(&explanation)[0], "resume park:1#viewer_delegate@user:ann");
    let explanation = explained(SHARED, "park:1 viewer_delegate user:ann 100", question);
    assert_eq!(reasons(&explanation)[0], "renew park:1#viewer_delegate@user:ann");
    let explanation = explained(SHARED, "park:1 viewer_delegate user:ann paused 50", question);
    assert_eq!(
        reasons(&explanation)[0],
        "resume park:1#viewer_delegate@user:ann + renew park:1#viewer_delegate@user:ann"
    );
}

#[test]
fn what_is_paused_on_one_path_is_one_reason_and_the_nearest_comes_first() {
    let stored = "
        park:1 viewer_share share:1 paused
        share:1 partner group:1 50
        group:1 member group:2#member
        group:2 member user:ann paused";
    let explanation = explained(SHARED, stored, "park:1 viewer user:ann");
    let found = reasons(&explanation);
    assert_eq!(
        found[0],
        "resume park:1#viewer_share@share:1 + renew share:1#partner@group:1 + resume group:2#member@user:ann"
    );
    assert_eq!(found[1], "add park:1#viewer_delegate@user:ann");
}

#[test]
fn a_capped_role_is_told_from_a_missing_tuple() {
    let stored = "
        park:1 viewer_share share:1
        share:1 partner group:1
        group:1 member user:ann
        park:1 owner group:2
        group:2 member user:bob
        park:1 viewer_delegate user:bob
        group:2 member user:cid";
    let explanation = explained(SHARED, stored, "park:1 manager user:ann");
    let raise = &explanation.reasons[0].changes[0];
    assert_eq!(raise.kind, ChangeKind::RaiseCeiling);
    assert_eq!(raise.key.to_string(), "park:1#manager_share@share:1");
    assert_eq!(raise.ceiling.as_ref().unwrap().to_string(), "park:1#viewer_share@share:1");
    // Within an intersection, the other operand of which holds.
    let explanation = explained(SHARED, stored, "park:1 manager user:bob");
    assert_eq!(reasons(&explanation)[0], "raise park:1#manager_delegate@user:bob");
    // Nothing ties Cid to the park.
    let explanation = explained(SHARED, stored, "park:1 manager user:cid");
    assert_eq!(reasons(&explanation)[0], "add park:1#manager_delegate@user:cid");
}

#[test]
fn a_tuple_is_added_one_hop_away_at_most_and_for_everybody_never() {
    let stored = "
        park:1 viewer_share share:1
        share:1 partner group:1
        park:1 owner group:2";
    let explanation = explained(SHARED, stored, "park:1 viewer user:ann");
    assert_eq!(
        reasons(&explanation),
        ["add park:1#viewer_delegate@user:ann"],
        "not into a group, two hops away"
    );
    let explanation = explained(SHARED, stored, "share:1 admin user:ann");
    assert_eq!(reasons(&explanation), ["add group:1#member@user:ann"]);
    let explanation = explained(SHARED, "", "group:1 member user:*");
    assert_eq!(
        reasons(&explanation),
        ["add group:1#member@user:*"],
        "unless everybody is who is asked about"
    );
}

#[test]
fn what_the_subject_holds_elsewhere_is_offered_where_it_is_little() {
    let stored = "
        group:1 member user:ann
        share:1 partner group:1";
    let explanation = explained(SHARED, stored, "park:1 manager user:ann");
    assert_eq!(reasons(&explanation), ["add park:1#manager_share@share:1"]);
    let many: String = (1..=4)
        .map(|number| format!("share:{number} partner group:1\n"))
        .chain(["group:1 member user:ann".into()])
        .collect();
    assert_eq!(reasons(&explained(SHARED, &many, "park:1 manager user:ann")), [""; 0]);
}

#[test]
fn what_stands_in_the_way_is_removed() {
    let stored = "
        park:1 viewer_delegate user:ann
        park:1 blocked group:1#member
        group:1 member user:ann";
    let explanation = explained(SHARED, stored, "park:1 reader user:ann");
    assert_eq!(
        reasons(&explanation),
        ["remove park:1#blocked@group:1#member", "remove group:1#member@user:ann"]
    );
}

#[test]
fn what_is_restored_and_excludes_as_well_takes_both_changes() {
    let stored = "
        park:1 viewer_share share:1
        share:1 partner group:1
        group:1 member user:ann paused
        park:1 blocked group:1#member";
    let explanation = explained(SHARED, stored, "park:1 reader user:ann");
    assert!(
        reasons(&explanation)
            .contains(&"resume group:1#member@user:ann + remove park:1#blocked@group:1#member".to_owned()),
        "{:?}",
        reasons(&explanation)
    );
}

#[test]
fn access_ends_when_the_last_path_does() {
    let stored = "
        park:1 viewer_delegate user:ann 200
        park:1 viewer_share share:1 400
        share:1 partner group:1
        group:1 member user:ann 350
        group:1 member group:2#member 300
        group:2 member user:ann";
    let explanation = explained(SHARED, stored, "park:1 viewer user:ann");
    // Only what was relied on counts for the bound.
    assert_eq!(explanation.ends_at, Some(instant(350)));
    assert!(explanation.stable_until <= Some(instant(350)));
    assert_eq!(explained(SHARED, "group:1 member user:ann", "group:1 member user:ann").ends_at, None);
}

#[test]
fn with_exclusions_that_expire_access_ends_and_begins() {
    let stored = "
        park:1 viewer_delegate user:ann 300
        park:1 blocked user:ann 200";
    let asked = |at| Asked { model: SHARED, stored, at, ..Asked::default() };
    let at = |at: i64| asked(at).explain("park:1 reader user:ann").unwrap();
    assert_eq!((at(100).allowed, at(100).begins_at, at(100).ends_at), (false, Some(instant(200)), None));
    assert_eq!((at(200).allowed, at(200).begins_at, at(200).ends_at), (true, None, Some(instant(300))));
    assert_eq!((at(300).allowed, at(300).begins_at, at(300).ends_at), (false, None, None));
    assert_eq!(reasons(&at(300)), ["renew park:1#viewer_delegate@user:ann"]);
}

#[test]
fn an_end_that_lies_behind_more_instants_than_are_asked_is_a_bound() {
    let steps = i64::try_from(INSTANTS_ASKED_MAX).unwrap();
    // Each check finds the path that ends next.
    let path = |number: i64| {
        let end = 200 + number;
        format!("group:0 member group:a{number:05}#member {end}\ngroup:a{number:05} member user:ann\n")
    };
    let ends = |paths: i64| {
        let stored: String = (0..paths).map(path).collect();
        let explanation = explained(SHARED, &stored, "group:0 member user:ann");
        (explanation.ends_at, explanation.incomplete.ends_at)
    };
    assert_eq!(ends(steps), (Some(instant(200 + steps - 1)), false));
    assert_eq!(ends(steps + 10), (Some(instant(200 + steps)), true));
}

#[test]
fn each_relation_is_shown_in_full_once_where_the_decision_rests_on_it() {
    let stored = "
        park:1 manager_share share:1 paused
        park:1 viewer_share share:1
        share:1 partner group:1
        group:1 member user:ann";
    let explanation = explained(SHARED, stored, "park:1 viewer user:ann");
    let shown: Vec<_> = nodes(&explanation.tree)
        .into_iter()
        .filter(|node| matches!(&node.kind, NodeKind::Relation { relation, .. } if &**relation == "admin"))
        .map(|node| (node.note, node.decides, node.children.len()))
        .collect();
    assert_eq!(shown, [(Some(Note::Repeated), false, 0), (None, true, 1)]);
}

#[test]
fn a_proof_goes_around_no_circle() {
    let stored = "
        group:1 member group:2#member
        group:2 member group:1#member
        group:2 member group:3#member
        group:3 member user:ann";
    let explanation = explained(SHARED, stored, "group:1 member user:ann");
    let deciding: Vec<_> = nodes(&explanation.tree)
        .into_iter()
        .filter(|node| node.decides)
        .filter_map(|node| match &node.kind {
            NodeKind::Relation { object, .. } => Some(object.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(deciding, ["group:1", "group:2", "group:3"]);
}

#[test]
fn what_is_undefined_is_shown_as_such_and_denied() {
    let model = "
model
  schema 1.1
type user
type team
  relations
    define barred: [user, team#member]
    define member: [user] but not barred
";
    let stored = "team:1 member user:ann\nteam:1 barred team:1#member";
    let explanation = explained(model, stored, "team:1 member user:ann");
    assert!(!explanation.allowed);
    assert_eq!(explanation.tree.verdict, Verdict::Unknown);
    assert_eq!(reasons(&explanation), ["remove team:1#barred@team:1#member"]);
}

#[test]
fn a_tuple_of_the_request_stands_in_the_place_of_the_stored_one() {
    let asked = Asked {
        model: SHARED,
        stored: "park:1 viewer_delegate user:ann",
        given: "park:1 viewer_delegate user:ann paused",
        at: 100,
        ..Asked::default()
    };
    let explanation = asked.explain("park:1 viewer user:ann").unwrap();
    assert!(!explanation.allowed);
    let change = &explanation.reasons[0].changes[0];
    assert_eq!((change.kind, change.contextual), (ChangeKind::Resume, true));
    let given = |node: &&ExplainedNode| matches!(&node.kind, NodeKind::Tuple(tuple) if tuple.contextual);
    assert_eq!(nodes(&explanation.tree).into_iter().filter(given).count(), 1);
}

const CONDITIONAL: &str = "
model
  schema 1.1
type user
type park
  relations
    define viewer: [user, user with open]
    define manager: [user with open]
    define both: viewer and manager
condition open(x: bool) {
  x
}
";

#[test]
fn a_condition_that_is_false_and_one_that_fails_are_told() {
    let stored = "park:1 viewer user:ann with open\npark:1 manager user:ann with open";
    let asked = |context: serde_json::Value| Asked {
        model: CONDITIONAL,
        stored,
        context: context.as_object().unwrap().clone(),
        at: 100,
        ..Asked::default()
    };
    let explanation = asked(json!({ "x": false })).explain("park:1 both user:ann").unwrap();
    assert!(drawn(&explanation.tree).contains("- user:ann ConditionFalse"), "{}", drawn(&explanation.tree));
    assert_eq!(
        reasons(&explanation),
        [""; 0],
        "no change of its lifetime helps, and no tuple can be added to it"
    );
    let failed = asked(json!({})).explain("park:1 both user:ann");
    assert!(matches!(failed, Err(EvalError::Condition(_))), "as a check has it");
}

#[test]
fn a_failing_condition_beside_what_decides_is_in_the_tree() {
    let model = CONDITIONAL.replace("viewer and manager", "viewer or manager");
    let stored = "park:1 viewer user:ann\npark:1 manager user:ann with open";
    let asked = Asked { model: &model, stored, at: 100, ..Asked::default() };
    let explanation = asked.explain("park:1 both user:ann").unwrap();
    let failed: Vec<_> = nodes(&explanation.tree)
        .into_iter()
        .filter_map(|node| match &node.verdict {
            Verdict::Failed(reason) => Some(reason.to_string()),
            _ => None,
        })
        .collect();
    assert!(!failed.is_empty());
    assert!(failed.iter().all(|reason| reason.contains("'open'") && reason.contains("[x]")), "{failed:?}");
}

#[test]
fn what_the_model_does_not_let_be_is_said_and_not_read() {
    let explanation = explained(SHARED, "park:1 owner group:1", "park:1 owner user:ann");
    assert_eq!(drawn(&explanation.tree), "- park:1#owner * (Unreachable)\n");
    assert_eq!(reasons(&explanation), [""; 0]);
    let explanation = explained(SHARED, "", "park:1 viewer group:1#member");
    assert!(!explanation.allowed);
    let explanation = explained(SHARED, "", "group:1 member group:1#member");
    assert_eq!(drawn(&explanation.tree), "+ group:1#member * (Itself)\n");
}

#[test]
fn a_tuple_that_the_model_does_not_admit_is_shown_and_not_added_again() {
    let stored = "park:1 viewer user:ann with other";
    let explanation = explained(CONDITIONAL, stored, "park:1 viewer user:ann");
    assert!(drawn(&explanation.tree).contains("- user:ann NotAdmitted"), "{}", drawn(&explanation.tree));
    assert_eq!(reasons(&explanation), [""; 0]);
}

#[test]
fn a_wide_relation_is_cut_where_it_says_nothing_and_says_so() {
    let few: String = (0..SHOWN_TUPLES_PER_RELATION_MAX + 30)
        .map(|number| format!("group:0 member group:a{number}#member\n"))
        .chain(["group:0 member group:z#member\n".into(), "group:z member user:ann paused\n".into()])
        .collect();
    let explanation = explained(SHARED, &few, "group:0 member user:ann");
    let shown = drawn(&explanation.tree);
    assert!(shown.contains("- user:ann Paused"), "{shown}");
    assert_eq!(
        shown.lines().filter(|line| line.contains("#member Live")).count(),
        SHOWN_TUPLES_PER_RELATION_MAX
    );
    assert!(explanation.incomplete.tree && !explanation.incomplete.reasons);
    assert_eq!(reasons(&explanation)[0], "resume group:z#member@user:ann");

    let many: String = (0..EXPLAINED_TUPLES_PER_RELATION_MAX + 10)
        .map(|number| format!("group:0 member group:a{number}#member\n"))
        .chain(["group:0 member group:z#member\n".into(), "group:z member user:ann\n".into()])
        .collect();
    let explanation = explained(SHARED, &many, "group:0 member user:ann");
    assert!(explanation.allowed && explanation.tree.verdict == Verdict::True);
    assert!(explanation.incomplete.tree);
    assert!(nodes(&explanation.tree).len() <= SHOWN_NODES_MAX);
}

#[test]
fn a_budget_that_is_used_up_ends_the_explanation_and_not_the_decision() {
    let stored: String = (0..200).map(|number| format!("group:0 member group:a{number}#member\n")).collect();
    let explain = |reads_max, question: &str| {
        let limits = EvaluationLimits { reads_max, ..EvaluationLimits::default() };
        Asked { model: SHARED, stored: &stored, limits, at: 100, ..Asked::default() }.explain(question)
    };
    let explanation = explain(300, "group:0 member user:ann").unwrap();
    assert!(!explanation.allowed && explanation.tree.verdict == Verdict::False);
    assert!(explanation.incomplete.tree && explanation.incomplete.reasons);
    let failed = explain(2, "group:0 member user:ann");
    assert!(matches!(failed, Err(EvalError::Limit(LimitReached::Reads { reads: 2 }))));
}

#[test]
fn a_long_chain_is_drawn_as_deep_as_readers_take_and_what_lies_below_has_its_outcome() {
    let mut model =
        "model\n  schema 1.1\ntype user\ntype park\n  relations\n    define r0: [user]\n".to_owned();
    for number in 1..90 {
        model.push_str(&format!("    define r{number}: r{}\n", number - 1));
    }
    let explanation = explained(&model, "park:1 r0 user:ann paused", "park:1 r89 user:ann");
    assert!(explanation.incomplete.tree);
    let last = *nodes(&explanation.tree).last().unwrap();
    assert_eq!((last.note, &last.verdict), (Some(Note::Limit), &Verdict::False));
    assert_eq!(reasons(&explanation)[0], "resume park:1#r0@user:ann");
}

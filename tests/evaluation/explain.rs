//! An explanation never says anything else than the naive evaluator: each relation of an object in its tree, the instants
//! at which access ends and begins, and what would turn a denial.

use proptest::prelude::*;
use tenure::eval::explain::{
    Change, ChangeKind, ExplainedNode, Explanation, NodeKind, Note, TupleState, Verdict, explain,
};
use tenure::eval::{ContextualTuples, EvalError, Plan, Wanted};
use tenure::model::limits::{EvaluationLimits, REASONS_MAX};
use tenure::model::{Instant, Lifetime, Object, Subject, TupleKey, TupleRecord, TupleRef};

use crate::generate::{World, instant, instants};
use crate::oracle::{Oracle, admitted};
use crate::property::{Snapshot, possible_worlds, property, stored};

type Tuples = Vec<(TupleKey, TupleRecord)>;
type Outcome = Result<(), TestCaseError>;

/// A question in a world.
struct Asked<'w> {
    world: &'w World,
    /// The tuples that count as far as their conditions go.
    tuples: &'w Tuples,
    object: Object,
    relation: &'static str,
    subject: &'w Subject,
    at: Instant,
}

impl Asked<'_> {
    fn explain(&self, plan: &Plan, snapshot: &Snapshot) -> Result<Explanation, EvalError> {
        let contextual = ContextualTuples::new(self.world.contextual.iter().cloned());
        let limits = EvaluationLimits {
            depth_max: 1000,
            reads_max: 10_000_000,
            narrow_entries: 4,
            ..EvaluationLimits::default()
        };
        let asked = TupleRef {
            object: self.object.as_ref(),
            relation: self.relation,
            subject: self.subject.as_ref(),
        };
        let context = &self.world.context;
        let bounds = (limits, &Wanted::default());
        let explained = explain(plan, snapshot, &contextual, context, self.at, bounds, asked);
        explained.map(|(explanation, _)| explanation)
    }

    fn holds(&self, tuples: &Tuples, at: Instant) -> bool {
        let oracle = Oracle::new(&self.world.model, tuples, World::objects(), at);
        oracle.held(self.subject).contains(&(self.object.clone(), self.relation.into()))
    }

    fn say(&self, explanation: &Explanation) -> String {
        format!(
            "{}#{}@{} at {}\n{explanation:#?}\n{:#?}",
            self.object, self.relation, self.subject, self.at, self.world
        )
    }
}

/// The tuples after changes.
fn changed(tuples: &Tuples, changes: &[&Change]) -> Tuples {
    let mut tuples = tuples.clone();
    for change in changes {
        let known = tuples.iter_mut().find(|(key, _)| *key == change.key);
        match (change.kind, known) {
            (ChangeKind::Resume, Some((_, record))) => record.lifetime.paused = false,
            (ChangeKind::Renew, Some((_, record))) => record.lifetime.expires_at = None,
            (ChangeKind::Remove, Some(_)) => tuples.retain(|(key, _)| *key != change.key),
            (ChangeKind::Add | ChangeKind::RaiseCeiling, None) => {
                let lifetime = Lifetime::default();
                let record = TupleRecord { lifetime, condition: None, written_at: instant(0) };
                tuples.push((change.key.clone(), record));
            }
            (kind, known) => panic!("{kind:?} of {}, which is {known:?}", change.key),
        }
    }
    tuples
}

/// Every node that was looked into came to what its parts come to, and every relation to what the naive evaluator says.
fn tree_is_right(asked: &Asked<'_>, explanation: &Explanation) -> Outcome {
    let oracle = Oracle::new(&asked.world.model, asked.tuples, World::objects(), asked.at);
    let held = oracle.held(asked.subject);
    let mut open = vec![&explanation.tree];
    while let Some(node) = open.pop() {
        let say = || format!("{node:#?}\n{}", asked.say(explanation));
        if let NodeKind::Relation { object, relation } = &node.kind {
            let holds = held.contains(&(object.clone(), relation.clone()));
            prop_assert_eq!(node.verdict == Verdict::True, holds, "{}", say());
            prop_assert!(
                matches!(node.verdict, Verdict::True | Verdict::False | Verdict::Unknown),
                "{}",
                say()
            );
        }
        if node.note.is_none() || node.note == Some(Note::Unreachable) && !node.children.is_empty() {
            prop_assert_eq!(&node.verdict, &put_together(node), "{}", say());
        }
        open.extend(&node.children);
    }
    Ok(())
}

fn put_together(node: &ExplainedNode) -> Verdict {
    let mut verdicts: Vec<_> = node.children.iter().map(|child| child.verdict.clone()).collect();
    let any = |verdicts: &[Verdict]| {
        let found = |wanted: Verdict| verdicts.contains(&wanted).then_some(wanted);
        found(Verdict::True).or_else(|| found(Verdict::Unknown)).unwrap_or(Verdict::False)
    };
    let all = |verdicts: &[Verdict]| {
        let found = |wanted: Verdict| verdicts.contains(&wanted).then_some(wanted);
        found(Verdict::False).or_else(|| found(Verdict::Unknown)).unwrap_or(Verdict::True)
    };
    match &node.kind {
        NodeKind::Relation { .. } => verdicts.remove(0),
        NodeKind::Union | NodeKind::Tuples { .. } | NodeKind::From { .. } => any(&verdicts),
        NodeKind::Intersection => all(&verdicts),
        NodeKind::Difference => {
            let subtract = match verdicts.pop().unwrap() {
                Verdict::True => Verdict::False,
                Verdict::False => Verdict::True,
                other => other,
            };
            all(&[verdicts.remove(0), subtract])
        }
        NodeKind::Tuple(tuple) if tuple.state != TupleState::Live => Verdict::False,
        NodeKind::Tuple(_) => verdicts.pop().unwrap_or(Verdict::True),
    }
}

/// What the decision rests on is a proof: every relation in it holds by tuples and by relations that are proven before it.
fn proof_is_sound(asked: &Asked<'_>, explanation: &Explanation) -> Outcome {
    fn rests(node: &ExplainedNode, above: &mut Vec<(Object, Box<str>)>) -> bool {
        let deciding = |node: &ExplainedNode, above: &mut Vec<_>| {
            node.children.iter().filter(|child| child.decides).all(|child| rests(child, above))
        };
        let count = node.children.iter().filter(|child| child.decides).count();
        match &node.kind {
            NodeKind::Relation { object, relation } => {
                let own = (object.clone(), relation.clone());
                if above.contains(&own) {
                    return false;
                }
                match node.note {
                    Some(Note::Repeated | Note::Itself) => true,
                    Some(_) => false,
                    None => {
                        above.push(own);
                        let sound = count == 1 && deciding(node, above);
                        above.pop();
                        sound
                    }
                }
            }
            NodeKind::Union | NodeKind::Tuples { .. } | NodeKind::From { .. } => {
                node.verdict == Verdict::True && count == 1 && deciding(node, above)
            }
            NodeKind::Intersection => count == node.children.len() && deciding(node, above),
            NodeKind::Difference => {
                count == 2 && rests(&node.children[0], above) && node.children[1].verdict == Verdict::False
            }
            NodeKind::Tuple(tuple) => tuple.state == TupleState::Live && deciding(node, above),
        }
    }
    if explanation.allowed {
        prop_assert!(rests(&explanation.tree, &mut Vec::new()), "{}", asked.say(explanation));
    }
    prop_assert!(explanation.tree.decides);
    Ok(())
}

/// Access ends at the first instant at which it is denied, and begins at the first at which it is allowed.
fn ends_are_right(asked: &Asked<'_>, explanation: &Explanation) -> Outcome {
    let now = asked.holds(asked.tuples, asked.at);
    prop_assert_eq!(explanation.allowed, now, "{}", asked.say(explanation));
    prop_assert!(!explanation.incomplete.ends_at && !explanation.incomplete.begins_at);
    // Nothing changes but at an expiration.
    let later = instants().filter(|at| *at > asked.at && at.unix_micros() % 10_000_000 == 0);
    let change = later.into_iter().find(|at| asked.holds(asked.tuples, *at) != now);
    let (ends_at, begins_at) = if now { (change, None) } else { (None, change) };
    let found = (explanation.ends_at, explanation.begins_at);
    prop_assert_eq!(found, (ends_at, begins_at), "{}", asked.say(explanation));
    Ok(())
}

/// Each reason allows, and no part of it does.
fn reasons_are_right(asked: &Asked<'_>, explanation: &Explanation) -> Outcome {
    prop_assert!(explanation.reasons.len() <= REASONS_MAX);
    prop_assert!(!explanation.allowed || explanation.reasons.is_empty());
    for reason in &explanation.reasons {
        let whole = (1_u32 << reason.changes.len()) - 1;
        prop_assert!(whole > 0);
        for part in 1..=whole {
            let of = |(index, change)| (part >> index & 1 == 1).then_some(change);
            let changes: Vec<_> = reason.changes.iter().enumerate().filter_map(of).collect();
            let allowed = asked.holds(&changed(asked.tuples, &changes), asked.at);
            prop_assert_eq!(
                allowed,
                part == whole,
                "{:#?} of {:#?}\n{}",
                changes,
                reason,
                asked.say(explanation)
            );
        }
    }
    let same = |a: &[Change], b: &[Change]| a.len() == b.len() && a.iter().all(|change| b.contains(change));
    for (index, reason) in explanation.reasons.iter().enumerate() {
        let earlier = &explanation.reasons[..index];
        prop_assert!(!earlier.iter().any(|known| same(&known.changes, &reason.changes)));
    }
    Ok(())
}

/// Every tuple that would allow by itself, were it to count or to be gone, is among the reasons.
fn no_single_tuple_is_missed(asked: &Asked<'_>, explanation: &Explanation) -> Outcome {
    if explanation.allowed || explanation.reasons.len() == REASONS_MAX || explanation.incomplete.reasons {
        return Ok(());
    }
    for (key, record) in asked.tuples {
        let mut tuples = asked.tuples.clone();
        let live = record.lifetime.is_live(asked.at);
        if live {
            tuples.retain(|(known, _)| known != key);
        } else {
            tuples.iter_mut().find(|(known, _)| known == key).unwrap().1.lifetime = Lifetime::default();
        }
        let only = |changes: &[Change]| changes.iter().all(|change| change.key == *key);
        let offered = explanation.reasons.iter().any(|reason| only(&reason.changes));
        prop_assert!(
            offered || !asked.holds(&tuples, asked.at),
            "{key} ({live})\n{}",
            asked.say(explanation)
        );
    }
    Ok(())
}

/// Explains some of what could be asked.
fn explained(world: &World, look: impl Fn(&Asked<'_>, Result<Explanation, EvalError>) -> Outcome) -> Outcome {
    let snapshot = stored(world);
    let plan = Plan::compile(&world.model);
    let instants: Vec<_> = instants().collect();
    let counts = |(_, record): &&(TupleKey, TupleRecord)| world.outcome(record) == Some(true);
    let tuples: Tuples = world.tuples().into_iter().filter(counts).cloned().collect();
    let mut number = tuples.len();
    for object in World::objects() {
        for relation in ["a", "b", "c", "d", "parent"] {
            for subject in &world.subjects {
                number += 1;
                if number.is_multiple_of(13) {
                    let at = instants[number / 13 % 5];
                    let (tuples, object) = (&tuples, object.clone());
                    let asked = Asked { world, tuples, object, relation, subject, at };
                    look(&asked, asked.explain(&plan, &snapshot))?;
                }
            }
        }
    }
    Ok(())
}

fn everything_is_right(asked: &Asked<'_>, explained: Result<Explanation, EvalError>) -> Outcome {
    let explanation = explained.unwrap();
    tree_is_right(asked, &explanation)?;
    proof_is_sound(asked, &explanation)?;
    ends_are_right(asked, &explanation)?;
    reasons_are_right(asked, &explanation)?;
    no_single_tuple_is_missed(asked, &explanation)
}

#[test]
fn an_explanation_says_what_the_oracle_says() {
    property(10, 60..260, World::read, |world| explained(world, everything_is_right));
}

#[test]
fn an_explanation_of_circles_says_what_the_oracle_says() {
    property(40, 150..420, World::read_tangled, |world| explained(world, everything_is_right));
}

/// Where conditions fail, a relation has an outcome only if it is the same whatever they come to.
fn failures_are_never_guessed(asked: &Asked<'_>, explained: Result<Explanation, EvalError>) -> Outcome {
    let worlds = possible_worlds(asked.world);
    let oracle = |tuples: &Vec<&(TupleKey, TupleRecord)>| {
        let tuples = tuples.iter().copied();
        Oracle::new(&asked.world.model, tuples, World::objects(), asked.at).held(asked.subject)
    };
    let held: Vec<_> = worlds.iter().map(oracle).collect();
    let explanation = match explained {
        Ok(explanation) => explanation,
        Err(EvalError::Condition(_)) if worlds.len() > 1 => return Ok(()),
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let mut open = vec![&explanation.tree];
    while let Some(node) = open.pop() {
        let say = || format!("{node:#?}\n{}", asked.say(&explanation));
        match (&node.kind, &node.verdict) {
            (NodeKind::Relation { object, relation }, Verdict::True | Verdict::False) => {
                let key = (object.clone(), relation.clone());
                let right = held.iter().all(|held| held.contains(&key) == (node.verdict == Verdict::True));
                prop_assert!(right, "{}", say());
            }
            (NodeKind::Tuple(tuple), _) => {
                let outcome = asked.world.outcome(&tuple.record);
                let is_admitted = admitted(&asked.world.model, &tuple.key, &tuple.record);
                prop_assert_eq!(tuple.state == TupleState::NotAdmitted, !is_admitted, "{}", say());
                let right = match &tuple.state {
                    TupleState::NotAdmitted => true,
                    TupleState::Live => outcome == Some(true),
                    TupleState::ConditionFalse => outcome == Some(false),
                    TupleState::ConditionFailed(_) => outcome.is_none(),
                    TupleState::Paused | TupleState::Expired | TupleState::PausedAndExpired => {
                        !tuple.record.lifetime.is_live(asked.at)
                    }
                };
                prop_assert!(right, "{}", say());
            }
            (_, Verdict::Failed(_)) => prop_assert!(worlds.len() > 1, "{}", say()),
            (_, verdict) => prop_assert!(*verdict != Verdict::NotEvaluated, "{}", say()),
        }
        open.extend(&node.children);
    }
    if worlds.len() == 1 {
        everything_is_right(asked, Ok(explanation))
    } else {
        proof_is_sound(asked, &explanation)
    }
}

#[test]
fn an_explanation_with_conditions_guesses_nothing() {
    property(20, 60..300, World::read_conditional, |world| explained(world, failures_are_never_guessed));
}

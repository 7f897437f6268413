//! What an explanation has looked at: the relations of objects that the one asked for rests on, each with its rewrite as
//! the model writes it and the tuples found there, those that do not count too.
//!
//! What a relation of an object came to is Check's answer for it, never what this part makes of it, so that an explanation
//! cannot say something else than a check. What a rewrite came to is put together from its parts.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use super::super::check::Question;
use super::super::conditions::Standing;
use super::super::facts::{Facts, FoundTuple};
use super::super::outcome::Value;
use super::super::plan::{Rel, fits};
use super::super::{EvalError, LimitReached};
use super::tree::{Note, TupleState, Verdict};
use crate::model::limits::{EXPLAINED_RELATIONS_MAX, EXPLAINED_TUPLES_PER_RELATION_MAX};
use crate::model::{
    Object, ObjectRef, RestrictionKind, Rewrite, Subject, SubjectClass, SubjectRef, TupleKey, TupleRecord,
    TupleRef, TypeRestriction,
};
use crate::store::Snapshot;

/// A relation of an object in a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(usize);

/// What is known of a relation of an object.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) object: Object,
    pub(super) rel: Rel,
    pub(super) verdict: Verdict,
    /// Tuples between the object that is asked about and this one, at the least.
    pub(super) distance: u32,
    /// Why it was not looked into, if it was not.
    pub(super) note: Option<Note>,
    pub(super) part: Option<Part>,
}

/// A rewrite of an object, with what was found.
#[derive(Debug)]
pub(super) enum Part {
    Union(Vec<Part>),
    Intersection(Vec<Part>),
    Difference(Box<Part>, Box<Part>),
    /// Another relation of the same object.
    Relation(NodeId),
    /// The relation's own tuples.
    Tuples(Found),
    /// The tuples of a tupleset, and the relation that is asked of the objects that they name.
    From(Found, Box<str>),
    /// Nobody, by the model.
    Nobody,
    /// There was no room left in the graph.
    Unseen,
}

/// The tuples of a relation of an object, as far as they can say something about the subject.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) relation: Box<str>,
    pub(super) entries: Vec<Entry>,
    /// Whether there are others that were not read.
    pub(super) unread: bool,
    /// Whether the model lets any tuple here lead to a subject of the kind that is asked for.
    pub(super) reachable: bool,
    /// Tuples that are not there and would count if they were.
    pub(super) missing: Vec<Missing>,
}

/// A tuple that was found.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: TupleKey,
    pub(super) record: TupleRecord,
    pub(super) contextual: bool,
    pub(super) state: TupleState,
    /// The relation that it names; `None` where the tuple itself decides.
    pub(super) leads_to: Option<NodeId>,
}

/// A tuple that is not there.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) key: TupleKey,
    /// A live tuple of the same object and subject in another relation.
    pub(super) ceiling: Option<TupleKey>,
    /// The relation that it would name; `None` where the tuple itself would decide.
    pub(super) leads_to: Option<NodeId>,
}

/// All that was looked at.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    index: HashMap<(Object, Rel), NodeId>,
    /// Whether a limit ended the looking.
    pub(super) cut: bool,
}

impl Graph {
    /// The relation that is asked for.
    pub(super) const ROOT: NodeId = NodeId(0);

    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// Every relation, those that were met last first.
    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).rev().map(NodeId)
    }

    pub(super) fn verdict(&self, id: NodeId) -> Verdict {
        self.node(id).map_or(Verdict::NotEvaluated, |node| node.verdict.clone())
    }

    /// What a rewrite came to.
    pub(super) fn of_part(&self, part: &Part) -> Verdict {
        match part {
            Part::Union(parts) => Verdict::any(parts.iter().map(|part| self.of_part(part))),
            // Everybody is in all of no operands; none shall be allowed by it.
            Part::Intersection(parts) if parts.is_empty() => Verdict::False,
            Part::Intersection(parts) => Verdict::all(parts.iter().map(|part| self.of_part(part))),
            Part::Difference(base, subtract) => {
                Verdict::all([self.of_part(base), self.of_part(subtract).not()])
            }
            Part::Relation(id) => self.verdict(*id),
            Part::Tuples(found) | Part::From(found, _) => self.of_found(found),
            Part::Nobody => Verdict::False,
            Part::Unseen => Verdict::NotEvaluated,
        }
    }

    /// What tuples come to together.
    pub(super) fn of_found(&self, found: &Found) -> Verdict {
        let unread = found.unread.then_some(Verdict::NotEvaluated);
        Verdict::any(found.entries.iter().map(|entry| self.of_entry(entry)).chain(unread))
    }

    /// What a tuple comes to with what it names.
    pub(super) fn of_entry(&self, entry: &Entry) -> Verdict {
        match (&entry.state, entry.leads_to) {
            (TupleState::Live, None) => Verdict::True,
            (TupleState::Live, Some(id)) => self.verdict(id),
            // Whatever it leads to, as a check has it.
            (TupleState::ConditionFailed(reason), _) => Verdict::Failed(reason.clone()),
            _ => Verdict::False,
        }
    }
}

/// Looks at what a relation of an object rests on.
pub(super) struct Explorer<'e, 'a, S: Snapshot> {
    pub(super) question: Question<'e, 'e>,
    pub(super) facts: &'e mut Facts<'a, S>,
    pub(super) graph: Graph,
    /// What has not been looked into: first what holds, where that is asked for, then by distance.
    open: BTreeSet<(bool, u32, NodeId)>,
    /// Whether the decision is a denial: then what is missing is looked for, else what holds is looked into first.
    denied: bool,
    /// Objects on which the subject holds one of some relations.
    pub(super) held: Vec<Held>,
}

/// Relations, and the objects on which the subject holds one of them.
type Held = (Vec<Rel>, Vec<(Object, Rel)>);

/// Looks at what a relation of an object rests on, as far as the limits go. `verdict` is what the check came to.
pub(super) fn explore<'e, S: Snapshot>(
    question: Question<'e, 'e>,
    facts: &'e mut Facts<'_, S>,
    object: ObjectRef<'_>,
    rel: Rel,
    verdict: Verdict,
) -> Result<Graph, EvalError> {
    let denied = verdict != Verdict::True;
    let (graph, open, held) = (Graph::default(), BTreeSet::new(), Vec::new());
    let mut explorer = Explorer { question, facts, graph, open, denied, held };
    explorer.add(object.to_owned(), rel, 0, verdict);
    while let Some((_, _, id)) = explorer.open.pop_first() {
        match explorer.look_into(id) {
            Ok(()) => {}
            Err(EvalError::Limit(LimitReached::Reads { .. })) => {
                explorer.graph.cut = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    explorer.graph.cut |= !explorer.open.is_empty();
    Ok(explorer.graph)
}

impl<S: Snapshot> Explorer<'_, '_, S> {
    /// The node of a relation of an object; asks for its verdict when it is met first. `None` where there is no room.
    pub(super) fn node(
        &mut self,
        object: Object,
        rel: Rel,
        distance: u32,
    ) -> Result<Option<NodeId>, EvalError> {
        let key = (object, rel);
        if let Some(id) = self.graph.index.get(&key).copied() {
            self.closer(id, distance);
            return Ok(Some(id));
        }
        if self.graph.nodes.len() >= EXPLAINED_RELATIONS_MAX {
            self.graph.cut = true;
            return Ok(None);
        }
        let (object, rel) = key;
        let verdict = if self.leads(rel) { self.ask(object.as_ref(), rel)? } else { Verdict::False };
        Ok(Some(self.add(object, rel, distance, verdict)))
    }

    /// What a check comes to.
    fn ask(&mut self, object: ObjectRef<'_>, rel: Rel) -> Result<Verdict, EvalError> {
        // Only so many are kept.
        self.facts.forget_failures();
        let outcome = self.question.of_relation(self.facts, object, rel)?;
        Ok(match outcome.value {
            Value::True => Verdict::True,
            Value::False => Verdict::False,
            Value::Unknown => Verdict::Unknown,
            Value::Failed(failure) => Verdict::Failed(self.facts.error(failure).to_string().into()),
        })
    }

    /// Whether the model lets a subject of this kind hold the relation.
    fn leads(&self, rel: Rel) -> bool {
        self.question.regions.leads(self.question.plan, rel)
    }

    fn add(&mut self, object: Object, rel: Rel, distance: u32, verdict: Verdict) -> NodeId {
        let id = NodeId(self.graph.nodes.len());
        let relation = self.question.plan.relation_name(rel);
        let itself = self.question.subject == SubjectRef::Userset(object.as_ref(), relation);
        let note = match self.leads(rel) {
            false => Note::Unreachable,
            true if itself => Note::Itself,
            true => {
                self.open.insert((self.is_later(&verdict), distance, id));
                Note::Limit
            }
        };
        self.graph.index.insert((object.clone(), rel), id);
        self.graph.nodes.push(Node { object, rel, verdict, distance, note: Some(note), part: None });
        id
    }

    fn is_later(&self, verdict: &Verdict) -> bool {
        !self.denied && *verdict != Verdict::True
    }

    /// Takes in that a node was met at this distance.
    fn closer(&mut self, id: NodeId, distance: u32) {
        let Some(node) = self.graph.nodes.get_mut(id.0).filter(|node| distance < node.distance) else {
            return;
        };
        let (verdict, before) = (node.verdict.clone(), node.distance);
        node.distance = distance;
        let later = self.is_later(&verdict);
        if self.open.remove(&(later, before, id)) {
            self.open.insert((later, distance, id));
        }
    }

    fn look_into(&mut self, id: NodeId) -> Result<(), EvalError> {
        let Some(node) = self.graph.node(id) else { return Ok(()) };
        let (object, rel, distance) = (node.object.clone(), node.rel, node.distance);
        let plan = self.question.plan;
        let Some((rewrite, _)) = plan.source(rel) else { return Ok(()) };
        let part = self.part(&object, rel, rewrite, distance)?;
        if let Some(node) = self.graph.nodes.get_mut(id.0) {
            (node.part, node.note) = (Some(part), None);
        }
        Ok(())
    }

    /// Recurses as deep as one relation's definition is nested, which a valid model bounds.
    fn part(
        &mut self,
        object: &Object,
        rel: Rel,
        rewrite: &Rewrite,
        distance: u32,
    ) -> Result<Part, EvalError> {
        let of = self.question.plan.type_of(rel);
        Ok(match rewrite {
            Rewrite::This => Part::Tuples(self.own_tuples(object, rel, distance)?),
            Rewrite::Computed(relation) => match self.question.plan.find_on(of, relation) {
                None => Part::Nobody,
                Some(computed) => {
                    self.node(object.clone(), computed, distance)?.map_or(Part::Unseen, Part::Relation)
                }
            },
            Rewrite::TupleToUserset { tupleset, computed } => {
                match self.question.plan.find_on(of, tupleset) {
                    None => Part::Nobody,
                    Some(over) => {
                        Part::From(self.named_tuples(object, over, computed, distance)?, computed.clone())
                    }
                }
            }
            Rewrite::Union(children) => Part::Union(self.parts(object, rel, children, distance)?),
            Rewrite::Intersection(children) => {
                Part::Intersection(self.parts(object, rel, children, distance)?)
            }
            Rewrite::Difference { base, subtract } => {
                let base = self.part(object, rel, base, distance)?;
                Part::Difference(Box::new(base), Box::new(self.part(object, rel, subtract, distance)?))
            }
        })
    }

    fn parts(
        &mut self,
        object: &Object,
        rel: Rel,
        rewrites: &[Rewrite],
        distance: u32,
    ) -> Result<Vec<Part>, EvalError> {
        rewrites.iter().map(|rewrite| self.part(object, rel, rewrite, distance)).collect()
    }

    /// The relation's own tuples: with the subject, with the wildcard of its type, and with usersets.
    fn own_tuples(&mut self, object: &Object, rel: Rel, distance: u32) -> Result<Found, EvalError> {
        let relation = self.question.plan.relation_name(rel);
        let mut found = Found::of(relation);
        let subject = self.question.subject;
        let everybody = match subject {
            SubjectRef::Object(of) => Some(SubjectRef::Wildcard(of.type_name)),
            SubjectRef::Wildcard(_) | SubjectRef::Userset(..) => None,
        };
        for subject in [Some(subject), everybody].into_iter().flatten() {
            if !self.restrictions(rel).iter().any(|restriction| fits(restriction, subject)) {
                continue;
            }
            found.reachable = true;
            let tuple = self.facts.found(TupleRef { object: object.as_ref(), relation, subject })?;
            if let Some(tuple) = tuple {
                let entry = self.entry(object, rel, tuple, None);
                found.entries.push(entry);
            }
        }
        let leads = |restriction: &TypeRestriction| {
            matches!(&restriction.kind, RestrictionKind::Userset(relation)
                if self.leads_to(&restriction.type_name, relation).is_some())
        };
        if self.restrictions(rel).iter().any(leads) {
            self.leading_tuples(&mut found, object, rel, SubjectClass::Userset, None, distance)?;
        }
        if self.denied {
            self.miss_own(&mut found, object, rel, distance)?;
        }
        Ok(found)
    }

    /// The tuples of a tupleset.
    fn named_tuples(
        &mut self,
        object: &Object,
        over: Rel,
        computed: &str,
        distance: u32,
    ) -> Result<Found, EvalError> {
        let mut found = Found::of(self.question.plan.relation_name(over));
        let leads = |restriction: &TypeRestriction| {
            restriction.kind == RestrictionKind::Object
                && self.leads_to(&restriction.type_name, computed).is_some()
        };
        if self.restrictions(over).iter().any(leads) {
            self.leading_tuples(&mut found, object, over, SubjectClass::Object, Some(computed), distance)?;
            if self.denied {
                self.miss_named(&mut found, object, over, computed, distance)?;
            }
        }
        Ok(found)
    }

    /// Adds the tuples of one class that lead on to other relations: to `computed` of the objects that they name, else to
    /// the usersets that they hold.
    fn leading_tuples(
        &mut self,
        found: &mut Found,
        object: &Object,
        over: Rel,
        class: SubjectClass,
        computed: Option<&str>,
        distance: u32,
    ) -> Result<(), EvalError> {
        found.reachable = true;
        let relation = self.question.plan.relation_name(over);
        let limit = EXPLAINED_TUPLES_PER_RELATION_MAX;
        let (tuples, more) = self.facts.found_of(object.as_ref(), relation, class, limit)?;
        found.unread |= more;
        self.graph.cut |= more;
        for tuple in tuples {
            let Some((next, target)) = self.target(&tuple.subject, computed) else { continue };
            // The subject's own userset was read by itself.
            let own = computed.is_none() && tuple.subject.as_ref() == self.question.subject;
            if own {
                continue;
            }
            match self.node(next, target, distance.saturating_add(1))? {
                Some(id) => {
                    let entry = self.entry(object, over, tuple, Some(id));
                    found.entries.push(entry);
                }
                None => found.unread = true,
            }
        }
        Ok(())
    }

    /// The relation that a subject of a tuple leads to, if the subject that is asked for can hold it.
    pub(super) fn target(&self, subject: &Subject, computed: Option<&str>) -> Option<(Object, Rel)> {
        let (object, relation) = match (subject, computed) {
            (Subject::Object(object), Some(computed)) => (object, computed),
            (Subject::Userset(object, relation), None) => (object, &**relation),
            _ => return None,
        };
        Some((object.clone(), self.leads_to(&object.type_name, relation)?))
    }

    pub(super) fn leads_to(&self, type_name: &str, relation: &str) -> Option<Rel> {
        self.question.plan.find(type_name, relation).filter(|rel| self.leads(*rel))
    }

    pub(super) fn restrictions(&self, rel: Rel) -> &[TypeRestriction] {
        self.question.plan.source(rel).map_or(&[][..], |(_, restrictions)| restrictions)
    }

    /// Whether a tuple of `rel` counts, and if not, why.
    pub(super) fn state(&mut self, rel: Rel, key: TupleRef<'_>, record: &TupleRecord) -> TupleState {
        let condition = record.condition.as_ref().map(|condition| &*condition.name);
        if !self.question.plan.admits_under(rel, key.subject, condition) {
            return TupleState::NotAdmitted;
        }
        match TupleState::of(record.lifetime, self.facts.at()) {
            TupleState::Live => {}
            other => return other,
        }
        self.facts.forget_failures();
        match self.facts.standing(rel, key, record) {
            Standing::Counts(_) => TupleState::Live,
            Standing::Absent => TupleState::ConditionFalse,
            Standing::Failed(failure) => {
                TupleState::ConditionFailed(self.facts.error(failure).to_string().into())
            }
        }
    }

    fn entry(&mut self, object: &Object, rel: Rel, tuple: FoundTuple, leads_to: Option<NodeId>) -> Entry {
        let FoundTuple { subject, record, contextual } = tuple;
        let relation = self.question.plan.relation_name(rel).into();
        let key = TupleKey { object: object.clone(), relation, subject };
        let state = self.state(rel, key.as_ref(), &record);
        Entry { key, record, contextual, state, leads_to }
    }
}

impl Found {
    fn of(relation: &str) -> Self {
        Self {
            relation: relation.into(),
            entries: Vec::new(),
            unread: false,
            reachable: false,
            missing: Vec::new(),
        }
    }
}

//! Check: the walk from the object to the subject.
//!
//! A walk goes through alternatives breadth first, so that every object is met at its least depth, and meets each
//! only once. At an intersection or a difference each operand is a walk of its own. What the passing of time can
//! do to a decision is carried along ([`Until`]).
//!
//! **Cycles.** Met a second time while it is being decided, an operator counts as false there and the outcome is
//! marked as resting on that (`cut`). Once the operator is decided the mark is gone: among alternatives and
//! intersections that is the least fixed point. A subtracted operand that rests on such a cut is not known to be
//! false, so that the difference is not known to be true: `Unknown`, which denies and is never taken for a fact. The
//! decisions are those of the well-founded semantics (Van Gelder, Ross, Schlipf 1991): what it leaves undefined is
//! denied.
//!
//! What rests on a cut, is unknown or failed is not kept, so that an operator may be decided anew along each path to it.
//! Where that goes on (groups that all contain each other), the walk is given up for the graph of all places
//! ([`circles`](super::circles)), which looks at each once.

use std::rc::Rc;

use smallvec::SmallVec;

use super::circles;
use super::conditions::Standing;
use super::facts::{Facts, Until};
use super::met::{Few, ObjectId, Objects};
use super::outcome::{Outcome, Place, Tally, UNCUT, Value};
use super::plan::{Expr, ExprId, Plan, Rel, TypeId};
use super::region::{Hop, Region, Regions, SubjectKind};
use super::reverse;
use super::{Decision, EvalError, Failure, LimitReached};
use crate::model::limits::EvaluationLimits;
use crate::model::{ObjectRef, SubjectClass, SubjectRef, TupleRef};
use crate::store::Snapshot;

/// Walks within walks at the most. Each hop of a valid model can open a few; the bound keeps the thread's stack.
const NESTING_MAX: usize = 128;

/// Why a walk has no outcome.
enum Stop {
    /// It goes in circles: the same operators are decided again and again, or lie too deep in each other.
    Circles,
    Error(EvalError),
}

impl<E: Into<EvalError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Decides a check; a limit that was met on a path that mattered is an error.
pub(super) fn check<S: Snapshot>(
    plan: &Plan,
    facts: &mut Facts<'_, S>,
    limits: EvaluationLimits,
    object: ObjectRef<'_>,
    relation: &str,
    subject: SubjectRef<'_>,
) -> Result<Decision, EvalError> {
    let nobody = Decision { allowed: false, stable_until: None };
    let (Some(kind), Some(rel)) = (plan.kind(subject), plan.find(object.type_name, relation)) else {
        return Ok(nobody);
    };
    let Some(regions) = plan.regions(kind) else { return Ok(nobody) };
    let question = Question { plan, regions: &regions, limits, subject };
    let asked = facts.ask();
    let (outcome, deepest) = question.outcome(facts, plan.type_of(rel), object.id, plan.root(rel), 0)?;
    // What was looked at after the last hop may have led further, which the limit hid.
    if deepest < limits.depth_max {
        facts.keep(asked, TupleRef { object, relation, subject }, &outcome, deepest);
    }
    decision(facts, outcome)
}

/// The decision that an outcome is: what is unknown is denied, and what failed is an error.
fn decision<S: Snapshot>(facts: &Facts<'_, S>, outcome: Outcome) -> Result<Decision, EvalError> {
    let allowed = match outcome.value {
        Value::True => true,
        Value::False | Value::Unknown => false,
        Value::Failed(failure) => return Err(facts.error(failure)),
    };
    Ok(Decision { allowed, stable_until: outcome.until.instant() })
}

/// Who is asked about, and by what rules.
#[derive(Clone, Copy)]
pub(super) struct Question<'e, 's> {
    pub(super) plan: &'e Plan,
    /// Those of the subject's kind.
    pub(super) regions: &'e Regions,
    pub(super) limits: EvaluationLimits,
    pub(super) subject: SubjectRef<'s>,
}

impl Question<'_, '_> {
    /// Whether a rewrite of an object holds, where the way to it took `depth` hops already, and the deepest that was
    /// looked at.
    pub(super) fn decide<S: Snapshot>(
        &self,
        facts: &mut Facts<'_, S>,
        of: TypeId,
        id: &str,
        expr: ExprId,
        depth: u32,
    ) -> Result<(Decision, u32), EvalError> {
        let (outcome, deepest) = self.outcome(facts, of, id, expr, depth)?;
        Ok((decision(facts, outcome)?, deepest))
    }

    /// What a relation of an object comes to.
    pub(super) fn of_relation<S: Snapshot>(
        &self,
        facts: &mut Facts<'_, S>,
        object: ObjectRef<'_>,
        rel: Rel,
    ) -> Result<Outcome, EvalError> {
        let plan = self.plan;
        self.outcome(facts, plan.type_of(rel), object.id, plan.root(rel), 0).map(|(outcome, _)| outcome)
    }

    /// [`decide`](Self::decide), before what is unknown is denied and what failed becomes an error.
    pub(super) fn outcome<S: Snapshot>(
        &self,
        facts: &mut Facts<'_, S>,
        of: TypeId,
        id: &str,
        expr: ExprId,
        depth: u32,
    ) -> Result<(Outcome, u32), EvalError> {
        let Self { plan, regions, limits, subject } = *self;
        let now = |value, until| Ok((Outcome::new(value, until), depth));
        let Some(region) = regions.region(plan, expr) else { return now(Value::False, Until::NEVER) };
        let object = ObjectRef { type_name: plan.type_name(of), id };
        // Most that is allowed is so by a tuple of the object itself, which needs no walk.
        let start_failed = match direct(plan, regions, facts, subject, region, object)? {
            Standing::Counts(until) => return now(Value::True, until),
            Standing::Failed(failure) if !region.leads_on() => {
                return now(Value::Failed(failure), Until::NEVER);
            }
            Standing::Absent if !region.leads_on() => return now(Value::False, Until::NEVER),
            Standing::Failed(failure) => Some(failure),
            Standing::Absent => None,
        };
        let mut objects = Objects::default();
        let start = Place { object: objects.intern(of, id), expr };
        let mut search = Search {
            plan,
            regions,
            facts,
            subject,
            limits,
            objects,
            start,
            start_failed,
            known: Few::new(),
            deciding: Vec::new(),
            undecided: Few::new(),
            anew: 0,
            candidates: Vec::new(),
            deepest: depth,
        };
        let outcome = match search.walk(start, depth) {
            Ok(outcome) => outcome,
            Err(Stop::Circles) => circles::decide(&mut search, start, depth)?,
            Err(Stop::Error(error)) => return Err(error),
        };
        Ok((outcome, search.deepest))
    }
}

/// A place that a walk has come to.
#[derive(Debug, Clone, Copy)]
struct Step {
    place: Place,
    depth: u32,
    /// Up to when the tuples that led here are live.
    until: Until,
}

/// A walk: what is left to look at, and what it has met.
struct Walk {
    /// Every place met, in the order in which they are looked at; those before `next` have been.
    steps: SmallVec<[Step; 8]>,
    next: usize,
    seen: Few<Place, ()>,
    tally: Tally,
    depth_max: u32,
}

impl Walk {
    fn push(&mut self, place: Place, depth: u32, until: Until) {
        if self.seen.get(&place).is_some() {
            return;
        }
        if depth > self.depth_max {
            self.tally.failed = Some(LimitReached::Depth { hops: self.depth_max }.into());
            return;
        }
        self.seen.insert(place, ());
        self.steps.push(Step { place, depth, until });
    }

    fn next(&mut self) -> Option<Step> {
        let step = self.steps.get(self.next).copied()?;
        self.next += 1;
        Some(step)
    }
}

/// One check under way.
pub(super) struct Search<'e, 'a, 's, S: Snapshot> {
    pub(super) plan: &'e Plan,
    pub(super) regions: &'e Regions,
    pub(super) facts: &'e mut Facts<'a, S>,
    pub(super) subject: SubjectRef<'s>,
    pub(super) objects: Objects,
    pub(super) limits: EvaluationLimits,
    /// What is asked; no tuple of the object itself decides it.
    pub(super) start: Place,
    /// The condition of one of them could not be evaluated.
    pub(super) start_failed: Option<Failure>,
    /// Facts found on the way.
    pub(super) known: Few<Place, Outcome>,
    /// The operators being decided, the outermost first.
    pub(super) deciding: Vec<Place>,
    /// Operators that were decided and did not become facts.
    undecided: Few<Place, ()>,
    /// How often one of those was decided anew.
    anew: u32,
    /// What the subject's side has found, by what was asked for.
    candidates: Vec<(SmallVec<[Rel; 4]>, Candidates)>,
    /// The most hops after which anything was looked at.
    pub(super) deepest: u32,
}

/// Where a tuple leads, and up to when it counts.
type Lead = (ObjectId, Rel, Until);

/// Objects and relations on them that the subject may hold.
type Candidates = Rc<[(ObjectId, Rel)]>;

impl<S: Snapshot> Search<'_, '_, '_, S> {
    /// Whether any alternative that can be walked to from `start` holds.
    fn walk(&mut self, start: Place, depth: u32) -> Result<Outcome, Stop> {
        let mut walk = Walk {
            steps: SmallVec::new(),
            next: 0,
            seen: Few::new(),
            tally: Tally::new(),
            depth_max: self.limits.depth_max,
        };
        walk.push(start, depth, Until::NEVER);
        while let Some(step) = walk.next() {
            self.deepest = self.deepest.max(step.depth);
            if let Some(until) = self.visit(&mut walk, &step)? {
                let outcome = Outcome::new(Value::True, until);
                if !self.deciding.is_empty() {
                    self.known.insert(start, outcome);
                }
                return Ok(outcome);
            }
        }
        let outcome = walk.tally.outcome();
        if outcome.is_fact() && !self.deciding.is_empty() {
            // Everything that was met was looked at to its end, and none of it holds.
            for place in walk.seen.keys() {
                self.known.insert(place, outcome);
            }
        }
        Ok(outcome)
    }

    /// Looks at one place. Answers up to when it holds, if it does; otherwise notes what it leads to.
    fn visit(&mut self, walk: &mut Walk, step: &Step) -> Result<Option<Until>, Stop> {
        let Place { object, expr } = step.place;
        if let Some(outcome) = self.known.get(&step.place) {
            if outcome.value == Value::True {
                return Ok(Some(outcome.until.min(step.until)));
            }
            walk.tally.absorb(*outcome, step.until);
            return Ok(None);
        }
        let Some(region) = self.regions.region(self.plan, expr) else { return Ok(None) };
        if let Some(outcome) = self.shared(step.place, region, step.depth)? {
            if outcome.value == Value::True {
                return Ok(Some(outcome.until.min(step.until)));
            }
            walk.tally.absorb(outcome, step.until);
            return Ok(None);
        }
        if step.place == self.start {
            walk.tally.failed = walk.tally.failed.or(self.start_failed);
        } else {
            let (of, id) = self.objects.get(object);
            let object = ObjectRef { type_name: self.plan.type_name(of), id };
            match direct(self.plan, self.regions, self.facts, self.subject, region, object)? {
                Standing::Counts(until) => return Ok(Some(until.min(step.until))),
                Standing::Failed(failure) => walk.tally.failed = Some(failure),
                Standing::Absent => {}
            }
        }
        for operator in &region.operators {
            let outcome = self.decide(Place { object, expr: *operator }, step.depth)?;
            if outcome.value == Value::True {
                return Ok(Some(outcome.until.min(step.until)));
            }
            walk.tally.absorb(outcome, step.until);
        }
        for computed in &region.computed {
            walk.push(Place { object, expr: self.plan.root(*computed) }, step.depth, step.until);
        }
        for hop in &region.tuplesets {
            self.follow(walk, step, hop, SubjectClass::Object)?;
        }
        for hop in &region.usersets {
            self.follow(walk, step, hop, SubjectClass::Userset)?;
        }
        Ok(None)
    }

    /// Notes where the tuples of a relation lead.
    fn follow(
        &mut self,
        walk: &mut Walk,
        step: &Step,
        hop: &Hop,
        class: SubjectClass,
    ) -> Result<(), EvalError> {
        let (met, failed) = self.hop(step.place.object, hop, class)?;
        walk.tally.failed = failed.or(walk.tally.failed);
        for (next, target, until) in met {
            let place = Place { object: next, expr: self.plan.root(target) };
            walk.push(place, step.depth.saturating_add(1), step.until.min(until));
        }
        Ok(())
    }

    /// Decides an intersection or a difference.
    fn decide(&mut self, place: Place, depth: u32) -> Result<Outcome, Stop> {
        if let Some(outcome) = self.known.get(&place) {
            return Ok(*outcome);
        }
        if let Some(index) = self.deciding.iter().position(|own| *own == place) {
            return Ok(Outcome { value: Value::False, until: Until::NEVER, cut: index });
        }
        if self.undecided.get(&place).is_some() {
            self.anew += 1;
        }
        let index = self.deciding.len();
        if index >= NESTING_MAX || self.anew > self.limits.decided_anew_max {
            return Err(Stop::Circles);
        }
        self.deciding.push(place);
        let outcome = match self.plan.expr(place.expr) {
            Expr::Intersection(operands) => self.intersection(operands, place.object, depth),
            Expr::Difference(base, subtract) => self.difference(*base, *subtract, place.object, depth),
            _ => Ok(Outcome::new(Value::False, Until::NEVER)),
        };
        self.deciding.truncate(index);
        let mut outcome = outcome?;
        if outcome.cut >= index {
            outcome.cut = UNCUT;
        }
        if outcome.is_fact() {
            self.known.insert(place, outcome);
        } else {
            self.undecided.insert(place, ());
        }
        Ok(outcome)
    }

    /// False wins over everything, a failure over what is unknown and over what is false by a cut: that is false only if
    /// the operator above is, which what could not be known may well decide.
    fn intersection(&mut self, operands: &[ExprId], object: ObjectId, depth: u32) -> Result<Outcome, Stop> {
        let mut until = Until::NEVER;
        let mut cut = UNCUT;
        let mut weakest = Value::True;
        for expr in operands {
            let outcome = self.walk(Place { object, expr: *expr }, depth)?;
            if outcome.value == Value::False && outcome.cut == UNCUT {
                return Ok(outcome);
            }
            until = until.min(outcome.until);
            (weakest, cut) = match (weakest, outcome.value) {
                (Value::Failed(failure), _) | (_, Value::Failed(failure)) => {
                    (Value::Failed(failure), cut.min(outcome.cut))
                }
                // Each operand that is false by a cut is enough by itself: the one with the innermost cut says most. One
                // that is false as a fact may still come.
                (Value::False, Value::False) => (Value::False, cut.max(outcome.cut)),
                (Value::False, _) => (Value::False, cut),
                (_, Value::False) => (Value::False, outcome.cut),
                (weakest, Value::True) => (weakest, cut.min(outcome.cut)),
                (_, Value::Unknown) => (Value::Unknown, cut.min(outcome.cut)),
            };
        }
        Ok(Outcome { value: weakest, until, cut })
    }

    /// A false base and a true subtrahend win over everything; a subtrahend that is false by a cut only is unknown.
    fn difference(
        &mut self,
        base: ExprId,
        subtract: ExprId,
        object: ObjectId,
        depth: u32,
    ) -> Result<Outcome, Stop> {
        let base = self.walk(Place { object, expr: base }, depth)?;
        if base.value == Value::False && base.cut == UNCUT {
            return Ok(base);
        }
        let subtract = self.walk(Place { object, expr: subtract }, depth)?;
        let until = base.until.min(subtract.until);
        let cut = base.cut.min(subtract.cut);
        let (value, cut) = match (base.value, subtract.value) {
            (_, Value::True) => return Ok(Outcome::new(Value::False, subtract.until)),
            (Value::Failed(failure), _) | (_, Value::Failed(failure)) => (Value::Failed(failure), cut),
            // The base alone is enough.
            (Value::False, _) => (Value::False, base.cut),
            (_, Value::Unknown) => (Value::Unknown, cut),
            (_, Value::False) if subtract.cut != UNCUT => (Value::Unknown, cut),
            (value, Value::False) => (value, cut),
        };
        Ok(Outcome { value, until, cut })
    }

    /// The objects and relations that the tuples of a relation lead to, with up to when each tuple counts; and a condition
    /// of one of them that fails. Where the subject's side is known to be narrow, it is asked for those instead.
    pub(super) fn hop(
        &mut self,
        object: ObjectId,
        hop: &Hop,
        class: SubjectClass,
    ) -> Result<(Vec<Lead>, Option<Failure>), EvalError> {
        let (of, id) = self.objects.get(object);
        let id = id.to_owned();
        let object = ObjectRef { type_name: self.plan.type_name(of), id: &id };
        let relation = self.plan.relation_name(hop.over);
        let known = self
            .candidates
            .iter()
            .find(|(targets, found)| *targets == hop.targets && found.len() <= self.limits.narrow_entries);
        match known.map(|(_, found)| Rc::clone(found)) {
            Some(found) if !self.plan.is_conditional(hop.over) => {
                Ok((self.edges(hop.over, object, relation, &found, class)?, None))
            }
            _ => self.scan(object, relation, hop, class),
        }
    }

    /// [`hop`](Self::hop), from the object's side first.
    fn scan(
        &mut self,
        object: ObjectRef<'_>,
        relation: &str,
        hop: &Hop,
        class: SubjectClass,
    ) -> Result<(Vec<Lead>, Option<Failure>), EvalError> {
        self.facts.scan_subjects(object, relation, class)?;
        let mut met = Vec::new();
        let mut failed = None;
        let mut entries_max = self.limits.narrow_entries.max(1);
        loop {
            let mut entries = 0;
            let done = self.facts.each_subject(object, hop.over, relation, |subject, standing| {
                for target in targets(self.plan, hop, subject) {
                    let (SubjectRef::Object(next) | SubjectRef::Userset(next, _)) = subject else { continue };
                    match standing {
                        Standing::Counts(until) => {
                            met.push((
                                self.objects.intern(self.plan.type_of(target), next.id),
                                target,
                                until,
                            ));
                        }
                        Standing::Failed(failure) => failed = Some(failure),
                        Standing::Absent => {}
                    }
                }
                entries += 1;
                entries < entries_max
            })?;
            if done {
                return Ok((met, failed));
            }
            // The object's side is wide. What the subject's side costs is held to what was spent on this one, so that
            // whichever is narrow ends the search at a small multiple of its own cost.
            if let Some(found) = self.candidates(hop, 2 * entries_max)? {
                // Found only where no condition lies on the way, so that none failed.
                return Ok((self.edges(hop.over, object, relation, &found, class)?, None));
            }
            entries_max = entries_max.saturating_mul(4);
        }
    }

    /// Those candidates that a live tuple of the object's relation, which asks for no condition, names.
    fn edges(
        &mut self,
        over: Rel,
        object: ObjectRef<'_>,
        relation: &str,
        candidates: &[(ObjectId, Rel)],
        class: SubjectClass,
    ) -> Result<Vec<Lead>, EvalError> {
        let mut met = Vec::new();
        for (candidate, target) in candidates.iter().copied() {
            let (of, id) = self.objects.get(candidate);
            let next = ObjectRef { type_name: self.plan.type_name(of), id };
            let subject = match class {
                SubjectClass::Userset => SubjectRef::Userset(next, self.plan.relation_name(target)),
                SubjectClass::Object | SubjectClass::Wildcard => SubjectRef::Object(next),
            };
            // Without a condition nothing fails.
            if let Standing::Counts(until) = self.facts.tuple(over, TupleRef { object, relation, subject })? {
                met.push((candidate, target, until));
            }
        }
        Ok(met)
    }

    /// What the subject's side finds for a hop, if that takes no more than `budget` tuples; found once per check. Never
    /// where a condition lies on the way: whether one that fails is met must not depend on which side is narrow.
    fn candidates(&mut self, hop: &Hop, budget: usize) -> Result<Option<Candidates>, EvalError> {
        let relevant =
            hop.relevant.get_or_init(|| self.regions.reverse(self.plan).relevant(self.plan, &hop.targets));
        if relevant.conditional || self.plan.is_conditional(hop.over) {
            return Ok(None);
        }
        if let Some((_, found)) = self.candidates.iter().find(|(targets, _)| *targets == hop.targets) {
            return Ok(Some(Rc::clone(found)));
        }
        let found: Option<Candidates> = reverse::candidates(self, hop, budget)?.map(Into::into);
        if let Some(found) = &found {
            self.candidates.push((hop.targets.clone(), Rc::clone(found)));
        }
        Ok(found)
    }
}

/// Whether a tuple of the object itself decides, and up to when; one that counts wins over one that fails.
pub(super) fn direct<S: Snapshot>(
    plan: &Plan,
    regions: &Regions,
    facts: &mut Facts<'_, S>,
    subject: SubjectRef<'_>,
    region: &Region,
    object: ObjectRef<'_>,
) -> Result<Standing, EvalError> {
    if let (SubjectRef::Userset(own, _), SubjectKind::Userset(rel)) = (subject, regions.kind)
        && own == object
        && region.named.contains(&rel)
    {
        return Ok(Standing::Counts(Until::NEVER));
    }
    let everybody = SubjectRef::Wildcard(subject.type_name());
    let exact = region.exact.iter().map(|rel| (*rel, subject));
    let wildcard = region.wildcard.iter().map(|rel| (*rel, everybody));
    let mut decided = Standing::Absent;
    for (rel, subject) in exact.chain(wildcard) {
        match facts.tuple(rel, TupleRef { object, relation: plan.relation_name(rel), subject })? {
            counts @ Standing::Counts(_) => return Ok(counts),
            failed @ Standing::Failed(_) => decided = failed,
            Standing::Absent => {}
        }
    }
    Ok(decided)
}

/// The relations that are asked of the object that a subject names.
pub(super) fn targets<'h>(
    plan: &'h Plan,
    hop: &'h Hop,
    subject: SubjectRef<'h>,
) -> impl Iterator<Item = Rel> + 'h {
    hop.targets.iter().copied().filter(move |target| match subject {
        SubjectRef::Object(object) => plan.type_name(plan.type_of(*target)) == object.type_name,
        SubjectRef::Userset(object, relation) => {
            plan.relation_name(*target) == relation
                && plan.type_name(plan.type_of(*target)) == object.type_name
        }
        SubjectRef::Wildcard(_) => false,
    })
}

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
//! An operator that is false by a cut above it is kept as long as that may stand ([`Provisional`]): without it, who is
//! in none of a few groups that all contain each other would be asked for along every path through them.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::rc::Rc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use smallvec::SmallVec;

use super::facts::{Facts, Until};
use super::plan::{Expr, ExprId, Plan, Rel, TypeId};
use super::region::{Hop, Region, Regions, SubjectKind};
use super::reverse;
use super::{Decision, EvalError, LimitReached};
use crate::model::limits::EvaluationLimits;
use crate::model::{ObjectRef, SubjectClass, SubjectRef, TupleRef};
use crate::store::Snapshot;

/// Walks within walks at the most. Each hop of a valid model can open a few; the bound keeps the thread's stack.
const NESTING_MAX: usize = 128;

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
    let kind = match subject {
        SubjectRef::Object(of) => plan.type_id(of.type_name).map(SubjectKind::Object),
        SubjectRef::Wildcard(of) => plan.type_id(of).map(SubjectKind::Wildcard),
        SubjectRef::Userset(of, relation) => plan.find(of.type_name, relation).map(SubjectKind::Userset),
    };
    let (Some(kind), Some(rel)) = (kind, plan.find(object.type_name, relation)) else { return Ok(nobody) };
    let Some(regions) = plan.regions(kind) else { return Ok(nobody) };
    let mut search = Search {
        plan,
        regions,
        facts,
        subject,
        limits,
        objects: Objects::default(),
        known: HashMap::new(),
        provisional: Provisional::default(),
        deciding: Vec::new(),
        candidates: Vec::new(),
    };
    let start = search.objects.intern(plan.type_of(rel), object.id);
    let outcome = search.walk(Place { object: start, expr: plan.root(rel) }, 0)?;
    match outcome.value {
        Value::True => Ok(Decision { allowed: true, stable_until: outcome.until.instant() }),
        Value::False | Value::Unknown => {
            Ok(Decision { allowed: false, stable_until: outcome.until.instant() })
        }
        Value::Failed(limit) => Err(limit.into()),
    }
}

/// An object that an evaluation has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ObjectId(u32);

/// The objects that an evaluation has met, by number.
#[derive(Default)]
pub(super) struct Objects {
    hasher: DefaultHashBuilder,
    index: HashTable<u32>,
    /// Type, and where the identifier stands in `text`.
    list: Vec<(TypeId, usize, usize)>,
    text: String,
}

impl Objects {
    pub(super) fn intern(&mut self, of: TypeId, id: &str) -> ObjectId {
        let Self { hasher, index, list, text } = self;
        let read = |number: u32| match list.get(number as usize) {
            Some((of, start, end)) => (*of, text.get(*start..*end).unwrap_or("")),
            None => (TypeId(u32::MAX), ""),
        };
        let hash = hasher.hash_one((of, id));
        let next = u32::try_from(list.len()).unwrap_or(u32::MAX);
        match index.entry(hash, |own| read(*own) == (of, id), |own| hasher.hash_one(read(*own))) {
            Entry::Occupied(found) => ObjectId(*found.get()),
            Entry::Vacant(place) => {
                place.insert(next);
                let start = text.len();
                text.push_str(id);
                list.push((of, start, text.len()));
                ObjectId(next)
            }
        }
    }

    pub(super) fn get(&self, id: ObjectId) -> (TypeId, &str) {
        match self.list.get(id.0 as usize) {
            Some((of, start, end)) => (*of, self.text.get(*start..*end).unwrap_or("")),
            None => (TypeId(u32::MAX), ""),
        }
    }
}

/// A rewrite that is asked of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    object: ObjectId,
    expr: ExprId,
}

/// What is known of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    True,
    False,
    /// Neither: it rests on a cycle through a subtraction.
    Unknown,
    /// A limit was met on the way.
    Failed(LimitReached),
}

#[derive(Debug, Clone, Copy)]
struct Outcome {
    value: Value,
    /// Up to when time alone leaves the value as it is.
    until: Until,
    /// The outermost operator being decided that the value rests on having cut; [`UNCUT`] for a value that is a fact.
    cut: usize,
}

const UNCUT: usize = usize::MAX;

impl Outcome {
    fn new(value: Value, until: Until) -> Self {
        Self { value, until, cut: UNCUT }
    }

    fn is_fact(&self) -> bool {
        self.cut == UNCUT && matches!(self.value, Value::True | Value::False)
    }
}

/// What the alternatives met so far come to; none of them holds.
struct Tally {
    until: Until,
    cut: usize,
    unknown: bool,
    failed: Option<LimitReached>,
}

impl Tally {
    fn new() -> Self {
        Self { until: Until::NEVER, cut: UNCUT, unknown: false, failed: None }
    }

    /// Takes in an alternative that does not hold. `path` is up to when the tuples that led to it are live: where the
    /// alternative rests on a cycle, their end may be the end of the cycle.
    fn absorb(&mut self, outcome: Outcome, path: Until) {
        self.until = self.until.min(outcome.until);
        match outcome.value {
            Value::True | Value::False => {}
            Value::Unknown => self.unknown = true,
            Value::Failed(limit) => self.failed = Some(limit),
        }
        if outcome.cut != UNCUT || outcome.value == Value::Unknown {
            self.until = self.until.min(path);
        }
        self.cut = self.cut.min(outcome.cut);
    }

    fn outcome(&self) -> Outcome {
        let value = match self.failed {
            Some(limit) => Value::Failed(limit),
            None if self.unknown => Value::Unknown,
            None => Value::False,
        };
        Outcome { value, until: self.until, cut: self.cut }
    }
}

/// A place that a walk has come to.
struct Step {
    place: Place,
    depth: u32,
    /// Up to when the tuples that led here are live.
    until: Until,
}

/// A walk: what is left to look at, and what it has met.
struct Walk {
    open: VecDeque<Step>,
    seen: HashSet<Place>,
    tally: Tally,
    depth_max: u32,
}

impl Walk {
    fn push(&mut self, place: Place, depth: u32, until: Until) {
        if self.seen.contains(&place) {
            return;
        }
        if depth > self.depth_max {
            self.tally.failed = Some(LimitReached::Depth { hops: self.depth_max });
            return;
        }
        self.seen.insert(place);
        self.open.push_back(Step { place, depth, until });
    }
}

/// Operators that are false as long as those being decided above them are.
///
/// What was found while an operator was being decided took it for false. It stands if that is what the operator comes to,
/// by a cut further out: then both rest on that one. Else it goes, even where the operator is undefined only: what took
/// it for false may be undefined too, and must not become a fact.
#[derive(Default)]
struct Provisional {
    outcomes: HashMap<Place, Outcome>,
    /// In the order in which they were found.
    order: Vec<Place>,
}

impl Provisional {
    fn get(&self, place: &Place) -> Option<Outcome> {
        self.outcomes.get(place).copied()
    }

    /// Takes in what an operator came to; `before` is how many there were when its decision began.
    fn settle(&mut self, place: Place, outcome: Outcome, before: usize) {
        if outcome.value != Value::False || outcome.cut == UNCUT {
            for place in self.order.drain(before..) {
                self.outcomes.remove(&place);
            }
            return;
        }
        for inner in self.order.get(before..).unwrap_or_default() {
            if let Some(inner) = self.outcomes.get_mut(inner) {
                inner.cut = inner.cut.min(outcome.cut);
                inner.until = inner.until.min(outcome.until);
            }
        }
        self.outcomes.insert(place, outcome);
        self.order.push(place);
    }
}

/// One check under way.
pub(super) struct Search<'e, 'a, 's, S: Snapshot> {
    pub(super) plan: &'e Plan,
    pub(super) regions: &'e Regions,
    pub(super) facts: &'e mut Facts<'a, S>,
    pub(super) subject: SubjectRef<'s>,
    pub(super) objects: Objects,
    limits: EvaluationLimits,
    /// Facts found on the way.
    known: HashMap<Place, Outcome>,
    provisional: Provisional,
    /// The operators being decided, the outermost first.
    deciding: Vec<Place>,
    /// What the subject's side has found, by what was asked for.
    candidates: Vec<(SmallVec<[Rel; 4]>, Candidates)>,
}

/// Objects and relations on them that the subject may hold.
type Candidates = Rc<[(ObjectId, Rel)]>;

impl<S: Snapshot> Search<'_, '_, '_, S> {
    /// Whether any alternative that can be walked to from `start` holds.
    fn walk(&mut self, start: Place, depth: u32) -> Result<Outcome, EvalError> {
        let mut walk = Walk {
            open: VecDeque::new(),
            seen: HashSet::new(),
            tally: Tally::new(),
            depth_max: self.limits.depth_max,
        };
        walk.push(start, depth, Until::NEVER);
        while let Some(step) = walk.open.pop_front() {
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
            self.known.extend(walk.seen.into_iter().map(|place| (place, outcome)));
        }
        Ok(outcome)
    }

    /// Looks at one place. Answers up to when it holds, if it does; otherwise notes what it leads to.
    fn visit(&mut self, walk: &mut Walk, step: &Step) -> Result<Option<Until>, EvalError> {
        let Place { object, expr } = step.place;
        if let Some(outcome) = self.known.get(&step.place) {
            if outcome.value == Value::True {
                return Ok(Some(outcome.until.min(step.until)));
            }
            walk.tally.absorb(*outcome, step.until);
            return Ok(None);
        }
        let Some(region) = self.regions.region(self.plan, expr) else { return Ok(None) };
        if let Some(until) = self.direct(region, object)? {
            return Ok(Some(until.min(step.until)));
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
            self.hop(walk, step, hop, SubjectClass::Object)?;
        }
        for hop in &region.usersets {
            self.hop(walk, step, hop, SubjectClass::Userset)?;
        }
        Ok(None)
    }

    /// Up to when a tuple of the object itself decides, if one does.
    fn direct(&mut self, region: &Region, object: ObjectId) -> Result<Option<Until>, EvalError> {
        let (of, id) = self.objects.get(object);
        let object = ObjectRef { type_name: self.plan.type_name(of), id };
        if let (SubjectRef::Userset(own, _), SubjectKind::Userset(rel)) = (self.subject, self.regions.kind)
            && own == object
            && region.named.contains(&rel)
        {
            return Ok(Some(Until::NEVER));
        }
        for rel in &region.exact {
            let key = TupleRef { object, relation: self.plan.relation_name(*rel), subject: self.subject };
            if let Some(until) = self.facts.tuple(key)? {
                return Ok(Some(until));
            }
        }
        let everybody = SubjectRef::Wildcard(self.subject.type_name());
        for rel in &region.wildcard {
            let key = TupleRef { object, relation: self.plan.relation_name(*rel), subject: everybody };
            if let Some(until) = self.facts.tuple(key)? {
                return Ok(Some(until));
            }
        }
        Ok(None)
    }

    /// Decides an intersection or a difference.
    fn decide(&mut self, place: Place, depth: u32) -> Result<Outcome, EvalError> {
        if let Some(outcome) = self.known.get(&place) {
            return Ok(*outcome);
        }
        if let Some(index) = self.deciding.iter().position(|own| *own == place) {
            return Ok(Outcome { value: Value::False, until: Until::NEVER, cut: index });
        }
        if let Some(outcome) = self.provisional.get(&place) {
            return Ok(outcome);
        }
        let before = self.provisional.order.len();
        let index = self.deciding.len();
        if index >= NESTING_MAX {
            let limit = LimitReached::Depth { hops: self.limits.depth_max };
            return Ok(Outcome::new(Value::Failed(limit), Until::NEVER));
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
        self.provisional.settle(place, outcome, before);
        if outcome.is_fact() {
            self.known.insert(place, outcome);
        }
        Ok(outcome)
    }

    /// False wins over everything, a limit over what is unknown.
    fn intersection(
        &mut self,
        operands: &[ExprId],
        object: ObjectId,
        depth: u32,
    ) -> Result<Outcome, EvalError> {
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
                // Each operand that is false by a cut is enough by itself: the one with the innermost cut says most. One
                // that is false as a fact may still come.
                (Value::False, Value::False) => (Value::False, cut.max(outcome.cut)),
                (Value::False, _) => (Value::False, cut),
                (_, Value::False) => (Value::False, outcome.cut),
                (weakest, Value::True) => (weakest, cut.min(outcome.cut)),
                (Value::Failed(limit), _) | (_, Value::Failed(limit)) => {
                    (Value::Failed(limit), cut.min(outcome.cut))
                }
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
    ) -> Result<Outcome, EvalError> {
        let base = self.walk(Place { object, expr: base }, depth)?;
        if base.value == Value::False && base.cut == UNCUT {
            return Ok(base);
        }
        let subtract = self.walk(Place { object, expr: subtract }, depth)?;
        let until = base.until.min(subtract.until);
        let cut = base.cut.min(subtract.cut);
        let (value, cut) = match (base.value, subtract.value) {
            (_, Value::True) => return Ok(Outcome::new(Value::False, subtract.until)),
            // The base alone is enough.
            (Value::False, _) => (Value::False, base.cut),
            (Value::Failed(limit), _) | (_, Value::Failed(limit)) => (Value::Failed(limit), cut),
            (_, Value::Unknown) => (Value::Unknown, cut),
            (_, Value::False) if subtract.cut != UNCUT => (Value::Unknown, cut),
            (value, Value::False) => (value, cut),
        };
        Ok(Outcome { value, until, cut })
    }

    /// Follows the tuples of a relation to the objects that they name.
    fn hop(&mut self, walk: &mut Walk, step: &Step, hop: &Hop, class: SubjectClass) -> Result<(), EvalError> {
        let (of, id) = self.objects.get(step.place.object);
        let id = id.to_owned();
        let object = ObjectRef { type_name: self.plan.type_name(of), id: &id };
        let relation = self.plan.relation_name(hop.over);
        self.facts.scan_subjects(object, relation, class)?;
        let mut met: Vec<(ObjectId, Rel, Until)> = Vec::new();
        let mut entries_max = self.limits.narrow_entries.max(1);
        loop {
            let mut entries = 0;
            let done = self.facts.each_subject(object, relation, |subject, until| {
                for target in targets(self.plan, hop, subject) {
                    let (SubjectRef::Object(next) | SubjectRef::Userset(next, _)) = subject else { continue };
                    met.push((self.objects.intern(self.plan.type_of(target), next.id), target, until));
                }
                entries += 1;
                entries < entries_max
            })?;
            if done {
                break;
            }
            // The object's side is wide. What the subject's side costs is held to what was spent on this one, so that
            // whichever is narrow ends the search at a small multiple of its own cost.
            if let Some(candidates) = self.candidates(hop, 2 * entries_max)? {
                met.clear();
                for (candidate, target) in candidates.iter().copied() {
                    if let Some(until) = self.edge(object, relation, candidate, target, class)? {
                        met.push((candidate, target, until));
                    }
                }
                break;
            }
            entries_max = entries_max.saturating_mul(4);
        }
        for (next, target, until) in met {
            let place = Place { object: next, expr: self.plan.root(target) };
            walk.push(place, step.depth.saturating_add(1), step.until.min(until));
        }
        Ok(())
    }

    /// What the subject's side finds for a hop, if that takes no more than `budget` tuples; found once per check.
    fn candidates(&mut self, hop: &Hop, budget: usize) -> Result<Option<Candidates>, EvalError> {
        if let Some((_, found)) = self.candidates.iter().find(|(targets, _)| *targets == hop.targets) {
            return Ok(Some(Rc::clone(found)));
        }
        let found: Option<Candidates> = reverse::candidates(self, hop, budget)?.map(Into::into);
        if let Some(found) = &found {
            self.candidates.push((hop.targets.clone(), Rc::clone(found)));
        }
        Ok(found)
    }

    /// Up to when the tuple that leads from an object to a candidate is live, if it is.
    fn edge(
        &mut self,
        object: ObjectRef<'_>,
        relation: &str,
        candidate: ObjectId,
        target: Rel,
        class: SubjectClass,
    ) -> Result<Option<Until>, EvalError> {
        let (of, id) = self.objects.get(candidate);
        let next = ObjectRef { type_name: self.plan.type_name(of), id };
        let subject = match class {
            SubjectClass::Userset => SubjectRef::Userset(next, self.plan.relation_name(target)),
            SubjectClass::Object | SubjectClass::Wildcard => SubjectRef::Object(next),
        };
        self.facts.tuple(TupleRef { object, relation, subject })
    }
}

/// The relations that are asked of the object that a subject names.
fn targets<'h>(plan: &'h Plan, hop: &'h Hop, subject: SubjectRef<'h>) -> impl Iterator<Item = Rel> + 'h {
    hop.targets.iter().copied().filter(move |target| match subject {
        SubjectRef::Object(object) => plan.type_name(plan.type_of(*target)) == object.type_name,
        SubjectRef::Userset(object, relation) => {
            plan.relation_name(*target) == relation
                && plan.type_name(plan.type_of(*target)) == object.type_name
        }
        SubjectRef::Wildcard(_) => false,
    })
}

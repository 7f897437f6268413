//! The walk from the subject's side.
//!
//! Where an object names many others (a park shared with 1,000 partners) and the subject is in few places, it is
//! cheaper to ask what the subject may hold the relation on, and then whether the object names that. The walk
//! answers a superset: of an intersection it follows one operand, of a difference the base. Each candidate is then
//! checked from the object's side, so that the answer is the same. What fails counts as met.
//!
//! The passing of time can only take tuples away, and every step needs a tuple or none: who is no candidate now
//! cannot become one by the passing of time.

use std::collections::VecDeque;

use super::EvalError;
use super::check::Search;
use super::met::{Few, ObjectId};
use super::plan::{Expr, Plan, Rel};
use super::region::{Hop, Regions, SubjectKind, closure};
use crate::model::{ObjectRef, SubjectRef};
use crate::store::Snapshot;

/// Where a relation leads, from the subject's side.
#[derive(Debug, Clone, Default)]
struct Steps {
    /// Relations of the same object that it is part of.
    computed: Vec<Rel>,
    /// Relations whose own tuples may hold it as a userset.
    usersets: Vec<Rel>,
    /// Relations that ask it of the objects that a tupleset (the first) names.
    tuplesets: Vec<(Rel, Rel)>,
    /// The relations that lead to it.
    from: Vec<Rel>,
}

/// The steps from the subject's side, for one kind of subject.
#[derive(Debug)]
pub(super) struct ReverseEdges {
    /// Relations whose own tuples hold the subject itself.
    exact: Vec<Rel>,
    /// Relations whose own tuples hold the wildcard of the subject's type.
    wildcard: Vec<Rel>,
    steps: Vec<Steps>,
}

impl ReverseEdges {
    pub(super) fn new(plan: &Plan, regions: &Regions) -> Self {
        let steps = plan.relations().map(|_| Steps::default()).collect();
        let mut edges = Self { exact: Vec::new(), wildcard: Vec::new(), steps };
        for rel in plan.relations() {
            edges.add(plan, regions, rel);
        }
        edges
    }

    fn add(&mut self, plan: &Plan, regions: &Regions, rel: Rel) {
        let mut open = vec![plan.root(rel)];
        while let Some(id) = open.pop() {
            if !regions.reaches(id) {
                continue;
            }
            match plan.expr(id) {
                Expr::This(_) => {
                    if regions.exact(plan, rel) {
                        self.exact.push(rel);
                    }
                    if regions.wildcard(plan, rel).is_some() {
                        self.wildcard.push(rel);
                    }
                    for userset in
                        plan.admitted(rel).usersets.iter().filter(|userset| regions.leads(plan, **userset))
                    {
                        self.link(*userset, rel, |steps| steps.usersets.push(rel));
                    }
                }
                Expr::Computed(computed) => self.link(*computed, rel, |steps| steps.computed.push(rel)),
                Expr::TupleToUserset { tupleset, targets } => {
                    for target in targets.iter().filter(|target| regions.leads(plan, **target)) {
                        self.link(*target, rel, |steps| steps.tuplesets.push((*tupleset, rel)));
                    }
                }
                Expr::Union(children) => open.extend(children),
                // Whoever is in all operands is in the first, the cheapest.
                Expr::Intersection(operands) => open.extend(operands.first()),
                Expr::Difference(base, _) => open.push(*base),
                Expr::Never => {}
            }
        }
    }

    fn link(&mut self, part: Rel, whole: Rel, add: impl FnOnce(&mut Steps)) {
        if let Some(steps) = self.steps.get_mut(part.0 as usize) {
            add(steps);
        }
        if let Some(steps) = self.steps.get_mut(whole.0 as usize) {
            steps.from.push(part);
        }
    }

    /// What a walk that is to come to one of `targets` follows.
    pub(super) fn relevant(&self, plan: &Plan, targets: &[Rel]) -> Relevant {
        let relations = closure(plan, targets, |rel, open| {
            open.extend(
                self.steps.get(rel.0 as usize).into_iter().flat_map(|steps| steps.from.iter().copied()),
            );
        });
        let is_relevant = |rel: Rel| relations.get(rel.0 as usize).copied().unwrap_or(false);
        let asks = |rel: Rel| is_relevant(rel) && plan.is_conditional(rel);
        let tupleset_asks =
            |(tupleset, whole): &(Rel, Rel)| is_relevant(*whole) && plan.is_conditional(*tupleset);
        let conditional = plan.relations().any(asks)
            || self.steps.iter().any(|steps| steps.tuplesets.iter().any(tupleset_asks));
        Relevant { relations, conditional }
    }
}

/// What a walk from the subject's side to given relations follows.
#[derive(Debug)]
pub(super) struct Relevant {
    /// By relation: whether it can lead to them.
    relations: Vec<bool>,
    /// Whether a tuple on the way may carry a condition.
    pub(super) conditional: bool,
}

impl Relevant {
    fn has(&self, rel: Rel) -> bool {
        self.relations.get(rel.0 as usize).copied().unwrap_or(false)
    }
}

/// The places that a walk from the subject's side has met.
struct Met {
    seen: Few<(ObjectId, Rel), ()>,
    open: VecDeque<(ObjectId, Rel)>,
    /// Tuples that may still be looked at.
    budget: usize,
}

impl Met {
    fn push(&mut self, object: ObjectId, rel: Rel) {
        if self.seen.insert((object, rel), ()) {
            self.open.push_back((object, rel));
        }
    }
}

/// All objects and relations among the hop's targets that the subject may hold; `None` where finding out takes looking
/// at more than `budget` tuples and relations.
pub(super) fn candidates<S: Snapshot>(
    search: &mut Search<'_, '_, '_, S>,
    hop: &Hop,
    budget: usize,
) -> Result<Option<Vec<(ObjectId, Rel)>>, EvalError> {
    let (plan, regions, subject) = (search.plan, search.regions, search.subject);
    let edges = regions.reverse(plan);
    let relevant = hop.relevant.get_or_init(|| edges.relevant(plan, &hop.targets));
    let is_relevant = |rel: &&Rel| relevant.has(**rel);
    let mut met = Met { seen: Few::new(), open: VecDeque::new(), budget };
    for rel in edges.exact.iter().filter(is_relevant) {
        if !follow(search, &mut met, subject, *rel, *rel)? {
            return Ok(None);
        }
    }
    if let SubjectKind::Object(_) = regions.kind {
        let everybody = SubjectRef::Wildcard(subject.type_name());
        for rel in edges.wildcard.iter().filter(is_relevant) {
            if !follow(search, &mut met, everybody, *rel, *rel)? {
                return Ok(None);
            }
        }
    }
    if let (SubjectKind::Userset(rel), SubjectRef::Userset(object, _)) = (regions.kind, subject) {
        let own = search.objects.intern(plan.type_of(rel), object.id);
        met.push(own, rel);
    }
    let mut found = Vec::new();
    while let Some((object, rel)) = met.open.pop_front() {
        if hop.targets.contains(&rel) {
            found.push((object, rel));
        }
        let Some(steps) = edges.steps.get(rel.0 as usize) else { continue };
        for whole in steps.computed.iter().filter(is_relevant) {
            met.push(object, *whole);
        }
        let (of, id) = search.objects.get(object);
        let id = id.to_owned();
        let own = ObjectRef { type_name: plan.type_name(of), id: &id };
        let userset = SubjectRef::Userset(own, plan.relation_name(rel));
        for whole in steps.usersets.iter().filter(is_relevant) {
            if !follow(search, &mut met, userset, *whole, *whole)? {
                return Ok(None);
            }
        }
        for (tupleset, whole) in steps.tuplesets.iter().filter(|(_, whole)| is_relevant(&whole)) {
            if !follow(search, &mut met, SubjectRef::Object(own), *tupleset, *whole)? {
                return Ok(None);
            }
        }
    }
    Ok(Some(found))
}

/// Notes `whole` on each object whose relation `over` names the subject; `false` where the budget is used up.
fn follow<S: Snapshot>(
    search: &mut Search<'_, '_, '_, S>,
    met: &mut Met,
    subject: SubjectRef<'_>,
    over: Rel,
    whole: Rel,
) -> Result<bool, EvalError> {
    let plan = search.plan;
    let of = plan.type_of(over);
    let objects = &mut search.objects;
    let spend = |met: &mut Met| match met.budget.checked_sub(1) {
        Some(left) => {
            met.budget = left;
            true
        }
        None => false,
    };
    let mut within = spend(met);
    if within {
        search.facts.objects_of(subject, plan.type_name(of), over, plan.relation_name(over), |id, _| {
            within = spend(met);
            if within {
                met.push(objects.intern(of, id), whole);
            }
            within
        })?;
    }
    Ok(within)
}

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
use std::ops::ControlFlow;

use super::EvalError;
use super::check::Search;
use super::conditions::Standing;
use super::facts::Facts;
use super::met::{Few, ObjectId, Objects};
use super::plan::{Expr, Plan, Rel};
use super::region::{Hop, Regions, SubjectKind, closure};
use crate::model::{ObjectRef, SubjectRef};
use crate::store::Snapshot;

/// A step from the subject's side: to the objects that the tuples of a relation name, or to the same object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// The relation whose tuples are followed.
    over: Rel,
    /// The relation that may hold behind the step.
    pub(super) whole: Rel,
    /// Whether it does hold then: no other operand of an intersection or a difference has a say.
    pub(super) plain: bool,
}

/// Where a relation leads, from the subject's side.
#[derive(Debug, Clone, Default)]
struct Steps {
    /// Relations of the same object that it is part of.
    computed: Vec<Step>,
    /// Relations whose own tuples may hold it as a userset.
    usersets: Vec<Step>,
    /// Relations that ask it of the objects that a tupleset names.
    tuplesets: Vec<Step>,
    /// The relations that lead to it.
    from: Vec<Rel>,
}

/// The steps from the subject's side, for one kind of subject.
#[derive(Debug)]
pub(super) struct ReverseEdges {
    /// Relations whose own tuples hold the subject itself.
    exact: Vec<Step>,
    /// Relations whose own tuples hold the wildcard of the subject's type.
    wildcard: Vec<Step>,
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
        let mut open = vec![(plan.root(rel), true)];
        // What was said of the relation's own tuples, which a rewrite may repeat.
        let mut own_plain = None;
        while let Some((id, plain)) = open.pop() {
            if !regions.reaches(id) {
                continue;
            }
            let step = |over: Rel| Step { over, whole: rel, plain };
            match plan.expr(id) {
                Expr::This(_) if own_plain.is_some_and(|own_plain| own_plain || !plain) => {}
                Expr::This(_) => {
                    own_plain = Some(plain);
                    if regions.exact(plan, rel) {
                        add_step(&mut self.exact, step(rel));
                    }
                    if regions.wildcard(plan, rel).is_some() {
                        add_step(&mut self.wildcard, step(rel));
                    }
                    for userset in
                        plan.admitted(rel).usersets.iter().filter(|userset| regions.leads(plan, **userset))
                    {
                        self.link(*userset, rel, |steps| add_step(&mut steps.usersets, step(rel)));
                    }
                }
                Expr::Computed(computed) => {
                    self.link(*computed, rel, |steps| add_step(&mut steps.computed, step(rel)));
                }
                Expr::TupleToUserset { tupleset, targets } => {
                    for target in targets.iter().filter(|target| regions.leads(plan, **target)) {
                        self.link(*target, rel, |steps| add_step(&mut steps.tuplesets, step(*tupleset)));
                    }
                }
                Expr::Union(children) => open.extend(children.iter().map(|child| (*child, plain))),
                // Whoever is in all operands is in the first, the cheapest.
                Expr::Intersection(operands) => open.extend(operands.first().map(|first| (*first, false))),
                Expr::Difference(base, subtract) => {
                    open.push((*base, plain && !regions.reaches(*subtract)));
                }
                Expr::Never => {}
            }
        }
    }

    /// How many links between relations are kept, repeated ones included.
    #[cfg(test)]
    pub(super) fn linked(&self) -> usize {
        self.steps.iter().map(|steps| steps.from.len()).sum()
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
        let tupleset_asks = |step: &Step| is_relevant(step.whole) && plan.is_conditional(step.over);
        let conditional = plan.relations().any(asks)
            || self.steps.iter().any(|steps| steps.tuplesets.iter().any(tupleset_asks));
        Relevant { relations, conditional }
    }
}

/// Of two steps that differ in being plain only, the plain one is enough. They come relation by relation.
fn add_step(steps: &mut Vec<Step>, step: Step) {
    let mut of_whole = steps.iter_mut().rev().take_while(|own| own.whole == step.whole);
    match of_whole.find(|own| own.over == step.over) {
        Some(own) => own.plain |= step.plain,
        None => steps.push(step),
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

/// The steps that one subject's walk to given relations can take.
pub(super) struct Follower<'w> {
    pub(super) plan: &'w Plan,
    pub(super) regions: &'w Regions,
    pub(super) edges: &'w ReverseEdges,
    pub(super) relevant: &'w Relevant,
    pub(super) subject: SubjectRef<'w>,
}

/// What a walk from the subject's side comes to.
pub(super) enum Reached<'a> {
    /// A scan, which begins unless it is refused.
    Scan,
    /// An entry of a scan whose tuple does not count.
    Absent,
    /// An object on which `step.whole` may hold, named by a tuple.
    Named { id: &'a str, step: Step },
    /// The object that the walk is at, on which `step.whole` may hold too.
    Same { id: &'a str, step: Step },
}

impl Follower<'_> {
    /// Calls `visit` with what the subject is in by itself, until it breaks.
    pub(super) fn first<S: Snapshot>(
        &self,
        facts: &mut Facts<'_, S>,
        visit: &mut impl FnMut(Reached<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EvalError> {
        if let (SubjectKind::Userset(rel), SubjectRef::Userset(object, _)) = (self.regions.kind, self.subject)
        {
            let itself = Step { over: rel, whole: rel, plain: true };
            if visit(Reached::Same { id: object.id, step: itself }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if self.scans(facts, self.subject, &self.edges.exact, visit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match self.regions.kind {
            SubjectKind::Object(_) => {
                let everybody = SubjectRef::Wildcard(self.subject.type_name());
                self.scans(facts, everybody, &self.edges.wildcard, visit)
            }
            SubjectKind::Wildcard(_) | SubjectKind::Userset(_) => Ok(ControlFlow::Continue(())),
        }
    }

    /// Calls `visit` with what follows from the subject's holding `rel` on `object`, until it breaks.
    pub(super) fn next<S: Snapshot>(
        &self,
        facts: &mut Facts<'_, S>,
        object: ObjectRef<'_>,
        rel: Rel,
        visit: &mut impl FnMut(Reached<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EvalError> {
        let Some(steps) = self.edges.steps.get(rel.0 as usize) else { return Ok(ControlFlow::Continue(())) };
        for step in steps.computed.iter().filter(|step| self.relevant.has(step.whole)) {
            if visit(Reached::Same { id: object.id, step: *step }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let userset = SubjectRef::Userset(object, self.plan.relation_name(rel));
        if self.scans(facts, userset, &steps.usersets, visit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.scans(facts, SubjectRef::Object(object), &steps.tuplesets, visit)
    }

    /// Whether anything follows from a relation.
    pub(super) fn leads_on(&self, rel: Rel) -> bool {
        let relevant = |step: &Step| self.relevant.has(step.whole);
        self.edges.steps.get(rel.0 as usize).is_some_and(|steps| {
            let mut all = steps.computed.iter().chain(&steps.usersets).chain(&steps.tuplesets);
            all.any(relevant)
        })
    }

    /// Follows those of the steps that are relevant to the objects whose tuples name the subject.
    fn scans<S: Snapshot>(
        &self,
        facts: &mut Facts<'_, S>,
        subject: SubjectRef<'_>,
        steps: &[Step],
        visit: &mut impl FnMut(Reached<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EvalError> {
        let plan = self.plan;
        for step in steps.iter().filter(|step| self.relevant.has(step.whole)) {
            let mut flow = visit(Reached::Scan);
            if flow.is_continue() {
                let of = plan.type_name(plan.type_of(step.over));
                facts.objects_of(subject, of, step.over, plan.relation_name(step.over), |id, standing| {
                    flow = match standing {
                        Standing::Absent => visit(Reached::Absent),
                        Standing::Counts(_) => visit(Reached::Named { id, step: *step }),
                        // It may hold: whoever wants to know asks about the object.
                        Standing::Failed(_) => {
                            visit(Reached::Named { id, step: Step { plain: false, ..*step } })
                        }
                    };
                    flow.is_continue()
                })?;
            }
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
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
    fn meet(&mut self, plan: &Plan, objects: &mut Objects, reached: &Reached<'_>) -> ControlFlow<()> {
        let (id, step) = match *reached {
            Reached::Scan | Reached::Absent => return self.spend(),
            Reached::Named { id, step } => {
                self.spend()?;
                (id, step)
            }
            Reached::Same { id, step } => (id, step),
        };
        let object = objects.intern(plan.type_of(step.whole), id);
        if self.seen.insert((object, step.whole), ()) {
            self.open.push_back((object, step.whole));
        }
        ControlFlow::Continue(())
    }

    fn spend(&mut self) -> ControlFlow<()> {
        match self.budget.checked_sub(1) {
            Some(left) => {
                self.budget = left;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
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
    let follower = Follower { plan, regions, edges, relevant, subject };
    let mut met = Met { seen: Few::new(), open: VecDeque::new(), budget };
    if follower.first(search.facts, &mut |reached| met.meet(plan, &mut search.objects, &reached))?.is_break()
    {
        return Ok(None);
    }
    let mut found = Vec::new();
    while let Some((object, rel)) = met.open.pop_front() {
        if hop.targets.contains(&rel) {
            found.push((object, rel));
        }
        let (of, id) = search.objects.get(object);
        let id = id.to_owned();
        let own = ObjectRef { type_name: plan.type_name(of), id: &id };
        if follower
            .next(search.facts, own, rel, &mut |reached| met.meet(plan, &mut search.objects, &reached))?
            .is_break()
        {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

//! List users: the walk from the object that collects the subjects of one filter.
//!
//! Along alternatives a subject that a tuple names holds by that alone. At an intersection or a difference everybody
//! whom anything below it names is a candidate, and is asked about at that operator, at the depth at which the walk
//! came to it.
//!
//! **Wildcards.** Who is named nowhere below an operator gets the answer that the wildcard of the type gets. So the
//! wildcard is told where it holds itself, and then stands for everybody who is not named; a named one who does not
//! hold is never told. Whom nothing but a subtraction names needs no mention beside a wildcard that covers them, and
//! gets one only where a subtraction from the subtraction is what lets them in, as in OpenFGA.
//!
//! This part must never be silently short: where a limit keeps somebody out, it says so.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::check::{Question, targets};
use super::conditions::Standing;
use super::facts::Facts;
use super::list::{Kept, ListEnd, Pace, Recipient};
use super::met::{Few, ObjectId, Objects};
use super::outcome::Place;
use super::plan::{Expr, ExprId, Plan, Rel, TypeId};
use super::region::{Hop, Region, Regions, SubjectKind};
use super::{EvalError, Failure, LimitReached, SubjectFilter};
use crate::model::limits::EvaluationLimits;
use crate::model::{ObjectRef, Subject, SubjectClass, SubjectRef, TupleRef};
use crate::store::Snapshot;

/// Tells `recipient` the subjects of the filter that hold a relation of an object, each once.
pub(super) fn list_users<S: Snapshot>(
    plan: &Plan,
    facts: &mut Facts<'_, S>,
    limits: EvaluationLimits,
    (object, relation): (ObjectRef<'_>, &str),
    filter: SubjectFilter<'_>,
    kept: Kept,
    recipient: &mut dyn Recipient<Subject>,
) -> Result<ListEnd, EvalError> {
    let kind = match filter {
        SubjectFilter::Type(of) => plan.type_id(of).map(SubjectKind::Object),
        SubjectFilter::Usersets(of, relation) => plan.find(of, relation).map(SubjectKind::Userset),
    };
    let (Some(kind), Some(rel)) = (kind, plan.find(object.type_name, relation)) else {
        return Ok(ListEnd::Whole);
    };
    let Some(regions) = plan.regions(kind) else { return Ok(ListEnd::Whole) };
    let mut known = Known { objects: Objects::default(), kept, left_out: None, failed: None };
    let start = Place { object: known.objects.intern(plan.type_of(rel), object.id), expr: plan.root(rel) };
    let ground = Ground { plan, regions: &regions, facts };
    let mut list =
        List { ground, limits, known, told: Told { once: Few::new(), pace: Pace::default(), recipient } };
    let flow = list.list(start);
    let left_out = list.known.left_out;
    if let (Ok(ControlFlow::Continue(())), Some(failure)) = (&flow, list.known.failed) {
        return Err(list.ground.facts.error(failure));
    }
    match flow {
        Ok(ControlFlow::Continue(())) => Ok(left_out.map_or(ListEnd::Whole, ListEnd::Limited)),
        Ok(ControlFlow::Break(())) => Ok(left_out.map_or(ListEnd::Ended, ListEnd::Limited)),
        Err(EvalError::Limit(limit)) => Ok(ListEnd::Limited(limit)),
        Err(error) => Err(error),
    }
}

/// A subject of the filter, as a walk finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Found {
    /// An object of the filter's type, or the one whose userset it is.
    Named(ObjectId),
    /// The wildcard of the filter's type.
    Everybody,
}

/// Which part a place has in the operator that it lies below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    /// Whoever is in it may be let in for it.
    Given,
    /// It is subtracted, or part of what is.
    Taken,
}

/// What a list has met.
struct Known {
    objects: Objects,
    kept: Kept,
    /// The last limit that kept somebody out.
    left_out: Option<LimitReached>,
    /// A condition that could not be evaluated, of a tuple that may let somebody in.
    failed: Option<Failure>,
}

impl Known {
    fn keep(&mut self, object: ObjectId) -> ControlFlow<()> {
        let bytes = self.objects.get(object).1.len();
        self.kept.keep(bytes, &mut self.left_out)
    }
}

/// Whom the recipient was told.
struct Told<'l> {
    once: Few<Found, ()>,
    pace: Pace,
    recipient: &'l mut dyn Recipient<Subject>,
}

/// A place to look at, with how it was come to.
#[derive(Debug, Clone, Copy)]
struct Step {
    place: Place,
    side: Side,
    depth: u32,
}

impl Step {
    /// The same object and hops with another rewrite.
    fn at(self, expr: ExprId) -> Self {
        Self { place: Place { expr, ..self.place }, ..self }
    }
}

/// Places to look at, the nearest first.
struct Walk {
    depth_max: u32,
    /// Whether whoever is met is asked about afterwards: then a tuple whose condition fails counts as well.
    asked_about: bool,
    /// Each with the fewest hops to it.
    seen: Few<(Place, Side), u32>,
    /// By hops.
    open: Vec<VecDeque<(Place, Side)>>,
}

impl Walk {
    fn new(limits: EvaluationLimits, asked_about: bool) -> Self {
        Self { depth_max: limits.depth_max, asked_about, seen: Few::new(), open: Vec::new() }
    }

    /// Whether a tuple that comes to this is to be followed.
    fn follows(&self, known: &mut Known, standing: Standing) -> bool {
        match standing {
            Standing::Counts(_) => true,
            Standing::Absent => false,
            Standing::Failed(_) if self.asked_about => true,
            Standing::Failed(failure) => {
                known.failed = Some(failure);
                false
            }
        }
    }

    fn push(&mut self, known: &mut Known, step: Step) -> ControlFlow<()> {
        let Step { place, side, depth } = step;
        let least = self.seen.get(&(place, side)).copied();
        if least.is_some_and(|least| least <= depth) {
            return ControlFlow::Continue(());
        }
        if depth > self.depth_max {
            known.left_out = Some(LimitReached::Depth { hops: self.depth_max });
            return ControlFlow::Continue(());
        }
        if least.is_none() {
            known.keep(place.object)?;
        }
        self.seen.insert((place, side), depth);
        let hops = depth as usize;
        if self.open.len() <= hops {
            self.open.resize_with(hops + 1, VecDeque::new);
        }
        if let Some(open) = self.open.get_mut(hops) {
            open.push_back((place, side));
        }
        ControlFlow::Continue(())
    }

    fn next(&mut self) -> Option<Step> {
        loop {
            let (hops, open) = self.open.iter_mut().enumerate().find(|(_, open)| !open.is_empty())?;
            let (place, side) = open.pop_front()?;
            let depth = u32::try_from(hops).unwrap_or(u32::MAX);
            // A shorter way to it may have been found meanwhile.
            if self.seen.get(&(place, side)) == Some(&depth) {
                return Some(Step { place, side, depth });
            }
        }
    }
}

/// Whom everything below an operator names.
#[derive(Default)]
struct Named {
    sides: Few<ObjectId, Side>,
    /// In the order in which they were met.
    order: Vec<ObjectId>,
    wildcard: bool,
    /// Subtractions in what is subtracted: at which place, from what, what.
    exemptions: Vec<(Step, ExprId, ExprId)>,
}

impl Named {
    fn add(&mut self, known: &mut Known, found: Found, side: Side) -> ControlFlow<()> {
        let Found::Named(subject) = found else {
            self.wildcard = true;
            return ControlFlow::Continue(());
        };
        match self.sides.get(&subject) {
            None => {
                known.keep(subject)?;
                self.sides.insert(subject, side);
                self.order.push(subject);
            }
            Some(Side::Taken) if side == Side::Given => drop(self.sides.insert(subject, side)),
            Some(_) => {}
        }
        ControlFlow::Continue(())
    }
}

/// What walks go over.
struct Ground<'l, 'a, S: Snapshot> {
    plan: &'l Plan,
    /// Those of the filter's kind.
    regions: &'l Regions,
    facts: &'l mut Facts<'a, S>,
}

/// A list under way.
struct List<'l, 'a, S: Snapshot> {
    ground: Ground<'l, 'a, S>,
    limits: EvaluationLimits,
    known: Known,
    told: Told<'l>,
}

/// Whether to go on.
type Flow = Result<ControlFlow<()>, EvalError>;

impl<S: Snapshot> List<'_, '_, S> {
    /// Lists along alternatives, then what each operator met on the way lets in.
    fn list(&mut self, start: Place) -> Flow {
        let Self { ground, limits, known, told } = self;
        let mut walk = Walk::new(*limits, false);
        let mut operators: Vec<Step> = Vec::new();
        let mut flow = walk.push(known, Step { place: start, side: Side::Given, depth: 0 });
        while let (ControlFlow::Continue(()), Some(step)) = (flow, walk.next()) {
            let Some(region) = ground.regions.region(ground.plan, step.place.expr) else { continue };
            operators.extend(region.operators.iter().map(|expr| step.at(*expr)));
            let kind = ground.regions.kind;
            flow = told.recipient.go_on();
            if flow.is_continue() {
                flow = ground.visit(known, &mut walk, step, region, &mut |plan, known, met| match met {
                    Met::Entry => told.go_on(),
                    Met::Subject(found) => told.tell(plan, kind, known, found),
                })?;
            }
        }
        for operator in operators {
            if flow.is_continue() {
                flow = self.decide(operator)?;
            }
        }
        Ok(flow)
    }

    /// Tells whom an intersection or a difference lets in.
    fn decide(&mut self, operator: Step) -> Flow {
        let (plan, kind) = (self.ground.plan, self.ground.regions.kind);
        // Without a wildcard, whoever holds is named by the first operand, or by what is subtracted from.
        let mut named = Named::default();
        if self.below(&mut named, operator, false)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if named.wildcard {
            named = Named::default();
            if self.below(&mut named, operator, true)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let everybody = named.wildcard && self.holds(Found::Everybody, operator)?;
        if everybody && self.told.tell(plan, kind, &mut self.known, Found::Everybody).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        for subject in &named.order {
            let found = Found::Named(*subject);
            if self.told.once.get(&found).is_some() {
                continue;
            }
            if self.told.recipient.go_on().is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let covered = everybody && named.sides.get(subject) == Some(&Side::Taken);
            let told =
                self.holds(found, operator)? && (!covered || self.is_exempt(found, &named.exemptions)?);
            if told && self.told.tell(plan, kind, &mut self.known, found).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether a subject is let in by a subtraction from what is subtracted.
    fn is_exempt(&mut self, found: Found, exemptions: &[(Step, ExprId, ExprId)]) -> Result<bool, EvalError> {
        for (step, from, exempt) in exemptions {
            if self.holds(found, step.at(*from))? && self.holds(found, step.at(*exempt))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Collects whom everything below an operator names; unless `whole`, of an intersection only the first operand and
    /// of a difference only what is subtracted from.
    fn below(&mut self, named: &mut Named, operator: Step, whole: bool) -> Flow {
        let Self { ground, limits, known, told } = self;
        let mut walk = Walk::new(*limits, true);
        let mut flow = ground.operands(known, &mut walk, named, operator, whole);
        while let (ControlFlow::Continue(()), Some(step)) = (flow, walk.next()) {
            let Some(region) = ground.regions.region(ground.plan, step.place.expr) else { continue };
            for expr in &region.operators {
                if flow.is_continue() {
                    flow = ground.operands(known, &mut walk, named, step.at(*expr), whole);
                }
            }
            if flow.is_continue() {
                flow = told.recipient.go_on();
            }
            if flow.is_continue() {
                flow = ground.visit(known, &mut walk, step, region, &mut |_, known, met| match met {
                    Met::Entry => told.go_on(),
                    Met::Subject(found) => named.add(known, found, step.side),
                })?;
            }
        }
        Ok(flow)
    }

    /// Whether a subject is in a place. Where a limit keeps that from being known, it is left out.
    fn holds(&mut self, found: Found, step: Step) -> Result<bool, EvalError> {
        let Self { ground: Ground { plan, regions, facts }, limits, known, .. } = self;
        let (of, id) = known.objects.get(step.place.object);
        let subject = subject(plan, regions.kind, known, found);
        let everybody;
        let regions = match (found, regions.kind) {
            (Found::Everybody, SubjectKind::Object(of)) => match plan.regions(SubjectKind::Wildcard(of)) {
                Some(regions) => {
                    everybody = regions;
                    &*everybody
                }
                None => return Ok(false),
            },
            _ => regions,
        };
        let question = Question { plan, regions, limits: *limits, subject };
        let decided = facts
            .within(limits.reads_max, |facts| question.decide(facts, of, id, step.place.expr, step.depth));
        match decided {
            Ok((decision, _)) => Ok(decision.allowed),
            Err(EvalError::Limit(limit)) if !facts.are_exhausted() => {
                known.left_out = Some(limit);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

impl Told<'_> {
    /// Asks the recipient now and then, while a scan goes over its entries.
    fn go_on(&mut self) -> ControlFlow<()> {
        self.pace.entry(self.recipient)
    }

    /// Tells the recipient of a subject, unless that was done.
    fn tell(&mut self, plan: &Plan, kind: SubjectKind, known: &mut Known, found: Found) -> ControlFlow<()> {
        if self.once.get(&found).is_some() {
            return ControlFlow::Continue(());
        }
        if let Found::Named(object) = found {
            known.keep(object)?;
        }
        self.once.insert(found, ());
        self.recipient.take(&subject(plan, kind, known, found).to_owned())
    }
}

/// A subject of a filter of this kind, as tuples name it.
fn subject<'k>(plan: &'k Plan, kind: SubjectKind, known: &'k Known, found: Found) -> SubjectRef<'k> {
    match (found, kind) {
        (Found::Everybody, SubjectKind::Object(of) | SubjectKind::Wildcard(of)) => {
            SubjectRef::Wildcard(plan.type_name(of))
        }
        (Found::Everybody, SubjectKind::Userset(rel)) => {
            SubjectRef::Wildcard(plan.type_name(plan.type_of(rel)))
        }
        (Found::Named(object), kind) => {
            let (of, id) = known.objects.get(object);
            let object = ObjectRef { type_name: plan.type_name(of), id };
            match kind {
                SubjectKind::Object(_) | SubjectKind::Wildcard(_) => SubjectRef::Object(object),
                SubjectKind::Userset(rel) => SubjectRef::Userset(object, plan.relation_name(rel)),
            }
        }
    }
}

/// What a visit to a place comes to.
enum Met {
    /// An entry of a scan, whether its tuple counts or not.
    Entry,
    /// A subject of the filter, whom the place names.
    Subject(Found),
}

/// Takes in what a visit to a place comes to.
type Meet<'m> = dyn FnMut(&Plan, &mut Known, Met) -> ControlFlow<()> + 'm;

impl<S: Snapshot> Ground<'_, '_, S> {
    /// Adds the operands of an operator to the places to look at.
    fn operands(
        &self,
        known: &mut Known,
        walk: &mut Walk,
        named: &mut Named,
        operator: Step,
        whole: bool,
    ) -> ControlFlow<()> {
        match self.plan.expr(operator.place.expr) {
            Expr::Intersection(operands) => {
                let wanted = if whole { operands.len() } else { 1 };
                for operand in operands.iter().take(wanted) {
                    walk.push(known, operator.at(*operand))?;
                }
            }
            Expr::Difference(base, subtract) => {
                walk.push(known, operator.at(*base))?;
                if whole {
                    walk.push(known, Step { side: Side::Taken, ..operator.at(*subtract) })?;
                }
                if operator.side == Side::Taken {
                    named.exemptions.push((operator, *base, *subtract));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// Calls `meet` with the subjects of the filter that a place names by itself, and adds to the walk what it leads to.
    fn visit(
        &mut self,
        known: &mut Known,
        walk: &mut Walk,
        step: Step,
        region: &Region,
        meet: &mut Meet<'_>,
    ) -> Flow {
        let Self { plan, regions, .. } = *self;
        let (of, id) = known.objects.get(step.place.object);
        let id = id.to_owned();
        let object = ObjectRef { type_name: plan.type_name(of), id: &id };
        let mut flow = ControlFlow::Continue(());
        match regions.kind {
            SubjectKind::Userset(rel) if region.named.contains(&rel) => {
                flow = meet(plan, known, Met::Subject(Found::Named(step.place.object)));
            }
            SubjectKind::Object(of) => {
                for rel in &region.wildcard {
                    let subject = SubjectRef::Wildcard(plan.type_name(of));
                    let key = TupleRef { object, relation: plan.relation_name(*rel), subject };
                    if flow.is_continue() && walk.follows(known, self.facts.tuple(*rel, key)?) {
                        flow = meet(plan, known, Met::Subject(Found::Everybody));
                    }
                }
                for rel in &region.exact {
                    if flow.is_continue() {
                        flow = self.subjects(known, walk, object, (*rel, of), meet)?;
                    }
                }
            }
            SubjectKind::Userset(_) | SubjectKind::Wildcard(_) => {}
        }
        for computed in &region.computed {
            if flow.is_continue() {
                flow = walk.push(known, step.at(plan.root(*computed)));
            }
        }
        let tuplesets = region.tuplesets.iter().map(|hop| (hop, SubjectClass::Object));
        let usersets = region.usersets.iter().map(|hop| (hop, SubjectClass::Userset));
        for (hop, class) in tuplesets.chain(usersets) {
            if flow.is_continue() {
                flow = self.hop(known, walk, step, object, (hop, class), meet)?;
            }
        }
        Ok(flow)
    }

    /// Calls `meet` with the objects of a type that the tuples of a relation name.
    fn subjects(
        &mut self,
        known: &mut Known,
        walk: &Walk,
        object: ObjectRef<'_>,
        (rel, of): (Rel, TypeId),
        meet: &mut Meet<'_>,
    ) -> Flow {
        let plan = self.plan;
        let (type_name, relation) = (plan.type_name(of), plan.relation_name(rel));
        let mut flow = ControlFlow::Continue(());
        self.facts.scan_subjects(object, relation, SubjectClass::Object)?;
        self.facts.each_entry(object, rel, relation, |subject, standing| {
            flow = meet(plan, known, Met::Entry);
            if let SubjectRef::Object(subject) = subject
                && flow.is_continue()
                && subject.type_name == type_name
                && walk.follows(known, standing)
            {
                let subject = known.objects.intern(of, subject.id);
                flow = meet(plan, known, Met::Subject(Found::Named(subject)));
            }
            flow.is_continue()
        })?;
        Ok(flow)
    }

    /// Adds the objects that the tuples of a relation name to the walk. Those whose usersets are asked for are met.
    fn hop(
        &mut self,
        known: &mut Known,
        walk: &mut Walk,
        step: Step,
        object: ObjectRef<'_>,
        (hop, class): (&Hop, SubjectClass),
        meet: &mut Meet<'_>,
    ) -> Flow {
        let Self { plan, regions, .. } = *self;
        let relation = plan.relation_name(hop.over);
        let mut flow = ControlFlow::Continue(());
        self.facts.scan_subjects(object, relation, class)?;
        self.facts.each_entry(object, hop.over, relation, |subject, standing| {
            flow = meet(plan, known, Met::Entry);
            for target in targets(plan, hop, subject) {
                let (SubjectRef::Object(next) | SubjectRef::Userset(next, _)) = subject else { continue };
                if flow.is_break() || !walk.follows(known, standing) {
                    continue;
                }
                let next = known.objects.intern(plan.type_of(target), next.id);
                if class == SubjectClass::Userset && regions.kind == SubjectKind::Userset(target) {
                    flow = meet(plan, known, Met::Subject(Found::Named(next)));
                }
                if flow.is_continue() {
                    let place = Place { object: next, expr: plan.root(target) };
                    flow = walk
                        .push(known, Step { place, side: step.side, depth: step.depth.saturating_add(1) });
                }
            }
            flow.is_continue()
        })?;
        Ok(flow)
    }
}

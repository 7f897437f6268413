//! List objects: the walk from the subject's side that keeps what is sure apart from what has to be checked.
//!
//! Where only alternatives lie between the subject and an object, the object holds by the walk alone. What an
//! intersection or a difference leads to is *doubtful*: it is checked from its own side, and only what holds is
//! walked on from. Whatever holds rests on something that holds one step nearer to the subject, so that nothing is
//! missed; what is doubtful waits until everything that is sure has been met, and much of it is never checked.
//!
//! The walk counts hops as a check does. What lies farther than the limit is doubtful too, so that the check decides
//! what the limit means. This part must never be silently short: where a limit keeps something out, it says so.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::check::Question;
use super::facts::Facts;
use super::list::{Kept, ListEnd, Pace, Recipient};
use super::met::{Few, ObjectId, Objects};
use super::plan::{Plan, Rel};
use super::reverse::{Follower, Reached, Step};
use super::{EvalError, LimitReached};
use crate::model::ObjectRef;
use crate::store::Snapshot;

/// Tells `recipient` the identifier of each object on which the subject of the question holds `target`, each once.
pub(super) fn list_objects<S: Snapshot>(
    question: Question<'_, '_>,
    facts: &mut Facts<'_, S>,
    target: Rel,
    kept: Kept,
    recipient: &mut dyn Recipient<str>,
) -> Result<ListEnd, EvalError> {
    let Question { plan, regions, limits, subject } = question;
    let edges = regions.reverse(plan);
    let relevant = &edges.relevant(plan, &[target]);
    let follower = Follower { plan, regions, edges, relevant, subject };
    let mut met = Met {
        plan,
        target,
        leads_on: plan.relations().map(|rel| follower.leads_on(rel)).collect(),
        depth_max: limits.depth_max,
        kept,
        objects: Objects::default(),
        standings: Few::new(),
        open: Vec::new(),
        doubtful: VecDeque::new(),
        pace: Pace::default(),
        left_out: None,
    };
    let mut list = List { question, follower, facts, met: &mut met, recipient };
    match list.walk() {
        Ok(ControlFlow::Continue(())) => Ok(met.left_out.map_or(ListEnd::Whole, ListEnd::Limited)),
        Ok(ControlFlow::Break(())) => Ok(met.left_out.map_or(ListEnd::Ended, ListEnd::Limited)),
        Err(EvalError::Limit(limit)) => Ok(ListEnd::Limited(limit)),
        Err(error) => Err(error),
    }
}

/// What is known of a relation of an object.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// The subject holds it, by a way of so many hops at the most.
    Holds(u32),
    /// It is to be checked.
    Doubtful,
    /// It was checked, and the check did not allow it.
    Refused,
}

/// What the walk has met.
struct Met<'w> {
    plan: &'w Plan,
    target: Rel,
    /// By relation: whether anything follows from it.
    leads_on: Vec<bool>,
    depth_max: u32,
    kept: Kept,
    objects: Objects,
    standings: Few<(ObjectId, Rel), Known>,
    /// What holds and is to be walked on from, by hops.
    open: Vec<VecDeque<(ObjectId, Rel)>>,
    doubtful: VecDeque<(ObjectId, Rel)>,
    pace: Pace,
    /// The last limit that kept something out.
    left_out: Option<LimitReached>,
}

impl Met<'_> {
    /// Takes in what the walk comes to after so many hops, of which a tuple takes `hop` more.
    fn reach(
        &mut self,
        reached: Reached<'_>,
        depth: u32,
        hop: u32,
        recipient: &mut dyn Recipient<str>,
    ) -> ControlFlow<()> {
        match reached {
            Reached::Scan => recipient.go_on(),
            Reached::Absent => self.pace.entry(recipient),
            Reached::Named { id, step } => {
                self.pace.entry(recipient)?;
                self.meet(id, step, depth.saturating_add(hop), recipient)
            }
            Reached::Same { id, step } => self.meet(id, step, depth, recipient),
        }
    }

    /// Takes in that a step leads to an object, after so many hops.
    fn meet(
        &mut self,
        id: &str,
        step: Step,
        depth: u32,
        recipient: &mut dyn Recipient<str>,
    ) -> ControlFlow<()> {
        let place = (self.objects.intern(self.plan.type_of(step.whole), id), step.whole);
        let standing = self.standings.get(&place).copied();
        if step.plain && depth <= self.depth_max {
            return match standing {
                Some(Known::Holds(least)) if least <= depth => ControlFlow::Continue(()),
                _ => self.hold(place, standing, depth, recipient),
            };
        }
        if standing.is_none() {
            self.keep(id)?;
            self.standings.insert(place, Known::Doubtful);
            self.doubtful.push_back(place);
        }
        ControlFlow::Continue(())
    }

    /// Takes in that a place holds, which was not known, or not by so few hops.
    fn hold(
        &mut self,
        place: (ObjectId, Rel),
        before: Option<Known>,
        depth: u32,
        recipient: &mut dyn Recipient<str>,
    ) -> ControlFlow<()> {
        let (object, rel) = place;
        if before.is_none() {
            let bytes = self.objects.get(object).1.len();
            self.kept.keep(bytes, &mut self.left_out)?;
        }
        self.standings.insert(place, Known::Holds(depth));
        if self.leads_on.get(rel.0 as usize) == Some(&true) {
            let hops = depth as usize;
            if self.open.len() <= hops {
                self.open.resize_with(hops + 1, VecDeque::new);
            }
            if let Some(open) = self.open.get_mut(hops) {
                open.push_back(place);
            }
        }
        if rel == self.target && !matches!(before, Some(Known::Holds(_))) {
            return recipient.take(self.objects.get(object).1);
        }
        ControlFlow::Continue(())
    }

    fn keep(&mut self, id: &str) -> ControlFlow<()> {
        self.kept.keep(id.len(), &mut self.left_out)
    }

    /// What holds by the fewest hops and has not been walked on from.
    fn next(&mut self) -> Option<((ObjectId, Rel), u32)> {
        let (hops, open) = self.open.iter_mut().enumerate().find(|(_, open)| !open.is_empty())?;
        Some((open.pop_front()?, u32::try_from(hops).unwrap_or(u32::MAX)))
    }
}

/// A list under way.
struct List<'l, 'w, 'a, 's, S: Snapshot> {
    question: Question<'w, 's>,
    follower: Follower<'w>,
    facts: &'l mut Facts<'a, S>,
    met: &'l mut Met<'w>,
    recipient: &'l mut dyn Recipient<str>,
}

impl<S: Snapshot> List<'_, '_, '_, '_, S> {
    fn walk(&mut self) -> Result<ControlFlow<()>, EvalError> {
        let Self { follower, facts, met, recipient, .. } = self;
        let flow = follower.first(facts, &mut |reached| met.reach(reached, 0, 0, *recipient))?;
        if flow.is_break() {
            return Ok(flow);
        }
        loop {
            let flow = if let Some((place, depth)) = self.met.next() {
                self.go_on_from(place, depth)?
            } else if let Some(place) = self.met.doubtful.pop_front() {
                self.check(place)?
            } else {
                return Ok(ControlFlow::Continue(()));
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
    }

    /// Takes one step on from a place that holds.
    fn go_on_from(&mut self, place: (ObjectId, Rel), depth: u32) -> Result<ControlFlow<()>, EvalError> {
        match self.met.standings.get(&place) {
            // A shorter way to it was found meanwhile, and has been or will be gone on from.
            Some(Known::Holds(least)) if *least < depth => return Ok(ControlFlow::Continue(())),
            _ => {}
        }
        let (object, rel) = place;
        let (of, id) = self.met.objects.get(object);
        let id = id.to_owned();
        let own = ObjectRef { type_name: self.question.plan.type_name(of), id: &id };
        let Self { follower, facts, met, recipient, .. } = self;
        follower.next(facts, own, rel, &mut |reached| met.reach(reached, depth, 1, *recipient))
    }

    /// Checks a place that is doubtful, unless it turned out to hold meanwhile.
    fn check(&mut self, place: (ObjectId, Rel)) -> Result<ControlFlow<()>, EvalError> {
        let Self { question, facts, met, recipient, .. } = self;
        if !matches!(met.standings.get(&place), Some(Known::Doubtful)) {
            return Ok(ControlFlow::Continue(()));
        }
        if recipient.go_on().is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let (object, rel) = place;
        let (of, id) = met.objects.get(object);
        let root = question.plan.root(rel);
        let decided =
            facts.within(question.limits.reads_max, |facts| question.decide(facts, of, id, root, 0));
        let (decision, deepest) = match decided {
            Ok(decided) => decided,
            Err(EvalError::Limit(limit)) if !facts.are_exhausted() => {
                met.left_out = Some(limit);
                met.standings.insert(place, Known::Refused);
                return Ok(ControlFlow::Continue(()));
            }
            Err(error) => return Err(error),
        };
        if decision.allowed {
            return Ok(met.hold(place, Some(Known::Doubtful), deepest, *recipient));
        }
        met.standings.insert(place, Known::Refused);
        Ok(ControlFlow::Continue(()))
    }
}

//! Inner decisions that many checks share: membership in an organization, what a cooperation gives.
//!
//! A relation of an object that a walk comes to is decided by itself, and kept, where that is worth it and safe: what can be
//! met from there ends after a few hops without coming back, whatever the tuples. So no circle runs through it, its
//! outcome is a fact that holds wherever it is asked, and no limit on hops can be met within it.

use super::check::{Question, Search};
use super::memo::KeptDecision;
use super::outcome::{Outcome, Place, Value};
use super::plan::{Expr, ExprId, Plan, Rel};
use super::region::{Region, Regions};
use super::{EvalError, facts::Until};
use crate::model::{ObjectRef, TupleRef};
use crate::store::Snapshot;

/// Hops within a shared decision at the most: it bounds how deep decisions lie within each other.
const HEIGHT_MAX: u32 = 8;
/// Operators being decided at the most where a decision of its own begins, for the same reason.
const NESTING_MAX: usize = 8;
/// Point reads of one object from which on a decision is worth keeping; with fewer, asking again costs as much. A scan is
/// always worth it. On the cooperation workload a check that allows makes 10 reads instead of 16 so, though every question
/// is another one: seven of ten times the partner's side is known already.
const POINTS_MIN: usize = 3;
/// Rounds to find the heights at the most. What is not found by then is not shared.
const ROUNDS_MAX: usize = 64;

/// By expression: the most hops that can be met from it, whatever the tuples; `None` where there is no bound, or one beyond
/// what is shared.
pub(super) fn heights(plan: &Plan, regions: &Regions) -> Box<[Option<u32>]> {
    found_heights(plan, regions, &mut || {})
}

/// [`heights`]. Calls `step` for each relation that a hop leads to, whenever that is looked at.
fn found_heights(plan: &Plan, regions: &Regions, step: &mut impl FnMut()) -> Box<[Option<u32>]> {
    let mut heights: Box<[Option<u32>]> = vec![None; plan.expr_count()].into();
    for _ in 0..ROUNDS_MAX {
        let mut changed = false;
        let mut own = None;
        for index in 0..heights.len() {
            if heights.get(index).is_some_and(Option::is_some) {
                continue;
            }
            let id = ExprId(u32::try_from(index).unwrap_or(u32::MAX));
            let height =
                height(plan, regions, &heights, id, &mut own, step).filter(|height| *height <= HEIGHT_MAX);
            if let (Some(_), Some(cell)) = (height, heights.get_mut(index)) {
                *cell = height;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    heights
}

/// The height of an expression by those of its parts; `None` as long as one of them has none. `own` is that of a relation's
/// own tuples, which a rewrite may repeat; nothing that it depends on changes within one relation.
fn height(
    plan: &Plan,
    regions: &Regions,
    heights: &[Option<u32>],
    id: ExprId,
    own: &mut Option<(Rel, Option<u32>)>,
    step: &mut impl FnMut(),
) -> Option<u32> {
    if !regions.reaches(id) {
        return Some(0);
    }
    let of = |id: ExprId| if regions.reaches(id) { heights.get(id.0 as usize).copied()? } else { Some(0) };
    let most = |ids: &[ExprId]| ids.iter().try_fold(0, |most, id| Some(of(*id)?.max(most)));
    let mut hop = |targets: &[Rel]| {
        let leads = targets.iter().inspect(|_| step()).filter(|target| regions.leads(plan, **target));
        leads.map(|target| plan.root(*target)).try_fold(0, |most, root| Some((of(root)? + 1).max(most)))
    };
    match plan.expr(id) {
        Expr::This(rel) => match *own {
            Some((known, height)) if known == *rel => height,
            _ => {
                let height = hop(&plan.admitted(*rel).usersets);
                *own = Some((*rel, height));
                height
            }
        },
        Expr::Computed(rel) => of(plan.root(*rel)),
        Expr::TupleToUserset { targets, .. } => hop(targets),
        Expr::Union(children) | Expr::Intersection(children) => most(children),
        Expr::Difference(base, subtract) => most(&[*base, *subtract]),
        Expr::Never => Some(0),
    }
}

impl Region {
    /// Whether deciding it costs more than finding what was kept.
    fn is_dear(&self) -> bool {
        self.leads_on() || self.exact.len() + self.wildcard.len() >= POINTS_MIN
    }
}

impl<S: Snapshot> Search<'_, '_, '_, S> {
    /// What a place that the walk has come to, after `depth` hops, comes to by itself; `None` where the walk is to look at
    /// it as at any other.
    pub(super) fn shared(
        &mut self,
        place: Place,
        region: &Region,
        depth: u32,
    ) -> Result<Option<Outcome>, EvalError> {
        if !self.facts.remembers()
            || place == self.start
            || self.deciding.len() > NESTING_MAX
            || !region.is_dear()
        {
            return Ok(None);
        }
        let Self { plan, regions, limits, subject, .. } = *self;
        let room = limits.depth_max.saturating_sub(depth);
        let Some(rel) = plan.relation_of_root(place.expr) else { return Ok(None) };
        if regions.height(plan, place.expr).is_none_or(|height| height > room) {
            return Ok(None);
        }
        let (of, id) = self.objects.get(place.object);
        let object = ObjectRef { type_name: plan.type_name(of), id };
        let question = TupleRef { object, relation: plan.relation_name(rel), subject };
        let (outcome, deepest) = match self.facts.find(question, room) {
            Some(KeptDecision { decision, height, .. }) => {
                let value = if decision.allowed { Value::True } else { Value::False };
                (Outcome::new(value, Until::at(decision.stable_until)), depth.saturating_add(height))
            }
            None => {
                let asked = self.facts.ask();
                let inner = Question { plan, regions, limits, subject };
                let (outcome, deepest) = inner.outcome(self.facts, of, id, place.expr, depth)?;
                if deepest < limits.depth_max {
                    self.facts.keep(asked, question, &outcome, deepest.saturating_sub(depth));
                }
                (outcome, deepest)
            }
        };
        self.deepest = self.deepest.max(deepest);
        if outcome.is_fact() {
            self.known.insert(place, outcome);
        }
        Ok(Some(outcome))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::region::SubjectKind;
    use super::*;
    use crate::model::Rewrite;
    use crate::schema;

    #[test]
    fn repeated_tuples_of_a_relation_are_looked_at_once() {
        const TIMES: usize = 500;
        let mut text = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n".to_owned();
        for i in 0..TIMES {
            writeln!(text, "    define r{i}: [user]").unwrap();
        }
        let usersets: Vec<String> = (0..TIMES).map(|i| format!("doc#r{i}")).collect();
        writeln!(text, "    define big: [{}]", usersets.join(", ")).unwrap();
        let mut model = schema::parse(&text).unwrap();
        let big = model.types[1].relations.last_mut().unwrap();
        big.rewrite = Rewrite::Union(vec![Rewrite::This; TIMES]);
        let plan = Plan::compile(&model);
        let regions = Regions::new(&plan, SubjectKind::Object(plan.type_id("user").unwrap()));
        let mut steps = 0;
        let heights = found_heights(&plan, &regions, &mut || steps += 1);
        let big = plan.root(plan.find("doc", "big").unwrap());
        assert_eq!(heights[big.0 as usize], Some(1));
        assert!(steps <= 4 * TIMES, "{steps} steps");
        let linked = regions.reverse(&plan).linked();
        assert!(linked <= 4 * TIMES, "{linked} links");
    }
}

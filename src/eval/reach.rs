//! Which expressions of a plan can hold for a kind of subject, whatever the tuples.
//!
//! The least fixed point, by propagation: what can hold is told to what waits for it, once. So the time grows with the
//! model and not with its longest chain. It is found again for each kind of subject, some of them on the server's own
//! threads.

use super::plan::{Expr, ExprId, Plan, Rel};
use super::region::SubjectKind;

/// An expression, the tuples of a relation, or a relation: what can hold or not.
///
/// Tuples and relations stand for themselves so that a rewrite that repeats them does not repeat what they wait for.
#[derive(Clone, Copy)]
struct Nodes {
    exprs: usize,
    relations: usize,
}

impl Nodes {
    fn of(plan: &Plan) -> Self {
        Self { exprs: plan.expr_count(), relations: plan.relations().count() }
    }

    fn count(self) -> usize {
        self.exprs + 2 * self.relations
    }

    fn expr(id: ExprId) -> usize {
        id.0 as usize
    }

    /// The relation's own tuples.
    fn own(self, rel: Rel) -> usize {
        self.exprs + rel.0 as usize
    }

    fn relation(self, rel: Rel) -> usize {
        self.exprs + self.relations + rel.0 as usize
    }
}

/// What waits for what in a plan, whoever the subject is.
#[derive(Debug)]
pub(super) struct Waiting {
    /// By node, and one more: where those that wait for it begin.
    starts: Vec<u32>,
    /// Those that wait, by what they wait for.
    waiting: Vec<u32>,
}

impl Waiting {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut starts = vec![0_u32; Nodes::of(plan).count() + 1];
        each(plan, &mut |part, _| {
            if let Some(count) = starts.get_mut(part + 1) {
                *count += 1;
            }
        });
        let mut all = 0;
        for start in &mut starts {
            all += *start;
            *start = all;
        }
        let mut waiting = vec![0; all as usize];
        let mut next = starts.clone();
        each(plan, &mut |part, whole| {
            let place = next.get_mut(part);
            if let Some(cell) = place.as_ref().and_then(|place| waiting.get_mut(**place as usize)) {
                *cell = u32::try_from(whole).unwrap_or(u32::MAX);
            }
            if let Some(place) = place {
                *place += 1;
            }
        });
        Self { starts, waiting }
    }

    /// Those that wait for a node.
    fn of(&self, part: usize) -> &[u32] {
        let at = |index: usize| self.starts.get(index).copied().unwrap_or_default() as usize;
        self.waiting.get(at(part)..at(part + 1)).unwrap_or_default()
    }

    /// By expression: whether it can hold for a subject of this kind. Calls `step` for each that was told of a part.
    pub(super) fn reach(&self, plan: &Plan, kind: SubjectKind, step: &mut impl FnMut()) -> Vec<bool> {
        let nodes = Nodes::of(plan);
        let mut reach = vec![false; nodes.count()];
        // How many of its operands each intersection waits for.
        let mut missing = vec![1_u32; nodes.exprs];
        for (index, missing) in missing.iter_mut().enumerate() {
            if let Expr::Intersection(operands) = plan.expr(ExprId(u32::try_from(index).unwrap_or(u32::MAX)))
            {
                *missing = u32::try_from(operands.len()).unwrap_or(u32::MAX);
            }
        }
        let mut open = Vec::new();
        for rel in plan.relations() {
            if holds_itself(plan, kind, rel) {
                hold(nodes.own(rel), &mut reach, &mut open);
            }
        }
        if let SubjectKind::Userset(rel) = kind {
            hold(nodes.relation(rel), &mut reach, &mut open);
        }
        while let Some(part) = open.pop() {
            for whole in self.of(part) {
                step();
                let whole = *whole as usize;
                match missing.get_mut(whole) {
                    Some(missing) if *missing > 1 => *missing -= 1,
                    _ => hold(whole, &mut reach, &mut open),
                }
            }
        }
        reach.truncate(nodes.exprs);
        reach
    }
}

/// Has a node hold, and opens it if that is new.
fn hold(node: usize, reach: &mut [bool], open: &mut Vec<usize>) {
    if let Some(held) = reach.get_mut(node)
        && !*held
    {
        *held = true;
        open.push(node);
    }
}

/// Whether the tuples of a relation can hold the subject, or a wildcard that it is one of.
fn holds_itself(plan: &Plan, kind: SubjectKind, rel: Rel) -> bool {
    let admitted = plan.admitted(rel);
    match kind {
        SubjectKind::Object(of) => admitted.objects.contains(&of) || admitted.wildcards.contains(&of),
        SubjectKind::Wildcard(of) => admitted.wildcards.contains(&of),
        SubjectKind::Userset(userset) => admitted.usersets.contains(&userset),
    }
}

/// Calls `visit` with each part and what waits for it.
fn each(plan: &Plan, visit: &mut impl FnMut(usize, usize)) {
    let nodes = Nodes::of(plan);
    for rel in plan.relations() {
        visit(Nodes::expr(plan.root(rel)), nodes.relation(rel));
        for userset in &plan.admitted(rel).usersets {
            visit(nodes.relation(*userset), nodes.own(rel));
        }
    }
    for index in 0..nodes.exprs {
        match plan.expr(ExprId(u32::try_from(index).unwrap_or(u32::MAX))) {
            Expr::This(rel) => visit(nodes.own(*rel), index),
            Expr::Computed(rel) => visit(nodes.relation(*rel), index),
            Expr::TupleToUserset { targets, .. } => {
                for target in targets {
                    visit(nodes.relation(*target), index);
                }
            }
            Expr::Union(children) | Expr::Intersection(children) => {
                for child in children {
                    visit(Nodes::expr(*child), index);
                }
            }
            Expr::Difference(base, _) => visit(Nodes::expr(*base), index),
            Expr::Never => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::plan::TypeId;
    use super::*;
    use crate::schema;

    fn plan(relations: &str) -> Plan {
        let text = format!("model\n  schema 1.1\ntype user\ntype doc\n  relations\n{relations}");
        let read = schema::parse_unchecked(&text);
        Plan::compile(&read.unwrap_or_else(|errors| panic!("{}", errors.render("", false))).model)
    }

    fn kinds(plan: &Plan) -> impl Iterator<Item = SubjectKind> {
        let types = [TypeId(0), TypeId(1)];
        types
            .into_iter()
            .flat_map(|of| [SubjectKind::Object(of), SubjectKind::Wildcard(of)])
            .chain(plan.relations().map(SubjectKind::Userset))
    }

    /// Steps to find what a kind of subject can reach.
    fn steps(plan: &Plan, kind: SubjectKind) -> usize {
        let mut steps = 0;
        plan.waiting().reach(plan, kind, &mut || steps += 1);
        steps
    }

    /// The same as it is defined: round after round until nothing changes.
    fn by_rounds(plan: &Plan, kind: SubjectKind) -> Vec<bool> {
        let mut reach = vec![false; plan.expr_count()];
        loop {
            let before = reach.clone();
            for index in 0..reach.len() {
                reach[index] = holds(plan, kind, &reach, ExprId(u32::try_from(index).unwrap()));
            }
            if reach == before {
                return reach;
            }
        }
    }

    fn holds(plan: &Plan, kind: SubjectKind, reach: &[bool], id: ExprId) -> bool {
        let of_expr = |id: &ExprId| reach[id.0 as usize];
        let of_relation = |rel: &Rel| kind == SubjectKind::Userset(*rel) || of_expr(&plan.root(*rel));
        match plan.expr(id) {
            Expr::This(rel) => {
                holds_itself(plan, kind, *rel) || plan.admitted(*rel).usersets.iter().any(of_relation)
            }
            Expr::Computed(rel) => of_relation(rel),
            Expr::TupleToUserset { targets, .. } => targets.iter().any(of_relation),
            Expr::Union(children) => children.iter().any(of_expr),
            Expr::Intersection(children) => children.iter().all(of_expr),
            Expr::Difference(base, _) => of_expr(base),
            Expr::Never => false,
        }
    }

    #[test]
    fn a_chain_of_relations_takes_as_many_steps_as_it_is_long() {
        const RELATIONS: usize = 3000;
        let mut relations = String::new();
        for i in 0..RELATIONS {
            writeln!(relations, "    define r{i}: r{}", i + 1).unwrap();
        }
        writeln!(relations, "    define r{RELATIONS}: [user]").unwrap();
        let plan = plan(&relations);
        let all = steps(&plan, SubjectKind::Object(TypeId(0)));
        assert!(all > RELATIONS, "all of the chain is reached");
        assert!(all <= 4 * plan.expr_count(), "{all} steps");
    }

    #[test]
    fn what_is_repeated_takes_no_more_steps_than_it_is_long() {
        let usersets: Vec<String> = (0..300).map(|i| format!("doc#r{i}")).collect();
        let mut relations = String::new();
        for i in 0..300 {
            writeln!(relations, "    define r{i}: [user]").unwrap();
        }
        writeln!(relations, "    define big: [{}]", usersets.join(", ")).unwrap();
        let text = format!("model\n  schema 1.1\ntype user\ntype doc\n  relations\n{relations}");
        let mut model = schema::parse(&text).unwrap();
        let big = model.types[1].relations.last_mut().unwrap();
        big.rewrite = crate::model::Rewrite::Union(vec![crate::model::Rewrite::This; 2000]);
        let plan = Plan::compile(&model);
        let all = steps(&plan, SubjectKind::Object(TypeId(0)));
        assert!(all <= 4 * plan.expr_count(), "{all} steps");
        assert!(plan.waiting().waiting.len() <= 4 * plan.expr_count(), "{}", plan.waiting().waiting.len());
    }

    #[test]
    fn what_can_hold_is_the_least_fixed_point() {
        let relations = "    define owner: [user]
    define shared: [user:*, doc#viewer]
    define parent: [doc]
    define never: [doc#never]
    define viewer: owner or shared or viewer from parent
    define editor: [doc#editor] and (owner or viewer from parent) and shared
    define circle: [doc#circle, user] and other
    define other: [doc#other] or circle from parent
    define rest: (circle or viewer from parent) but not owner
    define guest: viewer but not editor
    define none: [user] and never
    define twice: [doc#owner] and owner and owner
";
        let plan = plan(relations);
        for kind in kinds(&plan) {
            let reach = plan.waiting().reach(&plan, kind, &mut || {});
            assert_eq!(reach, by_rounds(&plan, kind), "{kind:?}");
        }
    }
}

//! What one kind of subject can meet in a plan.
//!
//! A *region* is what a rewrite asks of one object until a tuple or an operator other than `or` has to be crossed:
//! computed relations are looked through, branches that cannot lead to the subject are gone, and what is asked
//! twice is asked once. All of a region's parts are alternatives: any of them that holds decides.

use std::sync::OnceLock;

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::plan::{Expr, ExprId, Plan, Rel, TypeId, push_new};
use super::reverse::{Relevant, ReverseEdges};
use super::shared;

/// Parts of one region at the most; computed relations beyond it are walked to instead of looked through, so that the
/// regions of a large model stay linear in its size.
const REGION_PARTS_MAX: usize = 64;

/// What a subject is, as far as the plan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum SubjectKind {
    /// An object of a type.
    Object(TypeId),
    /// The wildcard of a type.
    Wildcard(TypeId),
    /// Everybody with a relation.
    Userset(Rel),
}

/// What a rewrite asks of one object. Every part is an alternative.
#[derive(Debug, Default)]
pub(super) struct Region {
    /// The relations that were looked through; a userset subject that names one of them on this object is in it.
    pub(super) named: SmallVec<[Rel; 4]>,
    /// Relations whose own tuple with exactly the subject decides: a point read each.
    pub(super) exact: SmallVec<[Rel; 4]>,
    /// Relations whose own tuple with the wildcard of the subject's type decides: a point read each.
    pub(super) wildcard: SmallVec<[Rel; 2]>,
    /// Intersections and differences.
    pub(super) operators: SmallVec<[ExprId; 2]>,
    /// Relations of the same object that are walked to.
    pub(super) computed: SmallVec<[Rel; 2]>,
    /// Relations of the objects that a relation names: a scan each.
    pub(super) tuplesets: SmallVec<[Hop; 2]>,
    /// Relations whose own tuples with usersets lead on: a scan each.
    pub(super) usersets: SmallVec<[Hop; 2]>,
}

/// A scan of `over`, whose subjects lead on to `targets`.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) over: Rel,
    pub(super) targets: SmallVec<[Rel; 4]>,
    /// What to follow from the subject's side; made when first needed.
    pub(super) relevant: OnceLock<Relevant>,
}

/// The regions of a plan for one kind of subject.
pub(super) struct Regions {
    pub(super) kind: SubjectKind,
    /// By expression: whether it can hold at all.
    reach: Vec<bool>,
    /// By expression; boxed, as most are never asked for.
    regions: Box<[OnceLock<Box<Region>>]>,
    reverse: OnceLock<ReverseEdges>,
    /// By expression; see [`shared::heights`].
    heights: OnceLock<Box<[Option<u32>]>>,
}

impl Regions {
    pub(super) fn new(plan: &Plan, kind: SubjectKind) -> Self {
        let regions = (0..plan.expr_count()).map(|_| OnceLock::new()).collect();
        let reach = plan.waiting().reach(plan, kind, &mut || {});
        Self { kind, reach, regions, reverse: OnceLock::new(), heights: OnceLock::new() }
    }

    /// Whether the expression can hold for a subject of this kind.
    pub(super) fn reaches(&self, id: ExprId) -> bool {
        self.reach.get(id.0 as usize).copied().unwrap_or(false)
    }

    /// Whether the relation can hold: a userset holds its own relation on its own object.
    pub(super) fn leads(&self, plan: &Plan, rel: Rel) -> bool {
        self.kind == SubjectKind::Userset(rel) || self.reaches(plan.root(rel))
    }

    /// The region that starts at an expression.
    pub(super) fn region(&self, plan: &Plan, id: ExprId) -> Option<&Region> {
        Some(self.regions.get(id.0 as usize)?.get_or_init(|| Box::new(build(plan, self, id))))
    }

    /// The most hops that can be met from an expression, whatever the tuples; `None` where that may be many.
    pub(super) fn height(&self, plan: &Plan, id: ExprId) -> Option<u32> {
        let heights = self.heights.get_or_init(|| shared::heights(plan, self));
        heights.get(id.0 as usize).copied().flatten()
    }

    /// The steps from the subject's side.
    pub(super) fn reverse(&self, plan: &Plan) -> &ReverseEdges {
        self.reverse.get_or_init(|| ReverseEdges::new(plan, self))
    }

    /// Whether the tuples of a relation can hold the subject itself.
    pub(super) fn exact(&self, plan: &Plan, rel: Rel) -> bool {
        let admitted = plan.admitted(rel);
        match self.kind {
            SubjectKind::Object(of) => admitted.objects.contains(&of),
            SubjectKind::Wildcard(of) => admitted.wildcards.contains(&of),
            SubjectKind::Userset(userset) => admitted.usersets.contains(&userset),
        }
    }

    /// Whether the tuples of a relation can hold the wildcard that the subject is one of. A userset is no member of
    /// a wildcard, and a wildcard is met exactly or not at all.
    pub(super) fn wildcard(&self, plan: &Plan, rel: Rel) -> Option<TypeId> {
        match self.kind {
            SubjectKind::Object(of) if plan.admitted(rel).wildcards.contains(&of) => Some(of),
            _ => None,
        }
    }
}

/// Builds the region that starts at an expression.
fn build(plan: &Plan, regions: &Regions, start: ExprId) -> Region {
    let mut region = Region::default();
    // What it has already, so that what a rewrite repeats costs no more than it is long.
    let (mut own, mut computed) = (HashSet::new(), HashSet::new());
    let (mut operators, mut tuplesets) = (HashSet::new(), Tuplesets::default());
    let mut open: Vec<ExprId> = vec![start];
    let mut looked_through: Vec<Rel> = plan.relation_of_root(start).into_iter().collect();
    let may_lead = |rel: &Rel| regions.leads(plan, *rel);
    // The stack holds what is left to look at; the order of the alternatives plays no part in the answer.
    while let Some(id) = open.pop() {
        match plan.expr(id) {
            Expr::This(rel) if !own.insert(*rel) => {}
            Expr::This(rel) => {
                if regions.exact(plan, *rel) {
                    region.exact.push(*rel);
                }
                if regions.wildcard(plan, *rel).is_some() {
                    region.wildcard.push(*rel);
                }
                let leading = plan.admitted(*rel).usersets.iter().copied().filter(may_lead);
                let targets: SmallVec<_> = leading.collect();
                if !targets.is_empty() {
                    region.usersets.push(Hop { over: *rel, targets, relevant: OnceLock::new() });
                }
            }
            Expr::Computed(rel) if looked_through.contains(rel) || !may_lead(rel) => {}
            Expr::Computed(rel) => {
                let root = plan.root(*rel);
                let room =
                    REGION_PARTS_MAX.saturating_sub(region.parts() + open.len() + looked_through.len());
                if is_narrow(plan, regions, root, room) {
                    looked_through.push(*rel);
                    open.push(root);
                } else if computed.insert(*rel) {
                    region.computed.push(*rel);
                }
            }
            Expr::TupleToUserset { tupleset, targets } => {
                tuplesets.add(&mut region, *tupleset, targets.iter().copied().filter(may_lead));
            }
            Expr::Union(children) => {
                open.extend(children.iter().rev().filter(|child| regions.reaches(**child)));
            }
            Expr::Difference(base, subtract) if !regions.reaches(*subtract) => open.push(*base),
            Expr::Intersection(_) | Expr::Difference(..) => {
                if regions.reaches(id) && operators.insert(id) {
                    region.operators.push(id);
                }
            }
            Expr::Never => {}
        }
    }
    region.named = looked_through.into();
    region
}

/// Whether an expression has no more alternatives than there is room for. What is wider is made ready once, and not again in
/// every region that comes to it.
fn is_narrow(plan: &Plan, regions: &Regions, id: ExprId, room: usize) -> bool {
    let mut alternatives = 0;
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        match plan.expr(id) {
            Expr::Union(children) => {
                let reached = children.iter().filter(|child| regions.reaches(**child));
                open.extend(reached.take(room + 1));
            }
            _ => alternatives += 1,
        }
        if alternatives + open.len() > room {
            return false;
        }
    }
    // Also a relation without any takes room.
    room > 0
}

/// The scans of tuplesets that a region has already.
#[derive(Default)]
struct Tuplesets {
    /// Where that of a relation stands in the region.
    places: HashMap<Rel, usize>,
    targets: HashSet<(Rel, Rel)>,
}

impl Tuplesets {
    fn add(&mut self, region: &mut Region, over: Rel, targets: impl Iterator<Item = Rel>) {
        for target in targets.filter(|target| self.targets.insert((over, *target))) {
            let place = *self.places.entry(over).or_insert_with(|| {
                region.tuplesets.push(Hop { over, targets: SmallVec::new(), relevant: OnceLock::new() });
                region.tuplesets.len() - 1
            });
            if let Some(hop) = region.tuplesets.get_mut(place) {
                hop.targets.push(target);
            }
        }
    }
}

impl Region {
    /// Whether anything but a tuple of the object itself can decide.
    pub(super) fn leads_on(&self) -> bool {
        !(self.operators.is_empty()
            && self.computed.is_empty()
            && self.tuplesets.is_empty()
            && self.usersets.is_empty())
    }

    fn parts(&self) -> usize {
        self.exact.len()
            + self.wildcard.len()
            + self.operators.len()
            + self.computed.len()
            + self.tuplesets.len()
            + self.usersets.len()
    }
}

/// The relations from which a walk can come to one of `targets`, by the steps that `next` tells.
pub(super) fn closure(plan: &Plan, targets: &[Rel], next: impl Fn(Rel, &mut Vec<Rel>)) -> Vec<bool> {
    let mut seen = vec![false; plan.relations().count()];
    let mut open: Vec<Rel> = Vec::new();
    for target in targets {
        push_new(&mut open, *target);
    }
    while let Some(rel) = open.pop() {
        match seen.get_mut(rel.0 as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        next(rel, &mut open);
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::model::{AuthorizationModel, Rewrite};
    use crate::schema;

    fn model(relations: &str) -> AuthorizationModel {
        let text = format!("model\n  schema 1.1\ntype user\ntype doc\n  relations\n{relations}");
        schema::parse(&text).unwrap_or_else(|errors| panic!("{}", errors.render("", false)))
    }

    #[test]
    fn a_wide_relation_is_in_one_region_however_many_come_to_it() {
        const WIDE: usize = 500;
        let mut relations = String::new();
        for i in 0..WIDE {
            writeln!(relations, "    define r{i}: [user]\n    define mid{i}: wide").unwrap();
        }
        let all: Vec<String> = (0..WIDE).map(|i| format!("r{i}")).collect();
        writeln!(relations, "    define wide: {}", all.join(" or ")).unwrap();
        let plan = Plan::compile(&model(&relations));
        let regions = Regions::new(&plan, SubjectKind::Object(plan.type_id("user").unwrap()));
        let parts = |rel: Rel| regions.region(&plan, plan.root(rel)).unwrap().parts();
        let all: usize = plan.relations().map(parts).sum();
        assert!(all <= 4 * WIDE, "{all} parts");
        assert_eq!(parts(plan.find("doc", "wide").unwrap()), WIDE);
    }

    #[test]
    fn what_is_repeated_is_in_a_region_once() {
        let text = "    define parent: [doc]
    define owner: [user]
    define viewer: [user, user:*, doc#owner, doc#viewer]
    define up: owner from parent
    define both: [user] and owner
";
        let mut model = model(text);
        let doc = model.types.last_mut().unwrap();
        for relation in &mut doc.relations {
            relation.rewrite = Rewrite::Union(vec![relation.rewrite.clone(); 100]);
        }
        let parent = doc.relations.iter_mut().find(|r| *r.name == *"parent").unwrap();
        parent.rewrite = Rewrite::This;
        let plan = Plan::compile(&model);
        let regions = Regions::new(&plan, SubjectKind::Object(plan.type_id("user").unwrap()));
        let region = |name| regions.region(&plan, plan.root(plan.find("doc", name).unwrap())).unwrap();
        let viewer = region("viewer");
        assert_eq!((viewer.exact.len(), viewer.wildcard.len(), viewer.usersets.len()), (1, 1, 1));
        assert_eq!(viewer.usersets[0].targets.len(), 2);
        let up = region("up");
        assert_eq!((up.tuplesets.len(), up.tuplesets[0].targets.len()), (1, 1));
        assert_eq!(region("both").operators.len(), 100, "each is decided by itself");
    }
}

//! A model with its names resolved to small numbers.
//!
//! Compiling reads no data and cannot fail: what a valid model cannot contain (a computed relation that does not
//! exist, say) becomes something that nobody holds.

use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::{HashMap, HashSet};

use super::conditions::Conditions;
use super::price::{Named, Prices};
use super::reach::Waiting;
use super::region::{Regions, SubjectKind};
use crate::cel::{Context, Program};
use crate::model::{
    AuthorizationModel, RestrictionKind, Rewrite, SubjectRef, TupleCondition, TupleRef, TypeRestriction,
};

/// Relations whose usersets as subjects are kept ready at the most; the others are made ready for each evaluation. Who
/// asks is mostly an object; a large model has thousands of relations, and each kind takes memory for all of them.
const USERSET_KINDS_KEPT_MAX: usize = 64;

/// What a compiled condition counts for in the measure of a plan's memory, in nodes.
const CONDITION_SIZE: usize = 64;

/// A type of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TypeId(pub(super) u32);

/// A relation of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rel(pub(super) u32);

/// A node of a relation's rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ExprId(pub(super) u32);

/// A node of a rewrite, resolved.
#[derive(Debug)]
pub(super) enum Expr {
    /// The relation's own tuples.
    This(Rel),
    /// Another relation of the same object.
    Computed(Rel),
    /// A relation of the objects that `tupleset` names; by the types that it admits and that have the relation.
    TupleToUserset { tupleset: Rel, targets: Vec<Rel> },
    /// Any of them.
    Union(Vec<ExprId>),
    /// All of them, the cheaper ones first.
    Intersection(Vec<ExprId>),
    /// The first without the second.
    Difference(ExprId, ExprId),
    /// Nobody.
    Never,
}

/// What may stand on the right of a relation's own tuples, under a condition or none.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    pub(super) objects: Vec<TypeId>,
    pub(super) wildcards: Vec<TypeId>,
    pub(super) usersets: Vec<Rel>,
}

#[derive(Debug)]
struct TypePlan {
    name: Box<str>,
    relations: Named,
}

#[derive(Debug)]
struct RelationPlan {
    name: Box<str>,
    of: TypeId,
    root: ExprId,
    admitted: Admitted,
    rewrite: Rewrite,
    restrictions: Vec<TypeRestriction>,
    /// Whether a restriction asks for a condition.
    conditional: bool,
}

/// A model, compiled once and used by every evaluation of it.
pub struct Plan {
    types: Vec<TypePlan>,
    type_ids: HashMap<Box<str>, TypeId>,
    relations: Vec<RelationPlan>,
    exprs: Vec<Expr>,
    roots: HashMap<ExprId, Rel>,
    conditions: Conditions,
    /// Made when first asked for.
    waiting: OnceLock<Waiting>,
    /// By kind of subject, made when first asked for: objects and wildcards by type, usersets by relation.
    object_regions: Box<[OnceLock<Regions>]>,
    wildcard_regions: Box<[OnceLock<Regions>]>,
    userset_regions: Box<[OnceLock<Regions>]>,
    /// How many of them have been made, or a few more.
    userset_kinds: AtomicUsize,
}

impl Plan {
    /// Compiles a valid model.
    pub fn compile(model: &AuthorizationModel) -> Self {
        Compiler::new(model).compile()
    }

    /// Whether the model has this type.
    pub fn has_type(&self, type_name: &str) -> bool {
        self.type_ids.contains_key(type_name)
    }

    /// Whether the type has this relation.
    pub fn has_relation(&self, type_name: &str, relation: &str) -> bool {
        self.find(type_name, relation).is_some()
    }

    /// Why a tuple of this form and condition may not be written, if it may not.
    pub fn admits(&self, key: TupleRef<'_>, condition: Option<&TupleCondition>) -> Result<(), String> {
        let type_name = key.object.type_name;
        let of = format_args!("{type_name}#{}", key.relation).to_string();
        let Some(rel) = self.find(type_name, key.relation) else {
            return Err(format!("relation '{of}' not found"));
        };
        if !self.restrictions(rel).iter().any(|restriction| fits(restriction, key.subject)) {
            let what = match key.subject {
                SubjectRef::Object(object) => format!("type '{}'", object.type_name),
                SubjectRef::Wildcard(type_name) => format!("the typed wildcard '{type_name}:*'"),
                SubjectRef::Userset(object, relation) => {
                    format!("relation '{}#{relation}'", object.type_name)
                }
            };
            return Err(format!("{what} is not an allowed type restriction for '{of}'"));
        }
        let admitted = self.admits_under(rel, key.subject, condition.map(|condition| &*condition.name));
        match condition {
            None if admitted => Ok(()),
            None => Err("condition is missing".to_owned()),
            Some(condition) => {
                let Some(program) = self.condition(&condition.name) else {
                    return Err("undefined condition".to_owned());
                };
                if !admitted {
                    return Err("invalid condition for type restriction".to_owned());
                }
                let context: Context =
                    serde_json::from_str(&condition.context).map_err(|error| error.to_string())?;
                program
                    .as_ref()
                    .map_err(Clone::clone)?
                    .check_context(&context)
                    .map_err(|error| error.to_string())
            }
        }
    }

    /// Whether a restriction of the relation admits this form of subject under exactly this condition, or under none.
    pub(super) fn admits_under(&self, rel: Rel, subject: SubjectRef<'_>, condition: Option<&str>) -> bool {
        let admits = |restriction: &TypeRestriction| {
            restriction.condition.as_deref() == condition && fits(restriction, subject)
        };
        self.restrictions(rel).iter().any(admits)
    }

    /// Whether any restriction of the relation asks for a condition.
    pub(super) fn is_conditional(&self, rel: Rel) -> bool {
        self.relations.get(rel.0 as usize).is_some_and(|r| r.conditional)
    }

    /// A condition of the model, or why it cannot be evaluated.
    pub(super) fn condition(&self, name: &str) -> Option<&Result<Program, String>> {
        self.conditions.get(name)
    }

    fn restrictions(&self, rel: Rel) -> &[TypeRestriction] {
        self.relations.get(rel.0 as usize).map_or(&[], |r| &r.restrictions)
    }

    pub(super) fn type_id(&self, name: &str) -> Option<TypeId> {
        self.type_ids.get(name).copied()
    }

    pub(super) fn type_name(&self, id: TypeId) -> &str {
        self.types.get(id.0 as usize).map_or("", |t| &t.name)
    }

    pub(super) fn find(&self, type_name: &str, relation: &str) -> Option<Rel> {
        self.find_on(self.type_id(type_name)?, relation)
    }

    /// What a subject is to this model, if it knows of such.
    pub(super) fn kind(&self, subject: SubjectRef<'_>) -> Option<SubjectKind> {
        match subject {
            SubjectRef::Object(of) => self.type_id(of.type_name).map(SubjectKind::Object),
            SubjectRef::Wildcard(of) => self.type_id(of).map(SubjectKind::Wildcard),
            SubjectRef::Userset(of, relation) => self.find(of.type_name, relation).map(SubjectKind::Userset),
        }
    }

    pub(super) fn find_on(&self, of: TypeId, relation: &str) -> Option<Rel> {
        self.types.get(of.0 as usize)?.relations.get(relation).copied()
    }

    pub(super) fn relation_name(&self, rel: Rel) -> &str {
        self.relations.get(rel.0 as usize).map_or("", |r| &r.name)
    }

    pub(super) fn type_of(&self, rel: Rel) -> TypeId {
        self.relations.get(rel.0 as usize).map_or(TypeId(u32::MAX), |r| r.of)
    }

    /// The root of a relation's rewrite.
    pub(super) fn root(&self, rel: Rel) -> ExprId {
        self.relations.get(rel.0 as usize).map_or(ExprId(u32::MAX), |r| r.root)
    }

    /// The relation whose rewrite starts at this expression, if one does.
    pub(super) fn relation_of_root(&self, id: ExprId) -> Option<Rel> {
        self.roots.get(&id).copied()
    }

    pub(super) fn admitted(&self, rel: Rel) -> &Admitted {
        static NOTHING: Admitted =
            Admitted { objects: Vec::new(), wildcards: Vec::new(), usersets: Vec::new() };
        self.relations.get(rel.0 as usize).map_or(&NOTHING, |r| &r.admitted)
    }

    /// The relation's rewrite and restrictions as the model writes them.
    pub(super) fn source(&self, rel: Rel) -> Option<(&Rewrite, &[TypeRestriction])> {
        self.relations.get(rel.0 as usize).map(|r| (&r.rewrite, &*r.restrictions))
    }

    pub(super) fn expr(&self, id: ExprId) -> &Expr {
        self.exprs.get(id.0 as usize).unwrap_or(&Expr::Never)
    }

    pub(super) fn expr_count(&self) -> usize {
        self.exprs.len()
    }

    pub(super) fn relations(&self) -> impl Iterator<Item = Rel> + use<> {
        (0..u32::try_from(self.relations.len()).unwrap_or(u32::MAX)).map(Rel)
    }

    /// What waits for what to hold.
    pub(super) fn waiting(&self) -> &Waiting {
        self.waiting.get_or_init(|| Waiting::new(self))
    }

    /// What a subject of this kind can meet.
    pub(super) fn regions(&self, kind: SubjectKind) -> Option<KindRegions<'_>> {
        let make = || Regions::new(self, kind);
        let cell = match kind {
            SubjectKind::Object(of) => self.object_regions.get(of.0 as usize)?,
            SubjectKind::Wildcard(of) => self.wildcard_regions.get(of.0 as usize)?,
            SubjectKind::Userset(rel) => {
                let cell = self.userset_regions.get(rel.0 as usize)?;
                let kept = cell.get().is_some()
                    || self.userset_kinds.fetch_add(1, Ordering::Relaxed) < USERSET_KINDS_KEPT_MAX;
                if !kept {
                    self.userset_kinds.fetch_sub(1, Ordering::Relaxed);
                    return Some(KindRegions::Once(Box::new(make())));
                }
                cell
            }
        };
        Some(KindRegions::Kept(cell.get_or_init(make)))
    }

    /// A measure of the memory that the plan can take.
    pub fn size(&self) -> usize {
        self.exprs.len() + self.conditions.len() * CONDITION_SIZE
    }
}

/// The regions for one kind of subject.
pub(super) enum KindRegions<'p> {
    /// Those of the plan.
    Kept(&'p Regions),
    /// Made for one evaluation.
    Once(Box<Regions>),
}

impl Deref for KindRegions<'_> {
    type Target = Regions;

    fn deref(&self) -> &Regions {
        match self {
            Self::Kept(regions) => regions,
            Self::Once(regions) => regions,
        }
    }
}

/// Whether a subject has the form that a restriction admits, its condition aside.
pub(super) fn fits(restriction: &TypeRestriction, subject: SubjectRef<'_>) -> bool {
    &*restriction.type_name == subject.type_name()
        && match (&restriction.kind, subject) {
            (RestrictionKind::Object, SubjectRef::Object(_)) => true,
            (RestrictionKind::Wildcard, SubjectRef::Wildcard(_)) => true,
            (RestrictionKind::Userset(wanted), SubjectRef::Userset(_, relation)) => &**wanted == relation,
            _ => false,
        }
}

struct Compiler<'m> {
    model: &'m AuthorizationModel,
    types: Vec<TypePlan>,
    type_ids: HashMap<Box<str>, TypeId>,
    /// By relation.
    admitted: Vec<Admitted>,
    prices: Prices<'m>,
    exprs: Vec<Expr>,
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl<'m> Compiler<'m> {
    /// A model with its names numbered, and nothing compiled.
    fn new(model: &'m AuthorizationModel) -> Self {
        let prices = Prices::new(model);
        let mut compiler = Self {
            model,
            types: Vec::new(),
            type_ids: HashMap::new(),
            admitted: Vec::new(),
            prices,
            exprs: Vec::new(),
        };
        let mut next = 0;
        for definition in &model.types {
            let id = TypeId(number(compiler.types.len()));
            let mut relations = Named::new();
            for relation in &definition.relations {
                relations.insert(relation.name.clone(), Rel(next));
                next += 1;
            }
            compiler.type_ids.insert(definition.name.clone(), id);
            compiler.types.push(TypePlan { name: definition.name.clone(), relations });
        }
        let relations = model.types.iter().flat_map(|definition| &definition.relations);
        compiler.admitted = relations.map(|relation| compiler.admitted(&relation.restrictions)).collect();
        compiler
    }

    fn compile(mut self) -> Plan {
        let roots = self.rewrites();
        let of = (0_u32..).map(TypeId).zip(&self.model.types);
        let definitions = of.flat_map(|(of, definition)| definition.relations.iter().map(move |r| (of, r)));
        let relations: Vec<_> = definitions
            .zip(roots.iter().zip(self.admitted))
            .map(|((of, relation), (root, admitted))| RelationPlan {
                name: relation.name.clone(),
                of,
                root: *root,
                admitted,
                rewrite: relation.rewrite.clone(),
                restrictions: relation.restrictions.clone(),
                conditional: relation.restrictions.iter().any(|r| r.condition.is_some()),
            })
            .collect();
        let cells = |n: usize| (0..n).map(|_| OnceLock::new()).collect();
        Plan {
            object_regions: cells(self.types.len()),
            wildcard_regions: cells(self.types.len()),
            userset_regions: cells(relations.len()),
            userset_kinds: AtomicUsize::new(0),
            types: self.types,
            type_ids: self.type_ids,
            relations,
            exprs: self.exprs,
            roots: roots.into_iter().zip((0..).map(Rel)).collect(),
            conditions: Conditions::compile(&self.model.conditions),
            waiting: OnceLock::new(),
        }
    }

    /// Compiles the rewrites of all relations. Answers where each starts.
    fn rewrites(&mut self) -> Vec<ExprId> {
        let mut roots = Vec::new();
        for (index, definition) in self.model.types.iter().enumerate() {
            for relation in &definition.relations {
                let this = Rel(number(roots.len()));
                roots.push(self.expr(TypeId(number(index)), this, &relation.rewrite));
            }
        }
        roots
    }

    fn find(&self, of: TypeId, relation: &str) -> Option<Rel> {
        self.types.get(of.0 as usize)?.relations.get(relation).copied()
    }

    fn admitted(&self, restrictions: &[TypeRestriction]) -> Admitted {
        let mut admitted = Admitted::default();
        // There are few types, and many relations.
        let mut usersets = HashSet::new();
        for restriction in restrictions {
            let Some(of) = self.type_ids.get(&restriction.type_name).copied() else { continue };
            match &restriction.kind {
                RestrictionKind::Object => push_new(&mut admitted.objects, of),
                RestrictionKind::Wildcard => push_new(&mut admitted.wildcards, of),
                RestrictionKind::Userset(relation) => {
                    if let Some(rel) = self.find(of, relation).filter(|rel| usersets.insert(*rel)) {
                        admitted.usersets.push(rel);
                    }
                }
            }
        }
        admitted
    }

    fn expr(&mut self, of: TypeId, this: Rel, rewrite: &Rewrite) -> ExprId {
        let expr = match rewrite {
            Rewrite::This => Expr::This(this),
            Rewrite::Computed(relation) => self.find(of, relation).map_or(Expr::Never, Expr::Computed),
            Rewrite::TupleToUserset { tupleset, computed } => self.tuple_to_userset(of, tupleset, computed),
            Rewrite::Union(children) => {
                Expr::Union(children.iter().map(|child| self.expr(of, this, child)).collect())
            }
            // Everybody is in all of no operands; no valid model has that, and none shall allow by it.
            Rewrite::Intersection(children) if children.is_empty() => Expr::Never,
            Rewrite::Intersection(children) => {
                let ordered = self.cheapest_first(of, children);
                Expr::Intersection(ordered.into_iter().map(|child| self.expr(of, this, child)).collect())
            }
            Rewrite::Difference { base, subtract } => {
                let base = self.expr(of, this, base);
                Expr::Difference(base, self.expr(of, this, subtract))
            }
        };
        self.exprs.push(expr);
        ExprId(number(self.exprs.len() - 1))
    }

    /// Operands by their prices; those of one price in their order.
    fn cheapest_first<'r>(&mut self, of: TypeId, operands: &'r [Rewrite]) -> Vec<&'r Rewrite> {
        let Some(type_plan) = self.types.get(of.0 as usize) else { return operands.iter().collect() };
        let mut price = |operand| (self.prices.price(&type_plan.relations, operand), operand);
        let mut priced: Vec<_> = operands.iter().map(&mut price).collect();
        priced.sort_by_key(|(price, _)| *price);
        priced.into_iter().map(|(_, operand)| operand).collect()
    }

    fn tuple_to_userset(&self, of: TypeId, tupleset: &str, computed: &str) -> Expr {
        let Some(tupleset) = self.find(of, tupleset) else { return Expr::Never };
        let plain = self.admitted.get(tupleset.0 as usize).map_or(&[][..], |admitted| &admitted.objects);
        let targets = plain.iter().filter_map(|of| self.find(*of, computed)).collect();
        Expr::TupleToUserset { tupleset, targets }
    }
}

pub(super) fn push_new<T: PartialEq>(items: &mut Vec<T>, item: T) {
    if !items.contains(&item) {
        items.push(item);
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

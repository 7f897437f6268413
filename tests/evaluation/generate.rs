//! Worlds to evaluate in: a model, tuples with lifetimes, and who asks for what.
//!
//! A world is read off a list of bytes, each a choice, so that a failing one shrinks to a small one. Models are valid as
//! far as the evaluator cares, and wilder than a validator would admit: relations may be computed in a circle.

use tenure::cel::Context;
use tenure::model::{
    AuthorizationModel, Condition, ConditionParameter, Instant, Lifetime, Object, Origin, ParameterType,
    RelationDefinition, RestrictionKind, Rewrite, SchemaVersion, Subject, TupleCondition, TupleKey,
    TupleRecord, TypeDefinition, TypeRestriction,
};

const TYPES: [&str; 3] = ["group", "folder", "document"];
const RELATIONS: [&str; 4] = ["a", "b", "c", "d"];
const PARENT: &str = "parent";
const IDS: [&str; 3] = ["1", "2", "3"];
const USERS: [&str; 2] = ["ann", "bob"];
/// Relations of each type of a wide world beside the others; enough that a region of the plan overflows.
const FILLERS: [&str; 48] = [
    "x00", "x01", "x02", "x03", "x04", "x05", "x06", "x07", "x08", "x09", "x10", "x11", "x12", "x13", "x14",
    "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29",
    "x30", "x31", "x32", "x33", "x34", "x35", "x36", "x37", "x38", "x39", "x40", "x41", "x42", "x43", "x44",
    "x45", "x46", "x47",
];

pub struct World {
    pub model: AuthorizationModel,
    /// Stored tuples, one per key.
    pub stored: Vec<(TupleKey, TupleRecord)>,
    /// Tuples given with the query, one per key.
    pub contextual: Vec<(TupleKey, TupleRecord)>,
    /// Values given with the query.
    pub context: Context,
    pub subjects: Vec<Subject>,
}

impl World {
    pub fn objects() -> impl Iterator<Item = Object> {
        let of = |kind: &'static str| IDS.map(|id| Object::parse(&format!("{kind}:{id}")).unwrap());
        TYPES.into_iter().flat_map(of)
    }

    /// The tuples that count: contextual ones stand in the place of stored ones with the same key.
    pub fn tuples(&self) -> Vec<&(TupleKey, TupleRecord)> {
        let replaced = |key: &TupleKey| self.contextual.iter().any(|(own, _)| own == key);
        self.stored.iter().filter(|(key, _)| !replaced(key)).chain(&self.contextual).collect()
    }

    pub fn read(bytes: &[u8]) -> Self {
        Choices::of(bytes).world()
    }

    /// A world whose types have many relations, all of them part of the first one.
    pub fn read_wide(bytes: &[u8]) -> Self {
        Choices { wide: true, ..Choices::of(bytes) }.world()
    }

    /// A world in which restrictions ask for conditions and tuples carry them.
    pub fn read_conditional(bytes: &[u8]) -> Self {
        Choices { conditional: true, ..Choices::of(bytes) }.world()
    }

    /// What a tuple's condition comes to; `None` where it cannot be evaluated. Said here once more, with no expression.
    pub fn outcome(&self, record: &TupleRecord) -> Option<bool> {
        let Some(condition) = &record.condition else { return Some(true) };
        let stored: Context = serde_json::from_str(&condition.context).unwrap();
        // A stored context that the condition does not know makes a tuple that the model does not admit.
        if &*condition.name == "open" && stored.contains_key("y") {
            return Some(false);
        }
        let value = |name: &str| stored.get(name).or_else(|| self.context.get(name))?.as_bool();
        match &*condition.name {
            "open" => value("x"),
            "either" => value("x").zip(value("y")).map(|(x, y)| x || y),
            other => panic!("{other}"),
        }
    }

    /// A world of many operators and of many tuples that lead from object to object, most of them in circles.
    pub fn read_tangled(bytes: &[u8]) -> Self {
        Choices { tangled: true, ..Choices::of(bytes) }.world()
    }

    /// The same, with conditions.
    pub fn read_tangled_conditional(bytes: &[u8]) -> Self {
        Choices { tangled: true, conditional: true, ..Choices::of(bytes) }.world()
    }
}

impl std::fmt::Debug for World {
    /// As a person would write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for definition in &self.model.types {
            for RelationDefinition { name, rewrite, restrictions, .. } in &definition.relations {
                let forms: Vec<_> = restrictions
                    .iter()
                    .map(|r| format!("{} {:?} {:?}", r.type_name, r.kind, r.condition))
                    .collect();
                writeln!(f, "{}#{name}: {rewrite:?}; {}", definition.name, forms.join(", "))?;
            }
        }
        writeln!(f, "context {:?}", self.context)?;
        for (what, tuples) in [("stored", &self.stored), ("contextual", &self.contextual)] {
            for (key, record) in tuples {
                writeln!(f, "{what} {key} {:?} {:?}", record.lifetime, record.condition)?;
            }
        }
        Ok(())
    }
}

pub fn instant(seconds: i64) -> Instant {
    Instant::from_unix_micros(seconds * 1_000_000).unwrap()
}

/// The instants that matter: at each expiration, and between them.
pub fn instants() -> impl Iterator<Item = Instant> {
    (1..=7).map(|n| instant(n * 5))
}

/// `open(x: bool) { x }` and `either(x: bool, y: bool) { x || y }`
fn conditions() -> Vec<Condition> {
    let condition = |name: &str, expression: &str, parameters: &[&str]| Condition {
        name: name.into(),
        expression: expression.into(),
        parameters: parameters
            .iter()
            .map(|name| ConditionParameter { name: (*name).into(), parameter_type: ParameterType::Bool })
            .collect(),
        origin: Origin::default(),
    };
    vec![condition("open", "x", &["x"]), condition("either", "x || y", &["x", "y"])]
}

struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
    wide: bool,
    tangled: bool,
    conditional: bool,
}

impl<'a> Choices<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter(), wide: false, tangled: false, conditional: false }
    }

    /// The name of a condition, or none.
    fn condition(&mut self) -> Option<Box<str>> {
        if !self.conditional {
            return None;
        }
        match self.below(5) {
            0..=2 => None,
            3 => Some("open".into()),
            _ => Some("either".into()),
        }
    }

    /// Values of some of the parameters.
    fn values(&mut self) -> Context {
        let mut values = Context::new();
        for name in ["x", "y"] {
            match self.below(4) {
                0 => {}
                n => drop(values.insert(name.to_owned(), (n > 1).into())),
            }
        }
        values
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// The name of a relation, other than the parent.
    fn name(&mut self) -> &'static str {
        if self.wide && self.below(2) == 0 { self.one(&FILLERS) } else { self.one(&RELATIONS) }
    }

    fn world(&mut self) -> World {
        let types = TYPES.map(|name| self.type_definition(name));
        let user = TypeDefinition { name: "user".into(), relations: Vec::new(), origin: Origin::default() };
        let model = AuthorizationModel {
            schema_version: SchemaVersion::V1_1,
            types: [vec![user], types.to_vec()].concat(),
            conditions: if self.conditional { conditions() } else { Vec::new() },
        };
        let context = if self.conditional { self.values() } else { Context::new() };
        let stored = self.tuples(if self.tangled { 48 } else { 18 });
        let contextual = self.tuples(3);
        let userset = Subject::parse(&format!("{}:{}#{}", self.one(&TYPES), self.one(&IDS), self.name()));
        let subjects = vec![
            Subject::parse("user:ann").unwrap(),
            Subject::parse("user:bob").unwrap(),
            Subject::parse("user:*").unwrap(),
            Subject::parse("group:1").unwrap(),
            userset.unwrap(),
        ];
        World { model, stored, contextual, context, subjects }
    }

    fn type_definition(&mut self, name: &str) -> TypeDefinition {
        let mut plain = |of: &str| {
            let condition = self.condition();
            TypeRestriction { type_name: of.into(), kind: RestrictionKind::Object, condition }
        };
        let parents = TYPES.map(&mut plain);
        let mut relations: Vec<_> = RELATIONS.map(|relation| self.relation(relation)).into();
        if self.wide {
            for relation in FILLERS {
                let filler = self.relation(relation);
                relations.push(filler);
            }
            if let Some(first) = relations.first_mut() {
                let own = std::mem::replace(&mut first.rewrite, Rewrite::This);
                let parts = FILLERS.map(|filler| Rewrite::Computed(filler.into()));
                first.rewrite = Rewrite::Union([&[own], &parts[..]].concat());
            }
        }
        relations.push(RelationDefinition {
            name: PARENT.into(),
            rewrite: Rewrite::This,
            restrictions: parents.into(),
            origin: Origin::default(),
        });
        TypeDefinition { name: name.into(), relations, origin: Origin::default() }
    }

    fn relation(&mut self, name: &str) -> RelationDefinition {
        let rewrite = self.rewrite(2);
        let condition = self.condition();
        let mut restrictions =
            vec![TypeRestriction { type_name: "user".into(), kind: RestrictionKind::Object, condition }];
        for _ in 0..self.below(4) {
            let of = self.one(&TYPES);
            let kind = match self.below(4) {
                0 => RestrictionKind::Object,
                1 => RestrictionKind::Wildcard,
                _ => RestrictionKind::Userset(self.name().into()),
            };
            let of = if kind == RestrictionKind::Wildcard { "user" } else { of };
            let condition = self.condition();
            restrictions.push(TypeRestriction { type_name: of.into(), kind, condition });
        }
        RelationDefinition { name: name.into(), rewrite, restrictions, origin: Origin::default() }
    }

    fn rewrite(&mut self, depth: u32) -> Rewrite {
        let operator = match depth {
            0 => 0,
            _ if self.tangled => 4 + self.below(4),
            _ => self.below(8),
        };
        match operator {
            4 | 5 => Rewrite::Union(self.operands(depth)),
            6 => Rewrite::Intersection(self.operands(depth)),
            7 => Rewrite::Difference {
                base: Box::new(self.rewrite(depth - 1)),
                subtract: Box::new(self.rewrite(depth - 1)),
            },
            _ => match self.below(4) {
                0 | 1 => Rewrite::This,
                2 => Rewrite::Computed(self.name().into()),
                _ => Rewrite::TupleToUserset { tupleset: PARENT.into(), computed: self.name().into() },
            },
        }
    }

    fn operands(&mut self, depth: u32) -> Vec<Rewrite> {
        (0..2 + self.below(2)).map(|_| self.rewrite(depth - 1)).collect()
    }

    fn tuples(&mut self, most: usize) -> Vec<(TupleKey, TupleRecord)> {
        let mut tuples: Vec<(TupleKey, TupleRecord)> = Vec::new();
        for _ in 0..self.below(most + 1) {
            let tuple = self.tuple();
            if !tuples.iter().any(|(key, _)| *key == tuple.0) {
                tuples.push(tuple);
            }
        }
        tuples
    }

    fn tuple(&mut self) -> (TupleKey, TupleRecord) {
        let object = format!("{}:{}", self.one(&TYPES), self.one(&IDS));
        let form = if self.tangled { self.one(&[0, 1, 2, 5, 7, 7, 7, 7]) } else { self.below(8) };
        let (relation, subject) = match form {
            0..=1 => (PARENT, format!("{}:{}", self.one(&TYPES), self.one(&IDS))),
            2..=4 => (self.name(), format!("user:{}", self.one(&USERS))),
            5 => (self.name(), "user:*".to_owned()),
            6 => (self.name(), format!("{}:{}", self.one(&TYPES), self.one(&IDS))),
            _ => (self.name(), format!("{}:{}#{}", self.one(&TYPES), self.one(&IDS), self.name())),
        };
        let expires_at = match self.below(6) {
            n @ 1..=3 => Some(instant(i64::try_from(n).unwrap() * 10)),
            _ => None,
        };
        let lifetime = Lifetime { expires_at, paused: self.below(10) == 9 };
        let condition = self.condition().map(|name| {
            let context = serde_json::Value::Object(self.values()).to_string().into();
            TupleCondition { name, context }
        });
        let record = TupleRecord { lifetime, condition, written_at: instant(0) };
        (TupleKey::parse(&object, relation, &subject).unwrap(), record)
    }
}

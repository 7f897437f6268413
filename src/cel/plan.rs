//! From a checked tree to what is evaluated: names resolved, constants computed, patterns compiled.
//!
//! What is computed here and what is not follows cel-go, because its cost model counts only what is left.

use std::collections::HashSet;
use std::sync::Arc;

use regex::Regex;

use super::ast::{Expr, FoldStep as AstStep, Kind};
use super::check::Resolution;
use super::error::Problem;
use super::functions;
use super::library::{CostClass, Function, Overload};
use super::meter::{Failure, Meter};
use super::pattern;
use super::value::{Key, Map, Value, same_numbers};

/// What is evaluated.
#[derive(Debug)]
pub(super) enum Node {
    Constant(Value),
    Attribute(Attribute),
    And(Vec<Node>),
    Or(Vec<Node>),
    Call(Call),
    /// `text.matches('pattern')`: the text, and the characters of the pattern.
    Matches {
        text: Box<Node>,
        pattern: Regex,
        pattern_size: usize,
    },
    /// Whether a value is among constants.
    Member {
        element: Box<Node>,
        set: HashSet<Key>,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Fold(Box<Fold>),
}

/// A value to start from and what is selected from it in turn.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) base: Base,
    pub(super) qualifiers: Vec<Qualifier>,
}

/// Where a selection starts.
#[derive(Debug)]
pub(super) enum Base {
    Parameter(usize),
    /// A macro's variable, counted from the outermost.
    Local(usize),
    Conditional {
        condition: Box<Node>,
        yes: Box<Attribute>,
        no: Box<Attribute>,
    },
    Computed(Box<Node>),
}

/// One step of a selection.
#[derive(Debug)]
pub(super) enum Qualifier {
    Constant(Key),
    /// Whether there is something under the key; always the last step.
    Present(Key),
    Attribute(Attribute),
    Computed(Node),
}

/// A call that evaluates its arguments first.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) function: Function,
    /// The function's name, for messages.
    pub(super) name: Box<str>,
    /// The only overload that fits the types of the arguments, if there is only one.
    pub(super) overload: Option<&'static Overload>,
    pub(super) args: Vec<Node>,
}

impl Call {
    /// The class of its cost. Where the values decide what is called, it is `Constant`.
    pub(super) fn cost(&self) -> CostClass {
        self.overload.map_or(CostClass::Constant, |overload| overload.cost)
    }
}

/// A macro over a list or a map's keys.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) range: Node,
    pub(super) step: FoldStep,
}

/// What a macro does with each element.
#[derive(Debug)]
pub(super) enum FoldStep {
    All(Node),
    Exists(Node),
    ExistsOne(Node),
    Filter(Node),
    Map { predicate: Option<Node>, transform: Node },
}

/// Lowers a checked tree.
pub(super) fn plan(root: &Expr, resolutions: &[Resolution]) -> Result<Node, Problem> {
    Planner { resolutions }.node(root)
}

struct Planner<'a> {
    resolutions: &'a [Resolution],
}

impl Planner<'_> {
    fn resolution(&self, expr: &Expr) -> Resolution {
        self.resolutions.get(expr.id).copied().unwrap_or_default()
    }

    fn nodes<'a>(&self, exprs: impl IntoIterator<Item = &'a Expr>) -> Result<Vec<Node>, Problem> {
        exprs.into_iter().map(|expr| self.node(expr)).collect()
    }

    fn node(&self, expr: &Expr) -> Result<Node, Problem> {
        let attribute = |base| Node::Attribute(Attribute { base, qualifiers: Vec::new() });
        match self.resolution(expr) {
            Resolution::Local(index) => return Ok(attribute(Base::Local(index))),
            Resolution::Parameter(index) => return Ok(attribute(Base::Parameter(index))),
            Resolution::Type(name) => return Ok(Node::Constant(Value::Type(name))),
            Resolution::None | Resolution::Call(..) => {}
        }
        match &expr.kind {
            Kind::Literal(literal) => Ok(Node::Constant(literal.into())),
            Kind::Ident { name, .. } => {
                Err(Problem::new(expr.at, format!("undeclared reference to '{name}' (in container '')")))
            }
            Kind::Select { operand, field } => {
                self.qualified(operand, Qualifier::Constant(Key::String((&**field).into())))
            }
            Kind::Has { operand, field } => {
                self.qualified(operand, Qualifier::Present(Key::String((&**field).into())))
            }
            Kind::Call { function, target, args } => self.call(expr, function, target.as_deref(), args),
            Kind::And(terms) => Ok(Node::And(self.nodes(terms)?)),
            Kind::Or(terms) => Ok(Node::Or(self.nodes(terms)?)),
            Kind::Conditional(parts) => {
                let [condition, yes, no] = &**parts;
                let condition = Box::new(self.node(condition)?);
                let yes = Box::new(into_attribute(self.node(yes)?));
                let no = Box::new(into_attribute(self.node(no)?));
                Ok(attribute(Base::Conditional { condition, yes, no }))
            }
            Kind::List(elements) => Ok(fold_list(self.nodes(elements)?)),
            Kind::Map(entries) => {
                let keys = self.nodes(entries.iter().map(|(key, _)| key))?;
                let values = self.nodes(entries.iter().map(|(_, value)| value))?;
                fold_map(keys.into_iter().zip(values).collect()).map_err(|failure| refuse(expr, failure))
            }
            Kind::Fold(fold) => {
                let range = self.node(&fold.range)?;
                let step = match &fold.step {
                    AstStep::All(predicate) => FoldStep::All(self.node(predicate)?),
                    AstStep::Exists(predicate) => FoldStep::Exists(self.node(predicate)?),
                    AstStep::ExistsOne(predicate) => FoldStep::ExistsOne(self.node(predicate)?),
                    AstStep::Filter(predicate) => FoldStep::Filter(self.node(predicate)?),
                    AstStep::Map { predicate, transform } => FoldStep::Map {
                        predicate: predicate.as_ref().map(|predicate| self.node(predicate)).transpose()?,
                        transform: self.node(transform)?,
                    },
                };
                Ok(Node::Fold(Box::new(Fold { range, step })))
            }
        }
    }

    /// One more step of a selection.
    fn qualified(&self, operand: &Expr, qualifier: Qualifier) -> Result<Node, Problem> {
        let mut attribute = into_attribute(self.node(operand)?);
        attribute.qualifiers.push(qualifier);
        Ok(Node::Attribute(attribute))
    }

    fn call(&self, expr: &Expr, name: &str, target: Option<&Expr>, args: &[Expr]) -> Result<Node, Problem> {
        let Resolution::Call(function, overload) = self.resolution(expr) else {
            return Err(Problem::new(expr.at, format!("undeclared reference to '{name}' (in container '')")));
        };
        if let (Function::Index, [operand, index]) = (function, args) {
            let qualifier = match self.node(index)? {
                Node::Constant(value) => Qualifier::Constant(value.key().ok_or_else(|| {
                    Problem::new(expr.at, format!("invalid qualifier type: {}", value.type_name().as_str()))
                })?),
                Node::Attribute(attribute) => Qualifier::Attribute(attribute),
                other => Qualifier::Computed(other),
            };
            return self.qualified(operand, qualifier);
        }
        let args = self.nodes(target.into_iter().chain(args))?;
        finish(expr, Call { function, name: name.into(), overload, args })
    }
}

/// A call as it is evaluated: some are computed here.
#[inline(never)]
fn finish(expr: &Expr, call: Call) -> Result<Node, Problem> {
    match (call.function, &*call.args) {
        (Function::Matches, [_, Node::Constant(Value::String(text))]) => {
            let pattern = pattern::compile(text).map_err(|message| Problem::new(expr.at, message))?;
            let pattern_size = text.chars().count();
            Ok(Node::Matches { text: Box::new(first(call.args)), pattern, pattern_size })
        }
        (Function::In, [_, Node::Constant(Value::List(elements))]) if call.cost() == CostClass::Elements => {
            if elements.is_empty() {
                return Ok(Node::Constant(Value::Bool(false)));
            }
            match set(elements) {
                Some(set) => Ok(Node::Member { element: Box::new(first(call.args)), set }),
                None => Ok(Node::Call(call)),
            }
        }
        (converts, [Node::Constant(value)]) if converts.is_conversion() => {
            functions::call(&call, std::slice::from_ref(value), &mut Meter::default())
                .map(Node::Constant)
                .map_err(|failure| refuse(expr, failure))
        }
        _ => Ok(Node::Call(call)),
    }
}

fn first(args: Vec<Node>) -> Node {
    args.into_iter().next().unwrap_or(Node::Constant(Value::Null))
}

fn refuse(expr: &Expr, failure: Failure) -> Problem {
    Problem::new(expr.at, failure.into_message())
}

fn into_attribute(node: Node) -> Attribute {
    match node {
        Node::Attribute(attribute) => attribute,
        other => Attribute { base: Base::Computed(Box::new(other)), qualifiers: Vec::new() },
    }
}

fn constant(node: &Node) -> Option<&Value> {
    match node {
        Node::Constant(value) => Some(value),
        _ => None,
    }
}

/// A list of constants is one.
fn fold_list(elements: Vec<Node>) -> Node {
    let constants: Option<Vec<Value>> = elements.iter().map(|node| constant(node).cloned()).collect();
    constants.map_or_else(|| Node::List(elements), |values| Node::Constant(Value::List(values.into())))
}

/// A map of constants is one.
fn fold_map(entries: Vec<(Node, Node)>) -> Result<Node, Failure> {
    if entries.iter().any(|(key, value)| constant(key).is_none() || constant(value).is_none()) {
        return Ok(Node::Map(entries));
    }
    let constants =
        entries.iter().filter_map(|(key, value)| Some((constant(key)?.clone(), constant(value)?.clone())));
    Ok(Node::Constant(build_map(constants.map(Ok))?))
}

/// A map of entries, of which the last one under a key counts.
pub(super) fn build_map(
    entries: impl Iterator<Item = Result<(Value, Value), Failure>>,
) -> Result<Value, Failure> {
    let mut map = Map::new();
    for entry in entries {
        let (key, value) = entry?;
        let key = key
            .key()
            .ok_or_else(|| Failure::error(format!("unsupported key type: {}", key.type_name().as_str())))?;
        map.insert(key, value);
    }
    Ok(Value::Map(Arc::new(map)))
}

/// The elements of a list as a set of keys, if they all can be keys. The same number in another type is the same.
fn set(elements: &[Value]) -> Option<HashSet<Key>> {
    let mut set = HashSet::new();
    for element in elements {
        let Some(key) = element.key() else {
            // NaN equals nothing.
            if matches!(element, Value::Double(_)) {
                continue;
            }
            return None;
        };
        set.extend(same_numbers(&key).into_iter().flatten());
        if let Key::Int(_) | Key::Uint(_) = key {
            set.extend(as_double(element).and_then(|double| double.key()));
        }
        set.insert(key);
    }
    Some(set)
}

fn as_double(value: &Value) -> Option<Value> {
    match value {
        Value::Int(number) => Some(Value::Double(*number as f64)),
        Value::Uint(number) => Some(Value::Double(*number as f64)),
        _ => None,
    }
}

//! The evaluator: a plan and the parameters' values, to a value.
//!
//! It charges what each step costs, ends where too much is spent, and is as deep as the expression is nested.

use std::mem::size_of;

use super::functions;
use super::library::CostClass;
use super::meter::{Failure, LIST_COST, MAP_COST, Meter, call_cost, pattern_cost};
use super::number::format_double;
use super::operators::no_overload;
use super::plan::{Attribute, Base, Call, Fold, FoldStep, Node, Qualifier, build_map};
use super::value::{Key, Value, double_as_int, find};

type Outcome = Result<Value, Failure>;

/// Evaluates a plan. The meter says what it cost, also where it failed.
pub(super) fn evaluate(node: &Node, parameters: &[Value], meter: &mut Meter) -> Outcome {
    Evaluator { parameters, locals: Vec::new(), meter }.node(node)
}

struct Evaluator<'a> {
    parameters: &'a [Value],
    /// The variables of the macros around, outermost first.
    locals: Vec<Value>,
    meter: &'a mut Meter,
}

impl Evaluator<'_> {
    fn node(&mut self, node: &Node) -> Outcome {
        match node {
            Node::Constant(value) => Ok(value.clone()),
            Node::Attribute(attribute) => {
                let outcome = self.attribute(attribute);
                if !matches!(attribute.base, Base::Conditional { .. }) {
                    self.meter.charge(1)?;
                }
                outcome
            }
            Node::And(terms) => self.logic(terms, false),
            Node::Or(terms) => self.logic(terms, true),
            Node::Call(call) => self.call(call),
            Node::Matches { text, pattern, pattern_size } => {
                let text = self.node(text)?;
                let size = text.size().unwrap_or(1) as u64;
                self.meter.charge(pattern_cost(size, *pattern_size as u64))?;
                match text {
                    Value::String(text) => Ok(Value::Bool(pattern.is_match(&text))),
                    _ => Err(no_overload()),
                }
            }
            Node::Member { element, set } => {
                let element = self.node(element)?;
                Ok(Value::Bool(element.key().is_some_and(|key| set.contains(&key))))
            }
            Node::List(elements) => {
                let list = self.list(elements);
                self.meter.charge(LIST_COST)?;
                list
            }
            Node::Map(entries) => {
                let map = self.map(entries);
                self.meter.charge(MAP_COST)?;
                map
            }
            Node::Fold(fold) => self.fold(fold),
        }
    }

    fn list(&mut self, elements: &[Node]) -> Outcome {
        self.meter.allocate(elements.len().saturating_mul(size_of::<Value>()))?;
        let values = elements.iter().map(|element| self.node(element)).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::List(values.into()))
    }

    fn map(&mut self, entries: &[(Node, Node)]) -> Outcome {
        self.meter.allocate(entries.len().saturating_mul(size_of::<(Key, Value)>()))?;
        build_map(entries.iter().map(|(key, value)| Ok((self.node(key)?, self.node(value)?))))
    }

    /// Terms up to the one that decides. An error counts only if none does.
    fn logic(&mut self, terms: &[Node], decisive: bool) -> Outcome {
        let mut undecided = None;
        for term in terms {
            match self.node(term) {
                Ok(Value::Bool(value)) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(Value::Bool(_)) => {}
                Err(Failure::Cost) => return Err(Failure::Cost),
                other => {
                    undecided.get_or_insert_with(|| other.err().unwrap_or_else(no_overload));
                }
            }
        }
        undecided.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn call(&mut self, call: &Call) -> Outcome {
        if let [only] = &*call.args {
            let value = match self.node(only) {
                Err(Failure::Error(message)) => {
                    self.meter.charge(call_cost(call.cost(), &[]))?;
                    return Err(Failure::Error(message));
                }
                other => other?,
            };
            self.meter.charge(call_cost(call.cost(), &[&value]))?;
            return functions::call(call, &[value], self.meter);
        }
        let [left, right] = &*call.args else {
            return Err(Failure::error(format!("no such overload: {}", call.name)));
        };
        // What follows an error is neither evaluated nor charged.
        let left = self.node(left)?;
        let right = match self.node(right) {
            Err(Failure::Error(message)) => {
                self.meter.charge(call_cost(call.cost(), &[&left]))?;
                return Err(Failure::Error(message));
            }
            other => other?,
        };
        self.meter.charge(call_cost(call.cost(), &[&left, &right]))?;
        functions::call(call, &[left, right], self.meter)
    }

    /// Selects, without charging for the attribute as a whole.
    fn attribute(&mut self, attribute: &Attribute) -> Outcome {
        let mut value = self.base(&attribute.base)?;
        for qualifier in &attribute.qualifiers {
            let selected = self.qualify(&value, qualifier);
            self.meter.charge(1)?;
            value = selected?;
        }
        Ok(value)
    }

    fn base(&mut self, base: &Base) -> Outcome {
        match base {
            Base::Parameter(index) => {
                self.parameters.get(*index).cloned().ok_or_else(|| Failure::error("no such attribute"))
            }
            Base::Local(index) => {
                self.locals.get(*index).cloned().ok_or_else(|| Failure::error("no such attribute"))
            }
            Base::Computed(node) => self.node(node),
            Base::Conditional { condition, yes, no } => match self.node(condition)? {
                Value::Bool(true) => self.attribute(yes),
                Value::Bool(false) => self.attribute(no),
                _ => Err(no_overload()),
            },
        }
    }

    fn qualify(&mut self, value: &Value, qualifier: &Qualifier) -> Outcome {
        let index = match qualifier {
            Qualifier::Constant(key) => return select(value, key, false),
            Qualifier::Present(key) => return select(value, key, true),
            Qualifier::Attribute(attribute) => self.attribute(attribute)?,
            Qualifier::Computed(node) => self.node(node)?,
        };
        match index.key() {
            Some(key) => select(value, &key, false),
            None => Err(Failure::error(format!("invalid qualifier type: {}", index.type_name().as_str()))),
        }
    }

    fn fold(&mut self, fold: &Fold) -> Outcome {
        let range = self.node(&fold.range)?;
        let elements: Box<dyn Iterator<Item = Value> + '_> = match &range {
            Value::List(elements) => Box::new(elements.iter().cloned()),
            Value::Map(map) => Box::new(map.keys().map(Value::from)),
            other => {
                let found = other.type_name().as_str();
                return Err(Failure::error(format!("got '{found}', expected iterable type")));
            }
        };
        let local = self.locals.len();
        self.locals.push(Value::Null);
        let outcome = match &fold.step {
            FoldStep::All(predicate) => self.quantify(elements, local, predicate, false),
            FoldStep::Exists(predicate) => self.quantify(elements, local, predicate, true),
            FoldStep::ExistsOne(predicate) => self.exists_one(elements, local, predicate),
            FoldStep::Filter(predicate) => self.filter(elements, local, predicate),
            FoldStep::Map { predicate, transform } => {
                self.transform(elements, local, predicate.as_ref(), transform)
            }
        };
        self.locals.truncate(local);
        outcome
    }

    /// Sets a macro's variable to the next element.
    fn advance(&mut self, local: usize, element: Value) -> Result<(), Failure> {
        self.meter.iterate()?;
        if let Some(slot) = self.locals.get_mut(local) {
            *slot = element;
        }
        Ok(())
    }

    /// `all` (decided by false) and `exists` (decided by true). Charges are those of the loops that cel-go makes of
    /// them: for looking at the result so far, negating it where it is an `exists`, and testing it.
    fn quantify(
        &mut self,
        elements: impl Iterator<Item = Value>,
        local: usize,
        predicate: &Node,
        decisive: bool,
    ) -> Outcome {
        let mut decided = false;
        let mut failure = None;
        for element in elements {
            self.advance(local, element)?;
            self.meter.charge(if decisive { 3 } else { 2 })?;
            if decided {
                break;
            }
            self.meter.charge(1)?;
            match self.node(predicate) {
                Ok(Value::Bool(value)) => decided = value == decisive,
                Err(Failure::Cost) => return Err(Failure::Cost),
                other => {
                    failure.get_or_insert_with(|| other.err().unwrap_or_else(no_overload));
                }
            }
        }
        self.meter.charge(1)?;
        match failure {
            Some(failure) if !decided => Err(failure),
            _ => Ok(Value::Bool(decided == decisive)),
        }
    }

    /// The value of a predicate. The last error so far is kept, as in cel-go.
    fn holds(&mut self, predicate: &Node, failure: &mut Option<Failure>) -> Result<bool, Failure> {
        match self.node(predicate) {
            Ok(Value::Bool(value)) => Ok(value),
            Err(Failure::Cost) => Err(Failure::Cost),
            other => {
                *failure = Some(other.err().unwrap_or_else(no_overload));
                Ok(false)
            }
        }
    }

    fn exists_one(
        &mut self,
        elements: impl Iterator<Item = Value>,
        local: usize,
        predicate: &Node,
    ) -> Outcome {
        let mut count = 0_usize;
        let mut failure = None;
        for element in elements {
            self.advance(local, element)?;
            if self.holds(predicate, &mut failure)? {
                self.meter.charge(if failure.is_none() { 2 } else { 1 })?;
                count += 1;
            }
        }
        self.meter.charge(1)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        self.meter.charge(call_cost(CostClass::Smaller, &[]))?;
        Ok(Value::Bool(count == 1))
    }

    fn filter(&mut self, elements: impl Iterator<Item = Value>, local: usize, predicate: &Node) -> Outcome {
        let mut kept = Vec::new();
        let mut failure = None;
        for element in elements {
            self.advance(local, element.clone())?;
            if self.holds(predicate, &mut failure)? {
                // The result so far; then the element, a list of it, and their sum.
                self.meter.charge(1)?;
                if failure.is_none() {
                    self.meter.charge(1 + LIST_COST + 1)?;
                    self.meter.allocate(size_of::<Value>())?;
                    kept.push(element);
                }
            }
        }
        self.meter.charge(1)?;
        failure.map_or_else(|| Ok(Value::List(kept.into())), Err)
    }

    fn transform(
        &mut self,
        elements: impl Iterator<Item = Value>,
        local: usize,
        predicate: Option<&Node>,
        transform: &Node,
    ) -> Outcome {
        // A list of a constant is a constant.
        let list_cost = if matches!(transform, Node::Constant(_)) { 0 } else { LIST_COST };
        let mut made = Vec::new();
        let mut failure = None;
        for element in elements {
            self.advance(local, element)?;
            if let Some(predicate) = predicate
                && !self.holds(predicate, &mut failure)?
            {
                continue;
            }
            self.meter.charge(1)?;
            if failure.is_some() {
                continue;
            }
            let value = self.node(transform);
            self.meter.charge(list_cost + 1)?;
            self.meter.allocate(size_of::<Value>())?;
            match value {
                Ok(value) => made.push(value),
                Err(Failure::Cost) => return Err(Failure::Cost),
                Err(error) => failure = Some(error),
            }
        }
        self.meter.charge(1)?;
        failure.map_or_else(|| Ok(Value::List(made.into())), Err)
    }
}

/// What a value has under a key, or, asked so, whether it has something there.
fn select(value: &Value, key: &Key, presence: bool) -> Outcome {
    let found = match value {
        Value::Map(map) => find(map, key),
        Value::List(elements) => {
            let index = match key {
                Key::Int(index) => Some(*index),
                Key::Uint(index) => i64::try_from(*index).ok(),
                Key::Double(index) => double_as_int(index.number()),
                Key::Bool(_) | Key::String(_) => {
                    let found = Value::from(key).type_name().as_str();
                    return Err(Failure::error(format!("unsupported index type '{found}' in list")));
                }
            };
            let Some(index) = index else {
                return Err(Failure::error("unsupported index value in list"));
            };
            let found = usize::try_from(index).ok().and_then(|index| elements.get(index));
            if found.is_none() && !presence {
                return Err(Failure::error(format!("index out of bounds: {index}")));
            }
            found
        }
        _ => None,
    };
    if presence {
        return Ok(Value::Bool(found.is_some()));
    }
    found.cloned().ok_or_else(|| Failure::error(format!("no such key: {}", describe(key))))
}

fn describe(key: &Key) -> String {
    match key {
        Key::Bool(value) => value.to_string(),
        Key::Int(value) => value.to_string(),
        Key::Uint(value) => value.to_string(),
        Key::String(value) => value.to_string(),
        Key::Double(value) => format_double(value.number()),
    }
}

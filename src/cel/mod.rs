//! Conditions: boolean expressions in CEL over named parameters, with OpenFGA's types and functions.
//!
//! A condition is parsed and type-checked when a model is written ([`Program::compile`]), so that a model with one that
//! cannot be evaluated is refused, and evaluated over two contexts when a tuple carries it ([`Program::evaluate`]). The
//! reference is cel-go as OpenFGA configures it: what it refuses is refused here, what it answers is answered so here,
//! and what it counts as cost is counted here.
//!
//! It knows nothing of tuples, stores or requests. It does no I/O and reads no clock: a condition that needs the time
//! has a parameter for it. No expression and no context makes it panic, overflow the stack, run long or take much
//! memory; the bounds are in `model::limits`.
//!
//! An expression goes through `lexer`, `parser`, `check` and `plan`; a plan through `evaluate`.

mod ast;
mod check;
mod context;
mod convert;
mod error;
mod evaluate;
mod functions;
mod ip;
mod lexer;
mod library;
mod literal;
mod meter;
mod number;
mod operators;
mod parser;
mod pattern;
mod plan;
mod time;
mod types;
mod value;

use serde_json::Value as Json;

pub use self::context::{Context, canonical};
pub use self::error::{CompileError, ContextError, EvaluateError};
use self::error::{Problem, shorten};
use self::meter::{Failure, Meter};
use self::types::Type;
use self::value::Value;
use crate::model::limits::{CONDITION_COST_MAX, CONTEXT_DEPTH_MAX, EXPRESSION_BYTES_MAX};
use crate::model::{Condition, ConditionParameter};

/// A condition, type-checked and ready to be evaluated.
#[derive(Debug)]
pub struct Program {
    name: Box<str>,
    parameters: Vec<ConditionParameter>,
    plan: plan::Node,
}

/// What an evaluation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluation {
    /// Whether the condition holds.
    pub met: bool,
    /// What it cost, in units of CEL's cost model.
    pub cost: u64,
}

impl Program {
    /// Parses and type-checks a condition.
    ///
    /// # Errors
    /// What is wrong with the expression, and where: its syntax, a name that is not declared, an operation that its
    /// operands' types do not have, a constant that has no value, a result that is not a boolean.
    pub fn compile(condition: &Condition) -> Result<Self, CompileError> {
        let plan =
            compile(condition).map_err(|problem| problem.locate(&condition.name, &condition.expression))?;
        Ok(Self { name: condition.name.clone(), parameters: condition.parameters.clone(), plan })
    }

    /// The condition's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a context can be stored with the condition: every key is a parameter, every value can be converted to
    /// its parameter's type, no text has control characters. Parameters may be missing.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check_context(&self, context: &Context) -> Result<(), ContextError> {
        check_text(context)?;
        if self.parameters.is_empty() && !context.is_empty() {
            return Err(ContextError::NoParameters { condition: self.name.clone() });
        }
        for parameter in &self.parameters {
            if let Some(json) = context.get(&*parameter.name) {
                convert::convert(json, &parameter.parameter_type).map_err(|message| {
                    ContextError::Parameter {
                        condition: self.name.clone(),
                        parameter: parameter.name.clone(),
                        message: shorten(&message),
                    }
                })?;
            }
        }
        let is_parameter = |key: &str| self.parameters.iter().any(|parameter| &*parameter.name == key);
        match context.keys().find(|key| !is_parameter(key)) {
            Some(key) => Err(ContextError::Unknown { parameter: shorten(key) }),
            None => Ok(()),
        }
    }

    /// Evaluates the condition over the stored context laid over the given one: the stored value wins. Keys of the given
    /// context that are no parameters are ignored.
    ///
    /// # Errors
    /// A parameter that is in neither context, even where the expression could do without it; a value that is not of
    /// its type; an expression that has no value, or would cost too much.
    pub fn evaluate(&self, stored: &Context, given: &Context) -> Result<bool, EvaluateError> {
        self.measure(stored, given).map(|evaluation| evaluation.met)
    }

    /// As [`Program::evaluate`], and says what it cost.
    ///
    /// # Errors
    /// As [`Program::evaluate`].
    pub fn measure(&self, stored: &Context, given: &Context) -> Result<Evaluation, EvaluateError> {
        let parameters = self.convert(stored, given)?;
        let mut meter = Meter::default();
        let message = match evaluate::evaluate(&self.plan, &parameters, &mut meter) {
            Ok(Value::Bool(met)) => return Ok(Evaluation { met, cost: meter.cost() }),
            Ok(other) => {
                format!("expected a bool, but got '{}'", other.type_name().as_str()).into_boxed_str()
            }
            Err(Failure::Cost) => return Err(EvaluateError::Cost { cost_max: CONDITION_COST_MAX }),
            Err(error) => error.into_message(),
        };
        Err(EvaluateError::Failed { message: shorten(&message) })
    }

    /// The parameters' values, in the order of declaration.
    fn convert(&self, stored: &Context, given: &Context) -> Result<Vec<Value>, EvaluateError> {
        let mut values = Vec::with_capacity(self.parameters.len());
        let mut missing = Vec::new();
        for parameter in &self.parameters {
            let name = &*parameter.name;
            let Some(json) = stored.get(name).or_else(|| given.get(name)) else {
                missing.push(parameter.name.clone());
                continue;
            };
            let value = convert::convert(json, &parameter.parameter_type).map_err(|message| {
                EvaluateError::Parameter { parameter: parameter.name.clone(), message: shorten(&message) }
            })?;
            values.push(value);
        }
        if missing.is_empty() { Ok(values) } else { Err(EvaluateError::Missing { parameters: missing }) }
    }
}

fn compile(condition: &Condition) -> Result<plan::Node, Problem> {
    let expression = &*condition.expression;
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Err(Problem::new(0, format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes")));
    }
    let mut parameters = Vec::with_capacity(condition.parameters.len());
    for parameter in &condition.parameters {
        let found = Type::of_parameter(&parameter.parameter_type).ok_or_else(|| {
            Problem::new(0, format!("the type of the parameter '{}' is nested too deep", parameter.name))
        })?;
        parameters.push((parameter.name.clone(), found));
    }
    let tree = parser::parse(expression)?;
    let (found, resolutions) = check::check(&tree.root, tree.nodes, &parameters)?;
    let plan = plan::plan(&tree.root, &resolutions)?;
    match found {
        Type::Bool => Ok(plan),
        other => {
            let message = format!("expected a bool condition expression output, but got '{other}'");
            Err(Problem::new(0, message))
        }
    }
}

/// Whether a context, stored or given with a query, has no control characters in its keys and texts, on whatever level.
///
/// # Errors
/// The first key or text that has one; lists and maps that are nested too deep.
pub fn check_text(context: &Context) -> Result<(), ContextError> {
    let has_control = |text: &str| text.chars().any(char::is_control);
    let check_key = |key: &String| {
        if has_control(key) { Err(ContextError::ForbiddenKey { key: shorten(key) }) } else { Ok(()) }
    };
    let mut open: Vec<(&Json, usize)> = Vec::new();
    for (key, value) in context {
        check_key(key)?;
        open.push((value, 0));
    }
    while let Some((json, depth)) = open.pop() {
        if depth > CONTEXT_DEPTH_MAX {
            return Err(ContextError::TooDeep { depth_max: CONTEXT_DEPTH_MAX });
        }
        match json {
            Json::String(text) if has_control(text) => {
                return Err(ContextError::ForbiddenValue { value: shorten(text) });
            }
            Json::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Json::Object(entries) => {
                for (key, value) in entries {
                    check_key(key)?;
                    open.push((value, depth + 1));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

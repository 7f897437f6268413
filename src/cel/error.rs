//! Why a condition was refused, a context does not fit it, or an evaluation has no answer.
//!
//! The texts are OpenFGA's, without what only the caller knows (the tuple, the store).

use thiserror::Error;

/// Why a condition cannot be used: its expression does not parse, does not type-check, or is not a boolean.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "failed to compile expression on condition '{condition}' - ERROR: {condition}:{line}:{column}: {message}"
)]
pub struct CompileError {
    /// The condition's name.
    pub condition: Box<str>,
    /// What is wrong.
    pub message: Box<str>,
    /// Where, in bytes from the start of the expression.
    pub offset: usize,
    /// Where: the line, from 1.
    pub line: usize,
    /// Where: the character in the line, from 1.
    pub column: usize,
}

/// Why a context cannot be stored with a condition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContextError {
    /// It has a value for what is no parameter.
    #[error("found invalid context parameter: {parameter}")]
    Unknown {
        /// The name.
        parameter: Box<str>,
    },
    /// It has a value and the condition has no parameters at all.
    #[error("parameter type error on condition '{condition}' - no parameters defined for the condition")]
    NoParameters {
        /// The condition's name.
        condition: Box<str>,
    },
    /// A value is not of its parameter's type.
    #[error(
        "parameter type error on condition '{condition}' - failed to convert context parameter '{parameter}': {message}"
    )]
    Parameter {
        /// The condition's name.
        condition: Box<str>,
        /// The parameter.
        parameter: Box<str>,
        /// What was expected and what was found.
        message: Box<str>,
    },
    /// A key, on whatever level, has a control character.
    #[error("context key {key:?} contains forbidden characters")]
    ForbiddenKey {
        /// The key.
        key: Box<str>,
    },
    /// A text, on whatever level, has a control character.
    #[error("context value {value:?} contains forbidden characters")]
    ForbiddenValue {
        /// The text.
        value: Box<str>,
    },
    /// Lists and maps are nested too deep.
    #[error("the context is nested more than {depth_max} deep")]
    TooDeep {
        /// The deepest nesting allowed, in levels.
        depth_max: usize,
    },
}

/// Why an evaluation has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvaluateError {
    /// Parameters have no value in either context.
    #[error("missing context parameters '[{}]'", parameters.join(" "))]
    Missing {
        /// Their names, in the order of declaration.
        parameters: Vec<Box<str>>,
    },
    /// A value is not of its parameter's type.
    #[error("failed to convert context parameter '{parameter}': {message}")]
    Parameter {
        /// The parameter.
        parameter: Box<str>,
        /// What was expected and what was found.
        message: Box<str>,
    },
    /// It would cost more than allowed, in operations or in memory.
    #[error("failed to evaluate condition expression: operation cancelled: actual cost limit exceeded")]
    Cost {
        /// The most that is allowed, in units of CEL's cost model.
        cost_max: u64,
    },
    /// The expression has no value for these parameters: an overflow, a missing key, a wrong dynamic type.
    #[error("failed to evaluate condition expression: {message}")]
    Failed {
        /// What failed.
        message: Box<str>,
    },
}

/// A text for a message: its beginning, if it is long.
pub(super) fn shorten(text: &str) -> Box<str> {
    const BYTES_MAX: usize = 500;
    match text.char_indices().find(|(at, _)| *at >= BYTES_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

/// Something wrong at a place of an expression, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: usize,
    pub(super) message: Box<str>,
}

impl Problem {
    pub(super) fn new(at: usize, message: impl Into<Box<str>>) -> Self {
        Self { at, message: message.into() }
    }

    /// The problem as an error of the condition, with the place counted in lines and characters.
    pub(super) fn locate(self, condition: &str, expression: &str) -> CompileError {
        let before = expression.get(..self.at).unwrap_or(expression);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        CompileError {
            condition: condition.into(),
            message: self.message,
            offset: before.len(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

//! STUB for compilation until the branch `cel` is merged.
#![allow(missing_docs)]
use thiserror::Error;
mod context;
pub use context::{Context, canonical};
#[derive(Debug)]
pub struct Program {
    name: Box<str>,
    parameters: Vec<Box<str>>,
    expression: Box<str>,
}
#[derive(Debug, Clone, PartialEq, Error)]
#[error("stub")]
pub struct CompileError;
#[derive(Debug, Clone, PartialEq, Error)]
#[error("stub")]
pub struct ContextError;
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EvaluateError {
    #[error("missing {parameters:?}")]
    Missing { parameters: Vec<Box<str>> },
    #[error("{message}")]
    Failed { message: String },
}
impl Program {
    pub fn compile(condition: &crate::model::Condition) -> Result<Program, CompileError> {
        Ok(Self {
            name: condition.name.clone(),
            parameters: condition.parameters.iter().map(|p| p.name.clone()).collect(),
            expression: condition.expression.clone(),
        })
    }
    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn check_context(&self, _context: &Context) -> Result<(), ContextError> {
        Ok(())
    }
    /// Stub: all parameters true, xor "not " prefix
    pub fn evaluate(&self, stored: &Context, given: &Context) -> Result<bool, EvaluateError> {
        let any = self.expression.contains("||");
        let mut all = !any;
        let mut missing = Vec::new();
        for p in &self.parameters {
            match stored.get(&**p).or_else(|| given.get(&**p)) {
                None => missing.push(p.clone()),
                Some(v) => {
                    let v = v.as_bool() == Some(true);
                    if any { all |= v } else { all &= v }
                }
            }
        }
        if !missing.is_empty() {
            return Err(EvaluateError::Missing { parameters: missing });
        }

        Ok(all)
    }
}

//! The types of expressions, and how they unify: cel-go's rules, oddities included, so that the same conditions pass.
//!
//! Unification is bounded: each step takes fuel, and the check of an expression that uses too much of it fails.

use std::fmt;
use std::rc::Rc;

use crate::model::ParameterType;
use crate::model::limits::{CONDITION_CHECK_STEPS_MAX, CONDITION_NESTING_MAX};

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// Any value, known at run time only.
    Dyn,
    /// The same, as a parameter declares it.
    Any,
    Null,
    Bool,
    Bytes,
    Double,
    Int,
    String,
    Uint,
    Duration,
    Timestamp,
    IpAddress,
    List(Rc<Type>),
    Map(Rc<(Type, Type)>),
    /// The type of a type.
    Meta(Rc<Type>),
    /// One that is not known yet.
    Variable(usize),
}

impl Type {
    pub(super) fn list(element: Type) -> Self {
        Self::List(Rc::new(element))
    }

    pub(super) fn map(key: Type, value: Type) -> Self {
        Self::Map(Rc::new((key, value)))
    }

    /// The type of a parameter; `None` if it is nested too deep.
    pub(super) fn of_parameter(parameter: &ParameterType) -> Option<Self> {
        let mut outer = Vec::new();
        let mut inner = parameter;
        while let ParameterType::Map(next) | ParameterType::List(next) = inner {
            outer.push(matches!(inner, ParameterType::Map(_)));
            if outer.len() > CONDITION_NESTING_MAX {
                return None;
            }
            inner = next;
        }
        let mut built = match inner {
            ParameterType::Any | ParameterType::Map(_) | ParameterType::List(_) => Self::Any,
            ParameterType::Bool => Self::Bool,
            ParameterType::String => Self::String,
            ParameterType::Int => Self::Int,
            ParameterType::Uint => Self::Uint,
            ParameterType::Double => Self::Double,
            ParameterType::Duration => Self::Duration,
            ParameterType::Timestamp => Self::Timestamp,
            ParameterType::IpAddress => Self::IpAddress,
        };
        for is_map in outer.into_iter().rev() {
            built = if is_map { Self::map(Self::String, built) } else { Self::list(built) };
        }
        Some(built)
    }

    pub(super) fn is_dyn(&self) -> bool {
        matches!(self, Self::Dyn | Self::Any)
    }

    fn accepts_null(&self) -> bool {
        matches!(self, Self::Duration | Self::Timestamp | Self::IpAddress | Self::Any | Self::Null)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn | Self::Variable(_) => f.write_str("dyn"),
            Self::Any => f.write_str("any"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Bytes => f.write_str("bytes"),
            Self::Double => f.write_str("double"),
            Self::Int => f.write_str("int"),
            Self::String => f.write_str("string"),
            Self::Uint => f.write_str("uint"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::IpAddress => f.write_str("IPAddress"),
            Self::List(element) => write!(f, "list({element})"),
            Self::Map(entry) => write!(f, "map({}, {})", entry.0, entry.1),
            Self::Meta(inner) => write!(f, "type({inner})"),
        }
    }
}

/// The check took more steps than it may.
#[derive(Debug)]
pub(super) struct TooComplex;

/// What type variables stand for.
#[derive(Debug, Default)]
pub(super) struct Unifier {
    bound: Vec<Option<Type>>,
    /// What each changed binding was before, so that a failed attempt leaves nothing behind.
    changes: Vec<(usize, Option<Type>)>,
    steps: usize,
}

impl Unifier {
    pub(super) fn variable(&mut self) -> Type {
        self.bound.push(None);
        Type::Variable(self.bound.len() - 1)
    }

    fn step(&mut self) -> Result<(), TooComplex> {
        self.steps += 1;
        if self.steps > CONDITION_CHECK_STEPS_MAX { Err(TooComplex) } else { Ok(()) }
    }

    fn find(&self, variable: usize) -> Option<Type> {
        self.bound.get(variable).cloned().flatten()
    }

    fn bind(&mut self, variable: usize, to: Type) {
        if let Some(slot) = self.bound.get_mut(variable) {
            self.changes.push((variable, slot.replace(to)));
        }
    }

    /// The type with its variables replaced by what they stand for.
    pub(super) fn substitute(&mut self, of: &Type) -> Result<Type, TooComplex> {
        self.step()?;
        Ok(match of {
            Type::Variable(variable) => match self.find(*variable) {
                Some(bound) => self.substitute(&bound)?,
                None => of.clone(),
            },
            Type::List(element) => Type::list(self.substitute(element)?),
            Type::Map(entry) => Type::map(self.substitute(&entry.0)?, self.substitute(&entry.1)?),
            Type::Meta(inner) => Type::Meta(Rc::new(self.substitute(inner)?)),
            _ => of.clone(),
        })
    }

    /// Whether each type fits the one it is paired with. If all do, what was learned about variables stays.
    pub(super) fn assignable(&mut self, pairs: &[(&Type, &Type)]) -> Result<bool, TooComplex> {
        self.changes.clear();
        for (from, to) in pairs {
            if !self.fits(from, to)? {
                while let Some((variable, before)) = self.changes.pop() {
                    if let Some(slot) = self.bound.get_mut(variable) {
                        *slot = before;
                    }
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fits(&mut self, from: &Type, to: &Type) -> Result<bool, TooComplex> {
        self.step()?;
        if let Type::Variable(variable) = to {
            let (valid, bound) = self.stands_for(from, *variable)?;
            if valid || bound {
                return Ok(valid);
            }
        }
        if let Type::Variable(variable) = from {
            return Ok(self.stands_for(to, *variable)?.0);
        }
        if from.is_dyn() || to.is_dyn() {
            return Ok(true);
        }
        match (from, to) {
            (Type::Null, other) | (other, Type::Null) => Ok(other.accepts_null()),
            (Type::List(from), Type::List(to)) => self.fits(from, to),
            (Type::Map(from), Type::Map(to)) => Ok(self.fits(&from.0, &to.0)? && self.fits(&from.1, &to.1)?),
            (Type::Meta(_), Type::Meta(_)) => Ok(true),
            _ => Ok(from == to),
        }
    }

    /// Whether the variable can stand for the type, and whether it already stood for one.
    fn stands_for(&mut self, other: &Type, variable: usize) -> Result<(bool, bool), TooComplex> {
        if matches!(other, Type::Variable(same) if *same == variable) {
            return Ok((true, true));
        }
        if let Some(bound) = self.find(variable) {
            if self.is_same(other, &bound)? {
                return Ok((true, true));
            }
            if !self.fits(other, &bound)? {
                return Ok((false, true));
            }
            let general = self.most_general(other, &bound)?;
            if !self.occurs(variable, &general)? {
                self.bind(variable, general);
            }
            return Ok((true, true));
        }
        if self.occurs(variable, other)? {
            return Ok((false, false));
        }
        self.bind(variable, other.clone());
        Ok((true, false))
    }

    /// Equality that takes fuel.
    pub(super) fn is_same(&mut self, a: &Type, b: &Type) -> Result<bool, TooComplex> {
        self.step()?;
        match (a, b) {
            (Type::List(a), Type::List(b)) | (Type::Meta(a), Type::Meta(b)) => self.is_same(a, b),
            (Type::Map(a), Type::Map(b)) => Ok(self.is_same(&a.0, &b.0)? && self.is_same(&a.1, &b.1)?),
            _ => Ok(a == b),
        }
    }

    fn occurs(&mut self, variable: usize, within: &Type) -> Result<bool, TooComplex> {
        self.step()?;
        Ok(match within {
            Type::Variable(other) if *other == variable => true,
            Type::Variable(other) => match self.find(*other) {
                Some(bound) => self.occurs(variable, &bound)?,
                None => false,
            },
            Type::List(element) => self.occurs(variable, element)?,
            Type::Map(entry) => self.occurs(variable, &entry.0)? || self.occurs(variable, &entry.1)?,
            Type::Meta(inner) => self.occurs(variable, inner)?,
            _ => false,
        })
    }

    /// The more general of two types that fit.
    pub(super) fn most_general(&mut self, a: &Type, b: &Type) -> Result<Type, TooComplex> {
        Ok(if self.is_no_more_specific(a, b)? { a.clone() } else { b.clone() })
    }

    fn is_no_more_specific(&mut self, a: &Type, b: &Type) -> Result<bool, TooComplex> {
        self.step()?;
        if a.is_dyn() || matches!(a, Type::Variable(_)) {
            return Ok(true);
        }
        if b.is_dyn() || matches!(b, Type::Variable(_)) {
            return Ok(false);
        }
        match (a, b) {
            (Type::List(a), Type::List(b)) => self.is_no_more_specific(a, b),
            (Type::Map(a), Type::Map(b)) => {
                Ok(self.is_no_more_specific(&a.0, &b.0)? && self.is_no_more_specific(&a.1, &b.1)?)
            }
            (Type::Meta(_), Type::Meta(_)) => Ok(true),
            _ => Ok(a == b),
        }
    }
}

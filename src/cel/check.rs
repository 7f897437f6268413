//! The type checker: every name must be declared and every operation possible, before any evaluation.
//!
//! It follows cel-go's checker, so that a condition passes here exactly if OpenFGA takes it.

use super::ast::{Expr, Fold, FoldStep, Kind, Literal};
use super::error::Problem;
use super::library::{Declaration, Function, Overload, Slot, declaration};
use super::types::{TooComplex, Type, Unifier};
use super::value::TypeName;

/// A parameter's name and type.
pub(super) type Parameter = (Box<str>, Type);

/// What the checker found out about a node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Resolution {
    /// Nothing that the evaluation needs.
    #[default]
    None,
    /// The variable of a macro, counted from the outermost.
    Local(usize),
    /// A parameter, by its index.
    Parameter(usize),
    /// A type's name.
    Type(TypeName),
    /// A call: the function, and its overload if only one is possible.
    Call(Function, Option<&'static Overload>),
}

/// Checks an expression against the parameters; gives its type and a resolution for each node.
pub(super) fn check(
    root: &Expr,
    nodes: usize,
    parameters: &[Parameter],
) -> Result<(Type, Vec<Resolution>), Problem> {
    let mut checker = Checker {
        parameters,
        locals: Vec::new(),
        uses: Vec::new(),
        unifier: Unifier::default(),
        resolutions: vec![Resolution::None; nodes],
        mixed_comparisons: false,
    };
    let found = checker.check(root)?;
    checker.refuse_types_as_values()?;
    let found = checker.substitute(root, &found)?;
    Ok((found, checker.resolutions))
}

struct Checker<'a> {
    parameters: &'a [Parameter],
    locals: Vec<(&'a str, Type)>,
    /// Where macros' variables are used: the place, the name and the type.
    uses: Vec<(&'a Expr, &'a str, Type)>,
    unifier: Unifier,
    resolutions: Vec<Resolution>,
    /// Whether numbers of different types may be compared. cel-go means to forbid it and forgets to once a macro was
    /// entered.
    mixed_comparisons: bool,
}

fn too_complex(at: &Expr) -> impl FnOnce(TooComplex) -> Problem {
    let at = at.at;
    move |TooComplex| Problem::new(at, "the types of the expression are too complex to check")
}

impl<'a> Checker<'a> {
    fn resolve(&mut self, expr: &Expr, resolution: Resolution) {
        if let Some(slot) = self.resolutions.get_mut(expr.id) {
            *slot = resolution;
        }
    }

    fn substitute(&mut self, expr: &Expr, of: &Type) -> Result<Type, Problem> {
        self.unifier.substitute(of).map_err(too_complex(expr))
    }

    fn assignable(&mut self, expr: &Expr, from: &Type, to: &Type) -> Result<bool, Problem> {
        self.unifier.assignable(&[(from, to)]).map_err(too_complex(expr))
    }

    fn check(&mut self, expr: &'a Expr) -> Result<Type, Problem> {
        match &expr.kind {
            Kind::Literal(literal) => Ok(literal_type(literal)),
            Kind::Ident { name, global } => self.ident(expr, name, *global),
            Kind::Select { operand, .. } => match self.qualified(expr) {
                Some((resolution, found)) => {
                    self.resolve(expr, resolution);
                    Ok(found)
                }
                None => self.select(expr, operand),
            },
            Kind::Has { operand, .. } => {
                self.select(expr, operand)?;
                Ok(Type::Bool)
            }
            Kind::Call { function, target, args } => self.call(expr, function, target.as_deref(), args),
            Kind::And(terms) | Kind::Or(terms) => {
                let types = terms.iter().map(|term| self.check(term)).collect::<Result<Vec<_>, _>>()?;
                for (term, found) in terms.iter().zip(&types) {
                    self.expect_bool(term, found)?;
                }
                Ok(Type::Bool)
            }
            Kind::Conditional(parts) => {
                let [condition, yes, no] = &**parts;
                let types = [self.check(condition)?, self.check(yes)?, self.check(no)?];
                self.conditional(expr, &types)
            }
            Kind::List(elements) => {
                let mut joined = None;
                for element in elements {
                    let found = self.check(element)?;
                    joined = Some(self.join(element, joined, found)?);
                }
                let element = joined.unwrap_or_else(|| self.unifier.variable());
                self.substitute(expr, &Type::list(element))
            }
            Kind::Map(entries) => {
                let (mut keys, mut values) = (None, None);
                for (key, value) in entries {
                    let found = self.check(key)?;
                    keys = Some(self.join(key, keys, found)?);
                    let found = self.check(value)?;
                    values = Some(self.join(value, values, found)?);
                }
                let key = keys.unwrap_or_else(|| self.unifier.variable());
                let value = values.unwrap_or_else(|| self.unifier.variable());
                self.substitute(expr, &Type::map(key, value))
            }
            Kind::Fold(fold) => self.fold(expr, fold),
        }
    }

    /// The common type of elements: the more general one, or any.
    fn join(&mut self, at: &Expr, previous: Option<Type>, current: Type) -> Result<Type, Problem> {
        let Some(previous) = previous else { return Ok(current) };
        if self.assignable(at, &previous, &current)? {
            return self.unifier.most_general(&previous, &current).map_err(too_complex(at));
        }
        Ok(Type::Dyn)
    }

    /// A macro's variable cannot stand for a type: cel-go takes the variable's name for the type's.
    fn refuse_types_as_values(&mut self) -> Result<(), Problem> {
        for (expr, name, found) in std::mem::take(&mut self.uses) {
            if let Type::Meta(_) = self.substitute(expr, &found)? {
                return Err(Problem::new(expr.at, format!("reference to undefined type: {name}")));
            }
        }
        Ok(())
    }

    fn ident(&mut self, expr: &'a Expr, name: &'a str, global: bool) -> Result<Type, Problem> {
        let local = self.locals.iter().enumerate().rev().find(|(_, (local, _))| *local == name);
        let (resolution, found) = match local {
            Some((index, (_, found))) if !global => (Resolution::Local(index), found.clone()),
            _ => self.global(name).ok_or_else(|| {
                let dot = if global { "." } else { "" };
                undeclared(expr, &format!("{dot}{name}"))
            })?,
        };
        if let Resolution::Local(_) = resolution {
            self.uses.push((expr, name, found.clone()));
        }
        self.resolve(expr, resolution);
        Ok(found)
    }

    /// A parameter, or else a type, of this name.
    fn global(&self, name: &str) -> Option<(Resolution, Type)> {
        let parameter = self.parameters.iter().position(|(parameter, _)| **parameter == *name);
        if let Some((index, (_, found))) =
            parameter.and_then(|index| Some((index, self.parameters.get(index)?)))
        {
            return Some((Resolution::Parameter(index), found.clone()));
        }
        let name = TypeName::of_identifier(name)?;
        Some((Resolution::Type(name), Type::Meta(Type::Dyn.into())))
    }

    /// `a.b.c` where that whole name is declared. Parameters given in JSON may have dots in their names.
    fn qualified(&self, expr: &Expr) -> Option<(Resolution, Type)> {
        let mut parts = Vec::new();
        let mut inner = expr;
        while let Kind::Select { operand, field } = &inner.kind {
            parts.push(&**field);
            inner = operand;
        }
        let Kind::Ident { name, global } = &inner.kind else { return None };
        if !global && self.locals.iter().any(|(local, _)| *local == &**name) {
            return None;
        }
        parts.push(name);
        parts.reverse();
        self.global(&parts.join("."))
    }

    fn select(&mut self, expr: &Expr, operand: &'a Expr) -> Result<Type, Problem> {
        let found = self.check(operand)?;
        let found = self.substitute(expr, &found)?;
        match &found {
            Type::Map(entry) => self.substitute(expr, &entry.1),
            Type::Variable(_) => {
                self.assignable(expr, &Type::Dyn, &found)?;
                Ok(Type::Dyn)
            }
            Type::Dyn | Type::Any => Ok(Type::Dyn),
            other => Err(Problem::new(expr.at, format!("type '{other}' does not support field selection"))),
        }
    }

    fn call(
        &mut self,
        expr: &Expr,
        name: &str,
        target: Option<&'a Expr>,
        args: &'a [Expr],
    ) -> Result<Type, Problem> {
        // The target comes last: a macro among the arguments allows mixed comparisons in it.
        let mut types = args.iter().map(|arg| self.check(arg)).collect::<Result<Vec<_>, _>>()?;
        if let Some(target) = target {
            types.insert(0, self.check(target)?);
        }
        let declaration = declaration(name).ok_or_else(|| undeclared(expr, name))?;
        self.overload(expr, declaration, target.is_some(), &types)
    }

    /// The result of a call, from all overloads that fit: if they differ in it, it is not known.
    #[inline(never)]
    fn overload(
        &mut self,
        expr: &Expr,
        declaration: &'static Declaration,
        is_method: bool,
        args: &[Type],
    ) -> Result<Type, Problem> {
        let mut result: Option<Type> = None;
        let mut fitting = Vec::with_capacity(declaration.overloads.len());
        for overload in declaration.overloads {
            if overload.is_method != is_method
                || overload.args.len() != args.len()
                || (overload.is_mixed && !self.mixed_comparisons)
            {
                continue;
            }
            let variables = [self.unifier.variable(), self.unifier.variable()];
            let candidates: Vec<Type> =
                overload.args.iter().map(|slot| slot_type(*slot, &variables)).collect();
            let pairs: Vec<(&Type, &Type)> = args.iter().zip(&candidates).collect();
            if !self.unifier.assignable(&pairs).map_err(too_complex(expr))? {
                continue;
            }
            fitting.push(overload);
            let found = self.substitute(expr, &slot_type(overload.result, &variables))?;
            result = Some(match result {
                None => found,
                Some(first) if first.is_dyn() => first,
                Some(first) => {
                    if self.unifier.is_same(&first, &found).map_err(too_complex(expr))? {
                        first
                    } else {
                        Type::Dyn
                    }
                }
            });
        }
        let Some(result) = result else {
            return Err(self.no_overload(expr, declaration.name, is_method, args));
        };
        let only = if let [only] = *fitting { Some(only) } else { None };
        self.resolve(expr, Resolution::Call(declaration.function, only));
        Ok(result)
    }

    #[inline(never)]
    fn no_overload(&mut self, expr: &Expr, name: &str, is_method: bool, args: &[Type]) -> Problem {
        let mut names = Vec::with_capacity(args.len());
        for arg in args {
            match self.substitute(expr, arg) {
                Ok(found) => names.push(found.to_string()),
                Err(problem) => return problem,
            }
        }
        let applied = match names.split_first() {
            Some((target, rest)) if is_method => format!("{target}.({})", rest.join(", ")),
            _ => format!("({})", names.join(", ")),
        };
        Problem::new(expr.at, format!("found no matching overload for '{name}' applied to '{applied}'"))
    }

    #[inline(never)]
    fn conditional(&mut self, expr: &Expr, types: &[Type; 3]) -> Result<Type, Problem> {
        let [condition, yes, no] = types;
        let result = self.unifier.variable();
        let pairs = [(condition, &Type::Bool), (yes, &result), (no, &result)];
        if !self.unifier.assignable(&pairs).map_err(too_complex(expr))? {
            return Err(self.no_overload(expr, "_?_:_", false, types));
        }
        self.substitute(expr, &result)
    }

    #[inline(never)]
    fn expect_bool(&mut self, expr: &Expr, found: &Type) -> Result<(), Problem> {
        if self.assignable(expr, found, &Type::Bool)? {
            return Ok(());
        }
        let found = self.substitute(expr, found)?;
        Err(Problem::new(expr.at, format!("expected type 'bool' but found '{found}'")))
    }

    fn fold(&mut self, expr: &Expr, fold: &'a Fold) -> Result<Type, Problem> {
        let range = self.check(&fold.range)?;
        let range = self.substitute(&fold.range, &range)?;
        let element = match &range {
            Type::List(element) => (**element).clone(),
            Type::Map(entry) => entry.0.clone(),
            Type::Variable(_) => {
                self.assignable(&fold.range, &Type::Dyn, &range)?;
                Type::Dyn
            }
            // A parameter declared as `any` is none: it must be made one with `dyn(…)`.
            Type::Dyn => Type::Dyn,
            other => {
                return Err(Problem::new(
                    fold.range.at,
                    format!(
                        "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                    ),
                ));
            }
        };
        self.mixed_comparisons = true;
        self.locals.push((&fold.variable, element.clone()));
        let result = match &fold.step {
            FoldStep::All(predicate) | FoldStep::Exists(predicate) => {
                let found = self.check(predicate)?;
                self.expect_bool(predicate, &found)?;
                Type::Bool
            }
            FoldStep::ExistsOne(predicate) => {
                let found = self.check(predicate)?;
                self.conditional(expr, &[found, Type::Int, Type::Int])?;
                Type::Bool
            }
            FoldStep::Filter(predicate) => {
                let found = self.check(predicate)?;
                self.uses.push((predicate, &fold.variable, element.clone()));
                let result = Type::list(element);
                self.conditional(expr, &[found, result.clone(), result])?
            }
            FoldStep::Map { predicate: None, transform } => Type::list(self.check(transform)?),
            FoldStep::Map { predicate: Some(predicate), transform } => {
                let found = self.check(predicate)?;
                let result = Type::list(self.check(transform)?);
                self.conditional(expr, &[found, result.clone(), result])?
            }
        };
        self.locals.pop();
        self.substitute(expr, &result)
    }
}

fn undeclared(expr: &Expr, name: &str) -> Problem {
    Problem::new(expr.at, format!("undeclared reference to '{name}' (in container '')"))
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}

fn slot_type(slot: Slot, [a, b]: &[Type; 2]) -> Type {
    match slot {
        Slot::Bool => Type::Bool,
        Slot::Bytes => Type::Bytes,
        Slot::Double => Type::Double,
        Slot::Duration => Type::Duration,
        Slot::Dyn => Type::Dyn,
        Slot::Int => Type::Int,
        Slot::IpAddress => Type::IpAddress,
        Slot::String => Type::String,
        Slot::Timestamp => Type::Timestamp,
        Slot::Uint => Type::Uint,
        Slot::A => a.clone(),
        Slot::B => b.clone(),
        Slot::ListOfA => Type::list(a.clone()),
        Slot::MapOfAB => Type::map(a.clone(), b.clone()),
        Slot::TypeOfA => Type::Meta(a.clone().into()),
    }
}

//! The parser: tokens become a tree. Recursive descent, as deep as an expression may be nested and no deeper.
//!
//! It follows cel-go's grammar, its oddities included: after `!` or `-` comes a member, so that `!-a` is an error;
//! between `?` and `:` stands no ternary without parentheses.

use super::ast::{Expr, Fold, FoldStep, Kind};
use super::error::Problem;
use super::lexer::{Token, lex};
use super::literal::literal;
use crate::model::limits::CONDITION_NESTING_MAX;

/// Names that cannot stand alone, though they may be fields.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// How strongly an operator binds, and its function; `None` for what is no binary operator.
fn binary_operator(token: Token<'_>) -> Option<(u8, &'static str)> {
    Some(match token {
        Token::Symbol("||") => (0, OR),
        Token::Symbol("&&") => (1, AND),
        Token::Symbol("<") => (2, "_<_"),
        Token::Symbol("<=") => (2, "_<=_"),
        Token::Symbol(">") => (2, "_>_"),
        Token::Symbol(">=") => (2, "_>=_"),
        Token::Symbol("==") => (2, "_==_"),
        Token::Symbol("!=") => (2, "_!=_"),
        Token::In => (2, "@in"),
        Token::Symbol("+") => (3, "_+_"),
        Token::Symbol("-") => (3, "_-_"),
        Token::Symbol("*") => (4, "_*_"),
        Token::Symbol("/") => (4, "_/_"),
        Token::Symbol("%") => (4, "_%_"),
        _ => return None,
    })
}

const OR: &str = "_||_";
const AND: &str = "_&&_";

/// The tree of an expression.
pub(super) fn parse(text: &str) -> Result<Tree, Problem> {
    let mut parser = Parser { tokens: lex(text)?, next: 0, nodes: 0, depth: 0 };
    let root = parser.ternary()?;
    match parser.peek() {
        Token::End => Ok(Tree { root, nodes: parser.nodes }),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

/// A tree, and how many nodes it has.
pub(super) struct Tree {
    pub(super) root: Expr,
    pub(super) nodes: usize,
}

struct Parser<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    next: usize,
    nodes: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.next).map_or(Token::End, |(token, _)| *token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |(_, at)| *at)
    }

    /// Takes the next token if it is this symbol; gives its place.
    fn take(&mut self, symbol: &str) -> Option<usize> {
        let at = self.at();
        matches!(self.peek(), Token::Symbol(found) if found == symbol).then(|| {
            self.next += 1;
            at
        })
    }

    fn expect(&mut self, symbol: &str) -> Result<usize, Problem> {
        self.take(symbol).ok_or_else(|| self.unexpected(&format!("'{symbol}'")))
    }

    fn unexpected(&self, expected: &str) -> Problem {
        let found = match self.peek() {
            Token::End => "'<EOF>'".into(),
            Token::Symbol(symbol) => format!("'{symbol}'"),
            Token::In => "'in'".into(),
            Token::True => "'true'".into(),
            Token::False => "'false'".into(),
            Token::Null => "'null'".into(),
            Token::Int(text) | Token::Uint(text) | Token::Double(text) | Token::Ident(text) => {
                format!("'{text}'")
            }
            Token::Quoted(_) => "a quoted name".into(),
            Token::String(_) | Token::Bytes(_) => "a text".into(),
        };
        Problem::new(self.at(), format!("Syntax error: unexpected {found}, expected {expected}"))
    }

    fn node(&mut self, at: usize, kind: Kind) -> Result<Expr, Problem> {
        let mut height = 0;
        for_each_child(&kind, |child| height = height.max(child.height));
        if height >= CONDITION_NESTING_MAX {
            return Err(too_deep(at));
        }
        let id = self.nodes;
        self.nodes += 1;
        Ok(Expr { at, id, height: height + 1, kind })
    }

    fn call(&mut self, at: usize, function: &str, args: Vec<Expr>) -> Result<Expr, Problem> {
        self.node(at, Kind::Call { function: function.into(), target: None, args })
    }

    /// `or ? or : ternary`
    fn ternary(&mut self) -> Result<Expr, Problem> {
        if self.depth >= CONDITION_NESTING_MAX {
            return Err(too_deep(self.at()));
        }
        self.depth += 1;
        let mut expr = self.binary(0)?;
        if let Some(at) = self.take("?") {
            let yes = self.binary(0)?;
            self.expect(":")?;
            let no = self.ternary()?;
            expr = self.node(at, Kind::Conditional(Box::new([expr, yes, no])))?;
        }
        self.depth -= 1;
        Ok(expr)
    }

    /// Operands with operators between them that bind at least so strongly; all of them from left to right.
    fn binary(&mut self, binding_min: u8) -> Result<Expr, Problem> {
        let mut left = self.unary()?;
        while let Some((binding, function)) = binary_operator(self.peek()).filter(|(b, _)| *b >= binding_min)
        {
            let at = self.at();
            self.next += 1;
            let right = self.binary(binding + 1)?;
            left = self.apply(at, function, left, right)?;
        }
        Ok(left)
    }

    /// Applies a binary operator. Terms of one logical operator are one node.
    fn apply(&mut self, at: usize, function: &str, left: Expr, right: Expr) -> Result<Expr, Problem> {
        let kind = match (function, left.kind) {
            (OR, Kind::Or(mut terms)) => {
                terms.push(right);
                Kind::Or(terms)
            }
            (AND, Kind::And(mut terms)) => {
                terms.push(right);
                Kind::And(terms)
            }
            (function, kind) => {
                let left = Expr { kind, ..left };
                match function {
                    OR => Kind::Or(vec![left, right]),
                    AND => Kind::And(vec![left, right]),
                    _ => return self.call(at, function, vec![left, right]),
                }
            }
        };
        self.node(at, kind)
    }

    /// Signs, of which two are none.
    fn unary(&mut self) -> Result<Expr, Problem> {
        let at = self.at();
        let (symbol, function) = match self.peek() {
            Token::Symbol("!") => ("!", "!_"),
            // A single sign before a number is the number's.
            Token::Symbol("-") if !self.is_number(self.next + 1) => ("-", "-_"),
            _ => return self.member(),
        };
        let mut count = 0_usize;
        while self.take(symbol).is_some() {
            count += 1;
        }
        let member = self.member()?;
        if count.is_multiple_of(2) { Ok(member) } else { self.call(at, function, vec![member]) }
    }

    fn is_number(&self, index: usize) -> bool {
        matches!(self.tokens.get(index), Some((Token::Int(_) | Token::Double(_), _)))
    }

    /// A primary with fields, indices and calls behind it.
    fn member(&mut self) -> Result<Expr, Problem> {
        let mut expr = self.primary()?;
        loop {
            if let Some(at) = self.take(".") {
                self.refuse_optional()?;
                let name = match self.peek() {
                    Token::Ident(name) => name,
                    Token::Quoted(name) => {
                        self.next += 1;
                        expr = self.node(at, Kind::Select { operand: Box::new(expr), field: name.into() })?;
                        continue;
                    }
                    _ => return Err(self.unexpected("a field's name")),
                };
                self.next += 1;
                expr = match self.take("(") {
                    Some(open) => {
                        let args = self.list(")", Self::ternary)?;
                        self.method(open, name, expr, args)?
                    }
                    None => self.node(at, Kind::Select { operand: Box::new(expr), field: name.into() })?,
                };
            } else if let Some(at) = self.take("[") {
                self.refuse_optional()?;
                let index = self.ternary()?;
                self.expect("]")?;
                expr = self.call(at, "_[_]", vec![expr, index])?;
            } else if matches!(self.peek(), Token::Symbol("{")) && is_qualified(&expr) {
                return Err(Problem::new(self.at(), "messages cannot be constructed in a condition"));
            } else {
                return Ok(expr);
            }
        }
    }

    fn refuse_optional(&self) -> Result<(), Problem> {
        match self.peek() {
            Token::Symbol("?") => Err(Problem::new(self.at(), "unsupported syntax '?'")),
            _ => Ok(()),
        }
    }

    fn primary(&mut self) -> Result<Expr, Problem> {
        let at = self.at();
        let negative = matches!(self.peek(), Token::Symbol("-")) && self.is_number(self.next + 1);
        if negative {
            self.next += 1;
        }
        if let Some(value) = literal(self.peek(), negative) {
            self.next += 1;
            let value = value.map_err(|message| Problem::new(at, message))?;
            return self.node(at, Kind::Literal(value));
        }
        if self.take("(").is_some() {
            let inner = self.ternary()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.take("[").is_some() {
            let elements = self.list("]", Self::element)?;
            return self.node(at, Kind::List(elements));
        }
        if self.take("{").is_some() {
            let entries = self.list("}", |parser| {
                let key = parser.element()?;
                parser.expect(":")?;
                Ok((key, parser.ternary()?))
            })?;
            return self.node(at, Kind::Map(entries));
        }
        let global = self.take(".").is_some();
        let at = self.at();
        let Token::Ident(name) = self.peek() else { return Err(self.unexpected("a value")) };
        self.next += 1;
        if RESERVED.contains(&name) {
            return Err(Problem::new(at, format!("reserved identifier: {name}")));
        }
        match self.take("(") {
            Some(open) => {
                let args = self.list(")", Self::ternary)?;
                self.function(open, name, global, args)
            }
            None => self.node(at, Kind::Ident { name: name.into(), global }),
        }
    }

    fn element(&mut self) -> Result<Expr, Problem> {
        self.refuse_optional()?;
        self.ternary()
    }

    /// Items up to the closing bracket. Lists and maps may end in a comma, or be nothing but one.
    fn list<T>(
        &mut self,
        close: &str,
        item: impl Fn(&mut Self) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let trailing_comma = close != ")";
        let mut items = Vec::new();
        if self.take(close).is_some() {
            return Ok(items);
        }
        if trailing_comma && self.take(",").is_some() {
            self.expect(close)?;
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.take(",").is_none() {
                self.expect(close)?;
                return Ok(items);
            }
            if trailing_comma && self.take(close).is_some() {
                return Ok(items);
            }
        }
    }

    /// A call of a function, or the macro `has`.
    fn function(
        &mut self,
        at: usize,
        name: &str,
        global: bool,
        mut args: Vec<Expr>,
    ) -> Result<Expr, Problem> {
        if name != "has" || global || args.len() != 1 {
            return self.call(at, name, args);
        }
        match args.pop().map(|arg| (arg.at, arg.kind)) {
            Some((at, Kind::Select { operand, field } | Kind::Has { operand, field })) => {
                self.node(at, Kind::Has { operand, field })
            }
            other => {
                let at = other.map_or(at, |(at, _)| at);
                Err(Problem::new(at, "invalid argument to has() macro"))
            }
        }
    }

    /// A call of a method, or a macro.
    fn method(&mut self, at: usize, name: &str, target: Expr, args: Vec<Expr>) -> Result<Expr, Problem> {
        if !matches!((name, args.len()), ("all" | "exists" | "exists_one" | "filter" | "map", 2) | ("map", 3))
        {
            let target = Some(Box::new(target));
            return self.node(at, Kind::Call { function: name.into(), target, args });
        }
        let mut args = args.into_iter();
        let variable = match args.next().map(|arg| (arg.at, arg.kind)) {
            Some((_, Kind::Ident { name, global: false })) if &*name != "__result__" => name,
            Some((at, Kind::Ident { global: false, .. })) => {
                return Err(Problem::new(at, "iteration variable overwrites accumulator variable"));
            }
            other => {
                let at = other.map_or(at, |(at, _)| at);
                return Err(Problem::new(at, "argument must be a simple name"));
            }
        };
        let step = match (name, args.next(), args.next()) {
            ("all", Some(predicate), None) => FoldStep::All(predicate),
            ("exists", Some(predicate), None) => FoldStep::Exists(predicate),
            ("exists_one", Some(predicate), None) => FoldStep::ExistsOne(predicate),
            ("filter", Some(predicate), None) => FoldStep::Filter(predicate),
            ("map", Some(predicate), Some(transform)) => {
                FoldStep::Map { predicate: Some(predicate), transform }
            }
            ("map", Some(transform), None) => FoldStep::Map { predicate: None, transform },
            _ => return Err(Problem::new(at, "wrong number of arguments")),
        };
        self.node(at, Kind::Fold(Box::new(Fold { range: target, variable, step })))
    }
}

fn too_deep(at: usize) -> Problem {
    Problem::new(at, format!("expression recursion limit exceeded: {CONDITION_NESTING_MAX}"))
}

/// `a.b.c`
fn is_qualified(mut expr: &Expr) -> bool {
    while let Kind::Select { operand, .. } = &expr.kind {
        expr = operand;
    }
    matches!(expr.kind, Kind::Ident { .. })
}

fn for_each_child<'a>(kind: &'a Kind, mut each: impl FnMut(&'a Expr)) {
    match kind {
        Kind::Literal(_) | Kind::Ident { .. } => {}
        Kind::Select { operand, .. } | Kind::Has { operand, .. } => each(operand),
        Kind::Call { target, args, .. } => target.iter().map(|target| &**target).chain(args).for_each(each),
        Kind::And(terms) | Kind::Or(terms) | Kind::List(terms) => terms.iter().for_each(each),
        Kind::Conditional(parts) => parts.iter().for_each(each),
        Kind::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).for_each(each),
        Kind::Fold(fold) => {
            each(&fold.range);
            match &fold.step {
                FoldStep::All(one)
                | FoldStep::Exists(one)
                | FoldStep::ExistsOne(one)
                | FoldStep::Filter(one) => {
                    each(one);
                }
                FoldStep::Map { predicate, transform } => {
                    predicate.iter().for_each(&mut each);
                    each(transform);
                }
            }
        }
    }
}

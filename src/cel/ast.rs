//! The tree that the parser makes of an expression. Macros are resolved: they are nodes of their own.

/// A node.
#[derive(Debug)]
pub(super) struct Expr {
    /// Where it is, in bytes: an operator's place is that of its symbol, a call's that of its parenthesis.
    pub(super) at: usize,
    /// Number of the node, unique in its tree, from 0.
    pub(super) id: usize,
    /// Levels of nodes from here to the deepest leaf.
    pub(super) height: usize,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    Literal(Literal),
    /// A name. With a leading dot it is looked up among the parameters only.
    Ident {
        name: Box<str>,
        global: bool,
    },
    /// `operand.field`
    Select {
        operand: Box<Expr>,
        field: Box<str>,
    },
    /// `has(operand.field)`
    Has {
        operand: Box<Expr>,
        field: Box<str>,
    },
    /// `function(args)`, `target.function(args)`, and all operators but those below.
    Call {
        function: Box<str>,
        target: Option<Box<Expr>>,
        args: Vec<Expr>,
    },
    /// `a && b && c`
    And(Vec<Expr>),
    /// `a || b || c`
    Or(Vec<Expr>),
    /// `condition ? yes : no`
    Conditional(Box<[Expr; 3]>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `{a: b}`
    Map(Vec<(Expr, Expr)>),
    /// A macro that goes over a list or a map's keys.
    Fold(Box<Fold>),
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
}

/// `range.all(variable, predicate)` and its like.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) range: Expr,
    pub(super) variable: Box<str>,
    pub(super) step: FoldStep,
}

/// What a macro does with each element.
#[derive(Debug)]
pub(super) enum FoldStep {
    All(Expr),
    Exists(Expr),
    ExistsOne(Expr),
    /// `filter`: the elements for which it holds.
    Filter(Expr),
    /// `map`, with the predicate of its longer form.
    Map {
        predicate: Option<Expr>,
        transform: Expr,
    },
}

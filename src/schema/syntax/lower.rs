//! From the tree to the model, with the spans of its parts.
//!
//! A tree with errors has gaps; what is incomplete is left out. Reported here is only what OpenFGA's transformer
//! reports while it builds the model: what is defined twice under one name, and `extend` outside of a module.
//! Whether names refer to something is none of this file's business.

use std::collections::HashSet;
use std::ops::Range;

use super::grammar::Rule;
use super::parser::{Child, Tree};
use super::spans::{ConditionSpans, LeafSpans, RelationSpans, RestrictionSpans, Span, Spans, TypeSpans};
use super::token::{Kind, Token};
use crate::model::{
    AuthorizationModel, Condition, ConditionParameter, Origin, ParameterType, RelationDefinition,
    RestrictionKind, Rewrite, SchemaVersion, TypeDefinition, TypeRestriction,
};
use crate::schema::source::Source;

/// What a text starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::schema) enum Header {
    /// Nothing that could be read.
    Missing,
    /// `model`, with its schema version as written.
    Model(Box<str>),
    /// `module`, with its name.
    Module(Box<str>),
}

/// A model as written, with its places.
pub(in crate::schema) struct Lowered {
    pub(in crate::schema) header: Header,
    pub(in crate::schema) model: AuthorizationModel,
    pub(in crate::schema) spans: Spans,
    /// Indices of the types that extend a type of another module.
    pub(in crate::schema) extensions: Vec<usize>,
    /// What cannot stand in a model together.
    pub(super) problems: Vec<(Span, String)>,
}

/// Builds the model.
pub(super) fn lower(source: &Source<'_>, tokens: &[Token], tree: &Tree) -> Lowered {
    let mut lowering = Lowering {
        source,
        tokens,
        conditions: HashSet::new(),
        extended: HashSet::new(),
        lowered: Lowered {
            header: Header::Missing,
            model: AuthorizationModel {
                schema_version: SchemaVersion::V1_1,
                types: Vec::new(),
                conditions: Vec::new(),
            },
            spans: Spans::default(),
            extensions: Vec::new(),
            problems: Vec::new(),
        },
    };
    lowering.main(tree);
    lowering.lowered
}

struct Lowering<'a> {
    source: &'a Source<'a>,
    tokens: &'a [Token],
    /// The names of the conditions and of the extended types so far.
    conditions: HashSet<Box<str>>,
    extended: HashSet<Box<str>>,
    lowered: Lowered,
}

/// A rewrite under construction, with what belongs to it.
struct Definition {
    rewrite: Rewrite,
    restrictions: Vec<TypeRestriction>,
    restriction_spans: Vec<RestrictionSpans>,
    leaves: Vec<LeafSpans>,
}

impl Lowering<'_> {
    fn main(&mut self, tree: &Tree) {
        for child in trees(tree) {
            match child.rule {
                Rule::ModelHeader => self.model_header(child),
                Rule::ModuleHeader => {
                    self.lowered.model.schema_version = SchemaVersion::V1_2;
                    if let Some(name) = trees(child).find(|c| c.rule == Rule::Name).and_then(|c| self.name(c))
                    {
                        self.lowered.header = Header::Module(name.0);
                    }
                }
                Rule::Types => trees(child).for_each(|c| self.type_definition(c)),
                Rule::Conditions => trees(child).for_each(|c| self.condition(c)),
                _ => {}
            }
        }
    }

    fn model_header(&mut self, tree: &Tree) {
        let Some(span) = self.token(tree, Kind::SchemaVersion) else { return };
        let text = self.source.slice(span.clone());
        if text == "1.2" {
            self.lowered.model.schema_version = SchemaVersion::V1_2;
        }
        self.lowered.header = Header::Model(text.into());
        self.lowered.spans.version = Some(span);
    }

    fn origin(&self) -> Origin {
        match &self.lowered.header {
            Header::Module(name) => Origin { module: Some(name.clone()), file: None },
            Header::Missing | Header::Model(_) => Origin::default(),
        }
    }

    fn problem(&mut self, span: Span, message: String) {
        self.lowered.problems.push((span, message));
    }

    fn type_definition(&mut self, tree: &Tree) {
        let Some((name, span)) = self.child_name(tree, Rule::ExtendedName) else { return };
        let in_module = matches!(self.lowered.header, Header::Module(_));
        let extends = self.token(tree, Kind::Extend).is_some();
        if extends && !in_module {
            self.problem(span.clone(), "a type can be extended in a module only".into());
        }
        let mut relations = Vec::new();
        let mut relation_spans = Vec::new();
        let mut names: HashSet<Box<str>> = HashSet::new();
        for child in trees(tree).filter(|c| c.rule == Rule::RelationDeclaration) {
            let Some((relation, spans)) = self.relation(child) else { continue };
            if !names.insert(relation.name.clone()) {
                let message =
                    format!("the relation `{}` is already defined in the type `{name}`", relation.name);
                self.problem(spans.name, message);
                continue;
            }
            let origin = if extends { self.origin() } else { Origin::default() };
            relations.push(RelationDefinition { origin, ..relation });
            relation_spans.push(spans);
        }
        if extends && in_module {
            if !self.extended.insert(name.clone()) {
                self.problem(span.clone(), format!("the type `{name}` is already extended in this file"));
            }
            self.lowered.extensions.push(self.lowered.model.types.len());
        }
        self.lowered.model.types.push(TypeDefinition { name, relations, origin: self.origin() });
        self.lowered.spans.types.push(TypeSpans { name: span, relations: relation_spans });
    }

    fn relation(&self, tree: &Tree) -> Option<(RelationDefinition, RelationSpans)> {
        let name = trees(tree).find(|c| c.rule == Rule::RelationName)?;
        let (name, span) = self.child_name(name, Rule::ExtendedName)?;
        let definition = self.definition(trees(tree).find(|c| c.rule == Rule::Definition)?)?;
        Some((
            RelationDefinition {
                name,
                rewrite: definition.rewrite,
                restrictions: definition.restrictions,
                origin: Origin::default(),
            },
            RelationSpans {
                name: span,
                restrictions: definition.restriction_spans,
                leaves: definition.leaves,
            },
        ))
    }

    /// A definition, or what stands in parentheses. Its depth is bounded by that of the parentheses.
    fn definition(&self, tree: &Tree) -> Option<Definition> {
        let mut parts = trees(tree);
        let mut first = self.operand(parts.next()?)?;
        let Some(operators) = parts.next() else { return Some(first) };
        let mut rest = Vec::new();
        for operand in trees(operators) {
            let operand = self.operand(operand)?;
            first.restrictions.extend(operand.restrictions);
            first.restriction_spans.extend(operand.restriction_spans);
            first.leaves.extend(operand.leaves);
            rest.push(operand.rewrite);
        }
        let has = |kind| self.token(operators, kind).is_some();
        let operands = |base, rest: Vec<Rewrite>| std::iter::once(base).chain(rest).collect();
        first.rewrite = if has(Kind::Or) {
            Rewrite::Union(operands(first.rewrite, rest))
        } else if has(Kind::And) {
            Rewrite::Intersection(operands(first.rewrite, rest))
        } else {
            Rewrite::Difference {
                base: Box::new(first.rewrite),
                subtract: Box::new(rest.into_iter().next()?),
            }
        };
        Some(first)
    }

    fn operand(&self, tree: &Tree) -> Option<Definition> {
        match tree.rule {
            Rule::Restrictions => Some(self.restrictions(tree)),
            Rule::Grouping => self.leaf(trees(tree).next()?),
            Rule::Group | Rule::IndirectGroup => {
                let inner = trees(tree).next()?;
                if inner.rule == Rule::IndirectGroup { self.operand(inner) } else { self.definition(inner) }
            }
            _ => None,
        }
    }

    fn restrictions(&self, tree: &Tree) -> Definition {
        let (restrictions, restriction_spans) =
            trees(tree).filter_map(|restriction| self.restriction(restriction)).unzip();
        Definition {
            rewrite: Rewrite::This,
            restrictions,
            restriction_spans,
            leaves: vec![LeafSpans { whole: self.span(tree).unwrap_or_default(), tupleset: None }],
        }
    }

    fn restriction(&self, tree: &Tree) -> Option<(TypeRestriction, RestrictionSpans)> {
        let base = trees(tree).find(|c| c.rule == Rule::RestrictionBase)?;
        let mut names = trees(base).filter_map(|c| self.name(c));
        let (type_name, type_span) = names.next()?;
        let kind = match names.next() {
            Some((relation, _)) => RestrictionKind::Userset(relation),
            None if self.token(base, Kind::Star).is_some() => RestrictionKind::Wildcard,
            None => RestrictionKind::Object,
        };
        let condition = trees(tree).find(|c| c.rule == Rule::ConditionName).and_then(|c| self.name(c));
        let (condition, condition_span) = condition.unzip();
        Some((
            TypeRestriction { type_name, kind, condition },
            RestrictionSpans { type_name: type_span, subject: self.span(base)?, condition: condition_span },
        ))
    }

    fn leaf(&self, tree: &Tree) -> Option<Definition> {
        let mut names = trees(tree).filter_map(|c| self.name(c));
        let (computed, _) = names.next()?;
        let (rewrite, tupleset) = match names.next() {
            Some((tupleset, span)) => (Rewrite::TupleToUserset { tupleset, computed }, Some(span)),
            None => (Rewrite::Computed(computed), None),
        };
        Some(Definition {
            rewrite,
            restrictions: Vec::new(),
            restriction_spans: Vec::new(),
            leaves: vec![LeafSpans { whole: self.span(tree)?, tupleset }],
        })
    }

    fn condition(&mut self, tree: &Tree) {
        let Some(name) = trees(tree).find(|c| c.rule == Rule::ConditionName) else { return };
        let Some((name, span)) = self.name(name) else { return };
        let mut parameters: Vec<ConditionParameter> = Vec::new();
        let mut parameter_spans = Vec::new();
        let mut names: HashSet<Box<str>> = HashSet::new();
        for child in trees(tree).filter(|c| c.rule == Rule::Parameter) {
            let Some((parameter, span)) = self.parameter(child) else { continue };
            if !names.insert(parameter.name.clone()) {
                let message = format!(
                    "the parameter `{}` is already defined in the condition `{name}`",
                    parameter.name
                );
                self.problem(span, message);
                continue;
            }
            parameters.push(parameter);
            parameter_spans.push(span);
        }
        if !self.conditions.insert(name.clone()) {
            return self.problem(span, format!("the condition `{name}` is already defined"));
        }
        let body = trees(tree).find(|c| c.rule == Rule::Expression);
        let expression = body.map(|b| self.text(b)).unwrap_or_default();
        let expression_span = body.and_then(|b| self.span(b)).unwrap_or_else(|| span.clone());
        self.lowered.model.conditions.push(Condition {
            name,
            expression: expression.trim().into(),
            parameters,
            origin: self.origin(),
        });
        self.lowered.spans.conditions.push(ConditionSpans {
            name: span,
            parameters: parameter_spans,
            expression: expression_span,
        });
    }

    fn parameter(&self, tree: &Tree) -> Option<(ConditionParameter, Span)> {
        let name = trees(tree).find(|c| c.rule == Rule::ParameterName)?;
        let (name, span) = self.name(name)?;
        let written = trees(tree).find(|c| c.rule == Rule::ParameterType)?;
        let plain = self.token(written, Kind::ParameterType)?;
        let plain = parameter_type(self.source.slice(plain))?;
        let parameter_type = match self.token(written, Kind::ParameterContainer) {
            Some(container) if self.source.slice(container.clone()) == "map" => {
                ParameterType::Map(Box::new(plain))
            }
            Some(_) => ParameterType::List(Box::new(plain)),
            None => plain,
        };
        Some((ConditionParameter { name, parameter_type }, span))
    }

    /// The name that is a child of the given rule.
    fn child_name(&self, tree: &Tree, rule: Rule) -> Option<(Box<str>, Span)> {
        self.name(trees(tree).find(|c| c.rule == rule)?)
    }

    /// The text and place of a tree that is a name.
    fn name(&self, tree: &Tree) -> Option<(Box<str>, Span)> {
        let span = self.span(tree)?;
        Some((self.source.slice(span.clone()).into(), span))
    }

    /// A tree's tokens, without what was skipped between them.
    fn text(&self, tree: &Tree) -> String {
        let spans = tree.children.iter().filter_map(|c| match c {
            Child::Token(at) => self.tokens.get(*at).map(|t| t.start..t.end),
            Child::Tree(_) => None,
        });
        spans.map(|s| self.source.slice(s)).collect()
    }

    fn token(&self, tree: &Tree, kind: Kind) -> Option<Span> {
        let mut tokens = tree.children.iter().filter_map(|c| match c {
            Child::Token(at) => self.tokens.get(*at),
            Child::Tree(_) => None,
        });
        tokens.find(|t| t.kind == kind).map(|t| t.start..t.end)
    }

    /// From a tree's first token to its last.
    fn span(&self, tree: &Tree) -> Option<Span> {
        let start = tree.children.iter().find_map(|c| self.child_span(c))?.start;
        let end = tree.children.iter().rev().find_map(|c| self.child_span(c))?.end;
        Some(Range { start, end })
    }

    fn child_span(&self, child: &Child) -> Option<Span> {
        match child {
            Child::Token(at) => self.tokens.get(*at).map(|t| t.start..t.end),
            Child::Tree(tree) => self.span(tree),
        }
    }
}

fn trees(tree: &Tree) -> impl Iterator<Item = &Tree> {
    tree.children.iter().filter_map(|c| match c {
        Child::Tree(tree) => Some(tree),
        Child::Token(_) => None,
    })
}

fn parameter_type(word: &str) -> Option<ParameterType> {
    Some(match word {
        "bool" => ParameterType::Bool,
        "string" => ParameterType::String,
        "int" => ParameterType::Int,
        "uint" => ParameterType::Uint,
        "double" => ParameterType::Double,
        "duration" => ParameterType::Duration,
        "timestamp" => ParameterType::Timestamp,
        "ipaddress" => ParameterType::IpAddress,
        _ => return None,
    })
}

//! Properties of all models and all texts.

use proptest::prelude::*;

use crate::model::{
    AuthorizationModel, Condition, ConditionParameter, Origin, ParameterType, RelationDefinition,
    RestrictionKind, Rewrite, SchemaVersion, TypeDefinition, TypeRestriction,
};
use crate::schema::json::{Style, from_str, from_value, to_value};
use crate::schema::{parse, parse_unchecked, print, validate, validate_language};

/// Names: plain ones, extended ones, and keywords that may be names.
fn name() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        4 => "[a-e_][a-z0-9_-]{0,4}",
        1 => "[a-e][0-9]([/.-][a-z0-9_]{1,3}){1,2}",
        1 => prop::sample::select(vec!["model", "schema", "type", "relation", "module", "extend"]).prop_map(Into::into),
    ]
    .prop_filter("is a keyword elsewhere", |n: &String| {
        !matches!(n.as_str(), "and" | "or" | "define" | "condition" | "from" | "with" | "but")
    })
    .prop_map(Into::into)
}

fn plain_name() -> impl Strategy<Value = Box<str>> {
    "[c-e][a-z0-9_-]{0,4}"
        .prop_filter("is a keyword", |n: &String| {
            !matches!(n.as_str(), "define" | "condition" | "double" | "duration")
        })
        .prop_map(Into::into)
}

fn parameter_type() -> impl Strategy<Value = ParameterType> {
    use ParameterType as P;
    let plain = prop::sample::select(vec![
        P::Bool,
        P::String,
        P::Int,
        P::Uint,
        P::Double,
        P::Duration,
        P::Timestamp,
        P::IpAddress,
    ]);
    (plain, 0..4).prop_map(|(plain, kind)| match kind {
        0 => P::Map(Box::new(plain)),
        1 => P::List(Box::new(plain)),
        _ => plain,
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let expression = prop::sample::select(vec![
        "x == 1",
        "x in [1u, 0x2F] && y",
        "m[\"}\"] == r'\\' // 2".trim_end_matches(" // 2"),
        "{\"a\": {\"b\": 1}}.a.b != 1.5e3",
        "a\n  && b # c".trim_end_matches(" # c"),
        "s == 'it #1'",
    ]);
    let parameters = prop::collection::btree_map(plain_name(), parameter_type(), 1..4);
    (plain_name(), expression, parameters).prop_map(|(name, expression, parameters)| Condition {
        name,
        expression: expression.into(),
        parameters: parameters
            .into_iter()
            .map(|(name, parameter_type)| ConditionParameter { name, parameter_type })
            .collect(),
        origin: Origin::default(),
    })
}

fn restriction() -> impl Strategy<Value = TypeRestriction> {
    let kind = prop_oneof![
        Just(RestrictionKind::Object),
        Just(RestrictionKind::Wildcard),
        name().prop_map(RestrictionKind::Userset)
    ];
    (name(), kind, prop::option::of(plain_name())).prop_map(|(type_name, kind, condition)| TypeRestriction {
        type_name,
        kind,
        condition,
    })
}

/// A rewrite without type restrictions.
fn indirect() -> impl Strategy<Value = Rewrite> {
    let leaf = prop_oneof![
        name().prop_map(Rewrite::Computed),
        (name(), name()).prop_map(|(tupleset, computed)| Rewrite::TupleToUserset { tupleset, computed }),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Rewrite::Union),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Rewrite::Intersection),
            (inner.clone(), inner)
                .prop_map(|(b, s)| Rewrite::Difference { base: Box::new(b), subtract: Box::new(s) }),
        ]
    })
}

/// Puts `first` at the place in the rewrite where the text begins.
fn starting_with(rewrite: Rewrite, first: Rewrite) -> Rewrite {
    let at_front = |mut children: Vec<Rewrite>, first| {
        if children.first().is_some_and(|c| matches!(c, Rewrite::Union(_) | Rewrite::Intersection(_))) {
            let inner = starting_with(children.remove(0), first);
            children.insert(0, inner);
        } else {
            children.insert(0, first);
        }
        children
    };
    match rewrite {
        Rewrite::Union(children) => Rewrite::Union(at_front(children, first)),
        Rewrite::Intersection(children) => Rewrite::Intersection(at_front(children, first)),
        Rewrite::Difference { subtract, .. } => Rewrite::Difference { base: Box::new(first), subtract },
        _ => first,
    }
}

fn relation() -> impl Strategy<Value = RelationDefinition> {
    (name(), indirect(), prop::collection::vec(restriction(), 0..4)).prop_map(
        |(name, rewrite, restrictions)| {
            let rewrite =
                if restrictions.is_empty() { rewrite } else { starting_with(rewrite, Rewrite::This) };
            RelationDefinition { name, rewrite, restrictions, origin: Origin::default() }
        },
    )
}

/// Models that the language can write; their names may refer to nothing.
fn model() -> impl Strategy<Value = AuthorizationModel> {
    let relations = prop::collection::vec(relation(), 0..5).prop_map(|mut relations| {
        let mut seen = std::collections::HashSet::new();
        relations.retain(|r| seen.insert(r.name.clone()));
        relations
    });
    let types = prop::collection::vec((name(), relations), 0..5);
    let conditions = prop::collection::vec(condition(), 0..3);
    (types, conditions, any::<bool>()).prop_map(|(types, mut conditions, new)| {
        let mut seen = std::collections::HashSet::new();
        conditions.retain(|c| seen.insert(c.name.clone()));
        AuthorizationModel {
            schema_version: if new { SchemaVersion::V1_2 } else { SchemaVersion::V1_1 },
            types: types
                .into_iter()
                .map(|(name, relations)| TypeDefinition { name, relations, origin: Origin::default() })
                .collect(),
            conditions,
        }
    })
}

/// Texts that are nearly models: pieces of the language in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "model",
        "\n",
        "\n  ",
        "schema 1.1",
        "module m",
        "type ",
        "a",
        "b",
        "relations",
        "define ",
        ": ",
        "[",
        "]",
        "user",
        " or ",
        " and ",
        " but not ",
        " from ",
        "(",
        ")",
        "#",
        ":*",
        ",",
        " with ",
        "condition ",
        "c(",
        "x: int",
        "{",
        "}",
        "extend ",
        " ",
        "\t",
        "\r\n",
        "\"",
        "'",
        "//",
        " # c",
        "ü",
        "\0",
        "@",
        "1.1",
        "=",
        "map<",
        ">",
        "\\",
        "\u{c}",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_printed_reads_back_as_the_same_model(model in model()) {
        let text = print(&model).unwrap();
        let read = parse_unchecked(&text).map_err(|e| TestCaseError::fail(format!("{}\n{text}", e.render("text", false))))?;
        prop_assert_eq!(&read.model, &model, "{}", text);
        prop_assert_eq!(print(&read.model).unwrap(), text);
    }

    #[test]
    fn json_reads_back_as_the_same_model(model in model()) {
        let compact = to_value(&model, Style::Compact);
        for style in [Style::Compact, Style::Wire] {
            let read = from_str(&to_value(&model, style).to_string()).unwrap();
            prop_assert_eq!(to_value(&read, Style::Compact), compact.clone());
        }
    }

    #[test]
    fn the_language_refuses_whatever_the_server_refuses(model in model()) {
        let server = validate(&model);
        let language = validate_language(&model);
        prop_assert!(server.is_empty() || !language.is_empty());
        prop_assert_eq!(parse(&print(&model).unwrap()).is_ok(), language.is_empty());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        if let Err(diagnostics) = parse(&text) {
            prop_assert!(!diagnostics.render("text", true).is_empty());
        }
    }

    #[test]
    fn no_pieces_make_the_parser_panic(text in pieces(), header in any::<bool>()) {
        let text = if header { format!("model\n  schema 1.1\n{text}") } else { text };
        if let Err(diagnostics) = parse(&text) {
            prop_assert!(diagnostics.iter().count() > 0);
            for one in diagnostics.iter() {
                prop_assert!(text.get(one.byte_range()).is_some());
            }
            prop_assert!(!diagnostics.render("text", false).is_empty());
        }
    }

    #[test]
    fn a_damaged_text_never_makes_the_parser_panic(
        model in model(), at in any::<prop::sample::Index>(), length in 0..20_usize, insert in "\\PC{0,3}",
    ) {
        let text = print(&model).unwrap();
        let characters: Vec<char> = text.chars().collect();
        let start = at.index(characters.len());
        let end = (start + length).min(characters.len());
        let damaged: String =
            characters[..start].iter().copied().chain(insert.chars()).chain(characters[end..].iter().copied()).collect();
        if let Err(diagnostics) = parse(&damaged) {
            prop_assert!(!diagnostics.render("text", false).is_empty());
        }
    }

    #[test]
    fn no_json_makes_the_reader_panic(text in "\\PC{0,60}", key in "\\PC{0,8}") {
        let _ = from_str(&text);
        let value = serde_json::json!({
            "schema_version": "1.1", "conditions": { key.clone(): { "name": key, "parameters": { text: null } } },
        });
        let _ = from_value(&value);
    }
}

//! Rules that a text cannot break, and where the server is more lenient than the language.

use crate::model::{
    AuthorizationModel, Condition, ConditionParameter, Origin, ParameterType, RelationDefinition,
    RestrictionKind, Rewrite, SchemaVersion, TypeDefinition, TypeRestriction, limits,
};
use crate::schema::{Place, ViolationKind, parse_unchecked, validate, validate_language};

fn restriction(type_name: &str) -> TypeRestriction {
    TypeRestriction { type_name: type_name.into(), kind: RestrictionKind::Object, condition: None }
}

fn relation(name: &str, rewrite: Rewrite, restrictions: Vec<TypeRestriction>) -> RelationDefinition {
    RelationDefinition { name: name.into(), rewrite, restrictions, origin: Origin::default() }
}

fn condition(name: &str, expression: &str, parameters: usize) -> Condition {
    let parameter =
        |i| ConditionParameter { name: format!("p{i}").into(), parameter_type: ParameterType::Int };
    Condition {
        name: name.into(),
        expression: expression.into(),
        parameters: (0..parameters).map(parameter).collect(),
        origin: Origin::default(),
    }
}

fn types(types: Vec<(&str, Vec<RelationDefinition>)>) -> AuthorizationModel {
    let define = |(name, relations): (&str, _)| TypeDefinition {
        name: name.into(),
        relations,
        origin: Origin::default(),
    };
    AuthorizationModel {
        schema_version: SchemaVersion::V1_1,
        types: types.into_iter().map(define).collect(),
        conditions: Vec::new(),
    }
}

/// Asserts what the server would refuse the model for.
fn check(model: &AuthorizationModel, expect: &[ViolationKind]) {
    let kinds: Vec<_> = validate(model).iter().map(|v| v.kind).collect();
    assert_eq!(kinds, expect);
}

#[test]
fn names_follow_their_rules() {
    check(&types(vec![("", vec![])]), &[ViolationKind::InvalidName]);
    check(&types(vec![("a b", vec![])]), &[ViolationKind::InvalidName]);
    check(&types(vec![(&"t".repeat(254), vec![])]), &[]);
    check(&types(vec![(&"t".repeat(255), vec![])]), &[ViolationKind::InvalidName]);
    check(&types(vec![("self", vec![])]), &[ViolationKind::ReservedName]);
    let named = |name: &str| types(vec![("t", vec![relation(name, Rewrite::This, vec![restriction("t")])])]);
    check(&named("größe"), &[]);
    check(&named("this"), &[ViolationKind::ReservedName]);
    check(&named("a#b"), &[ViolationKind::InvalidName]);
    check(&named(&"r".repeat(51)), &[ViolationKind::InvalidName]);
}

#[test]
fn names_are_unique() {
    check(&types(vec![("t", vec![]), ("t", vec![])]), &[ViolationKind::DuplicateType]);
    let twice = relation("a", Rewrite::This, vec![restriction("t")]);
    check(&types(vec![("t", vec![twice.clone(), twice])]), &[ViolationKind::DuplicateRelation]);
}

#[test]
fn sizes_are_bounded() {
    let names: Vec<String> = (0..=limits::TYPES_PER_MODEL_MAX).map(|i| format!("t{i}")).collect();
    let many = |count: usize| types(names.iter().take(count).map(|n| (n.as_str(), vec![])).collect());
    check(&many(limits::TYPES_PER_MODEL_MAX), &[]);
    check(&many(limits::TYPES_PER_MODEL_MAX + 1), &[ViolationKind::TooManyTypes]);

    let with = |conditions| AuthorizationModel { conditions, ..types(vec![("t", vec![])]) };
    let conditions = |count: usize| (0..count).map(|i| condition(&format!("c{i}"), "p0 > 1", 1)).collect();
    check(&with(conditions(limits::CONDITIONS_PER_MODEL_MAX)), &[]);
    check(&with(conditions(limits::CONDITIONS_PER_MODEL_MAX + 1)), &[ViolationKind::TooManyConditions]);
    check(&with(vec![condition("c", "p0 > 1", limits::PARAMETERS_PER_CONDITION_MAX)]), &[]);
    check(
        &with(vec![condition("c", "p0", limits::PARAMETERS_PER_CONDITION_MAX + 1)]),
        &[ViolationKind::TooManyParameters],
    );
    let long = |bytes: usize| with(vec![condition("c", &format!("{:bytes$}", "p0 > 1"), 1)]);
    check(&long(limits::EXPRESSION_BYTES_MAX), &[]);
    check(&long(limits::EXPRESSION_BYTES_MAX + 1), &[ViolationKind::ExpressionTooLong]);
    check(&with(vec![condition("c", " ", 1)]), &[ViolationKind::EmptyExpression]);

    // An entry of `relations` with its key, `this`, and its metadata with one restriction: 4 + 41 + 4 bytes, 2 + 41 + 7.
    let relations = |count: usize| {
        (0..count).map(|i| relation(&format!("{i:041}"), Rewrite::This, vec![restriction("t")])).collect()
    };
    check(&types(vec![("t", relations(2_500))]), &[]);
    check(&types(vec![("t", relations(2_700))]), &[ViolationKind::ModelTooLarge]);
}

#[test]
fn conditions_must_compile_even_where_nothing_uses_them() {
    let with = |expressions: &[&str]| {
        let conditions = expressions.iter().enumerate();
        AuthorizationModel {
            conditions: conditions.map(|(i, text)| condition(&format!("c{i}"), text, 1)).collect(),
            ..types(vec![("t", vec![])])
        }
    };
    check(&with(&["p0 > 1", "true"]), &[]);
    let wrong = with(&["p0 > 1u", "true", "p1 > 1", "p0", "p0 >"]);
    check(&wrong, &[ViolationKind::InvalidExpression; 4]);
    let first = &validate(&wrong)[0];
    assert_eq!(first.place, Place::InExpression { condition_index: 0, offset: 3 });
    assert_eq!(
        first.message,
        "failed to compile expression on condition 'c0' - ERROR: c0:1:4: found no matching overload for '_>_' applied to '(int, uint)'"
    );
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        let mut rewrite = Rewrite::This;
        for _ in 1..depth {
            rewrite = Rewrite::Union(vec![rewrite]);
        }
        types(vec![("t", vec![relation("a", rewrite, vec![restriction("t")])])])
    };
    check(&nested(limits::REWRITE_DEPTH_MAX), &[]);
    check(&nested(limits::REWRITE_DEPTH_MAX + 1), &[ViolationKind::RewriteTooDeep]);
}

#[test]
fn own_tuples_and_restrictions_go_together() {
    check(
        &types(vec![("t", vec![relation("a", Rewrite::This, vec![])])]),
        &[ViolationKind::MissingRestrictions],
    );
    let b = relation("b", Rewrite::This, vec![restriction("t")]);
    let a = relation("a", Rewrite::Computed("b".into()), vec![restriction("t")]);
    check(&types(vec![("t", vec![a, b])]), &[ViolationKind::NeedlessRestrictions]);
    let empty = relation("a", Rewrite::Union(vec![]), vec![]);
    check(&types(vec![("t", vec![empty])]), &[ViolationKind::EmptyOperator]);
}

#[test]
fn the_server_takes_what_only_the_language_minds() {
    let text = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define a: [user, user]\n    define b: a or a\ncondition c(x: int) {\n  x > 1\n}\n";
    let model = parse_unchecked(text).unwrap().model;
    check(&model, &[]);
    let kinds: Vec<_> = validate_language(&model).iter().map(|v| v.kind).collect();
    let expect = [
        ViolationKind::DuplicateRestriction,
        ViolationKind::DuplicateOperand,
        ViolationKind::UnusedCondition,
    ];
    assert_eq!(kinds, expect);
}

#[test]
fn a_long_chain_is_checked_in_short_time() {
    let mut relations: Vec<_> = (0..5_000)
        .map(|i| relation(&format!("a{i}"), Rewrite::Computed(format!("a{}", i + 1).into()), vec![]))
        .collect();
    relations.push(relation("a5000", Rewrite::This, vec![restriction("t")]));
    check(&types(vec![("t", relations)]), &[]);
}

#[test]
fn a_repeated_type_is_looked_at_once_for_a_suggestion() {
    let names: Vec<String> = (0..120).map(|i| format!("name{i:03}")).collect();
    let direct = |name: &String| relation(name, Rewrite::This, vec![restriction("t")]);
    let parents = vec![restriction("t"); 20_000];
    let viewer = Rewrite::TupleToUserset { tupleset: "parent".into(), computed: "name0x7".into() };
    let model = types(vec![
        ("t", names.iter().map(direct).collect()),
        ("doc", vec![relation("parent", Rewrite::This, parents), relation("viewer", viewer, Vec::new())]),
    ]);
    let found = validate(&model);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message, "`name0x7` is no relation of `t`, to which `parent` leads");
    assert_eq!(found[0].help.as_deref(), Some("did you mean `name007`?"));
}

#[test]
fn suggestions_have_one_budget_and_errors_have_none() {
    const RELATIONS: usize = 2000;
    const WRONG: usize = 50;
    let names: Vec<String> = (0..RELATIONS).map(|i| format!("relation_number_{i:04}")).collect();
    let mut relations: Vec<_> =
        names.iter().map(|name| relation(name, Rewrite::This, vec![restriction("t")])).collect();
    let wrong = Rewrite::Union(vec![Rewrite::Computed("relation_number_00x0".into()); WRONG]);
    relations.push(relation("wrong", wrong, Vec::new()));
    let found = validate(&types(vec![("t", relations)]));
    assert_eq!(found.len(), WRONG, "each is told");
    let helped = found.iter().filter(|violation| violation.help.is_some()).count();
    // Each name has 20 characters.
    let helped_max = limits::SUGGESTION_STEPS_MAX / (RELATIONS * 20 * 20);
    assert!((1..=helped_max).contains(&helped), "{helped}");
    assert_eq!(found[0].help.as_deref(), Some("did you mean `relation_number_0000`?"));
    assert_eq!(found[WRONG - 1].help, None);
}

#[test]
fn a_message_names_so_many_types_only() {
    let names: Vec<String> = (0..13).map(|i| format!("t{i:02}")).collect();
    let viewer = Rewrite::TupleToUserset { tupleset: "parent".into(), computed: "viewer".into() };
    let parents = names.iter().map(|name| restriction(name)).collect();
    let mut all: Vec<_> = names.iter().map(|name| (&**name, Vec::new())).collect();
    let doc = vec![relation("parent", Rewrite::This, parents), relation("editor", viewer, Vec::new())];
    all.push(("doc", doc));
    let message = validate(&types(all)).remove(0).message;
    assert!(message.ends_with("`t08`, `t09` and 3 more, to which `parent` leads"), "{message}");
}

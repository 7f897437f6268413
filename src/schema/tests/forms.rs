//! The two forms of a model: what they look like, and what is read from them.

use serde_json::{Value, json};

use crate::model::{
    AuthorizationModel, Origin, ParameterType, RestrictionKind, Rewrite, SchemaVersion, TypeDefinition,
    limits,
};
use crate::schema::json::{JsonErrorKind, Style, from_str, from_value, to_value};
use crate::schema::{PrintError, parse, parse_unchecked, print, validate};

const MODEL: &str = r#"model
  schema 1.1

type user

type team
  relations
    define member: [user, user:*, team#member with on_time]

type doc
  relations
    define parent: [team]
    define reader: ([user] or member from parent) but not (writer and parent)
    define writer: [user with on_time, team#member]

condition on_time(at: timestamp, limits: map<string>, tags: list<int>) {
  at < timestamp("2030-01-01T00:00:00Z") && {"a": 1} != {}
}
"#;

#[test]
fn a_text_in_the_usual_layout_prints_as_it_is() {
    assert_eq!(print(&parse(MODEL).unwrap()).unwrap(), MODEL);
}

#[test]
fn layout_and_comments_do_not_matter() {
    let loose = "\n  \n# c\n model  # c\n\n\tschema 1.1\ntype  user\n# c\ntype type\n relations # c\n# c\n  define   model  :  [\n  user ,\n  type#model,user:*\n]   or    (  extend  )\n  define extend:[user]\n";
    let model = parse(loose);
    let model = model.unwrap_or_else(|e| panic!("{}", e.render("loose", false)));
    let expected = "model\n  schema 1.1\n\ntype user\n\ntype type\n  relations\n    define model: [user, type#model, user:*] or extend\n    define extend: [user]\n";
    assert_eq!(print(&model).unwrap(), expected);
}

#[test]
fn the_compact_style_leaves_out_what_is_empty() {
    let value = to_value(&parse(MODEL).unwrap(), Style::Compact);
    assert_eq!(value["type_definitions"][0], json!({ "type": "user", "relations": {}, "metadata": null }));
    assert_eq!(
        value["type_definitions"][2]["relations"]["reader"],
        json!({ "difference": {
            "base": { "union": { "child": [
                { "this": {} },
                { "tupleToUserset": { "tupleset": { "relation": "parent" }, "computedUserset": { "relation": "member" } } },
            ] } },
            "subtract": { "intersection": { "child": [
                { "computedUserset": { "relation": "writer" } },
                { "computedUserset": { "relation": "parent" } },
            ] } },
        } })
    );
    assert_eq!(
        value["conditions"]["on_time"]["parameters"],
        json!({
            "at": { "type_name": "TYPE_NAME_TIMESTAMP" },
            "limits": { "type_name": "TYPE_NAME_MAP", "generic_types": [{ "type_name": "TYPE_NAME_STRING" }] },
            "tags": { "type_name": "TYPE_NAME_LIST", "generic_types": [{ "type_name": "TYPE_NAME_INT" }] },
        })
    );
    assert_eq!(
        to_value(&parse("model\n  schema 1.2\n").unwrap(), Style::Compact),
        json!({ "schema_version": "1.2" })
    );
}

#[test]
fn the_wire_style_spells_everything_out() {
    let value = to_value(&parse(MODEL).unwrap(), Style::Wire);
    let metadata = &value["type_definitions"][2]["metadata"];
    assert_eq!(metadata["module"], "");
    assert_eq!(metadata["source_info"], Value::Null);
    assert_eq!(
        metadata["relations"]["writer"],
        json!({
            "directly_related_user_types": [
                { "type": "user", "condition": "on_time" },
                { "type": "team", "relation": "member", "condition": "" },
            ],
            "module": "",
            "source_info": null,
        })
    );
    assert_eq!(
        value["type_definitions"][2]["relations"]["reader"]["difference"]["subtract"]["intersection"]["child"]
            [0],
        json!({ "computedUserset": { "object": "", "relation": "writer" } })
    );
    assert_eq!(value["conditions"]["on_time"]["metadata"], Value::Null);
    assert_eq!(
        value["conditions"]["on_time"]["parameters"]["at"],
        json!({ "type_name": "TYPE_NAME_TIMESTAMP", "generic_types": [] })
    );
    let empty = to_value(&parse("model\n  schema 1.1\n").unwrap(), Style::Wire);
    assert_eq!(empty, json!({ "schema_version": "1.1", "type_definitions": [], "conditions": {} }));
}

#[test]
fn both_styles_read_back() {
    let model = parse(MODEL).unwrap();
    let compact = to_value(&model, Style::Compact);
    for style in [Style::Compact, Style::Wire] {
        let again = from_value(&to_value(&model, style)).unwrap();
        assert_eq!(to_value(&again, Style::Compact), compact);
        assert_eq!(validate(&again), []);
    }
}

#[test]
fn fields_have_two_spellings_and_unknown_ones_are_ignored() {
    let model = from_value(&json!({
        "id": "x", "schemaVersion": "1.1", "conditions": null,
        "typeDefinitions": [{
            "type": "doc", "new": 1,
            "relations": { "a": { "computed_userset": { "object": "", "relation": "b" } }, "b": { "this": {} } },
            "metadata": {
                "module": "", "sourceInfo": null,
                "relations": {
                    "b": { "directlyRelatedUserTypes": [{ "type": "doc", "wildcard": {}, "condition": "" }] },
                    "gone": { "directly_related_user_types": [{ "type": "doc" }] },
                    "a": null,
                },
            },
        }],
    }))
    .unwrap();
    let relations = &model.types[0].relations;
    assert_eq!(relations[0].rewrite, Rewrite::Computed("b".into()));
    assert_eq!(relations[1].restrictions[0].kind, RestrictionKind::Wildcard);
    assert_eq!(relations[1].restrictions[0].condition, None);
    assert_eq!(relations.len(), 2);
}

#[test]
fn parameter_types_have_names_and_numbers() {
    let model = from_value(&json!({
        "schema_version": "1.1",
        "conditions": { "c": { "name": "c", "expression": "x", "parameters": {
            "a": { "type_name": "TYPE_NAME_ANY" },
            "b": { "typeName": 11 },
            "c": { "type_name": 9, "genericTypes": [{ "type_name": "TYPE_NAME_ANY" }] },
        } } },
    }))
    .unwrap();
    let types: Vec<_> = model.conditions[0].parameters.iter().map(|p| &p.parameter_type).collect();
    assert_eq!(
        types,
        [&ParameterType::Any, &ParameterType::IpAddress, &ParameterType::Map(Box::new(ParameterType::Any))]
    );
}

/// Asserts the message of what is wrong with a model's JSON.
fn check_json(value: &Value, expect: &str) {
    assert_eq!(from_value(value).unwrap_err().to_string(), expect, "{value}");
}

#[test]
fn errors_in_json_name_the_path() {
    check_json(&json!([]), "expected an object, found a list");
    check_json(&json!({}), "the field `schema_version` is missing");
    check_json(
        &json!({ "schema_version": "1.0" }),
        "the schema version `1.0` is not supported at `schema_version`",
    );
    check_json(&json!({ "schema_version": 1 }), "expected a string, found a number at `schema_version`");
    check_json(
        &json!({ "schema_version": "1.1", "schemaVersion": "1.1" }),
        "the field `schema_version` is given twice",
    );
    let types = |relation: Value| json!({ "schema_version": "1.1", "type_definitions": [{ "type": "t", "relations": { "r": relation } }] });
    check_json(&types(json!({})), "no rewrite is given at `type_definitions[0].relations.r`");
    check_json(
        &types(json!({ "this": {}, "union": {} })),
        "`this` and `union` exclude each other at `type_definitions[0].relations.r`",
    );
    check_json(
        &types(json!({ "union": { "child": [{ "this": {} }, 1] } })),
        "expected an object, found a number at `type_definitions[0].relations.r.union.child[1]`",
    );
    check_json(
        &types(json!({ "difference": { "base": { "this": {} } } })),
        "the field `subtract` is missing at `type_definitions[0].relations.r.difference`",
    );
    let condition = |condition: Value| json!({ "schema_version": "1.1", "conditions": { "c": condition } });
    check_json(
        &condition(json!({ "name": "d" })),
        "the condition's name is `d`, unlike its key at `conditions.c`",
    );
    check_json(
        &condition(json!({ "name": "c", "parameters": { "p": { "type_name": "TYPE_NAME_MAP" } } })),
        "expected 1 generic types, found 0 at `conditions.c.parameters.p`",
    );
    check_json(
        &condition(json!({ "name": "c", "parameters": { "p": { "type_name": "x" } } })),
        "unknown parameter type `x` at `conditions.c.parameters.p.type_name`",
    );
    assert!(matches!(from_str("{").unwrap_err().kind, JsonErrorKind::Syntax(_)));
}

#[test]
fn the_depth_of_json_is_bounded() {
    let nested = |depth: usize| {
        let mut rewrite = json!({ "this": {} });
        for _ in 1..depth {
            rewrite = json!({ "union": { "child": [rewrite] } });
        }
        from_value(
            &json!({ "schema_version": "1.1", "type_definitions": [{ "type": "t", "relations": { "r": rewrite } }] }),
        )
    };
    assert!(nested(limits::REWRITE_DEPTH_MAX).is_ok());
    let error = nested(limits::REWRITE_DEPTH_MAX + 1).unwrap_err();
    assert_eq!(error.kind, JsonErrorKind::Depth { max: limits::REWRITE_DEPTH_MAX });
    assert!(from_str(&"[".repeat(100_000)).is_err());
    assert!(from_str(&"{\"union\":".repeat(100_000)).is_err());
}

#[test]
fn an_expression_is_kept_as_text_without_its_comments() {
    let model = |body: &str| {
        let text = format!("model\n  schema 1.1\ntype user\ncondition c(x: string, y: int) {{{body}}}\n");
        parse_unchecked(&text).unwrap_or_else(|e| panic!("{}", e.render("c", false))).model
    };
    let expression = |body: &str| model(body).conditions[0].expression.to_string();
    assert_eq!(expression("\n  x == \"}\" // }\n  && y > 1\n"), "x == \"}\" \n  && y > 1");
    assert_eq!(expression(" {\"a\": {\"b\": y}}.a.b == 1 # c\n"), "{\"a\": {\"b\": y}}.a.b == 1");
    assert_eq!(expression("x == 'a #b'"), "x == 'a #b'");
    assert_eq!(expression("x == \"\"\"a\n}b\"\"\""), "x == \"\"\"a\n}b\"\"\"");
    assert_eq!(
        expression("x.startsWith(r'\\') ? y == 0x1F : y in [1u, 2]"),
        "x.startsWith(r'\\') ? y == 0x1F : y in [1u, 2]"
    );
}

#[test]
fn a_module_knows_its_name_and_what_it_extends() {
    let text = "module shop\n\ntype order\n  relations\n    define buyer: [user]\n\nextend type user\n  relations\n    define orders: [order]\n\ncondition c(x: int) {\n  x > 1\n}\n";
    let read = parse_unchecked(text).unwrap();
    assert_eq!(read.module.as_deref(), Some("shop"));
    assert_eq!(read.extensions, [1]);
    assert_eq!(read.model.types[0].origin.module.as_deref(), Some("shop"));
    assert_eq!(read.model.types[0].relations[0].origin.module, None);
    assert_eq!(read.model.types[1].relations[0].origin.module.as_deref(), Some("shop"));
    assert_eq!(read.model.conditions[0].origin.module.as_deref(), Some("shop"));
    let value = to_value(&read.model, Style::Compact);
    assert_eq!(value["type_definitions"][0]["metadata"]["module"], "shop");
    let printed = print(&from_value(&value).unwrap()).unwrap();
    assert!(printed.contains("type order # module: shop, file: \n"), "{printed}");
    assert!(
        printed.contains("    define orders: [order] # extended by: module: shop, file: \n"),
        "{printed}"
    );
    let hostile = Origin { module: Some("m\ntype x".into()), file: None };
    let types = vec![TypeDefinition { name: "t".into(), relations: Vec::new(), origin: hostile }];
    let model = AuthorizationModel { schema_version: SchemaVersion::V1_2, types, conditions: Vec::new() };
    assert_eq!(print(&model).unwrap(), "model\n  schema 1.2\n\ntype t # module: m\\ntype x, file: \n");
}

#[test]
fn restrictions_move_to_the_front_where_that_changes_nothing() {
    let relation = |rewrite: Value| {
        from_value(&json!({
            "schema_version": "1.1",
            "type_definitions": [{
                "type": "t",
                "relations": { "a": { "this": {} }, "b": rewrite },
                "metadata": { "relations": {
                    "a": { "directly_related_user_types": [{ "type": "t" }] },
                    "b": { "directly_related_user_types": [{ "type": "t" }] },
                } },
            }],
        }))
        .unwrap()
    };
    let a = json!({ "computedUserset": { "relation": "a" } });
    let this = json!({ "this": {} });
    let model = relation(json!({ "union": { "child": [a, this] } }));
    assert!(print(&model).unwrap().contains("define b: [t] or a\n"));
    assert_eq!(validate(&model), []);
    let model = relation(json!({ "difference": { "base": a, "subtract": this } }));
    assert_eq!(validate(&model), []);
    assert_eq!(print(&model), Err(PrintError::Restrictions { type_name: "t".into(), relation: "b".into() }));
}

#[test]
fn a_name_that_the_language_has_no_word_for_is_not_printed() {
    let model = from_value(&json!({
        "schema_version": "1.1",
        "type_definitions": [{ "type": "{user" }, { "type": "user" }],
    }))
    .unwrap();
    let error = print(&model).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the language cannot express `type {user`: unexpected `{`, expected a name"
    );
}

//! What is wrong with a text, and what is underlined.

use crate::model::limits;
use crate::schema::{Diagnostics, check_syntax, parse};

/// Each error's message, what it underlines, and its help.
fn found(text: &str) -> Vec<(String, String, Option<String>)> {
    let diagnostics = parse(text).err();
    let all = diagnostics.iter().flat_map(Diagnostics::iter);
    all.map(|d| (d.message().into(), text[d.byte_range()].into(), d.help().map(Into::into))).collect()
}

/// Asserts the message and the underlined text of each error.
fn check(text: &str, expect: &[(&str, &str)]) {
    let found = found(text);
    let found: Vec<_> = found.iter().map(|(message, underlined, _)| (&**message, &**underlined)).collect();
    assert_eq!(found, expect, "in:\n{text}");
}

/// As [`check`], in a model where `user` and `team#member` exist; `text` is the relations of `doc`.
fn check_relations(text: &str, expect: &[(&str, &str)]) {
    let relations: String = text.lines().map(|l| format!("    {}\n", l.trim())).collect();
    let model = format!(
        "model\n  schema 1.1\ntype user\ntype team\n  relations\n    define member: [user]\ntype doc\n  relations\n{relations}"
    );
    check(&model, expect);
}

#[test]
fn a_text_starts_with_its_header() {
    check("", &[("unexpected end of the file, expected `model` or `module`", "")]);
    check(
        "type user\n",
        &[
            ("unexpected `type`, expected `model` or `module`", "type"),
            ("unexpected `user`, expected `model` or `module`", "user"),
            ("unexpected end of the file, expected `model` or `module`", ""),
        ],
    );
    check("model\n  schema\n", &[("unexpected line break, expected space", "")]);
    check("model\n  schema one\n", &[("unexpected `one`, expected a schema version such as `1.1`", "one")]);
    check("model\n  schema 3.0\n", &[("the schema version `3.0` is not supported", "3.0")]);
    check("module m\ntype user\n", &[("this is a module: the schema version of its model is missing", "")]);
}

#[test]
fn one_operator_needs_no_parentheses_and_two_kinds_do() {
    check_relations(
        "define a: [user]\ndefine b: [user] or a and a",
        &[("unexpected `and`, expected line break or end of the file", " ")],
    );
    let model = "model\n  schema 1.1\ntype user\n  relations\n    define a: [user] or b but not c\n";
    assert_eq!(
        found(model)[0].2.as_deref(),
        Some("operators of different kinds need parentheses: `(a and b) or c`")
    );
    check_relations("define a: [user]\ndefine b: [user]\ndefine c: (a or b) and (b but not a)", &[]);
}

#[test]
fn type_restrictions_come_first() {
    check_relations(
        "define a: [user]\ndefine b: a or [user]",
        &[
            ("unexpected `[`, expected a name or `(`", "["),
            ("unexpected `]`, expected line break or end of the file", "]"),
        ],
    );
    check_relations(
        "define a: []",
        &[("unexpected `]`, expected a name", "]"), ("unexpected end of the file, expected a name", "")],
    );
}

#[test]
fn one_missing_token_is_passed_over() {
    check_relations("define a [user]", &[("missing `:` before `[`", "[")]);
    check_relations(
        "define a: [user\ndefine b: c",
        &[
            ("unexpected `define`, expected `,` or `]`", "define"),
            ("unexpected `b`, expected `,` or `]`", "b"),
        ],
    );
}

#[test]
fn what_cannot_be_read_is_told_where_it_is() {
    check(
        "model\n  schema 1.1\ntype user\n  relations\n    define a: [user] ö\n",
        &[
            ("unexpected space, expected line break or end of the file", " "),
            ("unexpected character `ö`", "ö"),
        ],
    );
    check(
        "model\n  schema 1.1\ntype u\0ser\n",
        &[
            ("unexpected character `\\u{0}`", "\0"),
            ("unexpected `ser`, expected line break or end of the file", "ser"),
        ],
    );
}

#[test]
fn undefined_names_are_told_with_a_near_one() {
    check_relations(
        "define a: [usr, team#members, user with x, nothing]",
        &[
            ("the type `usr` does not exist", "usr"),
            ("the type `team` has no relation `members`", "team#members"),
            ("the condition `x` does not exist", "x"),
            ("the type `nothing` does not exist", "nothing"),
        ],
    );
    let model = "model\n  schema 1.1\ntype user\ntype team\n  relations\n    define member: [usr]\n    define x: membr\n";
    let help: Vec<_> = found(model).into_iter().map(|(_, _, help)| help).collect();
    assert_eq!(help, [Some("did you mean `user`?".into()), Some("did you mean `member`?".into())]);
    check_relations("define a: b", &[("the type `doc` has no relation `b`", "b")]);
}

#[test]
fn a_tupleset_is_tuples_with_plain_types() {
    const NOT_DIRECT: &str = "the relation `p` after `from` must be tuples with plain types alone";
    check_relations("define p: [team]\ndefine a: member from p", &[]);
    check_relations("define p: [team, team:*]\ndefine a: member from p", &[(NOT_DIRECT, "p")]);
    check_relations("define p: [team, team#member]\ndefine a: member from p", &[(NOT_DIRECT, "p")]);
    check_relations(
        "define p: [team] or q\ndefine q: [team]\ndefine a: [user] or member from p",
        &[(NOT_DIRECT, "p")],
    );
    check_relations("define a: member from p", &[("the type `doc` has no relation `p`", "member from p")]);
    check_relations(
        "define p: [user, team]\ndefine a: x from p",
        &[("`x` is no relation of `user`, `team`, to which `p` leads", "x from p")],
    );
    check_relations("define p: [user, team]\ndefine a: member from p", &[]);
}

#[test]
fn every_relation_has_an_entry_point() {
    check_relations("define a: [doc#a]", &[("nobody can hold `a` on `doc`: no tuple leads to it", "a")]);
    check_relations(
        "define a: b\ndefine b: a",
        &[
            ("nobody can hold `a` on `doc`: it is computed from itself", "a"),
            ("nobody can hold `b` on `doc`: it is computed from itself", "b"),
        ],
    );
    check_relations("define a: [doc#a, user]", &[]);
    check_relations("define p: [doc]\ndefine a: [user] or a from p", &[]);
    check_relations(
        "define p: [doc]\ndefine a: [user] and a from p",
        &[("nobody can hold `a` on `doc`: no tuple leads to it", "a")],
    );
    check_relations(
        "define a: [user] but not b\ndefine b: [doc#b]",
        &[
            ("nobody can hold `a` on `doc`: no tuple leads to it", "a"),
            ("nobody can hold `b` on `doc`: no tuple leads to it", "b"),
        ],
    );
}

#[test]
fn no_relation_is_computed_from_itself() {
    check_relations(
        "define a: [user] or b\ndefine b: [user] or (a and c)\ndefine c: [user] or a\ndefine d: a",
        &[
            ("`a` on `doc` is computed from itself", "a"),
            ("`b` on `doc` is computed from itself", "b"),
            ("`c` on `doc` is computed from itself", "c"),
        ],
    );
    check_relations("define a: [user] or a", &[("`a` on `doc` is computed from itself", "a")]);
}

#[test]
fn repetitions_are_told_at_the_first() {
    check_relations(
        "define a: [user, team#member, user]",
        &[("the type restriction `user` stands twice in `a`", "user")],
    );
    check_relations(
        "define a: [user]\ndefine b: (a but not c) or c or a or c\ndefine c: [user]",
        &[("`c` stands twice in `b`", "c")],
    );
    check_relations(
        "define a: [user]\ndefine a: [user]",
        &[("the relation `a` is already defined in the type `doc`", "a")],
    );
    check("model\n  schema 1.1\ntype a\ntype a\n", &[("the type `a` is defined more than once", "a")]);
}

#[test]
fn conditions_are_defined_once_and_used() {
    let model = |conditions: &str| {
        format!(
            "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define a: [user with c]\n{conditions}"
        )
    };
    check(&model("condition c(x: int, y: map<string>) {\n  x == 1\n}\n"), &[]);
    check(
        &model("condition c(x: int, x: int) {\n  x == 1\n}\n"),
        &[("the parameter `x` is already defined in the condition `c`", "x")],
    );
    check(
        &model("condition c(x: int) {\n x > 1\n}\ncondition d(x: int) {\n x > 1\n}\n"),
        &[("no type restriction uses the condition `d`", "d")],
    );
    check(
        &model("condition c(x: map<list>) {\n x\n}\n"),
        &[("unexpected `list`, expected a parameter type such as `string`", "list")],
    );
    let long = format!("condition c(x: int) {{\n  {}\n}}\n", "x".repeat(limits::EXPRESSION_BYTES_MAX + 1));
    check(
        &model(&long),
        &[("too many bytes in the expression: 513; at most 512 are allowed", "x".repeat(513).as_str())],
    );
}

#[test]
fn a_wrong_expression_is_underlined_where_it_is_wrong() {
    let model = |body: &str| {
        format!(
            "model\n  schema 1.1\ntype user\n  relations\n    define a: [user with c]\ncondition c(x: int) {{{body}}}\n"
        )
    };
    let message = |what: &str| format!("failed to compile expression on condition 'c' - ERROR: c:{what}");
    let undeclared = message("1:12: undeclared reference to 'wrong' (in container '')");
    check(
        &model("\n  'é' == '' && wrong > 1\n"),
        &[(&message("1:14: undeclared reference to 'wrong' (in container '')"), "wrong")],
    );
    check(
        &model(" x > 1 && wrong_"),
        &[(&undeclared.replace("'wrong'", "'wrong_'").replace("1:12", "1:10"), "wrong_")],
    );
    check(
        &model("\n  x > 1 &&\n  x + 'a'\n"),
        &[(&message("2:5: found no matching overload for '_+_' applied to '(int, string)'"), "+")],
    );
    check(
        &model("\n  x + 1\n"),
        &[(&message("1:1: expected a bool condition expression output, but got 'int'"), "x")],
    );
    check(&model("x =="), &[(&message("1:5: Syntax error: unexpected '<EOF>', expected a value"), "x ==")]);
    // A comment is not in the model, so that the places in it and in the text differ.
    check(
        &model("x > // one\n 'a'"),
        &[(&message("1:3: found no matching overload for '_>_' applied to '(int, string)'"), "x > // one")],
    );
}

#[test]
fn extending_is_for_modules() {
    check("model\n  schema 1.2\nextend type a\n", &[("a type can be extended in a module only", "a")]);
    check(
        "module m\nextend type a\nextend type a\n",
        &[("the type `a` is already extended in this file", "a")],
    );
}

#[test]
fn nesting_and_length_are_bounded() {
    let nested = |depth: usize| {
        let (open, close) = ("(".repeat(depth), ")".repeat(depth));
        format!(
            "model\n  schema 1.1\ntype user\n  relations\n    define a: [user]\n    define b: {open}a{close}\n"
        )
    };
    check(&nested(limits::REWRITE_DEPTH_MAX), &[]);
    check(&nested(limits::REWRITE_DEPTH_MAX + 1), &[("parentheses are nested more than 32 deep", "(")]);
    check(&nested(100_000), &[("parentheses are nested more than 32 deep", "(")]);
    // Parentheses of an expression do not count; those that the parser comes to only by recovery do no harm.
    let (open, close) = ("(".repeat(200), ")".repeat(200));
    let expression = format!("model\n  schema 1.1\ncondition c(x: int) {{{open}x{close}}}\n");
    assert!(check_syntax(&expression).is_ok());
    let deep = "(".repeat(100_000);
    for text in
        [format!("condition c() @ a: {deep}"), format!("type t\n relations\n condition c()\n@ a: {deep}")]
    {
        assert!(parse(&format!("model\n  schema 1.1\n{text}")).is_err());
    }
    let long = parse(&"#".repeat(limits::MODEL_SOURCE_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(
        long.iter().next().unwrap().message(),
        "the text is 524289 bytes long; at most 524288 are read"
    );
    let many = parse(&"@".repeat(1000)).unwrap_err();
    assert_eq!(many.iter().count(), limits::DIAGNOSTICS_MAX);
}

#[test]
fn places_count_characters_and_lines_of_the_original() {
    let text = "# größe\r\nmodel # x\r\n  schema 1.1\r\n\r\ntype user # ü\r\n  relations\r\n\tdefine a: [usr]  # b\r\n";
    let diagnostics = parse(text).unwrap_err();
    let one = diagnostics.iter().next().unwrap();
    assert_eq!((one.line(), one.column()), (7, 13));
    assert_eq!((one.line_index(), one.column_range()), (6, 12..15));
    assert_eq!(&text[one.byte_range()], "usr");
    assert_eq!(diagnostics.to_string(), "7:13: the type `usr` does not exist");
}

#[test]
fn diagnostics_show_the_line_and_the_place() {
    let text = "model\n  schema 1.1\ntype user\n  relations\n    define a: [usr]\n";
    let expected = [
        "error: the type `usr` does not exist",
        " --> model.fga:5:16",
        "  |",
        "5 |     define a: [usr]",
        "  |                ^^^",
        "  |",
        "  = help: did you mean `user`?",
        "",
        "",
    ];
    assert_eq!(parse(text).unwrap_err().render("model.fga", false), expected.join("\n"));
}

#[test]
fn drawing_stands_anything() {
    for text in [
        "\u{1b}[31m",
        "\t\t@",
        "ä@\u{202e}",
        "a\rb",
        &format!("model {}", "x".repeat(100_000)),
        "\u{feff}model",
    ] {
        let diagnostics = check_syntax(text).unwrap_err();
        for colored in [false, true] {
            assert!(diagnostics.render("x", colored).contains("1:"));
        }
        assert!(!diagnostics.render("x", false).contains('\u{1b}'));
    }
}

//! What `fga.mod` may say, how modules join, and what is told where.

use super::{MOD_FILE_NAME, ModFile, ModuleText, combine, combine_unchecked};
use crate::model::{AuthorizationModel, limits};
use crate::schema::{parse, print};

/// The paths, or each error's place, message and underlined text.
fn mod_file(text: &str) -> Result<Vec<String>, Vec<(String, String, String)>> {
    let read = ModFile::parse(text).map(|file| file.paths().map(str::to_owned).collect());
    read.map_err(|found| {
        let one = |d: &crate::schema::Diagnostic| {
            let place = format!("{}:{}", d.line(), d.column());
            (place, d.message().to_owned(), text.get(d.byte_range()).unwrap_or("?").to_owned())
        };
        found.iter().map(one).collect()
    })
}

/// Asserts each error's place, message and underlined text.
fn check_mod_file(text: &str, expect: &[(&str, &str, &str)]) {
    let found = mod_file(text).unwrap_err();
    let found: Vec<_> = found.iter().map(|(a, b, c)| (&**a, &**b, &**c)).collect();
    assert_eq!(found, expect, "in:\n{text}");
}

fn texts<'a>(files: &[(&'a str, &'a str)]) -> Vec<ModuleText<'a>> {
    files.iter().map(|&(path, text)| ModuleText { path, text }).collect()
}

/// Asserts the errors, one line each.
fn check(files: &[(&str, &str)], expect: &[&str]) {
    let found = combine(&texts(files)).map_err(|e| e.to_string());
    assert_eq!(found.map_err(|e| e.lines().map(str::to_owned).collect::<Vec<_>>()).unwrap_err(), expect);
}

const CORE: (&str, &str) =
    ("core.fga", "module core\n\ntype user\n\ntype team\n  relations\n    define lead: [user]\n");
const SHOP: (&str, &str) = (
    "shop/orders.fga",
    "module shop\n\nextend type user\n  relations\n    define spouse: [user]\n\nextend type team\n  relations\n    \
     define buyer: [user with cheap] or lead\n\ntype order\n  relations\n    define owner: [team]\n    define viewer: buyer from owner\n\n\
     condition cheap(price: int) {\n  price < 10\n}\n",
);

#[test]
fn the_list_of_files_is_read_in_its_order() {
    let text = "schema: '1.2'\ncontents:\n  - core.fga\n  - \"team-1/board.fga\"\n  - ./wiki.fga\nother: 1\n";
    assert_eq!(mod_file(text).unwrap(), ["core.fga", "team-1/board.fga", "wiki.fga"]);
    // As on Windows, and as in a web address.
    let text = "schema: \"1.2\"\ncontents: ['a\\b.fga', a%2Fc.fga, \"d\\\\e.fga\"]\n";
    assert_eq!(mod_file(text).unwrap(), ["a/b.fga", "a/c.fga", "d/e.fga"]);
}

#[test]
fn both_fields_are_needed_and_have_one_form() {
    let no_schema = ("1:1", "the field `schema` is missing", "");
    let no_contents = ("1:1", "the field `contents` is missing", "");
    check_mod_file("", &[no_schema, no_contents]);
    check_mod_file("contents:\n  - a.fga\n", &[no_schema]);
    check_mod_file("schema: '1.2'\n", &[no_contents]);
    check_mod_file("schema: '1.2'\ncontents:\n", &[no_contents]);
    check_mod_file(
        "schema: 1.2\ncontents: true\n",
        &[
            ("1:9", "`schema` is the number 1.2; expected a text", "1.2"),
            ("2:11", "`contents` is true; expected a list of files", "true"),
        ],
    );
    check_mod_file(
        "schema: \"1.1\"\ncontents: a.fga\n",
        &[
            ("1:9", "the schema version `1.1` has no modules", "\"1.1\""),
            ("2:11", "`contents` is the text `a.fga`; expected a list of files", "a.fga"),
        ],
    );
    check_mod_file("schema: '1.2'\ncontents: []\n", &[("2:11", "`contents` lists no file", "[")]);
    let syntax = mod_file("schema: '1.2'\ncontents: [\n").unwrap_err();
    assert_eq!(syntax.len(), 1, "{syntax:?}");
}

#[test]
fn a_path_stays_below_the_directory_and_is_listed_once() {
    check_mod_file(
        "schema: '1.2'\ncontents:\n  - a.fga\n  - true\n  - 1\n  - [b.fga]\n  - c.txt\n  - ../d.fga\n  - x/../d.fga\n  - '..\\d.fga'\n  - \
         '%2e%2e/d.fga'\n  - /e.fga\n  - \\e.fga\n  - f%zz.fga\n  - f%+1.fga\n  - ä%ff.fga\n  - ./a.fga\n",
        &[
            ("4:5", "expected the path of a file, found true", "true"),
            ("5:5", "expected the path of a file, found the number 1", "1"),
            ("6:5", "expected the path of a file, found a list", "["),
            ("7:5", "the file `c.txt` does not end in `.fga`", "c.txt"),
            (
                "8:5",
                "the path `../d.fga` leads upwards; expected a file below the directory of `fga.mod`",
                "../d.fga",
            ),
            (
                "9:5",
                "the path `x/../d.fga` leads upwards; expected a file below the directory of `fga.mod`",
                "x/../d.fga",
            ),
            (
                "10:5",
                "the path `..\\d.fga` leads upwards; expected a file below the directory of `fga.mod`",
                "'..\\d.fga'",
            ),
            (
                "11:5",
                "the path `%2e%2e/d.fga` leads upwards; expected a file below the directory of `fga.mod`",
                "'%2e%2e/d.fga'",
            ),
            (
                "12:5",
                "the path `/e.fga` is absolute; expected one relative to the directory of `fga.mod`",
                "/e.fga",
            ),
            (
                "13:5",
                "the path `\\e.fga` is absolute; expected one relative to the directory of `fga.mod`",
                "\\e.fga",
            ),
            ("14:5", "the path `f%zz.fga` has a wrong percent code", "f%zz.fga"),
            ("15:5", "the path `f%+1.fga` has a wrong percent code", "f%+1.fga"),
            ("16:5", "the path `ä%ff.fga` has a wrong percent code", "ä%ff.fga"),
            ("17:5", "the file `a.fga` is listed twice", "./a.fga"),
        ],
    );
}

#[test]
fn the_list_is_bounded() {
    let list = |count: usize| {
        let items: String = (0..count).map(|n| format!("  - f{n}.fga\n")).collect();
        mod_file(&format!("schema: '1.2'\ncontents:\n{items}"))
    };
    assert_eq!(list(limits::MODULE_FILES_MAX).unwrap().len(), limits::MODULE_FILES_MAX);
    let (_, message, _) = list(limits::MODULE_FILES_MAX + 1).unwrap_err().remove(0);
    assert_eq!(message, "`contents` lists 257 files; at most 256 are read");
    let long = mod_file(&"#".repeat(limits::MOD_FILE_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(long[0].1, "the text is 65537 bytes long; at most 65536 are read");
}

#[test]
fn what_is_wrong_with_a_listed_file_is_told_at_its_entry() {
    let file = ModFile::parse("schema: '1.2'\ncontents:\n  - a.fga\n  - b.fga\n").unwrap();
    assert_eq!(file.refuse([]), None);
    let found = file.refuse([(1, "it is missing".to_owned())]).unwrap();
    assert_eq!(found.to_string(), "4:5: it is missing");
}

#[test]
fn extensions_join_the_types_that_they_extend_and_everything_keeps_its_origin() {
    // The order of the files decides nothing but order.
    let model = combine(&texts(&[SHOP, CORE])).unwrap();
    assert_eq!(model, reordered(combine(&texts(&[CORE, SHOP])).unwrap()));
    let expected = "model
  schema 1.2

type team # module: core, file: core.fga
  relations
    define lead: [user]
    define buyer: [user with cheap] or lead # extended by: module: shop, file: shop/orders.fga

type user # module: core, file: core.fga
  relations
    define spouse: [user] # extended by: module: shop, file: shop/orders.fga

type order # module: shop, file: shop/orders.fga
  relations
    define owner: [team]
    define viewer: buyer from owner

condition cheap(price: int) {
  price < 10
} # module: shop, file: shop/orders.fga
";
    let printed = print(&model).unwrap();
    assert_eq!(printed, expected);
    // Without the comments it is a model of one file.
    let one = parse(&printed).unwrap();
    assert_eq!(one.types.len(), model.types.len());
    assert!(one.types.iter().all(|t| t.origin.module.is_none() && t.origin.file.is_none()));
}

/// The model with the types of the last file first.
fn reordered(mut model: AuthorizationModel) -> AuthorizationModel {
    model.types.rotate_right(1);
    model
}

#[test]
fn definitions_that_conflict_are_told_in_the_file_that_comes_later() {
    check(
        &[
            CORE,
            (
                "b.fga",
                "module b\ntype user\ntype b\ntype b\nextend type team\n  relations\n    define  lead: [user]\n    define x: [user]\nextend type tem\n\
                 condition c(x: int) {\n  x > 1\n}\n",
            ),
            (
                "c.fga",
                "module c\nextend type team\n  relations\n\tdefine\tx: [user]\ncondition c(x: int) {\n  x > 1\n}\n",
            ),
        ],
        &[
            "b.fga:2:6: the type `user` is already defined in `core.fga`",
            "b.fga:4:6: the type `b` is already defined in `b.fga`",
            "b.fga:7:13: the relation `lead` of `team` is already defined in `core.fga`",
            "b.fga:9:13: the type `tem` does not exist, so that it cannot be extended",
            "c.fga:4:9: the relation `x` of `team` is already defined in `b.fga`",
            "c.fga:5:11: the condition `c` is already defined in `b.fga`",
        ],
    );
    let errors = combine(&texts(&[CORE, ("b.fga", "module b\nextend type tem\n")])).unwrap_err();
    assert_eq!(errors.iter().next().unwrap().1.help(), Some("did you mean `team`?"));
}

#[test]
fn a_file_that_is_no_module_is_refused() {
    check(
        &[
            CORE,
            ("m.fga", "# x\nmodel\n  schema 1.1\ntype a\n"),
            ("n.fga", "model\n  schema 0.9\n"),
            ("o.fga", "type x\n"),
        ],
        &[
            "m.fga:3:10: this file is a model of its own, not a module",
            "n.fga:2:10: the schema version `0.9` is not supported",
            "o.fga:1:1: unexpected `type`, expected `model` or `module`",
            "o.fga:1:6: unexpected `x`, expected `model` or `module`",
            "o.fga:2:1: unexpected end of the file, expected `model` or `module`",
        ],
    );
}

#[test]
fn errors_of_syntax_and_of_names_are_told_together_with_conflicts() {
    let long = "r".repeat(51);
    let wrong_name = format!("module a\ntype user\ntype this\n  relations\n    define {long}: [nobody]\n");
    let files = [
        ("a.fga", &*wrong_name),
        ("b.fga", "module b\ntype c\n  define x: [user]\nextend type gone\n"),
        ("c.fga", "module c\ntype user\n"),
    ];
    check(
        &files,
        &[
            "a.fga:3:6: a type cannot be named `this`",
            &format!(
                "a.fga:5:12: the relation name `{}…` is 51 bytes long; at most 50 are allowed",
                "r".repeat(40)
            ),
            "b.fga:3:3: unexpected `define`",
            "c.fga:2:6: the type `user` is already defined in `a.fga`",
        ],
    );
}

#[test]
fn the_rules_hold_for_the_whole_and_are_told_where_the_place_is() {
    check(
        &[
            CORE,
            (
                "b.fga",
                "module b\nextend type team\n  relations\n    define w: [usr]\n    define v: lead from lead\n    define u: [user with no]\n\
                 condition idle(x: int) {\n  x > 1\n}\n",
            ),
        ],
        &[
            "b.fga:4:16: the type `usr` does not exist",
            "b.fga:5:15: `lead` is no relation of `user`, to which `lead` leads",
            "b.fga:6:26: the condition `no` does not exist",
            "b.fga:7:11: no type restriction uses the condition `idle`",
        ],
    );
    let files = [CORE, ("b.fga", "module b\nextend type team\n  relations\n    define w: [usr]\n")];
    assert!(combine_unchecked(&texts(&files)).is_ok(), "names may refer to nothing");
}

#[test]
fn a_source_file_has_a_name_that_a_server_takes() {
    let expected = "is not named by 1 to 100 letters, digits, `_`, `-` and `/` before `.fga`";
    check(
        &[("a b.fga", "module a\ntype user\ntype other\n"), ("c.fga", "module c\ntype x\n")],
        &[&format!("a b.fga:2:6: the source file `a b.fga` {expected}")],
    );
    for (path, good) in [("a-b_C/9.fga", true), ("a.b.fga", false), (".fga", false), ("a.txt", false)] {
        assert_eq!(combine(&texts(&[(path, CORE.1)])).is_ok(), good, "{path}");
    }
    let longest = format!("{}.fga", "a".repeat(100));
    assert!(combine(&texts(&[(&longest, CORE.1)])).is_ok());
    assert!(combine(&texts(&[(&format!("a{longest}"), CORE.1)])).is_err());
}

#[test]
fn the_whole_is_bounded_and_is_told_of_without_a_file() {
    let types: String = (0..=100).map(|n| format!("type t{n}\n")).collect();
    check(
        &[("a.fga", &format!("module a\n{types}"))],
        &[&format!("{MOD_FILE_NAME}:1:1: too many types: 101; at most 100 are allowed")],
    );
    let large = format!("module a\n{}", "#\n".repeat(limits::MODEL_SOURCE_BYTES_MAX / 2 - 10));
    let five = ["a.fga", "b.fga", "c.fga", "d.fga", "e.fga"].map(|path| ModuleText { path, text: &large });
    let errors = combine(&five).unwrap_err().to_string();
    assert!(errors.starts_with("fga.mod:1:1: the model's files are "), "{errors}");
    let many = vec![ModuleText { path: "a.fga", text: "module a\n" }; limits::MODULE_FILES_MAX + 1];
    assert_eq!(
        combine(&many).unwrap_err().to_string(),
        "fga.mod:1:1: the model has 257 files; at most 256 are read"
    );
}

#[test]
fn suggestions_for_what_is_extended_have_one_budget() {
    const TYPES: usize = 1500;
    const WRONG: usize = 60;
    let types: String = (0..TYPES).map(|i| format!("type t{i:04}\n")).collect();
    let wrong: String = (0..WRONG).map(|i| format!("extend type t{i:04}x\n")).collect();
    let (types, wrong) = (format!("module a\n{types}"), format!("module b\n{wrong}"));
    let errors = combine(&texts(&[("a.fga", &types), ("b.fga", &wrong)])).unwrap_err();
    let helps: Vec<_> = errors.iter().map(|(_, error)| error.help()).collect();
    assert_eq!(helps.len(), WRONG, "each is told");
    assert_eq!((helps[0], helps[WRONG - 1]), (Some("did you mean `t0000`?"), None));
    // Five characters with six.
    let helped = helps.iter().flatten().count();
    assert!(helped <= limits::SUGGESTION_STEPS_MAX / (TYPES * 5 * 6), "{helped}");
}

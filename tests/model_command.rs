//! `tenure model`: what it prints, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test ends where the program does not run")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const MODEL: &str = "model\n  schema 1.1\n\ntype user\n\ntype doc\n  relations\n    define viewer: [user]\n";
const JSON: &str = r#"{"schema_version":"1.1","type_definitions":[{"metadata":null,"relations":{},"type":"user"},{"metadata":{"relations":{"viewer":{"directly_related_user_types":[{"type":"user"}]}}},"relations":{"viewer":{"this":{}}},"type":"doc"}]}"#;

/// The exit code, the standard output and the standard error of `tenure model COMMAND -`.
fn run(command: &str, input: &str) -> (Option<i32>, String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["model", command, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = program.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_good_model_is_checked_without_a_word() {
    for input in [MODEL, JSON] {
        assert_eq!(run("check", input), (Some(0), String::new(), String::new()));
    }
}

#[test]
fn a_bad_model_is_told_about() {
    let (code, output, errors) = run("check", &MODEL.replace("[user]", "[usr]"));
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(errors.starts_with("error: the type `usr` does not exist\n --> <stdin>:8:21\n"), "{errors}");
    assert!(errors.ends_with("help: did you mean `user`?\n"), "{errors}");
    let (code, _, errors) =
        run("check", &JSON.replace("\"this\":{}", "\"computedUserset\":{\"relation\":\"x\"}"));
    assert_eq!(code, Some(1));
    assert!(errors.contains("the type `doc` has no relation `x`"), "{errors}");
    let (code, _, errors) = run("to-json", "{}");
    assert_eq!(
        (code, errors.as_str()),
        (Some(1), "error: the field `schema_version` is missing\n --> <stdin>\n")
    );
}

#[test]
fn the_forms_convert_into_each_other() {
    assert_eq!(run("to-json", MODEL).1, format!("{JSON}\n"));
    assert_eq!(run("from-json", JSON).1, MODEL);
    assert_eq!(run("print", &MODEL.replace("\n\n", " # x\n")).1, MODEL);
    assert_eq!(run("print", JSON).1, MODEL);
}

/// A directory with an `fga.mod` of these files.
fn modules(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let list: String = files.iter().map(|(path, _)| format!("  - {path}\n")).collect();
    fs::write(directory.path().join("fga.mod"), format!("schema: '1.2'\ncontents:\n{list}")).unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn tenure(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_directory_of_modules_is_a_model() {
    let core = ("core.fga", "module core\n\ntype user\n");
    let docs = (
        "docs/docs.fga",
        "module docs\n\nextend type user\n  relations\n    define boss: [user]\n\ntype doc\n  relations\n    define viewer: [user]\n",
    );
    let directory = modules(&[core, docs]);
    let directory = directory.path();
    for path in [".", "fga.mod", "./fga.mod"] {
        assert_eq!(tenure(directory, &["model", "check", path]), (Some(0), String::new(), String::new()));
    }
    let (code, printed, _) = tenure(directory, &["model", "print", "."]);
    let expected = "model\n  schema 1.2\n\ntype user # module: core, file: core.fga\n  relations\n    define boss: [user] # extended by: module: docs, \
                    file: docs/docs.fga\n\ntype doc # module: docs, file: docs/docs.fga\n  relations\n    define viewer: [user]\n";
    assert_eq!((code, printed.as_str()), (Some(0), expected));
    let json = tenure(directory, &["model", "to-json", "fga.mod"]).1;
    assert_eq!(run("from-json", &json).1, expected);

    let test = "model_file: ./fga.mod\ntuples:\n  - {user: 'user:a', relation: viewer, object: 'doc:1'}\ntests:\n  - check:\n      - {user: 'user:a', object: \
                'doc:1', assertions: {viewer: true}}\n";
    fs::write(directory.join("s.fga.yaml"), test).unwrap();
    let outcome = tenure(directory, &["model", "test", "s.fga.yaml"]);
    assert_eq!(outcome, (Some(0), "1 passed, 0 failed\n".to_owned(), String::new()));

    let (code, _, errors) = tenure(directory, &["model", "check", "docs/docs.fga"]);
    assert!(code == Some(1) && errors.contains("this is a module"), "{errors}");
    let (code, _, errors) = tenure(directory, &["model", "print", "docs/docs.fga"]);
    assert!(code == Some(1) && errors.contains("give the directory of its `fga.mod`"), "{errors}");
    let (code, _, errors) = tenure(directory, &["model", "from-json", "."]);
    assert_eq!(
        (code, errors.as_str()),
        (Some(1), "error: these are modules; expected a model as JSON\n --> ./fga.mod\n")
    );
    let (code, _, errors) = tenure(directory, &["model", "check", "docs"]);
    assert!(code == Some(2) && errors.starts_with("error: cannot read `docs/fga.mod`: "), "{errors}");
}

#[test]
fn what_is_wrong_with_modules_is_told_in_their_files() {
    let directory = modules(&[("a.fga", "module a\ntype user\n"), ("sub/b.fga", "module b\ntype user\n")]);
    let (code, output, errors) = tenure(directory.path(), &["model", "check", "."]);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(
        errors.starts_with("error: the type `user` is already defined in `a.fga`\n --> ./sub/b.fga:2:6\n"),
        "{errors}"
    );
    fs::remove_file(directory.path().join("a.fga")).unwrap();
    let (code, _, errors) = tenure(directory.path(), &["model", "check", "."]);
    assert_eq!(code, Some(1));
    assert!(errors.starts_with("error: the file cannot be read: "), "{errors}");
    assert!(errors.contains(" --> ./fga.mod:3:5\n"), "{errors}");
}

#[test]
fn what_cannot_be_read_is_no_wrong_model() {
    let missing =
        Command::new(env!("CARGO_BIN_EXE_tenure")).args(["model", "check", "no/such/file"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    let usage = Command::new(env!("CARGO_BIN_EXE_tenure")).args(["model", "check"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

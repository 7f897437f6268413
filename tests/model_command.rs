//! `tenure model`: what it prints, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test ends where the program does not run")]

use std::io::Write;
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

#[test]
fn what_cannot_be_read_is_no_wrong_model() {
    let missing =
        Command::new(env!("CARGO_BIN_EXE_tenure")).args(["model", "check", "no/such/file"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    let usage = Command::new(env!("CARGO_BIN_EXE_tenure")).args(["model", "check"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

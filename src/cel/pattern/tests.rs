//! Patterns that the two libraries read differently.

use super::*;

#[track_caller]
fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let compiled = compile(pattern).unwrap();
    for text in matching {
        assert!(compiled.is_match(text), "{pattern} should match {text:?}");
    }
    for text in others {
        assert!(!compiled.is_match(text), "{pattern} should not match {text:?}");
    }
}

#[test]
fn perl_classes_know_ascii_only() {
    check(r"^\d+$", &["123"], &["１２３", "a", ""]);
    check(r"^\w$", &["a", "_"], &["é", "-"]);
    check(r"^\W$", &["é"], &["a"]);
    check(r"^\s$", &[" ", "\t"], &["\u{b}", "\u{a0}"]);
    check(r"\bb", &["b", "éb"], &["ab"]);
    check(r"^[\d-z]$", &["1", "-", "z"], &["y"]);
    check(r"^[^\w]$", &["é"], &["a"]);
}

#[test]
fn classes_have_no_set_operations() {
    check(r"^[a&&b]$", &["a", "&", "b"], &["c"]);
    check(r"^[[a]$", &["[", "a"], &["]"]);
    check(r"^[]a]$", &["]", "a"], &["["]);
    check(r"^[^]a]$", &["b"], &["]"]);
    check(r"^[a-]$", &["a", "-"], &["b"]);
    check(r"^[[:alpha:][:^digit:]]$", &["a", "é"], &["1"]);
    check(r"^[[:x]$", &["[", ":", "x"], &["y"]);
}

#[test]
fn flags_hold_to_the_end_of_their_group() {
    check("^(?:(?i)a)b$", &["Ab", "ab"], &["AB"]);
    check("(?i)^k$", &["k", "K", "\u{212a}"], &["x"]);
    check("(?i:^[a-c]$)", &["B"], &["D"]);
    check("^a.b$", &["axb"], &["a\nb"]);
    check("(?s)^a.b$", &["a\nb"], &[]);
    check("^b$", &["b"], &["a\nb", "b\n"]);
    check("(?m)^b$", &["a\nb\nc"], &["ab"]);
    check("(?-i)a", &["a"], &["A"]);
}

#[test]
fn braces_that_are_no_repetition_are_texts() {
    check("^a{,2}$", &["a{,2}"], &["aa"]);
    check("^a{2,3}$", &["aa", "aaa"], &["a", "aaaa"]);
    check("^{$", &["{"], &[]);
    check("^a{02}$", &["a{02}"], &["aa"]);
    check(r"^\Qa.b\E$", &["a.b"], &["axb"]);
    check(r"^\Qa.b", &["a.b"], &["axb"]);
    check(r"\x41\x{1F600}\101\.", &["A😀A."], &[]);
    check(r"^\p{Greek}\pN$", &["α1"], &["a1"]);
    check(r"^\P{^Greek}$", &["α"], &["a"]);
}

#[test]
fn what_go_refuses_is_refused() {
    for pattern in [
        "[",
        "(",
        ")",
        "a**",
        "a+*",
        "*",
        "|*",
        "(?P<a>x)(?P<a>y)",
        "(?P<>x)",
        "(?x)a",
        "(?i",
        "(?-)a",
        r"\8",
        r"\1",
        r"\C",
        r"\Z",
        r"\pX",
        r"\p{Foo}",
        r"\x{110000}",
        r"\xg",
        r"\",
        "[b-a]",
        "[[:foo:]]",
        "a{1001}",
        "a{2,1}",
        "(?:a{100}){100}",
        "[a",
        r"[\",
        r"\B",
        "(?:a{2}){501}",
        "(?=a)",
        "(?<!a)b",
    ] {
        assert!(compile(pattern).is_err(), "{pattern}");
    }
    assert!(compile("(?:a{2}){500}").is_ok());
}

#[test]
fn a_pattern_that_would_take_much_memory_is_refused() {
    assert_eq!(compile(r"\p{L}{1000}").unwrap_err(), "error parsing regexp: expression too large");
}

//! A table of conditions, contexts and what they come to.
//!
//! Every row was put to cel-go too, through OpenFGA's own code: the answers and the costs are those that it gave, and it
//! fails where a row says that it fails.

use super::Expected::{Cost, Failed, Met, Parameter, Refused, Unmet};
use super::{check_all, numbers, texts};

#[test]
fn literals_mean_what_cel_says() {
    check_all(&[
        ("true", "", "{}", Met(0)),
        (r#"'a\x41\u00e9\n' == "aAé\n""#, "", "{}", Met(1)),
        (r#"r'\d' == '\\d'"#, "", "{}", Met(1)),
        ("'''a\nb''' == 'a\\nb'", "", "{}", Met(1)),
        (r#"b'\xff' == b'\377'"#, "", "{}", Met(1)),
        ("0xFF == 255 && 0x1Fu == 31u", "", "{}", Met(2)),
        (".5 == 0.5 && 1e3 == 1000.0", "", "{}", Met(2)),
        ("-9223372036854775808 < 0", "", "{}", Met(1)),
        ("// a comment\ntrue // another", "", "{}", Met(0)),
        ("[1, 2,] == [1, 2] && {'a': 1,}.a == 1 && [,] == []", "", "{}", Met(4)),
    ]);
}

#[test]
fn operators_bind_as_in_cel() {
    check_all(&[
        ("1 + 2 * 3 == 7 && (1 + 2) * 3 == 9", "", "{}", Met(6)),
        ("7 - 2 - 1 == 4 && 7 / 2 == 3 && -7 / 2 == -3 && -7 % 3 == -1", "", "{}", Met(9)),
        ("!false && true || false", "", "{}", Met(1)),
        ("true ? false : true", "", "{}", Unmet(0)),
        ("!!true && --1 == 1", "", "{}", Met(1)),
        ("1 < 2 == true", "", "{}", Met(2)),
        ("b ? 'x' == 'x' : 1 / 0 == 1", "b: bool", r#"{"b": true}"#, Met(2)),
        ("false || true && false || true", "", "{}", Met(0)),
    ]);
}

#[test]
fn numbers_overflow_to_errors() {
    check_all(&[
        ("i + 1 > 0", "i: int", r#"{"i": "9223372036854775807"}"#, Failed("integer overflow")),
        ("-i > 0", "i: int", r#"{"i": "-9223372036854775808"}"#, Failed("integer overflow")),
        ("i * 2 > 0", "i: int", r#"{"i": "9223372036854775807"}"#, Failed("integer overflow")),
        ("i / 0 == 1", "i: int", r#"{"i": 1}"#, Failed("division by zero")),
        ("i % 0 == 1", "i: int", r#"{"i": 1}"#, Failed("modulus by zero")),
        ("u - 2u == 0u", "u: uint", r#"{"u": 1}"#, Failed("unsigned integer overflow")),
        ("1.0 / 0.0 > 1e308", "", "{}", Met(2)),
        ("d != d", "d: any", r#"{"d": 1}"#, Unmet(3)),
        ("double('nan') == double('nan') || double('nan') < 1.0", "", "{}", Unmet(2)),
        ("int(d) == 1", "d: double", r#"{"d": 1e+300}"#, Failed("integer overflow")),
    ]);
}

#[test]
fn numbers_of_different_types_do_not_mix() {
    check_all(&[
        (
            "1 == 1.0",
            "",
            "{}",
            Refused("1:3: found no matching overload for '_==_' applied to '(int, double)'"),
        ),
        (
            "1 + 1.0 == 2.0",
            "",
            "{}",
            Refused("1:3: found no matching overload for '_+_' applied to '(int, double)'"),
        ),
        ("1 < 2u", "", "{}", Refused("1:3: found no matching overload for '_<_' applied to '(int, uint)'")),
        ("dyn(1) == 1.0 && dyn(1u) == dyn(1)", "", "{}", Met(2)),
        ("dyn(1) < 2u", "", "{}", Met(1)),
        ("[1].exists(x, x < 2u)", "", "{}", Met(7)),
        (
            "1 in [1.0]",
            "",
            "{}",
            Refused("1:3: found no matching overload for '@in' applied to '(int, list(double))'"),
        ),
        ("dyn(1) in [1.0, 2.0]", "", "{}", Met(0)),
        ("{1: 'a'}[dyn(1u)] == 'a'", "", "{}", Met(3)),
    ]);
}

#[test]
fn texts_and_bytes() {
    check_all(&[
        ("'é'.size() == 1 && size('日本') == 2", "", "{}", Met(4)),
        (
            "s.startsWith('ab') && s.endsWith('yz') && s.contains('m')",
            "s: string",
            r#"{"s": "abcdefghijklmnopqrstuvwxyz"}"#,
            Met(8),
        ),
        ("s + 'b' == 'ab'", "s: string", r#"{"s": "a"}"#, Met(3)),
        ("'a' < 'b' && 'B' < 'a'", "", "{}", Met(2)),
        ("b'ab' + b'c' == b'abc'", "", "{}", Met(2)),
        (r#"string(b'\xc3\xa9') == 'é'"#, "", "{}", Met(1)),
        ("string(b) == 'x'", "b: any", r#"{"b": [1]}"#, Failed("no such overload: string(list)")),
        (
            r#"string(b'\xff') == 'x'"#,
            "",
            "{}",
            Refused("1:7: invalid UTF-8 in bytes, cannot convert to string"),
        ),
        ("bytes('é').size() == 2", "", "{}", Met(2)),
        ("s == t", "s: string, t: string", &texts(&[("s", 95), ("t", 95)]), Met(12)),
    ]);
}

#[test]
fn patterns_are_those_of_re2() {
    check_all(&[
        ("s.matches('^[a-z]+[0-9]{2,}$')", "s: string", r#"{"s": "abc123"}"#, Met(6)),
        (r#"s.matches('^\\d$')"#, "s: string", r#"{"s": "１"}"#, Unmet(2)),
        ("s.matches(p)", "s: string, p: string", r#"{"s": "foobar", "p": "o+b"}"#, Met(3)),
        (
            "s.matches(p)",
            "s: string, p: string",
            r#"{"s": "foobar", "p": "["}"#,
            Failed("error parsing regexp: missing closing ]"),
        ),
        (
            "s.matches('[')",
            "s: string",
            r#"{"s": "x"}"#,
            Refused("1:10: error parsing regexp: missing closing ]"),
        ),
        ("matches(s, '(?i)ABC')", "s: string", r#"{"s": "xabcx"}"#, Met(3)),
        ("s.matches('^x*$')", "s: string", &texts(&[("s", 500)]), Met(52)),
    ]);
}

#[test]
fn lists_and_maps() {
    check_all(&[
        ("l[0] == 'a' && l[1] == 'b'", "l: list<string>", r#"{"l": ["a", "b"]}"#, Met(6)),
        ("l[2] == 'a'", "l: list<string>", r#"{"l": ["a", "b"]}"#, Failed("index out of bounds: 2")),
        ("l[-1] == 'a'", "l: list<string>", r#"{"l": ["a"]}"#, Failed("index out of bounds: -1")),
        ("'b' in l", "l: list<string>", r#"{"l": ["a", "b"]}"#, Met(3)),
        ("m.a == 1 && m['b'] == 2", "m: map<int>", r#"{"m": {"a": 1, "b": 2}}"#, Met(6)),
        ("m.c == 1", "m: map<int>", r#"{"m": {"a": 1}}"#, Failed("no such key: c")),
        ("has(m.a) && !has(m.c)", "m: map<int>", r#"{"m": {"a": 1}}"#, Met(5)),
        ("'a' in m", "m: map<int>", r#"{"m": {"a": 1}}"#, Met(2)),
        ("l + [3] == [1, 2, 3]", "l: list<int>", r#"{"l": [1, 2]}"#, Met(3)),
        ("size(l) == 2 && m.size() == 0", "l: list<int>, m: map<int>", r#"{"l": [1, 2], "m": {}}"#, Met(6)),
        ("m.a.b[0] == 1.0", "m: map<any>", r#"{"m": {"a": {"b": [1]}}}"#, Met(5)),
        ("ll[1][0] == 3", "ll: list<list<int>>", r#"{"ll": [[1, 2], [3]]}"#, Met(4)),
        ("{'a': 1, 'a': 2}.a == 2", "", "{}", Met(3)),
        ("[1, 'a', null][1] == 'a'", "", "{}", Met(3)),
    ]);
}

#[test]
fn macros_go_over_lists_and_keys() {
    check_all(&[
        ("l.all(x, x > 0)", "l: list<int>", r#"{"l": [1, 2, 3]}"#, Met(17)),
        ("l.exists(x, x > 2)", "l: list<int>", r#"{"l": [1, 2, 3]}"#, Met(20)),
        ("l.exists_one(x, x > 2)", "l: list<int>", r#"{"l": [1, 2, 3]}"#, Met(11)),
        ("l.filter(x, x > 1) == [2, 3]", "l: list<int>", r#"{"l": [1, 2, 3]}"#, Met(35)),
        ("l.map(x, x * 2) == [2, 4]", "l: list<int>", r#"{"l": [1, 2]}"#, Met(31)),
        ("l.map(x, x > 1, x * 2) == [4]", "l: list<int>", r#"{"l": [1, 2]}"#, Met(21)),
        ("m.all(k, m[k] > 0)", "m: map<int>", r#"{"m": {"a": 1, "b": 2}}"#, Met(14)),
        ("[].all(x, x > 0) && ![].exists(x, x > 0)", "", "{}", Met(3)),
        ("l.all(x, l.exists(y, y == x))", "l: list<int>", r#"{"l": [1, 2]}"#, Met(36)),
        ("[1].exists(x, .x == 'a')", "x: string", r#"{"x": "a"}"#, Met(7)),
        (
            "a.exists(x, x == 1)",
            "a: any",
            r#"{"a": [1]}"#,
            Refused(
                "1:1: expression of type 'any' cannot be range of a comprehension (must be list, map, or dynamic)",
            ),
        ),
        ("dyn(a).exists(x, x == 1)", "a: any", r#"{"a": [1]}"#, Met(9)),
        (
            "dyn(a).exists(x, true)",
            "a: any",
            r#"{"a": "text"}"#,
            Failed("got 'string', expected iterable type"),
        ),
        ("[1, 2].map(x, [x].map(y, y + x)).size() == 2", "", "{}", Met(81)),
    ]);
}

#[test]
fn errors_are_absorbed_where_another_operand_decides() {
    check_all(&[
        ("i / 0 == 1 || true", "i: int", r#"{"i": 1}"#, Met(2)),
        ("true || i / 0 == 1", "i: int", r#"{"i": 1}"#, Met(0)),
        ("i / 0 == 1 && false", "i: int", r#"{"i": 1}"#, Unmet(2)),
        ("i / 0 == 1 && true", "i: int", r#"{"i": 1}"#, Failed("division by zero")),
        ("l.exists(x, 1 / x == 1)", "l: list<int>", r#"{"l": [0, 1]}"#, Met(15)),
        ("l.all(x, 1 / x == 1)", "l: list<int>", r#"{"l": [0, 2]}"#, Unmet(13)),
        ("l.exists_one(x, 1 / x == 1)", "l: list<int>", r#"{"l": [0, 1]}"#, Failed("division by zero")),
        ("i / 0 == 1 ? true : false", "i: int", r#"{"i": 1}"#, Failed("division by zero")),
        ("dyn('a') && false || true", "", "{}", Met(0)),
        ("l.exists(x, 1 / x == 5)", "l: list<int>", r#"{"l": [0, 1]}"#, Failed("division by zero")),
    ]);
}

#[test]
fn times_and_spans() {
    check_all(&[
        ("timestamp('2023-07-14T10:30:45.123Z').getFullYear() == 2023", "", "{}", Met(2)),
        (
            "t.getMonth() == 6 && t.getDate() == 14 && t.getDayOfMonth() == 13 && t.getDayOfYear() == 194 && t.getDayOfWeek() == 5",
            "t: timestamp",
            r#"{"t": "2023-07-14T10:30:45.123Z"}"#,
            Met(15),
        ),
        (
            "t.getHours() == 10 && t.getMinutes() == 30 && t.getSeconds() == 45 && t.getMilliseconds() == 123",
            "t: timestamp",
            r#"{"t": "2023-07-14T10:30:45.123Z"}"#,
            Met(12),
        ),
        (
            "t.getHours('America/New_York') == 6 && t.getHours('+05:30') == 16",
            "t: timestamp",
            r#"{"t": "2023-07-14T10:30:45.123Z"}"#,
            Met(6),
        ),
        (
            "t.getHours('Nowhere') == 6",
            "t: timestamp",
            r#"{"t": "2023-07-14T10:30:45Z"}"#,
            Failed("unknown time zone Nowhere"),
        ),
        (
            "now < granted + d",
            "now: timestamp, granted: timestamp, d: duration",
            r#"{"now": "2023-01-01T00:09:50Z", "granted": "2023-01-01T00:00:00Z", "d": "10m"}"#,
            Met(5),
        ),
        (
            "now < granted + d",
            "now: timestamp, granted: timestamp, d: duration",
            r#"{"now": "2023-01-01T00:10:00Z", "granted": "2023-01-01T00:00:00Z", "d": "10m"}"#,
            Unmet(5),
        ),
        (
            "t - t2 == duration('24h')",
            "t: timestamp, t2: timestamp",
            r#"{"t": "2023-01-02T00:00:00Z", "t2": "2023-01-01T00:00:00Z"}"#,
            Met(4),
        ),
        (
            "t + d > t",
            "t: timestamp, d: duration",
            r#"{"t": "9999-12-31T23:59:59Z", "d": "1h"}"#,
            Failed("timestamp overflow"),
        ),
        (
            "string(t) == '2023-07-14T10:30:45+02:00' && string(d) == '5400s'",
            "t: timestamp, d: duration",
            r#"{"t": "2023-07-14T10:30:45+02:00", "d": "1h30m"}"#,
            Met(8),
        ),
        (
            "d.getHours() == 1 && d.getMinutes() == 90 && d.getSeconds() == 5400",
            "d: duration",
            r#"{"d": "1h30m"}"#,
            Met(9),
        ),
        (
            "timestamp(s) > timestamp(0)",
            "s: string",
            r#"{"s": "2023-07-14T1:30:45Z"}"#,
            Failed("type conversion error from 'string' to 'google.protobuf.Timestamp'"),
        ),
        (
            "timestamp('2023-02-30T00:00:00Z') > timestamp(0)",
            "",
            "{}",
            Refused("1:10: type conversion error from 'string' to 'google.protobuf.Timestamp'"),
        ),
        (
            "duration('1d') > duration('1h')",
            "",
            "{}",
            Refused("1:9: type conversion error from 'string' to 'google.protobuf.Duration'"),
        ),
        ("timestamp(i) > timestamp(0)", "i: int", r#"{"i": 253402300800}"#, Failed("timestamp overflow")),
    ]);
}

#[test]
fn addresses_and_networks() {
    check_all(&[
        ("ip.in_cidr('10.0.0.0/8')", "ip: ipaddress", r#"{"ip": "10.1.2.3"}"#, Met(2)),
        ("ip.in_cidr('10.0.0.0/8')", "ip: ipaddress", r#"{"ip": "11.1.2.3"}"#, Unmet(2)),
        ("ip.in_cidr('2001:db8::/32')", "ip: ipaddress", r#"{"ip": "2001:db8::1"}"#, Met(2)),
        ("ip.in_cidr('10.0.0.0/8')", "ip: ipaddress", r#"{"ip": "::ffff:10.1.2.3"}"#, Met(2)),
        (
            "ip.in_cidr('10.0.0.0')",
            "ip: ipaddress",
            r#"{"ip": "10.1.2.3"}"#,
            Failed("'10.0.0.0' is a malformed CIDR string"),
        ),
        ("ipaddress('192.168.0.1').in_cidr('192.168.0.0/24')", "", "{}", Met(2)),
        (
            "ipaddress('192.168.0').in_cidr('192.168.0.0/24')",
            "",
            "{}",
            Failed(r#"ParseAddr("192.168.0"): it is not an IP address"#),
        ),
        ("ip == ipaddress('10.1.2.3')", "ip: ipaddress", r#"{"ip": "10.1.2.3"}"#, Met(3)),
        (
            "ip in ips",
            "ip: ipaddress, ips: list<ipaddress>",
            r#"{"ip": "10.1.2.3", "ips": ["10.1.2.3"]}"#,
            Met(3),
        ),
        (
            "ip < ip",
            "ip: ipaddress",
            r#"{"ip": "10.1.2.3"}"#,
            Refused("1:4: found no matching overload for '_<_' applied to '(IPAddress, IPAddress)'"),
        ),
    ]);
}

#[test]
fn conversions_are_those_of_cel() {
    check_all(&[
        (
            "int('-5') == -5 && int(3.9) == 3 && int(5u) == 5 && int(duration('1s')) == 1000000000 && int(timestamp(7)) == 7",
            "",
            "{}",
            Met(5),
        ),
        ("uint('5') == 5u && uint(5) == 5u && double('1.5') == 1.5 && double(2) == 2.0", "", "{}", Met(4)),
        (
            "string(1) == '1' && string(1u) == '1' && string(1.5) == '1.5' && string(1e21) == '1e+21' && string(true) == 'true'",
            "",
            "{}",
            Met(5),
        ),
        ("bool('true') && bool('T') && !bool('0')", "", "{}", Met(1)),
        ("bool(s)", "s: string", r#"{"s": "yes"}"#, Failed("type conversion error from 'string' to 'bool'")),
        (
            "int(s) == 1",
            "s: string",
            r#"{"s": "1.5"}"#,
            Failed("type conversion error from 'string' to 'int'"),
        ),
        ("int('x') == 1", "", "{}", Refused("1:4: type conversion error from 'string' to 'int'")),
        (
            "type(1) == int && type('a') == string && type([]) == list && type(type(1)) == type",
            "",
            "{}",
            Met(4),
        ),
        ("type(timestamp(0)) == google.protobuf.Timestamp && type(null) == null_type", "", "{}", Met(2)),
        ("string(dyn([])) == 'x'", "", "{}", Refused("1:7: no such overload: string(list)")),
        ("uint(-1) == 1u", "", "{}", Refused("1:5: unsigned integer overflow")),
        ("dyn(1) + dyn('a') == dyn(1)", "", "{}", Failed("no such overload")),
    ]);
}

#[test]
fn parameters_are_converted_from_json() {
    check_all(&[
        ("i == 10", "i: int", r#"{"i": 10}"#, Met(2)),
        ("i == 10", "i: int", r#"{"i": "10"}"#, Met(2)),
        ("i == 10", "i: int", r#"{"i": "1e1"}"#, Met(2)),
        (
            "i == 10",
            "i: int",
            r#"{"i": 10.5}"#,
            Parameter("expected an int value, but found numeric value '10.5'"),
        ),
        (
            "i == 10",
            "i: int",
            r#"{"i": "ten"}"#,
            Parameter("expected a int64 value, but found invalid string value 'ten'"),
        ),
        ("i == 10", "i: int", r#"{"i": true}"#, Parameter("expected type value 'int64', but found 'bool'")),
        ("i == 9223372036854775807", "i: int", r#"{"i": 1e+300}"#, Met(2)),
        ("u == 10u", "u: uint", r#"{"u": "10"}"#, Met(2)),
        (
            "u == 10u",
            "u: uint",
            r#"{"u": -1}"#,
            Parameter("expected a uint value, but found int64 value '-1'"),
        ),
        ("d == 0.5", "d: double", r#"{"d": "0.5"}"#, Met(2)),
        (
            "d == 0.1",
            "d: double",
            r#"{"d": "0.1"}"#,
            Parameter("number cannot be represented as a float64: 0.1"),
        ),
        ("d == 0.1", "d: double", r#"{"d": 0.1}"#, Met(2)),
        (
            "s == '1'",
            "s: string",
            r#"{"s": 1}"#,
            Parameter("expected type value 'string', but found 'float64'"),
        ),
        ("b", "b: bool", r#"{"b": "true"}"#, Parameter("expected type value 'bool', but found 'string'")),
        (
            "d == duration('1h')",
            "d: duration",
            r#"{"d": 3600}"#,
            Parameter("expected a duration string, but found: float64 '3600'"),
        ),
        ("d == duration('1h')", "d: duration", r#"{"d": "60m"}"#, Met(2)),
        (
            "d == duration('1h')",
            "d: duration",
            r#"{"d": "1 hour"}"#,
            Parameter("expected a valid duration string, but found: '1 hour'"),
        ),
        ("t == timestamp(0)", "t: timestamp", r#"{"t": "1970-01-01T01:00:00+01:00"}"#, Met(2)),
        (
            "t == timestamp(0)",
            "t: timestamp",
            r#"{"t": "1970-01-01"}"#,
            Parameter("expected RFC 3339 formatted timestamp string, but found '1970-01-01'"),
        ),
        (
            "ip == ip",
            "ip: ipaddress",
            r#"{"ip": "localhost"}"#,
            Parameter("expected a well-formed IP address, but found: 'localhost'"),
        ),
        (
            "l[0] == 1",
            "l: list<int>",
            r#"{"l": ["1", 2.5]}"#,
            Parameter(
                "found an invalid list item at index `1`: expected an int value, but found numeric value '2.5'",
            ),
        ),
        ("m.a == 1", "m: map<int>", r#"{"m": [1]}"#, Parameter("map requires a map, found: []interface {}")),
        ("m.a[0] == duration('1s')", "m: map<list<duration>>", r#"{"m": {"a": ["1s"]}}"#, Met(4)),
        ("a == null", "a: any", r#"{"a": null}"#, Met(2)),
        ("a.x[0] == 'y'", "a: any", r#"{"a": {"x": ["y"]}}"#, Met(4)),
        (
            "s == 's'",
            "s: string",
            r#"{"s": null}"#,
            Parameter("expected type value 'string', but found '<nil>'"),
        ),
    ]);
}

#[test]
fn names_must_be_declared_and_types_must_fit() {
    check_all(&[
        ("unknown == 1", "", "{}", Refused("1:1: undeclared reference to 'unknown' (in container '')")),
        ("unknown(1)", "", "{}", Refused("1:8: undeclared reference to 'unknown' (in container '')")),
        ("'a'.unknown()", "", "{}", Refused("1:12: undeclared reference to 'unknown' (in container '')")),
        (
            "1 == 'a'",
            "",
            "{}",
            Refused("1:3: found no matching overload for '_==_' applied to '(int, string)'"),
        ),
        ("'a' && true", "", "{}", Refused("1:1: expected type 'bool' but found 'string'")),
        ("!1", "", "{}", Refused("1:1: found no matching overload for '!_' applied to '(int)'")),
        ("-'a' == 1", "", "{}", Refused("1:1: found no matching overload for '-_' applied to '(string)'")),
        ("size(1) == 1", "", "{}", Refused("1:5: found no matching overload for 'size' applied to '(int)'")),
        (
            "'a'[0] == 'a'",
            "",
            "{}",
            Refused("1:4: found no matching overload for '_[_]' applied to '(string, int)'"),
        ),
        (
            "[1]['a'] == 1",
            "",
            "{}",
            Refused("1:4: found no matching overload for '_[_]' applied to '(list(int), string)'"),
        ),
        (
            "s.x == 1",
            "s: string",
            r#"{"s": ""}"#,
            Refused("1:2: type 'string' does not support field selection"),
        ),
        (
            "'abc'.all(c, true)",
            "",
            "{}",
            Refused(
                "1:1: expression of type 'string' cannot be range of a comprehension (must be list, map, or dynamic)",
            ),
        ),
        ("1", "", "{}", Refused("1:1: expected a bool condition expression output, but got 'int'")),
        (
            "a",
            "a: any",
            r#"{"a": true}"#,
            Refused("1:1: expected a bool condition expression output, but got 'any'"),
        ),
        ("'text'", "", "{}", Refused("1:1: expected a bool condition expression output, but got 'string'")),
        (
            "true ? true : a",
            "a: any",
            r#"{"a": true}"#,
            Refused("1:1: expected a bool condition expression output, but got 'any'"),
        ),
        ("[1, 'a'][0] == 1", "", "{}", Met(3)),
        (
            "d < 1",
            "d: double",
            r#"{"d": 0}"#,
            Refused("1:3: found no matching overload for '_<_' applied to '(double, int)'"),
        ),
        (
            "t == '2023-01-01T00:00:00Z'",
            "t: timestamp",
            r#"{"t": "2023-01-01T00:00:00Z"}"#,
            Refused("1:3: found no matching overload for '_==_' applied to '(timestamp, string)'"),
        ),
        (
            "ip == '10.0.0.1'",
            "ip: ipaddress",
            r#"{"ip": "10.0.0.1"}"#,
            Refused("1:4: found no matching overload for '_==_' applied to '(IPAddress, string)'"),
        ),
        ("[1].map(1, true)[0]", "", "{}", Refused("1:9: argument must be a simple name")),
        ("has(a)", "a: any", r#"{"a": 1}"#, Refused("1:5: invalid argument to has() macro")),
        (
            "optional.of(1) == 1",
            "",
            "{}",
            Refused("1:1: undeclared reference to 'optional' (in container '')"),
        ),
        ("[1].existsOne(x, true)", "", "{}", Refused("1:15: undeclared reference to 'x' (in container '')")),
        (
            "x == null || true",
            "x: string",
            r#"{"x": ""}"#,
            Refused("1:3: found no matching overload for '_==_' applied to '(string, null)'"),
        ),
    ]);
}

#[test]
fn syntax_errors_are_told() {
    check_all(&[
        ("1 ==", "", "{}", Refused("1:5: Syntax error: unexpected '<EOF>', expected a value")),
        ("(true", "", "{}", Refused("1:6: Syntax error: unexpected '<EOF>', expected ')'")),
        ("true)", "", "{}", Refused("1:5: Syntax error: unexpected ')', expected an operator or the end")),
        ("a b", "", "{}", Refused("1:3: Syntax error: unexpected 'b', expected an operator or the end")),
        ("!-a", "", "{}", Refused("1:2: Syntax error: unexpected '-', expected a value")),
        (
            "true ? true ? true : false : false",
            "",
            "{}",
            Refused("1:13: Syntax error: unexpected '?', expected ':'"),
        ),
        ("in == 1", "", "{}", Refused("1:1: Syntax error: unexpected 'in', expected a value")),
        ("for == 1", "", "{}", Refused("1:1: reserved identifier: for")),
        ("'a", "", "{}", Refused("1:1: Syntax error: the text is not terminated")),
        ("1 = 1", "", "{}", Refused("1:3: Syntax error: token recognition error at: '='")),
        ("a.?b", "", "{}", Refused("1:3: unsupported syntax '?'")),
        ("[?a]", "", "{}", Refused("1:2: unsupported syntax '?'")),
        ("9223372036854775808 == 1", "", "{}", Refused("1:1: invalid int literal")),
        (r#"'\q' == ''"#, "", "{}", Refused("1:1: Syntax error: the escape sequence is not valid")),
        ("a.b{c: 1}", "", "{}", Refused("1:4: messages cannot be constructed in a condition")),
        ("# == 1", "", "{}", Refused("1:1: Syntax error: token recognition error at: '#'")),
    ]);
}

#[test]
fn parameters_may_be_named_like_anything() {
    check_all(&[
        ("int == 'a' && type(1) == type(2)", "int: string", r#"{"int": "a"}"#, Met(3)),
        ("size == 'a' && size('a') == 1", "size: string", r#"{"size": "a"}"#, Met(4)),
        ("user.name == 'a'", "user.name: string", r#"{"user.name": "a"}"#, Met(2)),
        ("m.as == 1", "m: map<int>", r#"{"m": {"as": 1}}"#, Met(3)),
        ("m.`a-b` == 1", "m: map<int>", r#"{"m": {"a-b": 1}}"#, Met(3)),
    ]);
}

#[test]
fn what_costs_too_much_ends() {
    check_all(&[
        ("l.all(x, x >= 0)", "l: list<int>", &numbers(200), Cost),
        ("l.exists(x, x == 3)", "l: list<int>", &numbers(200), Met(29)),
        ("500 in l", "l: list<int>", &numbers(200), Cost),
        ("s.contains('y')", "s: string", &texts(&[("s", 2000)]), Cost),
        ("s == t", "s: string, t: string", &texts(&[("s", 2000), ("t", 2000)]), Cost),
        ("s + s == s", "s: string", &texts(&[("s", 2000)]), Cost),
        ("l.all(x, l.all(y, true)) || true", "l: list<int>", &numbers(200), Cost),
        ("l.exists_one(x, false) || true", "l: list<int>", &numbers(200), Met(3)),
        ("s in ['a', 'b', 'c']", "s: string", r#"{"s": "c"}"#, Met(1)),
    ]);
}

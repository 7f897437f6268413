use std::collections::BTreeSet;

use super::*;
use crate::cli::workload::Shape;

const MODEL: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn settings(parts: &str) -> Settings {
    Settings {
        mix: mix(parts).unwrap(),
        deny_share: 0.25,
        distinct: 400,
        skew: Skew::Uniform,
        seed: 1,
        batch_size: 3,
        write_size: 2,
        consistency: None,
        model: MODEL.parse().unwrap(),
        run: "w-7".to_owned(),
    }
}

fn data() -> DataSet {
    DataSet::about(Shape::Github, 1_000, 1)
}

fn answer(status: u16, body: &str) -> Received {
    Received { status, partial: false, body: Bytes::from(body.to_owned()) }
}

fn read(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[test]
fn a_mix_names_operations_and_weights() {
    let read = |text| mix(text).map(|Mix(parts)| parts);
    assert_eq!(read("check").unwrap(), [(Operation::Check, 1.0)]);
    assert_eq!(
        read("check=9, batch-check=0.5,list-objects").unwrap(),
        [(Operation::Check, 9.0), (Operation::BatchCheck, 0.5), (Operation::ListObjects, 1.0)]
    );
    for (text, message) in [
        ("chek", "`chek` is no operation; expected check, batch-check, list-objects or write"),
        ("", "`` is no operation; expected check, batch-check, list-objects or write"),
        ("check=0", "the weight of check is a number above 0, such as check=9"),
        ("write=-1", "the weight of write is a number above 0, such as write=9"),
        ("write=nan", "the weight of write is a number above 0, such as write=9"),
        ("check,check=2", "check stands twice"),
    ] {
        assert_eq!(read(text).unwrap_err(), message);
    }
}

#[test]
fn operations_come_by_their_weights() {
    let mix = mix("check=3,write=1").unwrap();
    let places = (0..100).map(|place| f64::from(place) / 100.0);
    let checks = places.filter(|place| mix.at(*place) == Operation::Check).count();
    assert_eq!(checks, 75);
    assert_eq!(mix.at(1.0), Operation::Write);
}

#[test]
fn questions_have_the_share_of_denials_and_are_as_many_as_asked_for() {
    let data = data();
    let requests = Requests::new(&data, settings("check"));
    assert_eq!(requests.distinct(), 400);
    let mut dice = requests.dice(0);
    let (mut denied, mut bodies) = (0, BTreeSet::new());
    for _ in 0..10_000 {
        let request = requests.next(&mut dice);
        denied += u32::from(matches!(request.expected, Expected::Decision { allowed: false }));
        bodies.insert(request.body);
    }
    assert!((2_300..2_700).contains(&denied), "{denied}");
    assert_eq!(bodies.len(), 400);
    let body = read(bodies.first().unwrap());
    assert_eq!(body["authorization_model_id"], MODEL);
    assert!(body["tuple_key"]["user"].as_str().unwrap().starts_with("user:o"), "{body}");
    assert_eq!(body.get("consistency"), None);
}

#[test]
fn all_may_be_denied_or_allowed() {
    let data = data();
    for (deny_share, all) in [(0.0, true), (1.0, false)] {
        let requests = Requests::new(&data, Settings { deny_share, distinct: 1, ..settings("check") });
        assert_eq!(requests.distinct(), 1);
        let mut dice = requests.dice(0);
        for _ in 0..100 {
            assert!(
                matches!(requests.next(&mut dice).expected, Expected::Decision { allowed } if allowed == all)
            );
        }
    }
}

#[test]
fn a_small_data_set_has_fewer_questions_and_ends() {
    let data = DataSet::about(Shape::Groups, 1, 1);
    let requests = Requests::new(&data, Settings { distinct: 100_000, ..settings("check") });
    assert!((1..1_000).contains(&requests.distinct()), "{}", requests.distinct());
}

#[test]
fn few_questions_are_asked_often_where_that_is_wanted() {
    let data = data();
    let most_often = |skew| {
        let requests = Requests::new(&data, Settings { skew, deny_share: 0.0, ..settings("check") });
        let mut dice = requests.dice(0);
        let mut counts: HashMap<Bytes, u32> = HashMap::new();
        for _ in 0..10_000 {
            *counts.entry(requests.next(&mut dice).body).or_default() += 1;
        }
        counts.into_values().max().unwrap()
    };
    assert!(most_often(Skew::Uniform) < 100);
    assert!(most_often(Skew::Zipf) > 1_000);
}

#[test]
fn connections_draw_other_questions_and_write_other_tuples() {
    let data = data();
    let requests = Requests::new(&data, settings("check,write"));
    let drawn = |connection| {
        let mut dice = requests.dice(connection);
        (0..50).map(|_| requests.next(&mut dice).body).collect::<Vec<_>>()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    let writes = Requests::new(&data, settings("write"));
    let mut objects = BTreeSet::new();
    for connection in 0..3 {
        let mut dice = writes.dice(connection);
        for _ in 0..5 {
            let body = read(&writes.next(&mut dice).body);
            let keys = body["writes"]["tuple_keys"].as_array().unwrap();
            assert_eq!(keys.len(), 2);
            objects.extend(keys.iter().map(|key| key["object"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(objects.len(), 30);
    assert!(objects.first().unwrap().starts_with("repo:w-7-0-"));
}

#[test]
fn answers_of_checks_are_compared() {
    let data = data();
    let requests = Requests::new(&data, Settings { deny_share: 0.0, ..settings("check") });
    let request = requests.next(&mut requests.dice(0));
    let compare = |status, body| request.compare(&answer(status, body));
    assert_eq!(compare(200, r#"{"allowed":true,"resolution":""}"#), Outcome::Right { decisions: 1 });
    let Outcome::Wrong(example) = compare(200, r#"{"allowed":false}"#) else { panic!("it is wrong") };
    assert!(example.starts_with("check {\"tuple_key\""), "{example}");
    assert!(example.ends_with(r#"was answered {"allowed":false}"#), "{example}");
    let failed = |kind: &str| Outcome::Failed(kind.to_owned());
    assert_eq!(compare(200, "{}"), failed("an answer that is not of this API"));
    assert_eq!(compare(200, "<html>"), failed("an answer that is not of this API"));
    assert_eq!(compare(429, r#"{"code":"too_busy","message":"x"}"#), failed("HTTP 429 too_busy"));
    assert_eq!(compare(502, "<html>"), failed("HTTP 502"));
}

#[test]
fn answers_of_batches_are_compared_item_by_item() {
    let data = data();
    let requests = Requests::new(&data, Settings { deny_share: 0.0, ..settings("batch-check") });
    let request = requests.next(&mut requests.dice(0));
    let body = read(&request.body);
    let ids: Vec<_> =
        body["checks"].as_array().unwrap().iter().map(|check| check["correlation_id"].clone()).collect();
    assert_eq!(ids, ["0", "1", "2"]);
    assert_eq!(body["authorization_model_id"], MODEL);
    let compare = |items: [&str; 3]| {
        let [zero, one, two] = items;
        request.compare(&answer(200, &format!(r#"{{"result":{{"1":{one},"0":{zero},"2":{two}}}}}"#)))
    };
    let (yes, no) = (r#"{"allowed":true}"#, r#"{"allowed":false}"#);
    assert_eq!(compare([yes, yes, yes]), Outcome::Right { decisions: 3 });
    assert!(matches!(compare([yes, yes, no]), Outcome::Wrong(_)));
    let failed = compare([yes, r#"{"error":{"input_error":"validation_error","message":"x"}}"#, no]);
    assert_eq!(failed, Outcome::Failed("an item of a batch failed".to_owned()));
    let missing = request.compare(&answer(200, r#"{"result":{}}"#));
    assert_eq!(missing, Outcome::Failed("an item of a batch failed".to_owned()));
}

#[test]
fn a_list_has_what_is_allowed_and_not_what_is_denied() {
    let data = data();
    let requests = Requests::new(&data, settings("list-objects"));
    let mut dice = requests.dice(0);
    let mut seen = [false; 2];
    for _ in 0..50 {
        let request = requests.next(&mut dice);
        let Expected::Listed { object, listed } = request.expected else { panic!("it is a list") };
        seen[usize::from(listed)] = true;
        assert_eq!(read(&request.body)["type"], "repo");
        let with = format!(r#"{{"objects":["repo:other","{object}"]}}"#);
        let without = r#"{"objects":["repo:other"]}"#;
        let outcomes = [&with, without].map(|body| request.compare(&answer(200, body)));
        let right = Outcome::Right { decisions: 0 };
        assert_eq!([outcomes[0] == right, outcomes[1] == right], [listed, !listed]);
        let partial = Received { partial: true, ..answer(200, without) };
        assert_eq!(request.compare(&partial), if listed { Outcome::Unknown } else { right.clone() });
        let cut_off = format!(r#"{{"objects":[{}]}}"#, vec![r#""repo:other""#; 1_000].join(","));
        assert_eq!(request.compare(&answer(200, &cut_off)), if listed { Outcome::Unknown } else { right });
    }
    assert_eq!(seen, [true, true]);
}

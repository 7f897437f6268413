//! Points, ranges, the index by subject, filters and pages: exactly what is asked for, and no neighbour.

use super::*;

on_both!(
    a_point_is_exact,
    a_range_of_subjects_has_no_neighbour,
    a_range_of_objects_has_no_neighbour,
    a_cursor_yields_nothing_before_it_is_placed_and_can_be_placed_again,
    every_shape_of_filter_finds_what_it_names,
    pages_follow_each_other_in_every_shape,
    a_page_may_begin_behind_a_tuple_that_is_gone,
    names_at_the_edges_are_told_apart,
    a_filter_of_an_object_and_a_subject_looks_into_each_relation,
);

/// Names that begin each other, in every place of a tuple.
const NEIGHBOURS: [&str; 20] = [
    "doc:1#viewer@user:a",
    "document:1#view@user:a",
    "document:1#viewer@group:a",
    "document:1#viewer@group:a#m",
    "document:1#viewer@group:a#member",
    "document:1#viewer@group:ab#member",
    "document:1#viewer@use:a",
    "document:1#viewer@user:*",
    "document:1#viewer@user:a",
    "document:1#viewer@user:a#member",
    "document:1#viewer@user:ab",
    "document:1#viewer@userx:*",
    "document:1#viewers@user:a",
    "document:10#viewer@user:a",
    "document:1ÿ#viewer@user:a",
    "document:1\u{10ffff}#viewer@user:a",
    "document:2#viewer@user:a",
    "documents:1#viewer@user:a",
    "documents:1#viewer@user:*",
    "dóc:1#viewer@user:\u{ffff}",
];

/// The tuples of a list that a filter matches.
fn expected(filter: &TupleFilter<'_>) -> Vec<String> {
    let mut keys: Vec<TupleKey> = NEIGHBOURS.iter().map(|tuple| key(tuple)).collect();
    keys.retain(|key| {
        filter.object_type.is_none_or(|t| *t == *key.object.type_name)
            && filter.object_id.is_none_or(|id| *id == *key.object.id)
            && filter.relation.is_none_or(|relation| *relation == *key.relation)
            && filter.subject.is_none_or(|subject| subject.to_owned() == key.subject)
    });
    let mut texts: Vec<String> = keys.iter().map(TupleKey::to_string).collect();
    texts.sort();
    texts
}

fn a_point_is_exact<D: Database>(bench: &Bench<D>) {
    for present in NEIGHBOURS {
        bench.write(&[present]);
        let snapshot = bench.snapshot();
        for asked in NEIGHBOURS {
            assert_eq!(
                snapshot.tuple(key(asked).as_ref()).unwrap().is_some(),
                asked == present,
                "{present} {asked}"
            );
        }
        bench.delete(&[present]);
    }
}

fn a_range_of_subjects_has_no_neighbour<D: Database>(bench: &Bench<D>) {
    bench.write(&NEIGHBOURS);
    let snapshot = bench.snapshot();
    let mut cursor = snapshot.subject_cursor();
    let mut found = |object: &str, relation, class| -> Vec<String> {
        let object = ObjectRef::parse(object).unwrap();
        subjects(&mut cursor, object, relation, class).into_iter().map(|(subject, _)| subject).collect()
    };
    assert_eq!(
        found("document:1", "viewer", SubjectClass::Object),
        ["group:a", "use:a", "user:a", "user:ab"]
    );
    assert_eq!(found("document:1", "viewer", SubjectClass::Wildcard), ["user:*", "userx:*"]);
    assert_eq!(
        found("document:1", "viewer", SubjectClass::Userset),
        ["group:a#m", "group:a#member", "group:ab#member", "user:a#member"]
    );
    assert_eq!(found("document:1", "view", SubjectClass::Object), ["user:a"]);
    assert!(found("document:1", "vie", SubjectClass::Object).is_empty());
    assert!(found("document:1", "view", SubjectClass::Wildcard).is_empty());
    assert!(found("document:3", "viewer", SubjectClass::Object).is_empty());
    assert_eq!(found("document:1\u{10ffff}", "viewer", SubjectClass::Object), ["user:a"]);
}

fn a_range_of_objects_has_no_neighbour<D: Database>(bench: &Bench<D>) {
    bench.write(&NEIGHBOURS);
    let snapshot = bench.snapshot();
    let mut cursor = snapshot.object_cursor();
    let mut found = |subject: &str, object_type, relation| -> Vec<String> {
        let subject = SubjectRef::parse(subject).unwrap();
        objects(&mut cursor, subject, object_type, relation).into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(found("user:a", "document", "viewer"), ["1", "10", "1ÿ", "1\u{10ffff}", "2"]);
    assert_eq!(found("user:a", "documents", "viewer"), ["1"]);
    assert_eq!(found("user:a", "document", "viewers"), ["1"]);
    assert_eq!(found("user:*", "document", "viewer"), ["1"]);
    assert_eq!(found("group:a", "document", "viewer"), ["1"]);
    assert_eq!(found("group:a#member", "document", "viewer"), ["1"]);
    assert!(found("group:a#mem", "document", "viewer").is_empty());
    assert!(found("user:a", "docu", "viewer").is_empty());
    assert!(found("user:b", "document", "viewer").is_empty());
}

fn a_cursor_yields_nothing_before_it_is_placed_and_can_be_placed_again<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:1#viewer@user:a", "document:1#viewer@user:b"]);
    let snapshot = bench.snapshot();
    let object = ObjectRef::parse("document:1").unwrap();
    let mut cursor = snapshot.subject_cursor();
    assert!(cursor.next().unwrap().is_none());
    for _ in 0..3 {
        cursor.seek(object, "viewer", SubjectClass::Object).unwrap();
        assert_eq!(cursor.next().unwrap().unwrap().0.to_string(), "user:a", "from the first again");
    }
    assert_eq!(subjects(&mut cursor, object, "viewer", SubjectClass::Object).len(), 2);
    assert!(snapshot.object_cursor().next().unwrap().is_none());
}

/// Every shape of filter over the names of [`NEIGHBOURS`].
fn each_filter(mut check: impl FnMut(&TupleFilter<'_>)) {
    let subjects = ["user:a", "user:*", "user:a#member", "group:a", "group:a#member", "user:b"];
    let subjects: Vec<Option<SubjectRef<'_>>> =
        subjects.iter().map(|text| SubjectRef::parse(text).ok()).chain([None]).collect();
    for object_type in [None, Some("document"), Some("doc"), Some("docu")] {
        for object_id in [None, Some("1"), Some("10"), Some("1ÿ"), Some("3")] {
            if object_type.is_none() && object_id.is_some() {
                continue;
            }
            for relation in [None, Some("viewer"), Some("view"), Some("v")] {
                for subject in &subjects {
                    check(&TupleFilter { object_type, object_id, relation, subject: *subject });
                }
            }
        }
    }
}

fn every_shape_of_filter_finds_what_it_names<D: Database>(bench: &Bench<D>) {
    bench.write(&NEIGHBOURS);
    let snapshot = bench.snapshot();
    each_filter(|filter| {
        let mut found: Vec<String> =
            page(&snapshot, filter, None, usize::MAX).into_iter().map(|(key, _)| key.to_string()).collect();
        found.sort();
        assert_eq!(found, expected(filter), "{filter:?}");
    });
}

fn pages_follow_each_other_in_every_shape<D: Database>(bench: &Bench<D>) {
    bench.write(&NEIGHBOURS);
    let snapshot = bench.snapshot();
    each_filter(|filter| {
        let all = page(&snapshot, filter, None, usize::MAX);
        for limit in [1, 3] {
            let mut paged: Vec<(TupleKey, TupleRecord)> = Vec::new();
            loop {
                let last = paged.last().map(|(key, _)| key.clone());
                let next = page(&snapshot, filter, last.as_ref(), limit);
                if next.is_empty() {
                    break;
                }
                paged.extend(next);
            }
            assert_eq!(paged, all, "{filter:?}");
        }
    });
}

fn a_page_may_begin_behind_a_tuple_that_is_gone<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:1#viewer@user:a", "document:1#viewer@user:c", "document:2#viewer@user:b"]);
    let snapshot = bench.snapshot();
    let behind = |after: &str| -> Vec<String> {
        let filter =
            TupleFilter { object_type: Some("document"), object_id: Some("1"), ..TupleFilter::default() };
        let found = page(&snapshot, &filter, Some(&key(after)), usize::MAX);
        found.into_iter().map(|(key, _)| key.to_string()).collect()
    };
    assert_eq!(behind("document:1#viewer@user:b"), ["document:1#viewer@user:c"]);
    assert_eq!(behind("document:0#viewer@user:b").len(), 2, "before everything");
    assert!(behind("document:2#viewer@user:b").is_empty(), "behind everything");
}

fn names_at_the_edges_are_told_apart<D: Database>(bench: &Bench<D>) {
    let long = "x".repeat(200);
    let ids = ["!", "~", "~~", "\u{ffff}", "\u{10ffff}", "\u{10ffff}\u{10ffff}", long.as_str()];
    let all: Vec<String> = ids.iter().map(|id| format!("document:{id}#viewer@user:{id}")).collect();
    bench.write(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let snapshot = bench.snapshot();
    assert_eq!(tuples(&snapshot).len(), ids.len());
    for id in ids {
        let object = ObjectRef { type_name: "document", id };
        let found = subjects(&mut snapshot.subject_cursor(), object, "viewer", SubjectClass::Object);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, format!("user:{id}"));
        let subject = SubjectRef::Object(ObjectRef { type_name: "user", id });
        let found = objects(&mut snapshot.object_cursor(), subject, "document", "viewer");
        assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), [id]);
    }
}

fn a_filter_of_an_object_and_a_subject_looks_into_each_relation<D: Database>(bench: &Bench<D>) {
    let mut all = Vec::new();
    for relation in ["a", "b", "c", "d"] {
        all.extend((0..30).map(|n| format!("document:1#{relation}@user:{n:02}")));
    }
    all.retain(|tuple| tuple != "document:1#b@user:15");
    bench.write(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let snapshot = bench.snapshot();
    for id in ["00", "15", "29"] {
        let filter = TupleFilter {
            object_type: Some("document"),
            object_id: Some("1"),
            relation: None,
            subject: Some(SubjectRef::Object(ObjectRef { type_name: "user", id })),
        };
        let found = page(&snapshot, &filter, None, usize::MAX);
        assert_eq!(found.len(), if id == "15" { 3 } else { 4 });
    }
}

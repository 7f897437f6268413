//! Keys come back as they went in, sort as tuples do, and no scan yields a neighbour.

use proptest::prelude::*;

use super::super::TupleFilter;
use super::super::scan::{Order, Scan};
use super::*;
use crate::model::{Object, Subject, TupleKey};

/// Names that are close to each other, beginnings of each other, and full of the bytes that could pass for parts of a
/// key. Control characters are in them though names have none: nothing but `00` may matter.
fn name() -> impl Strategy<Value = Box<str>> {
    let part = prop_oneof![
        Just("a"),
        Just("b"),
        Just("\u{1}"),
        Just("\u{2}"),
        Just("\u{3}"),
        Just("\u{4}"),
        Just("\u{7f}"),
        Just("ÿ"),
        Just("\u{ffff}"),
        Just("\u{10ffff}"),
    ];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.concat().into())
}

fn object() -> impl Strategy<Value = Object> {
    (name(), name()).prop_map(|(type_name, id)| Object { type_name, id })
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        object().prop_map(Subject::Object),
        name().prop_map(Subject::Wildcard),
        (object(), name()).prop_map(|(object, relation)| Subject::Userset(object, relation)),
    ]
}

fn tuple_key() -> impl Strategy<Value = TupleKey> {
    (object(), name(), subject()).prop_map(|(object, relation, subject)| TupleKey {
        object,
        relation,
        subject,
    })
}

fn store_id() -> impl Strategy<Value = StoreId> {
    prop_oneof![Just(0), Just(1), Just(255), Just(256), Just(u128::MAX - 1), Just(u128::MAX), any::<u128>()]
        .prop_map(StoreId::from_bits)
}

proptest! {
    #[test]
    fn a_key_comes_back_as_it_went_in(store in store_id(), key in tuple_key()) {
        let key = key.as_ref();
        let (forward, backward) = (tuple(store, key), reverse(store, key));
        prop_assert_eq!(decode_tuple(&forward).unwrap(), (store, key));
        prop_assert_eq!(decode_reverse(&backward).unwrap(), (store, key));

        let range = class(store, key.object, key.relation, key.subject.class());
        let subject = decode_subject(&forward, range.len(), key.subject.class());
        prop_assert_eq!(subject.unwrap(), key.subject);
        let range = reverse_relation(store, key.subject, key.object.type_name, key.relation);
        prop_assert_eq!(decode_object_id(&backward, range.len()).unwrap(), key.object.id);
    }

    #[test]
    fn keys_sort_as_tuples_do(store in store_id(), left in tuple_key(), right in tuple_key()) {
        let (left, right) = (left.as_ref(), right.as_ref());
        prop_assert_eq!(tuple(store, left).cmp(&tuple(store, right)), left.cmp(&right));
        let by_subject = (left.subject, left.object.type_name, left.relation, left.object.id).cmp(
            &(right.subject, right.object.type_name, right.relation, right.object.id));
        prop_assert_eq!(reverse(store, left).cmp(&reverse(store, right)), by_subject);
    }

    #[test]
    fn no_key_begins_another(store in store_id(), left in tuple_key(), right in tuple_key()) {
        let (left, right) = (left.as_ref(), right.as_ref());
        prop_assume!(left != right);
        prop_assert!(!tuple(store, left).starts_with(&tuple(store, right)));
        prop_assert!(!reverse(store, left).starts_with(&reverse(store, right)));
    }

    #[test]
    fn a_cursor_range_is_exact(store in store_id(), asked in tuple_key(), other_store in store_id(), other in tuple_key()) {
        let (asked, other) = (asked.as_ref(), other.as_ref());
        let range = class(store, asked.object, asked.relation, asked.subject.class());
        let same = store == other_store
            && (asked.object, asked.relation, asked.subject.class())
                == (other.object, other.relation, other.subject.class());
        prop_assert_eq!(tuple(other_store, other).starts_with(&range), same);

        let range = reverse_relation(store, asked.subject, asked.object.type_name, asked.relation);
        let same = store == other_store
            && (asked.subject, asked.object.type_name, asked.relation)
                == (other.subject, other.object.type_name, other.relation);
        prop_assert_eq!(reverse(other_store, other).starts_with(&range), same);
    }

    #[test]
    fn a_scan_has_all_that_its_filter_matches_and_of_one_store_only(
        store in store_id(),
        asked in tuple_key(),
        given in prop::bits::u8::between(0, 4),
        other_store in store_id(),
        other in tuple_key(),
    ) {
        let (asked, other) = (asked.as_ref(), other.as_ref());
        let filter = TupleFilter {
            object_type: (given & 1 != 0).then_some(asked.object.type_name),
            object_id: (given & 3 == 3).then_some(asked.object.id),
            relation: (given & 4 != 0).then_some(asked.relation),
            subject: (given & 8 != 0).then_some(asked.subject),
        };
        let scan = Scan::of(store, &filter);
        prop_assert!(scan.key(store, asked).starts_with(&scan.prefix));
        let key = scan.key(other_store, other);
        if store != other_store {
            prop_assert!(!key.starts_with(&scan.prefix));
        } else if filter.matches(other) {
            prop_assert!(key.starts_with(&scan.prefix));
        } else if key.starts_with(&scan.prefix) {
            // Only what the order of the table cannot narrow is left to the filter.
            let narrowed = match scan.order {
                Order::ByObject => filter.relation.is_some() || filter.subject.is_some(),
                Order::BySubject => filter.object_type.is_none(),
            };
            prop_assert!(narrowed);
        }
    }

    #[test]
    fn a_skip_goes_forward_and_over_nothing_that_matches(
        store in store_id(), asked in tuple_key(), at in tuple_key(), other in tuple_key(),
    ) {
        let object = asked.object.as_ref();
        let filter = TupleFilter {
            object_type: Some(object.type_name),
            object_id: Some(object.id),
            relation: None,
            subject: Some(asked.subject.as_ref()),
        };
        let at = TupleRef { object, ..at.as_ref() };
        let other = TupleRef { object, subject: asked.subject.as_ref(), ..other.as_ref() };
        prop_assume!(!filter.matches(at));
        let next = filter.skip_from(store, at).unwrap();
        prop_assert!(next > tuple(store, at));
        let key = tuple(store, other);
        prop_assert!(key < tuple(store, at) || key >= next);
    }

    #[test]
    fn what_is_no_key_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok((store, key)) = decode_tuple(&bytes) {
            let again = tuple(store, key);
            prop_assert_eq!(again.as_slice(), &*bytes);
        }
        if let Ok((store, key)) = decode_reverse(&bytes) {
            let again = reverse(store, key);
            prop_assert_eq!(again.as_slice(), &*bytes);
        }
    }
}

#[test]
fn the_bytes_of_keys_are_these() {
    let store = StoreId::from_bits(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    let store_bytes = b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10";
    let check = |key: Key, expected: &[u8]| assert_eq!(key.as_slice(), [store_bytes, expected].concat());
    for (subject_text, subject_bytes) in [
        ("user:alice", b"\x01user\0alice\0".as_slice()),
        ("user:*", b"\x02user\0"),
        ("group:eng#member", b"\x03group\0eng\0member\0"),
    ] {
        let key = TupleKey::parse("document:1", "viewer", subject_text).unwrap();
        check(tuple(store, key.as_ref()), &[b"document\x001\0viewer\0", subject_bytes].concat());
        check(reverse(store, key.as_ref()), &[subject_bytes, b"document\0viewer\x001\0"].concat());
    }
    check(commit(store, Revision(0x0102)), b"\0\0\0\0\0\0\x01\x02");
    check(model(store, store), store_bytes);
    assert_eq!(state(store).as_slice(), [b"\x04".as_slice(), store_bytes].concat());
}

//! Credentials: kept by their identifiers, apart from every store.

use super::*;
use crate::model::Id;

on_both!(
    a_credential_is_there_once_it_was_put_and_gone_once_it_was_removed,
    credentials_are_listed_in_the_order_of_their_identifiers,
    a_credential_belongs_to_no_store,
);

fn listed<D: Database>(bench: &Bench<D>) -> Vec<(u128, String)> {
    let text = |(id, value): (Id, Box<[u8]>)| (id.bits(), String::from_utf8(value.into()).unwrap());
    bench.db.credentials().unwrap().into_iter().map(text).collect()
}

fn put<D: Database>(bench: &Bench<D>, id: u128, value: Option<&str>) {
    let value = value.map(|value| value.as_bytes().into());
    bench.db.put_credential(Id::from_bits(id), value).unwrap();
}

fn a_credential_is_there_once_it_was_put_and_gone_once_it_was_removed<D: Database>(bench: &Bench<D>) {
    assert_eq!(listed(bench), []);
    put(bench, 7, Some("first"));
    put(bench, 7, Some("second"));
    assert_eq!(listed(bench), [(7, "second".to_owned())]);
    put(bench, 7, None);
    put(bench, 8, None);
    assert_eq!(listed(bench), []);
}

fn credentials_are_listed_in_the_order_of_their_identifiers<D: Database>(bench: &Bench<D>) {
    for id in [u128::MAX, 0, 256, 1] {
        put(bench, id, Some("x"));
    }
    let ids: Vec<u128> = listed(bench).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [0, 1, 256, u128::MAX]);
}

fn a_credential_belongs_to_no_store<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:1#viewer@user:a"]);
    let revision = bench.snapshot().revision();
    put(bench, bench.store.bits(), Some("of the same bits as a store"));
    assert_eq!(bench.snapshot().revision(), revision);
    assert_eq!(bench.db.stores(None, None, 10).unwrap().len(), 1);
    bench.db.delete_store(bench.store).unwrap();
    assert_eq!(listed(bench).len(), 1);
}

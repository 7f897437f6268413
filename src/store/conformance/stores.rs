//! Stores beside each other.

use super::*;

on_both!(
    stores_are_listed_in_the_order_of_their_creation,
    stores_do_not_see_each_other,
    a_deleted_store_leaves_nothing_and_touches_no_neighbour,
    an_identifier_is_not_given_twice,
);

fn stores_are_listed_in_the_order_of_their_creation<D: Database>(bench: &Bench<D>) {
    let mut infos = vec![bench.db.store(bench.store).unwrap().unwrap()];
    for name in ["b", "a", "b"] {
        bench.clock.advance(500);
        let info = bench.db.create_store(name).unwrap();
        let now = bench.now();
        assert_eq!((&*info.name, info.created_at, info.updated_at), (name, now, now));
        infos.push(info);
    }
    let list = |name, after, limit| bench.db.stores(name, after, limit).unwrap();
    assert_eq!(list(None, None, 10), infos);
    assert_eq!(list(None, None, 2), infos[..2]);
    assert_eq!(list(None, Some(infos[1].id), 10), infos[2..]);
    assert_eq!(list(Some("b"), None, 10), [infos[1].clone(), infos[3].clone()]);
    assert_eq!(list(Some("b"), None, 1), infos[1..2]);
    assert_eq!(list(Some("b"), Some(infos[1].id), 10), infos[3..]);
    assert!(list(Some("c"), None, 10).is_empty());
    assert!(list(None, Some(infos[3].id), 10).is_empty());

    bench.db.delete_store(infos[1].id).unwrap();
    assert_eq!(list(None, Some(infos[1].id), 10), infos[2..], "from behind one that is gone");
    bench.clock.advance(1);
    bench.write(&["document:1#viewer@user:a"]);
    assert_eq!(list(None, None, 1)[0].updated_at, bench.now());
}

fn stores_do_not_see_each_other<D: Database>(bench: &Bench<D>) {
    let other = bench.db.create_store("other").unwrap().id;
    bench.write(&["document:1#viewer@user:a"]);
    bench.write(&["document:2#viewer@user:a"]);
    let committed = bench.db.commit(other, writes(&["document:1#viewer@user:b"])).unwrap();
    assert_eq!(committed.revision, Revision(1), "each store counts for itself");
    let snapshot = bench.db.snapshot(other).unwrap().unwrap();
    assert_eq!(tuples(&snapshot), ["document:1#viewer@user:b"]);
    assert_eq!(bench.tuples(), ["document:1#viewer@user:a", "document:2#viewer@user:a"]);
    assert_eq!(changes(&snapshot, LogPosition::default()).len(), 1);
    let user = SubjectRef::Object(ObjectRef { type_name: "user", id: "a" });
    assert!(objects(&mut snapshot.object_cursor(), user, "document", "viewer").is_empty());
}

fn a_deleted_store_leaves_nothing_and_touches_no_neighbour<D: Database>(bench: &Bench<D>) {
    // As the clock stands, a random identifier that is not larger than the last one becomes the one behind it.
    let mut stores: Vec<StoreId> = Vec::new();
    while !stores.windows(2).all(|pair| pair[0].successor() == Some(pair[1])) || stores.len() < 3 {
        if stores.len() == 3 {
            bench.db.delete_store(stores.remove(0)).unwrap();
        }
        stores.push(bench.db.create_store("neighbour").unwrap().id);
    }
    let others = bench.db.stores(None, None, 10).unwrap().len() - stores.len();
    for store in &stores {
        bench.db.commit(*store, writes(&["document:1#viewer@user:a"])).unwrap();
        bench.db.commit(*store, with_model("document")).unwrap();
    }
    assert!(bench.db.delete_store(stores[1]).unwrap());
    assert!(!bench.db.delete_store(stores[1]).unwrap());
    assert!(bench.db.store(stores[1]).unwrap().is_none());
    assert!(bench.db.snapshot(stores[1]).unwrap().is_none());
    assert_eq!(bench.db.stores(None, None, 10).unwrap().len(), others + 2);
    for store in [stores[0], stores[2]] {
        let snapshot = bench.db.snapshot(store).unwrap().unwrap();
        assert_eq!(tuples(&snapshot), ["document:1#viewer@user:a"]);
        assert_eq!(snapshot.models(None, 10).unwrap().len(), 1);
        assert_eq!(changes(&snapshot, LogPosition::default()).len(), 1);
        assert_eq!(snapshot.revision(), Revision(2));
    }
}

fn an_identifier_is_not_given_twice<D: Database>(bench: &Bench<D>) {
    let mut last = bench.store;
    for n in 0..10 {
        let id = bench.db.create_store("next").unwrap().id;
        assert!(id > last, "though the newest one is gone");
        last = id;
        if n % 2 == 0 {
            assert!(bench.db.delete_store(id).unwrap());
        }
    }
}

//! Commands that race each other end as if one had come after the other (R49): whatever they come to, no rule is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::partners::{Partners, path};

const THREADS: usize = 6;
const COMMANDS_PER_THREAD: usize = 250;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

#[test]
fn commands_that_race_break_no_rule() {
    let p = Partners::new();
    let (done, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (p, done, refused) = (&p, &done, &refused);
            scope.spawn(move || {
                let mut numbers = Numbers(0x9E37_79B9 + thread as u64);
                for _ in 0..COMMANDS_PER_THREAD {
                    let (status, body) = command(p, &mut numbers);
                    match status {
                        200..=299 => done.fetch_add(1, Ordering::Relaxed),
                        // Each refusal is one that the rules have; that data breaks a rule (500) is not.
                        400..=428 => refused.fetch_add(1, Ordering::Relaxed),
                        _ => panic!("{status} {body}"),
                    };
                }
            });
        }
    });
    let (done, refused) = (done.into_inner(), refused.into_inner());
    assert!(done > 100 && refused > 100, "{done} done, {refused} refused");
    check_rules(&p.server.tuples());
}

/// Sends one command of those that can conflict.
fn command(p: &Partners, numbers: &mut Numbers) -> (u16, Value) {
    let resource = numbers.of(&["parks/deich", "parks/heide", "portfolios/lausitz"]);
    let user = numbers.of(&["nils", "nele", "erik"]);
    let role = numbers.of(&["viewer", "technical_manager"]);
    let invite = json!({"partner": {"organization": "nordwind"}});
    let choice = numbers.below(12);
    if choice == 0 {
        let answer = p.post("hanna", "/organizations/helios/cooperations", invite);
        return (answer.status, answer.body);
    }
    let member = format!("/organizations/nordwind/members/{user}");
    match choice {
        1 => {
            let answer = p.delete("nora", &member);
            return (answer.status, answer.body);
        }
        2 => {
            let answer = p.put("", &member, json!({"role": "member"}));
            return (answer.status, answer.body);
        }
        _ => {}
    }
    let listed = p.get("hanna", "/organizations/helios/cooperations").done(200);
    let Some(found) = listed["cooperations"].as_array().unwrap().first().map(path) else {
        let answer = p.post("hanna", "/organizations/helios/cooperations", invite);
        return (answer.status, answer.body);
    };
    let share = format!("{found}/shares/{resource}");
    let answer = match choice {
        3 | 4 => p.post("nora", &format!("{found}/accept"), json!({})),
        5 if numbers.below(4) == 0 => p.delete("hanna", &found),
        5 => p.patch("hanna", &found, json!({"paused": numbers.below(2) == 0})),
        6..=8 => p.put("hanna", &share, json!({"role": role})),
        9 => p.delete("hanna", &share),
        _ => p.put("nora", &format!("{share}/delegations/{user}"), json!({"role": role})),
    };
    (answer.status, answer.body)
}

fn check_rules(tuples: &[String]) {
    let mut cooperations: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    let mut memberships: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut shares = Vec::new();
    let mut delegations = Vec::new();
    for tuple in tuples {
        let (object, rest) = tuple.split_once('#').unwrap();
        let (relation, subject) = rest.split_once('@').unwrap();
        match object.split_once(':').unwrap().0 {
            "cooperation" => {
                cooperations.entry(object).or_default().entry(relation).or_default().push(subject)
            }
            "organization" => memberships.entry(subject).or_default().push(object),
            _ if relation.ends_with("_share") => shares.push((object, subject)),
            _ if relation.ends_with("_delegate") => delegations.push((object, subject)),
            _ => {}
        }
    }
    assert!(memberships.values().all(|all| all.len() == 1), "R1 {memberships:?}");
    let of = |cooperation: &str, relation: &str| {
        let found = cooperations.get(cooperation).and_then(|tuples| tuples.get(relation));
        found.cloned().unwrap_or_default()
    };
    let mut pairs = BTreeSet::new();
    for cooperation in cooperations.keys() {
        let [initiator, linked, partner, pending] =
            ["initiator", "linked", "partner", "pending"].map(|relation| of(cooperation, relation));
        assert_eq!(
            (initiator.len(), linked.len(), partner.len() + pending.len()),
            (1, 1, 1),
            "{cooperation}"
        );
        assert!(partner.iter().chain(&pending).all(|side| *side == linked[0]), "{cooperation}");
        assert!(pairs.insert((initiator[0], linked[0])), "R18 {cooperation}");
    }
    let mut shared = BTreeSet::new();
    for (resource, cooperation) in &shares {
        assert!(shared.insert((*resource, *cooperation)), "R31 {resource} {cooperation}");
        assert!(cooperations.contains_key(cooperation), "R28 {resource} {cooperation}");
    }
    let mut delegated = BTreeSet::new();
    for (resource, user) in &delegations {
        assert!(delegated.insert((*resource, *user)), "R36 {resource} {user}");
        let through = shares.iter().filter(|(shared, _)| shared == resource);
        let member_of = memberships.get(user).map_or("", |all| all[0]);
        let holds = through.filter(|(_, cooperation)| of(cooperation, "partner") == [member_of]).count();
        assert_eq!(
            holds, 1,
            "R8, R28, R37: {resource} is delegated to {user}, who has no share to have it from"
        );
    }
}

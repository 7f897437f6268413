//! Lists of 10,000 out of 1,000,000 tuples.

use std::ops::ControlFlow;

use criterion::{Criterion, SamplingMode};
use tenure::cli::workload::{LISTED, LISTS_MODEL, Listing, list_tuples, listings};
use tenure::engine::{ListObjectsRequest, ListUsersRequest, QueryContext};
use tenure::eval::{ListEnd, ReadCounts, Recipient, SubjectFilter};
use tenure::model::Subject;
use tenure::model::limits::ListLimits;

use crate::alternate;
use crate::loaded::Loaded;
use crate::record::Read;
use crate::table::{BARE, SHARED, TENURE, Table};

/// Every list as a case of its own.
pub fn lists(criterion: &mut Criterion, table: &mut Table) {
    let loaded = Loaded::new(LISTS_MODEL, list_tuples);
    for (case, listing) in listings() {
        table.add(case, &[ask(&loaded, &listing)]);
        let reads = reads(&loaded, &listing);
        let shared = loaded.bare.shared();
        let [own, bare, least] = alternate::measure(
            1,
            [
                &|_| {
                    ask(&loaded, &listing);
                },
                &|_| loaded.bare.replay(&reads),
                &|_| shared.replay(&reads),
            ],
        );
        table.set_ratios([alternate::quotient(&own, &bare), alternate::quotient(&own, &least)]);
        let mut group = criterion.benchmark_group(case);
        group.sample_size(50).sampling_mode(SamplingMode::Flat);
        group.bench_function(TENURE, |bencher| bencher.iter(|| ask(&loaded, &listing)));
        group.bench_function(BARE, |bencher| bencher.iter(|| loaded.bare.replay(&reads)));
        group.bench_function(SHARED, |bencher| bencher.iter(|| shared.replay(&reads)));
        group.finish();
    }
}

/// Asks, and says what it took to answer.
fn ask(loaded: &Loaded, listing: &Listing) -> ReadCounts {
    let context = QueryContext::default();
    let (found, partial, counts) = match listing {
        Listing::Objects(request) => {
            let asked = loaded.engine.list_objects(loaded.store, &context, request, &|| true);
            let (answer, counts) = asked.unwrap();
            (answer.value.items.len(), answer.value.partial, counts)
        }
        Listing::Users(request) => {
            let asked = loaded.engine.list_users(loaded.store, &context, request, &|| true);
            let (answer, counts) = asked.unwrap();
            (answer.value.items.len(), answer.value.partial, counts)
        }
    };
    assert_eq!((found, partial), (LISTED as usize, None), "{listing:?}");
    counts
}

/// What the evaluator reads to answer.
fn reads(loaded: &Loaded, listing: &Listing) -> Vec<Read> {
    let limits = ListLimits::default();
    loaded.record(|evaluation| {
        let end = match listing {
            Listing::Objects(ListObjectsRequest { subject, relation, object_type }) => {
                evaluation.list_objects(limits, subject.as_ref(), relation, object_type, &mut Nobody)
            }
            Listing::Users(ListUsersRequest { object, relation, filter }) => {
                let filter = SubjectFilter::Type(&filter.type_name);
                evaluation.list_users(limits, object.as_ref(), relation, filter, &mut Nobody)
            }
        };
        assert_eq!(end.unwrap(), ListEnd::Whole);
    })
}

/// Takes everything and keeps nothing.
struct Nobody;

impl Recipient<str> for Nobody {
    fn take(&mut self, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl Recipient<Subject> for Nobody {
    fn take(&mut self, _: &Subject) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

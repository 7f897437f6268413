//! A database whose readers are slow: between taking a snapshot and using it, others may have gone on.

use std::sync::Weak;

use tenure::model::{Clock, Id, StoreId};
use tenure::store::{
    Batch, CommitError, CommitObserver, Completion, Credential, Database, StoreError, StoreInfo,
};

use crate::clock::hesitate;

pub struct Hesitant<D>(pub D);

impl<D: Database> Database for Hesitant<D> {
    type Snapshot = D::Snapshot;

    fn clock(&self) -> &dyn Clock {
        self.0.clock()
    }

    fn accepts_writes(&self) -> Result<(), StoreError> {
        self.0.accepts_writes()
    }

    fn create_store(&self, name: &str) -> Result<StoreInfo, CommitError> {
        self.0.create_store(name)
    }

    fn delete_store(&self, id: StoreId) -> Result<bool, CommitError> {
        self.0.delete_store(id)
    }

    fn store(&self, id: StoreId) -> Result<Option<StoreInfo>, StoreError> {
        self.0.store(id)
    }

    fn stores(
        &self,
        name: Option<&str>,
        after: Option<StoreId>,
        limit: usize,
    ) -> Result<Vec<StoreInfo>, StoreError> {
        self.0.stores(name, after, limit)
    }

    fn snapshot(&self, store: StoreId) -> Result<Option<Self::Snapshot>, StoreError> {
        let snapshot = self.0.snapshot(store);
        hesitate();
        snapshot
    }

    fn submit(&self, store: StoreId, batch: Batch, done: Completion) {
        self.0.submit(store, batch, done);
    }

    fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        self.0.credentials()
    }

    fn put_credential(&self, id: Id, value: Option<Box<[u8]>>) -> Result<(), CommitError> {
        self.0.put_credential(id, value)
    }

    fn observe(&self, observer: Weak<dyn CommitObserver>) {
        self.0.observe(observer);
    }
}

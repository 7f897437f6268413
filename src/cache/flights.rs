//! What is being decided now: who asks the same meanwhile waits instead of deciding it too.
//!
//! Nobody waits while he leads, so that nobody waits in a circle; a leader that fails, panics or finds nothing that can be
//! kept lets the others go as one that succeeds does.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use hashbrown::DefaultHashBuilder;

#[derive(Default)]
pub(super) struct Flights {
    under_way: DashMap<Arc<[u8]>, Arc<Flight>, DefaultHashBuilder>,
}

/// A decision that is being made.
#[derive(Default)]
struct Flight {
    landed: Mutex<bool>,
    landing: Condvar,
}

/// What to do about a decision.
pub(super) enum Turn<'f> {
    /// To make it.
    Lead(Lead<'f>),
    /// Somebody else made it, or failed, since this was asked.
    Landed,
}

/// Makes a decision for others too, until it is dropped.
pub(super) struct Lead<'f> {
    flights: &'f Flights,
    key: Arc<[u8]>,
    flight: Arc<Flight>,
}

impl Flights {
    /// Leads, or waits for whoever does.
    pub(super) fn join(&self, key: &[u8]) -> Turn<'_> {
        let flight = match self.lead(key) {
            Ok(lead) => return Turn::Lead(lead),
            Err(flight) => flight,
        };
        let mut landed = flight.landed.lock().unwrap_or_else(PoisonError::into_inner);
        while !*landed {
            landed = flight.landing.wait(landed).unwrap_or_else(PoisonError::into_inner);
        }
        Turn::Landed
    }

    /// Leads, if nobody does.
    pub(super) fn try_lead(&self, key: &[u8]) -> Option<Lead<'_>> {
        self.lead(key).ok()
    }

    fn lead(&self, key: &[u8]) -> Result<Lead<'_>, Arc<Flight>> {
        let key: Arc<[u8]> = key.into();
        match self.under_way.entry(Arc::clone(&key)) {
            Entry::Occupied(flight) => Err(Arc::clone(flight.get())),
            Entry::Vacant(place) => {
                let flight = Arc::clone(&*place.insert(Arc::default()));
                Ok(Lead { flights: self, key, flight })
            }
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.flights.under_way.remove(&self.key);
        *self.flight.landed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.flight.landing.notify_all();
    }
}

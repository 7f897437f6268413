//! Reasons of a denial: the smallest changes of tuples that would turn it into an allowance.
//!
//! A reason is offered only after an evaluation with its changes allowed, and evaluations with each part of them denied.

use hashbrown::HashMap;

use super::super::outcome::Value;
use super::super::{EvalError, LimitReached};
use super::case::Case;
use super::graph::{Graph, explore};
use super::tree::Verdict;
use super::ways::{self, FarChange, nearness};
use crate::model::limits::{CHANGES_PER_REASON_MAX, REASONS_MAX, TRIALS_MAX};
use crate::model::{Instant, Lifetime, TupleKey, TupleRecord};
use crate::store::Snapshot;

/// Ways that do not allow by themselves and are looked into with their changes made: what they lack may lie behind them.
const FAILED_WAYS_MAX: usize = 4;

/// Changes of tuples that would, together and no fewer of them, turn a denial into an allowance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The changes; at least one.
    pub changes: Vec<Change>,
}

/// A change of one tuple. A tuple that is paused and has expired takes two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is to be done.
    pub kind: ChangeKind,
    /// To which tuple.
    pub key: TupleKey,
    /// The tuple as it is; `None` where it is not there.
    pub record: Option<TupleRecord>,
    /// Whether the tuple is one that was given with the query.
    pub contextual: bool,
    /// For [`ChangeKind::RaiseCeiling`]: the tuple that is there, of the role that the subject is capped at.
    pub ceiling: Option<TupleKey>,
}

/// What is to be done to a tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// It is paused: resume it.
    Resume,
    /// It has expired: let it end later, or never.
    Renew,
    /// It is not there, and would be the role that another one caps. Precisely: a live tuple of another relation ties the
    /// same subject to the same object (the `ceiling`), and the missing one is asked for in a conjunction: it is a
    /// tupleset's (`a from b`: the tuple and what it leads to) or names a userset, or it stands anywhere within an operand
    /// of an intersection, the other operands of which hold (by the reason's other changes, if it has any, none of which is
    /// an [`Add`](Self::Add)).
    RaiseCeiling,
    /// It stands in the way, as what is subtracted: take it away.
    Remove,
    /// It is not there, on the object that is asked about or on one a single tuple away from it. A reason has one at most,
    /// and then no [`RaiseCeiling`](Self::RaiseCeiling).
    Add,
}

/// The tuples as they are after changes.
pub(super) fn overlay(changes: &[Change]) -> Vec<(TupleKey, TupleRecord)> {
    let mut tuples: Vec<(TupleKey, TupleRecord)> = Vec::new();
    for change in changes {
        let index = tuples.iter().position(|(key, _)| *key == change.key).unwrap_or_else(|| {
            let absent =
                TupleRecord { lifetime: Lifetime::default(), condition: None, written_at: Instant::MIN };
            tuples.push((change.key.clone(), change.record.clone().unwrap_or(absent)));
            tuples.len() - 1
        });
        let Some((_, record)) = tuples.get_mut(index) else { continue };
        match change.kind {
            ChangeKind::Resume => record.lifetime.paused = false,
            ChangeKind::Renew => record.lifetime.expires_at = None,
            // What is paused counts as absent.
            ChangeKind::Remove => record.lifetime.paused = true,
            ChangeKind::RaiseCeiling | ChangeKind::Add => {}
        }
    }
    tuples
}

/// The reasons of a denial, the nearest first, and whether there may be others that a limit has kept from being found.
pub(super) fn find<S: Snapshot>(
    case: &mut Case<'_, S>,
    graph: &Graph,
) -> Result<(Vec<Reason>, bool), EvalError> {
    let (proposals, let_go) = ways::find(graph);
    let mut trials = Trials { case, verified: Vec::new(), tried: HashMap::new(), complete: !graph.cut };
    let failed = trials.verify(proposals)?;
    for way in failed.into_iter().take(FAILED_WAYS_MAX) {
        let further = trials.further(&way)?;
        trials.verify(further)?;
    }
    let Trials { mut verified, complete, .. } = trials;
    verified.sort_by_cached_key(|way| nearness(&way.iter().collect::<Vec<_>>()));
    let incomplete = !complete || verified.is_empty() && let_go;
    verified.truncate(REASONS_MAX);
    let reason = |way: Vec<FarChange>| Reason { changes: made(&way) };
    Ok((verified.into_iter().map(reason).collect(), incomplete))
}

fn made(way: &[FarChange]) -> Vec<Change> {
    way.iter().map(|far| far.change.clone()).collect()
}

/// What is done to which tuple: the same for a tuple that is added, whatever the kind says of why it is missing.
type Deed = (TupleKey, u8);

fn deeds(way: &[FarChange]) -> Vec<Deed> {
    let deed = |far: &FarChange| {
        let what = match far.change.kind {
            ChangeKind::Resume => 0,
            ChangeKind::Renew => 1,
            ChangeKind::Remove => 2,
            ChangeKind::RaiseCeiling | ChangeKind::Add => 3,
        };
        (far.change.key.clone(), what)
    };
    let mut deeds: Vec<_> = way.iter().map(deed).collect();
    deeds.sort_unstable();
    deeds
}

/// Ways that are tried.
struct Trials<'t, 'a, S: Snapshot> {
    case: &'t mut Case<'a, S>,
    verified: Vec<Vec<FarChange>>,
    /// What came of the evaluations so far.
    tried: HashMap<Vec<Deed>, bool>,
    /// Whether no limit has been met.
    complete: bool,
}

impl<S: Snapshot> Trials<'_, '_, S> {
    /// Tries ways in their order and keeps those that allow while no part of them does. Answers those that do not allow.
    fn verify(&mut self, ways: Vec<Vec<FarChange>>) -> Result<Vec<Vec<FarChange>>, EvalError> {
        let mut failed = Vec::new();
        for way in ways {
            if self.verified.len() >= REASONS_MAX {
                break;
            }
            let all = deeds(&way);
            let is_known = |known: &Vec<FarChange>| deeds(known).iter().all(|deed| all.contains(deed));
            if self.verified.iter().any(is_known) {
                continue;
            }
            match self.allows(&way)? {
                None => break,
                Some(false) => failed.push(way),
                Some(true) => {
                    let Some(smallest) = self.smallest(way)? else { break };
                    self.verified.push(smallest);
                }
            }
        }
        Ok(failed)
    }

    /// A part of a way that allows, no part of which does. `None` where a limit was met.
    fn smallest(&mut self, way: Vec<FarChange>) -> Result<Option<Vec<FarChange>>, EvalError> {
        let whole = (1_u32 << way.len().min(CHANGES_PER_REASON_MAX)) - 1;
        let mut parts: Vec<u32> = (1..whole).collect();
        // By their sizes, so that no part of the first one that allows does.
        parts.sort_by_key(|part| part.count_ones());
        for part in parts {
            let of = |(index, far): (usize, &FarChange)| (part >> index & 1 == 1).then(|| far.clone());
            let part: Vec<_> = way.iter().enumerate().filter_map(of).collect();
            match self.allows(&part)? {
                None => return Ok(None),
                Some(true) => return Ok(Some(part)),
                Some(false) => {}
            }
        }
        Ok(Some(way))
    }

    /// Whether the question is allowed with changes made; `None` where that could not be found out.
    fn allows(&mut self, way: &[FarChange]) -> Result<Option<bool>, EvalError> {
        let deeds = deeds(way);
        if let Some(known) = self.tried.get(&deeds) {
            return Ok(Some(*known));
        }
        if self.tried.len() >= TRIALS_MAX {
            self.complete = false;
            return Ok(None);
        }
        let allowed = match self.case.outcome(self.case.at, &made(way)) {
            Ok(outcome) => outcome.value == Value::True,
            Err(EvalError::Limit(LimitReached::Reads { .. })) => {
                self.complete = false;
                return Ok(None);
            }
            // What has no answer is not allowed.
            Err(EvalError::Limit(_) | EvalError::Condition(_)) => false,
            Err(error) => return Err(error),
        };
        self.tried.insert(deeds, allowed);
        Ok(Some(allowed))
    }

    /// Ways that begin with one that does not allow by itself: what it restores may also be what something else excludes.
    fn further(&mut self, way: &[FarChange]) -> Result<Vec<Vec<FarChange>>, EvalError> {
        let Case { question, object, rel, at, .. } = *self.case;
        let explored = self
            .case
            .with_facts(at, &made(way), |facts| explore(question, facts, object, rel, Verdict::False));
        let graph = match explored {
            Ok(graph) => graph,
            Err(EvalError::Limit(_)) => {
                self.complete = false;
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let (ways, _) = ways::find(&graph);
        let fits = |more: &Vec<FarChange>| {
            let keys = |way: &[FarChange]| way.iter().map(|far| far.change.key.clone()).collect::<Vec<_>>();
            let own = keys(way);
            way.len() + more.len() <= CHANGES_PER_REASON_MAX
                && !keys(more).iter().any(|key| own.contains(key))
        };
        Ok(ways.into_iter().filter(fits).map(|more| [way, &more[..]].concat()).collect())
    }
}

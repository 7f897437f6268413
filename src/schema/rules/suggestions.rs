//! "did you mean": the name that was probably meant.
//!
//! Comparing takes long, and a model may name what does not exist as often as its size allows. So all the suggestions of
//! one validation share a budget; beyond it the errors stay, without one.

use std::cell::Cell;
use std::collections::HashSet;

use super::Violation;
use crate::model::limits;

/// The suggestions of one validation.
pub(in crate::schema) struct Suggestions {
    /// Steps that are left for all of them.
    steps_left: Cell<usize>,
}

impl Suggestions {
    pub(in crate::schema) fn new() -> Self {
        Self { steps_left: Cell::new(limits::SUGGESTION_STEPS_MAX) }
    }

    /// [`nearest`](Self::nearest) for one more violation. Only as many get it as are shown.
    pub(super) fn for_next<'a>(
        &self,
        found: &[Violation],
        wrong: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> Option<String> {
        if found.len() < limits::DIAGNOSTICS_MAX { self.nearest(wrong, names) } else { None }
    }

    /// "did you mean", if one of the names is near, and nothing once the budget is spent.
    pub(in crate::schema) fn nearest<'a>(
        &self,
        wrong: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> Option<String> {
        let characters = wrong.chars().count();
        // A third of the characters may differ, and always one.
        let distance_max = (characters / 3).max(1);
        let mut seen = HashSet::new();
        let mut nearest = None;
        for name in names {
            self.take(1)?;
            if name.len().abs_diff(wrong.len()) > 4 * distance_max || !seen.insert(name) {
                continue;
            }
            let name_characters = name.chars().count();
            if name_characters.abs_diff(characters) > distance_max {
                // They differ in as many characters at the least.
                continue;
            }
            self.take(characters.saturating_mul(name_characters))?;
            let distance = strsim::damerau_levenshtein(wrong, name);
            if distance <= distance_max && name_characters > distance {
                let candidate = (distance, name);
                nearest = Some(nearest.map_or(candidate, |nearest| candidate.min(nearest)));
            }
        }
        nearest.map(|(_, name)| format!("did you mean `{name}`?"))
    }

    /// Takes steps of the budget. What it does not hold ends it.
    fn take(&self, steps: usize) -> Option<()> {
        let left = self.steps_left.get().checked_sub(steps);
        self.steps_left.set(left.unwrap_or(0));
        left.map(drop)
    }
}

//! Pages of a search: cut out of its results, which are sorted.
//!
//! A token says behind which result the next page starts, and of which search and what size it is: a page of another
//! search is refused, as the specification asks.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use crate::model::StoreId;
use crate::model::limits::SEARCH_PAGE_MAX;
use crate::server::error::{ApiError, Code};
use crate::server::fields::Fields;
use crate::server::openapi::schema::{Schema, anything, integer, map_of, shape, text};
use crate::server::token::{self, SearchPlace};

/// Which page of a search is wanted.
pub(super) struct PageRequest {
    /// Most results; `None`: not given.
    limit: Option<usize>,
    /// The token of the page before; empty for the first page.
    token: String,
    /// Whether a page was spoken of at all.
    given: bool,
}

/// Which page an answer has.
#[derive(Serialize)]
pub(super) struct Page {
    /// Empty on the last page.
    next_token: String,
    count: usize,
    total: usize,
}

/// What is searched for: searches that differ in anything have different ones, as good as always.
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn new(parts: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        parts.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What [`PageRequest::read`] reads.
pub(super) fn given() -> Schema {
    let limit = integer(0).with("maximum", SEARCH_PAGE_MAX).says("Most results of the page; 0 is not given.");
    shape()
        .may("limit", limit)
        .may("token", text().says("The token of the page before."))
        .may("properties", map_of(anything()).says("Taken and without effect."))
        .open()
        .named("PageRequest")
}

/// A page, as [`Page`] is written.
pub(super) fn shown() -> Schema {
    let next = text().says("The token of the next page; empty on the last one.");
    shape()
        .must("next_token", next)
        .must("count", integer(0))
        .must("total", integer(0))
        .closed()
        .named("PageResponse")
}

impl PageRequest {
    /// Reads `page`.
    pub(super) fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        let page = fields.object("page", |fields| {
            let limit = match fields.integer("limit")? {
                None | Some(0) => None,
                Some(number) => match usize::try_from(number) {
                    Ok(limit @ 1..=SEARCH_PAGE_MAX) => Some(limit),
                    _ => {
                        let expected =
                            format!("value must be inside range [0, {SEARCH_PAGE_MAX}], found {number}");
                        return Err(ApiError::invalid(&fields.path("limit"), expected));
                    }
                },
            };
            fields.map("properties")?;
            Ok(Self { limit, token: fields.string("token")?, given: true })
        })?;
        Ok(page.unwrap_or(Self { limit: None, token: String::new(), given: false }))
    }

    /// Cuts the page out of all `results`, which are told apart and sorted by `key`. Answers no page where it is the only
    /// one and none was asked for.
    pub(super) fn cut<T>(
        self,
        store: StoreId,
        search: &Fingerprint,
        mut results: Vec<T>,
        key: impl Fn(&T) -> &str,
    ) -> Result<(Vec<T>, Option<Page>), ApiError> {
        results.sort_by(|a, b| key(a).cmp(key(b)));
        let total = results.len();
        let place = token::to_search(store, &self.token)?;
        let limit = self.limit_behind(place.as_ref(), search)?;
        if let Some(place) = place {
            results.retain(|result| *key(result) > *place.after);
        }
        let more = results.len() > limit;
        results.truncate(limit);
        let next_token = match results.last().filter(|_| more) {
            None => String::new(),
            Some(last) => {
                let place = SearchPlace { search: search.0, limit, after: key(last).to_owned() };
                token::of_search(store, &place)
            }
        };
        let page = Page { next_token, count: results.len(), total };
        let whole = !self.given && !more;
        Ok((results, if whole { None } else { Some(page) }))
    }

    /// The size of the page: as on the page before, if there is one.
    fn limit_behind(&self, place: Option<&SearchPlace>, search: &Fingerprint) -> Result<usize, ApiError> {
        let Some(place) = place else { return Ok(self.limit.unwrap_or(SEARCH_PAGE_MAX)) };
        let same = place.search == search.0 && self.limit.is_none_or(|limit| limit == place.limit);
        if same && (1..=SEARCH_PAGE_MAX).contains(&place.limit) {
            return Ok(place.limit);
        }
        let message = "the token is of another search; send it with the search that it came from, unchanged";
        Err(ApiError::new(Code::InvalidContinuationToken, message))
    }
}

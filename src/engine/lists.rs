//! Lists: the objects that a subject holds a relation on, and the subjects that hold one on an object.
//!
//! A list that a limit ended says so and keeps what was found, which holds. Where nothing was found, the limit is an
//! error: an empty answer would read as a denial.

use std::fmt;
use std::ops::ControlFlow;

use super::{Answer, Counted, Engine, EngineError, QueryContext, validate};
use crate::eval::{LimitReached, ListEnd, Recipient, SubjectFilter};
use crate::model::{ModelId, Object, Revision, StoreId, Subject};
use crate::store::{Database, Snapshot};

/// On which objects of a type does this subject hold this relation?
#[derive(Debug, Clone)]
pub struct ListObjectsRequest {
    /// Who.
    pub subject: Subject,
    /// Which relation.
    pub relation: Box<str>,
    /// Of which type.
    pub object_type: Box<str>,
}

/// Who holds this relation on this object?
#[derive(Debug, Clone)]
pub struct ListUsersRequest {
    /// On what.
    pub object: Object,
    /// Which relation.
    pub relation: Box<str>,
    /// Which subjects.
    pub filter: UserFilter,
}

/// Which subjects to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFilter {
    /// Of which type.
    pub type_name: Box<str>,
    /// The usersets of this relation; `None`: the objects of the type, and its wildcard.
    pub relation: Option<Box<str>>,
}

/// What a list has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// Everything that was found, each once, in no particular order.
    pub items: Vec<T>,
    /// Why that may not be all, if it may not.
    pub partial: Option<Partial>,
}

/// What ended a list before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partial {
    /// A limit of the evaluation.
    Limit(LimitReached),
    /// There are more results than one answer may have.
    Results {
        /// The limit.
        results: usize,
    },
    /// Whoever asked would not wait any longer.
    Stopped,
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(limit) => limit.fmt(f),
            Self::Results { results } => write!(f, "there are more than {results} results"),
            Self::Stopped => f.write_str("the time for the list was over before all of it was found"),
        }
    }
}

impl<D: Database> Engine<D> {
    /// The objects of a type, by their identifiers, on which a subject holds a relation. `go_on` is asked often; once
    /// it is false, the list ends with what it has found.
    pub fn list_objects(
        &self,
        store: StoreId,
        context: &QueryContext,
        request: &ListObjectsRequest,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Counted<Listed<Box<str>>>, EngineError> {
        let mut found = Collected::new(self.lists.results_max, go_on);
        let (answer, counts) = self.stream_objects(store, context, request, &mut |_, _| (), &mut found)?;
        let listed = found.ended(answer.value)?;
        Ok((answer.map(|_| listed), counts))
    }

    /// Tells `recipient` the same objects as soon as each is found, however many there are; before the first, or before
    /// the end, it tells `begin` which model and revision answer. An error before that is one of the request.
    pub fn stream_objects(
        &self,
        store: StoreId,
        context: &QueryContext,
        request: &ListObjectsRequest,
        begin: &mut dyn FnMut(ModelId, Revision),
        recipient: &mut dyn Recipient<str>,
    ) -> Result<Counted<ListEnd>, EngineError> {
        let ListObjectsRequest { subject, relation, object_type } = request;
        let (snapshot, model) = self.query(store, context)?;
        let mut evaluation = self.evaluation(&snapshot, &model, context)?;
        validate::relation(&model.plan, object_type, relation)?;
        validate::subject(&model.plan, subject)?;
        begin(model.id, snapshot.revision());
        let value =
            evaluation.list_objects(self.lists, subject.as_ref(), relation, object_type, recipient)?;
        let answer = Answer { value, model: model.id, revision: snapshot.revision(), at: evaluation.at() };
        Ok((answer, evaluation.read_counts()))
    }

    /// The subjects of a filter that hold a relation on an object; see
    /// [`Evaluation::list_users`](crate::eval::Evaluation::list_users). `go_on` is asked often; once it is false, the list
    /// ends with what it has found.
    pub fn list_users(
        &self,
        store: StoreId,
        context: &QueryContext,
        request: &ListUsersRequest,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Counted<Listed<Subject>>, EngineError> {
        let ListUsersRequest { object, relation, filter } = request;
        let (snapshot, model) = self.query(store, context)?;
        let mut evaluation = self.evaluation(&snapshot, &model, context)?;
        let filter = match &filter.relation {
            Some(name) => {
                validate::relation(&model.plan, &filter.type_name, name)?;
                SubjectFilter::Usersets(&filter.type_name, name)
            }
            None => {
                validate::type_name(&model.plan, &filter.type_name)?;
                SubjectFilter::Type(&filter.type_name)
            }
        };
        validate::relation(&model.plan, &object.type_name, relation)?;
        let mut found = Collected::new(self.lists.results_max, go_on);
        let end = evaluation.list_users(self.lists, object.as_ref(), relation, filter, &mut found)?;
        let value = found.ended(end)?;
        let answer = Answer { value, model: model.id, revision: snapshot.revision(), at: evaluation.at() };
        Ok((answer, evaluation.read_counts()))
    }
}

/// Collects results, up to a number.
struct Collected<'g, T> {
    items: Vec<T>,
    results_max: usize,
    go_on: &'g dyn Fn() -> bool,
    ended: Option<Partial>,
}

impl<'g, T> Collected<'g, T> {
    fn new(results_max: usize, go_on: &'g dyn Fn() -> bool) -> Self {
        Self { items: Vec::new(), results_max, go_on, ended: None }
    }

    fn push(&mut self, item: impl FnOnce() -> T) -> ControlFlow<()> {
        // One more than is taken shows that there are more.
        if self.items.len() >= self.results_max {
            self.ended = Some(Partial::Results { results: self.results_max });
            return ControlFlow::Break(());
        }
        self.items.push(item());
        ControlFlow::Continue(())
    }

    fn go_on(&mut self) -> ControlFlow<()> {
        if (self.go_on)() {
            return ControlFlow::Continue(());
        }
        self.ended = Some(Partial::Stopped);
        ControlFlow::Break(())
    }

    fn ended(self, end: ListEnd) -> Result<Listed<T>, EngineError> {
        let partial = match end {
            ListEnd::Whole => None,
            ListEnd::Limited(limit) => Some(Partial::Limit(limit)),
            ListEnd::Ended => self.ended,
        };
        match partial {
            Some(Partial::Limit(limit)) if self.items.is_empty() => Err(EngineError::TooComplex { limit }),
            Some(Partial::Stopped) if self.items.is_empty() => Err(EngineError::Stopped),
            partial => Ok(Listed { items: self.items, partial }),
        }
    }
}

impl Recipient<Subject> for Collected<'_, Subject> {
    fn take(&mut self, result: &Subject) -> ControlFlow<()> {
        self.push(|| result.clone())
    }

    fn go_on(&mut self) -> ControlFlow<()> {
        self.go_on()
    }
}

impl Recipient<str> for Collected<'_, Box<str>> {
    fn take(&mut self, result: &str) -> ControlFlow<()> {
        self.push(|| result.into())
    }

    fn go_on(&mut self) -> ControlFlow<()> {
        self.go_on()
    }
}

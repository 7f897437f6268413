//! Data sets of any size: a model, tuples, and questions without end whose answers are known.

use super::cooperation::{self, Cooperation, Kind};
use super::github::{self, Github};
use super::groups::{self, Groups};
use super::hierarchy::{self, Hierarchy};
use super::random::{Draw, Skew};
use super::{Question, Tuple};

/// What the data is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Organizations that share parks and portfolios with each other.
    Cooperation,
    /// Groups within groups, and groups of many members.
    Groups,
    /// Folders, 20 within each other.
    Hierarchy,
    /// Organizations, teams and repositories with roles that include each other.
    Github,
}

/// A data set, drawn from a seed.
pub enum DataSet {
    /// See [`Shape::Cooperation`].
    Cooperation(Cooperation),
    /// See [`Shape::Groups`].
    Groups(Groups),
    /// See [`Shape::Hierarchy`].
    Hierarchy(Hierarchy),
    /// See [`Shape::Github`].
    Github(Github),
}

impl DataSet {
    /// A data set of about so many tuples; each shape has a smallest size. The same arguments give the same one.
    pub fn about(shape: Shape, tuples: u64, seed: u64) -> Self {
        match shape {
            Shape::Cooperation => Self::Cooperation(Cooperation::about(tuples, seed)),
            Shape::Groups => Self::Groups(Groups::about(tuples)),
            Shape::Hierarchy => Self::Hierarchy(Hierarchy::about(tuples, seed)),
            Shape::Github => Self::Github(Github::about(tuples, seed)),
        }
    }

    /// The model, in the DSL.
    pub fn model(&self) -> &'static str {
        match self {
            Self::Cooperation(_) => cooperation::MODEL,
            Self::Groups(_) => groups::MODEL,
            Self::Hierarchy(_) => hierarchy::MODEL,
            Self::Github(_) => github::MODEL,
        }
    }

    /// The tuples, no key twice.
    pub fn tuples(&self) -> Box<dyn Iterator<Item = Tuple> + '_> {
        match self {
            Self::Cooperation(set) => Box::new(set.tuples()),
            Self::Groups(set) => Box::new(set.tuples()),
            Self::Hierarchy(set) => Box::new(set.tuples()),
            Self::Github(set) => Box::new(set.tuples()),
        }
    }

    /// Questions with this answer, over all that the data has, without end; the same may come again.
    pub fn questions(&self, allowed: bool, seed: u64) -> Box<dyn Iterator<Item = Question> + '_> {
        let mut draw = Draw::new(Skew::Uniform, seed);
        match self {
            Self::Cooperation(set) => Box::new(
                set.questions(Kind::Mix, Skew::Uniform, seed)
                    .filter(move |question| question.allowed == allowed),
            ),
            Self::Groups(set) => Box::new(std::iter::repeat_with(move || set.question(allowed, &mut draw))),
            Self::Hierarchy(set) => {
                Box::new(std::iter::repeat_with(move || set.question(allowed, &mut draw)))
            }
            Self::Github(set) => Box::new(std::iter::repeat_with(move || set.question(allowed, &mut draw))),
        }
    }

    /// A tuple that fits the model and changes the answer to no question; `id` is that of its object, and no object of the
    /// data set has one that begins with a letter followed by `-`.
    pub fn unrelated(&self, id: &str) -> Tuple {
        match self {
            Self::Cooperation(_) => cooperation::unrelated(id),
            Self::Groups(_) => groups::unrelated(id),
            Self::Hierarchy(_) => hierarchy::unrelated(id),
            Self::Github(_) => github::unrelated(id),
        }
    }
}

//! Who may call the server, and for what: keys, what each may do and where, and how often somebody may fail.
//!
//! A caller is known by a bearer token. This part must never know HTTP, nor decide what an operation takes: that is for the
//! server, which has the operations. It must never keep a secret, write one anywhere, or tell more than that a token is not
//! valid.
//!
//! - `scope`: permissions, and the stores that they are for; `key`: a key and its token.
//! - `oidc`: tokens of an issuer; `trust`: by which certificates issuers, and servers, are known.
//! - `keys`: the keys of a database; `attempts`: how often an address has failed; `caller`: from a token to who calls;
//!   `usage`: how much one may ask.

mod attempts;
mod caller;
mod key;
mod keys;
pub mod oidc;
mod scope;
pub mod trust;
mod usage;

pub use caller::{Caller, Callers, Unknown};
pub use key::{ApiKey, KeyRequest, Token};
pub use keys::{KeyError, Keys};
pub use scope::{Permission, Permissions, Scope, Stores};
pub use usage::{CallerLimits, Exceeded, UnderWay};

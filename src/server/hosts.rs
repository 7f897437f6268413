//! By which names a server may be called that asks nobody who they are: by the header `Host`, which a browser writes and a page
//! cannot change.
//!
//! A page of `http://evil.example` whose name leads to this machine once the page is there is of the same origin as the
//! server then (DNS rebinding): its browser lets it read the answers, and sends no `Origin` with what it gets. What it cannot
//! do is to be called by an address or by the server's own name. Where callers have to say who they are it has no token, so
//! that the name does not matter.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;

use super::error::{ApiError, Code};

/// The names that a server may be called by. Addresses and `localhost` are always among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostNames {
    /// Any.
    Any,
    /// These, without a port, in lower case.
    Listed(Vec<String>),
}

impl Default for HostNames {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl HostNames {
    /// Reads a list of names, in which `*` stands for any.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut listed = Vec::new();
        for text in list.into_iter().map(str::trim).filter(|text| !text.is_empty()) {
            if text == "*" {
                return Ok(Self::Any);
            }
            let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if !is_name {
                return Err(format!(
                    "`{text}` is no name such as `tenure` or `tenure.example`, without a port"
                ));
            }
            listed.push(text.to_ascii_lowercase());
        }
        Ok(Self::Listed(listed))
    }

    /// These and one more.
    #[must_use]
    pub fn and(self, name: &str) -> Self {
        match self {
            Self::Any => Self::Any,
            Self::Listed(mut listed) => {
                listed.push(name.to_ascii_lowercase());
                Self::Listed(listed)
            }
        }
    }

    /// Whether the server may be called by what stands in `Host`, with or without a port.
    fn allow(&self, host: &str) -> bool {
        let Self::Listed(listed) = self else { return true };
        // As nearly all clients say it.
        if host.parse::<SocketAddr>().is_ok() {
            return true;
        }
        let Ok(authority) = host.parse::<Authority>() else { return false };
        if authority.as_str().contains('@') {
            return false;
        }
        let name = authority.host();
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        if bare.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        listed.iter().any(|listed| name.eq_ignore_ascii_case(listed))
    }
}

/// Refuses what is called by a name that may be anybody's. A request without any name comes from no browser.
pub(super) fn refuse_others(allowed: &HostNames, head: &Parts) -> Result<(), ApiError> {
    let given = head.headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let of_target = head.uri.authority().map(Authority::as_str);
    let Some(host) = given.chain(of_target).find(|host| !allowed.allow(host)) else { return Ok(()) };
    let message = format!(
        "this server is not called `{host}`; --allowed-hosts says by which names it may be called without a key"
    );
    Err(ApiError::new(Code::Forbidden, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_listed_names_are_allowed_with_any_port() {
        let names = HostNames::parse(["Tenure.example", "db"]).unwrap().and("own.Example");
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "10.1.2.3:80",
            "[::1]",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:8080",
            "tenure.example:443",
            "TENURE.example",
            "db:8080",
            "own.example",
        ] {
            assert!(names.allow(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "tenure.example.",
            "x.db",
            "evil.example@localhost",
            "localhost@evil.example",
            "evil.example:80:80",
            "127.0.0.1 ",
            "0x7f000001",
            "[::1",
        ] {
            assert!(!names.allow(host), "{host}");
        }
        assert!(HostNames::Any.allow("evil.example"));
        assert!(!HostNames::default().allow("tenure.example"));
    }

    #[test]
    fn a_list_of_names_has_no_ports_and_a_star_is_any() {
        assert_eq!(HostNames::parse(["a", "*"]), Ok(HostNames::Any));
        assert_eq!(HostNames::parse(["", " "]), Ok(HostNames::default()));
        for text in ["a:80", "http://a", "a/b", "a b", "größe"] {
            let error = HostNames::parse([text]).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is no name such as ")), "{error}");
        }
    }
}

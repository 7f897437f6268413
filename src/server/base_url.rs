//! Where clients reach the server, as documents about it say.

use std::fmt;
use std::str::FromStr;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// Longest base URL, in bytes.
const BYTES_MAX: usize = 2048;

/// The beginning of the server's addresses: `https://` or `http://`, a host, and perhaps a port and a path; nothing else,
/// and no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

/// Why a text is no [`BaseUrl`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrlError(String);

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let refused = || BaseUrlError(text.to_owned());
        // The parser drops a fragment without a word.
        if text.len() > BYTES_MAX || text.contains(['?', '#', '@']) {
            return Err(refused());
        }
        let uri: Uri = text.parse().map_err(|_| refused())?;
        let known = matches!(uri.scheme_str(), Some("https" | "http"));
        match uri.authority() {
            Some(authority) if known && !authority.host().is_empty() => {
                Ok(Self(text.trim_end_matches('/').to_owned()))
            }
            _ => Err(refused()),
        }
    }
}

impl BaseUrl {
    /// Its host, without a port.
    pub fn host(&self) -> &str {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        let authority = rest.split('/').next().unwrap_or_default();
        // A colon that is not behind the last bracket is of an address.
        match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => authority,
        }
    }

    /// The one that a request was sent to, by its own `Host`; `None` where that names no host.
    ///
    /// Whoever sends a request can write anything there, so that this is an answer for that client alone.
    pub(super) fn of_request(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let host = headers.get(HOST).and_then(|value| value.to_str().ok());
        let authority: Authority = host.or_else(|| uri.authority().map(Authority::as_str))?.parse().ok()?;
        format!("http://{authority}").parse().ok()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BaseUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no base URL such as `https://tenure.example` or `https://api.example/tenure`, without `?`, `#` and `@`",
            self.0
        )
    }
}

impl std::error::Error for BaseUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_a_scheme_a_host_and_perhaps_a_port_and_a_path() {
        let parsed = |text: &str| text.parse::<BaseUrl>().map(|url| url.to_string());
        for (text, expected) in [
            ("https://tenure.example", "https://tenure.example"),
            ("https://tenure.example/", "https://tenure.example"),
            ("http://[::1]:8080/a/b/", "http://[::1]:8080/a/b"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(expected));
        }
        for text in [
            "",
            "/",
            "tenure.example",
            "//tenure.example",
            "ftp://tenure.example",
            "https://",
            "https:///x",
            "https://a b",
            "https://a.example?x",
            "https://a.example#x",
            "https://u:p@a.example",
            &format!("https://a/{}", "x".repeat(2048)),
        ] {
            assert_eq!(parsed(text), Err(BaseUrlError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn its_host_has_no_port() {
        for (text, host) in [
            ("https://tenure.example", "tenure.example"),
            ("https://tenure.example:8443/a:b", "tenure.example"),
            ("http://[::1]:8080/a", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().unwrap().host(), host);
        }
    }

    #[test]
    fn a_host_that_is_none_makes_no_base_url() {
        let of = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            BaseUrl::of_request(&Uri::from_static("/x"), &headers).map(|url| url.to_string())
        };
        assert_eq!(of("tenure.example:8080").as_deref(), Some("http://tenure.example:8080"));
        assert_eq!(of("[::1]:1").as_deref(), Some("http://[::1]:1"));
        for host in ["a/b", "a b", "a\"b", "u@a", "a?b", "<script>", ""] {
            assert_eq!(of(host), None, "{host}");
        }
        assert_eq!(BaseUrl::of_request(&Uri::from_static("/x"), &HeaderMap::new()), None);
        let uri = Uri::from_static("http://tenure.example/x");
        assert!(BaseUrl::of_request(&uri, &HeaderMap::new()).is_some(), "in HTTP/2 it stands there");
    }
}

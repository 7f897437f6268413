//! Which web pages may call the server: by the `Origin` header, which a browser adds and a page cannot change.
//!
//! A browser sends what a page posts to any address that it reaches, this machine's own included, and asks nobody
//! first where the content type is `text/plain`. As long as there is no key, no request is authenticated, and whoever could
//! make one would be obeyed. Therefore an origin that is not allowed is refused before anything is done, not only kept from reading the
//! answer. Other programs send no `Origin` and are not concerned.

use std::str::FromStr;

use axum::extract::Request;
use axum::http::header::ORIGIN;
use axum::http::{HeaderValue, Method, Uri};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use super::error::{ApiError, Code};
use super::{middleware, reply};

/// Paths that tell nothing and change nothing: probes are answered whoever asks.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// The web pages that may call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CorsOrigins {
    /// None.
    #[default]
    None,
    /// Every page that a browser opens.
    Any,
    /// Those of these origins.
    Listed(Vec<CorsOrigin>),
}

/// An origin as browsers write it: scheme, host, and the port unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsOrigin(HeaderValue);

impl FromStr for CorsOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused =
            || format!("`{text}` is no origin such as `https://app.example` or `http://localhost:3000`");
        let lower = text.to_ascii_lowercase();
        let uri: Uri = lower.parse().map_err(|_| refused())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refused());
        };
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refused());
        }
        let port = match (scheme, authority.port_u16()) {
            (_, None) | ("http", Some(80)) | ("https", Some(443)) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        let written = format!("{scheme}://{}{port}", authority.host());
        HeaderValue::try_from(written).map(Self).map_err(|_| refused())
    }
}

impl CorsOrigins {
    /// Reads a list of origins, in which `*` stands for any; an empty one allows none.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut listed = Vec::new();
        for text in list.into_iter().map(str::trim).filter(|text| !text.is_empty()) {
            if text == "*" {
                return Ok(Self::Any);
            }
            listed.push(text.parse()?);
        }
        Ok(if listed.is_empty() { Self::None } else { Self::Listed(listed) })
    }

    fn allow(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Listed(listed) => listed.iter().any(|CorsOrigin(known)| known == origin),
        }
    }

    /// What tells browsers that they may show an answer to the page; nothing where no page may call.
    pub(super) fn layer(&self) -> Option<CorsLayer> {
        let allowed: AllowOrigin = match self {
            Self::None => return None,
            Self::Any => Any.into(),
            Self::Listed(listed) => AllowOrigin::list(listed.iter().map(|CorsOrigin(origin)| origin.clone())),
        };
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD];
        let shown =
            [reply::MODEL_ID, reply::STORE_ID, reply::REVISION, reply::PARTIAL, middleware::REQUEST_ID];
        // A `*` would not stand for `Authorization`, which the SDKs send.
        let headers = AllowHeaders::mirror_request();
        Some(
            CorsLayer::new()
                .allow_origin(allowed)
                .allow_headers(headers)
                .allow_methods(methods)
                .expose_headers(shown),
        )
    }
}

/// Refuses what comes from a page that may not call. An origin that equals `Host` is no exception: a foreign page gets
/// to that by letting its own name lead to this machine.
///
/// The body is not taken in, so that the connection ends with the answer; a page that is refused may pay for that.
pub(super) fn refusal(allowed: &CorsOrigins, request: &Request) -> Option<ApiError> {
    let origin = request.headers().get_all(ORIGIN).iter().find(|origin| !allowed.allow(origin))?;
    if OPEN_PATHS.contains(&request.uri().path()) {
        return None;
    }
    let origin = String::from_utf8_lossy(origin.as_bytes());
    let message =
        format!("pages of the origin `{origin}` may not call this server; --cors-origins says which may");
    Some(ApiError::new(Code::Forbidden, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (text, written) in [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example/", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://app.example:80", "http://app.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("tauri://localhost", "tauri://localhost"),
        ] {
            assert_eq!(text.parse::<CorsOrigin>().unwrap().0, written, "{text}");
        }
        for text in [
            "app.example",
            "null",
            "/",
            "https://",
            "https://a.example/x",
            "https://a.example?x",
            "https://u@a",
        ] {
            let error = text.parse::<CorsOrigin>().unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is no origin such as ")), "{error}");
        }
    }

    #[test]
    fn nothing_is_none_and_a_star_is_any() {
        assert_eq!(CorsOrigins::parse([]), Ok(CorsOrigins::None));
        assert_eq!(CorsOrigins::parse([" ", ""]), Ok(CorsOrigins::None));
        assert_eq!(CorsOrigins::parse(["https://a.example", "*"]), Ok(CorsOrigins::Any));
    }

    #[test]
    fn an_origin_is_allowed_as_a_whole_only() {
        let listed = CorsOrigins::parse(["https://a.example", "https://b.example:8443"]).unwrap();
        let allow = |origin: &'static str| listed.allow(&HeaderValue::from_static(origin));
        assert!(allow("https://a.example") && allow("https://b.example:8443"));
        for foreign in ["https://a.example.evil.example", "http://a.example", "https://b.example", "null", ""]
        {
            assert!(!allow(foreign), "{foreign}");
        }
    }
}

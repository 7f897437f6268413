//! The address to listen on, from how people write it: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`.

use std::net::{SocketAddr, ToSocketAddrs};

/// The address that `text` stands for; a name is looked up. An error is one line that names the setting.
pub fn resolve(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let malformed = || {
        format!("`listen` is `{text}`; expected IP:PORT or NAME:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    };
    let (name, port) = text.rsplit_once(':').ok_or_else(malformed)?;
    let port: u16 = port.parse().map_err(|_| malformed())?;
    // A colon is of an IPv6 address without its brackets, and no name is empty.
    if name.is_empty() || name.contains(':') {
        return Err(malformed());
    }
    let unknown = |reason: String| format!("`listen` is `{text}`, and `{name}` has no address: {reason}");
    let found: Vec<_> = (name, port).to_socket_addrs().map_err(|error| unknown(error.to_string()))?.collect();
    // `localhost` is often both. Clients that are given it try both; those that are given 127.0.0.1 do not.
    let chosen = found.iter().find(|address| address.is_ipv4()).or(found.first());
    chosen.copied().ok_or_else(|| unknown("none was found".to_owned()))
}

/// The name in such a text, where it has one.
pub fn name(text: &str) -> Option<&str> {
    match text.parse::<SocketAddr>() {
        Ok(_) => None,
        Err(_) => text.rsplit_once(':').map(|(name, _)| name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_from_an_address() {
        assert_eq!(name("localhost:8081"), Some("localhost"));
        assert_eq!((name("127.0.0.1:80"), name("[::1]:80")), (None, None));
    }

    #[test]
    fn addresses_and_names_are_taken() {
        for (text, address) in
            [("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:0", "[::1]:0"), ("localhost:8081", "127.0.0.1:8081")]
        {
            assert_eq!(resolve(text), Ok(address.parse().unwrap()));
        }
    }

    #[test]
    fn anything_else_is_told_the_form() {
        for text in
            ["", "8081", ":8081", "localhost", "localhost:", "localhost:http", "localhost:65536", "::1:8081"]
        {
            let error = resolve(text).unwrap_err();
            assert!(
                error.starts_with(&format!("`listen` is `{text}`; expected IP:PORT or NAME:PORT, ")),
                "{error}"
            );
        }
        let error = resolve("there is no such name:80").unwrap_err();
        assert!(error.contains("`there is no such name` has no address: "), "{error}");
    }
}

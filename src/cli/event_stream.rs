//! Server-sent events as a client reads them, line by line as they come.
//!
//! It must never take more of an event than the bound, whatever the server sends.

use std::io::{self, BufRead, Read};

/// Most that is taken of a line, and of an event's data, in bytes: a change has one tuple, whose context is the largest
/// part.
const EVENT_BYTES_MAX: u64 = 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its name; empty for most.
    pub name: String,
    /// What it says; empty where it only moves the place to go on from, or is a sign of life.
    pub data: String,
}

/// Events out of what a server sends.
pub struct Events<R> {
    source: R,
    /// The id of the last event.
    last_id: Option<String>,
}

impl<R: BufRead> Events<R> {
    /// The events in `source`, which begin behind those up to `last_id`.
    pub fn new(source: R, last_id: Option<String>) -> Self {
        Self { source, last_id }
    }

    /// The id of the last event, from which a broken stream goes on.
    pub fn into_last_id(self) -> Option<String> {
        self.last_id
    }

    /// The next event, those without data too; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Event>> {
        let (mut event, mut id) = (Event::default(), None);
        while let Some(line) = self.line()? {
            if line.is_empty() {
                // Only now the event is whole.
                self.last_id = id.or(self.last_id.take());
                return Ok(Some(event));
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => id = Some(value.to_owned()),
                "event" => value.clone_into(&mut event.name),
                "data" if event.data.is_empty() => value.clone_into(&mut event.data),
                "data" => {
                    event.data.push('\n');
                    event.data.push_str(value);
                    if is_too_long(event.data.len()) {
                        return Err(too_long());
                    }
                }
                // A comment, or of a newer version.
                _ => {}
            }
        }
        Ok(None)
    }

    /// The next line without its end; `None` at the end, where one that was begun is nothing.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let taken = self.source.by_ref().take(EVENT_BYTES_MAX).read_line(&mut line)?;
        match line.strip_suffix('\n') {
            Some(whole) => Ok(Some(whole.strip_suffix('\r').unwrap_or(whole).to_owned())),
            None if is_too_long(taken) => Err(too_long()),
            None => Ok(None),
        }
    }
}

fn is_too_long(bytes: usize) -> bool {
    u64::try_from(bytes).is_ok_and(|bytes| bytes >= EVENT_BYTES_MAX)
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an event of the stream is too long")
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_and_signs_of_life_are_told_apart() {
        let text = ":\nid: 1\n\nid: 2.1\ndata: {\"a\": 1}\n\nevent: end\r\ndata:x\r\ndata: y\r\n\r\nid: 3\n";
        let mut events = Events::new(text.as_bytes(), None);
        let mut next = || events.next().unwrap();
        assert_eq!(next(), Some(event("", "")));
        assert_eq!(next(), Some(event("", "{\"a\": 1}")));
        assert_eq!(next(), Some(event("end", "x\ny")));
        assert_eq!(next(), None);
        assert_eq!(events.into_last_id().as_deref(), Some("2.1"), "what was cut off is no event");
    }

    #[test]
    fn a_stream_that_says_nothing_leaves_the_place_where_it_was() {
        let mut events = Events::new("id: 3.1\ndata: cut o".as_bytes(), Some("2".to_owned()));
        assert_eq!(events.next().unwrap(), None);
        assert_eq!(events.into_last_id().as_deref(), Some("2"));
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let refused = |source: &mut dyn BufRead| Events::new(source, None).next().unwrap_err().to_string();
        assert_eq!(refused(&mut BufReader::new(io::repeat(b'x'))), "an event of the stream is too long");
        let lines = "data: 0123456789\n".repeat(200_000);
        assert_eq!(refused(&mut lines.as_bytes()), "an event of the stream is too long");
    }
}

//! The sentences of the scenarios, and the request that each of them is.
//!
//! `{actor}` is who sends it: a user's id, or `system`, who has none. A `{resource}` is `park:p1` or `portfolio:p1`. What stands
//! in quotes may have spaces. Behind any of them may stand ` until T`, which becomes the body's `expires_at`, and
//! `, called NAME`, under which the scenario knows what was made: a cooperation, an invitation (that of a cooperation as
//! NAME.invitation). Other names, such as those of parks, are the ids themselves.

use std::sync::LazyLock;

use regex::Regex;

/// Sentence, method and path, body.
const PHRASES: &[(&str, &str, &str)] = &[
    // Users and the platform.
    ("{actor} registers {user} with {email}", "PUT /users/{user}", r#"{"email": "{email}"}"#),
    ("{actor} makes {user} platform staff", "PUT /platform/staff/{user}", ""),
    ("{actor} takes {user} off the platform staff", "DELETE /platform/staff/{user}", ""),
    // Organizations and members.
    (
        "{actor} founds {org} with admin {user}",
        "POST /organizations",
        r#"{"id": "{org}", "name": "{org}", "admin": "{user}"}"#,
    ),
    (
        "{actor} adds {user} to {org} as {role}",
        "PUT /organizations/{org}/members/{user}",
        r#"{"role": "{role}"}"#,
    ),
    (
        "{actor} makes {user} of {org} {role}",
        "PATCH /organizations/{org}/members/{user}",
        r#"{"role": "{role}"}"#,
    ),
    ("{actor} pauses {user} of {org}", "PATCH /organizations/{org}/members/{user}", r#"{"paused": true}"#),
    ("{actor} resumes {user} of {org}", "PATCH /organizations/{org}/members/{user}", r#"{"paused": false}"#),
    ("{actor} keeps {user} of {org}", "PATCH /organizations/{org}/members/{user}", "{}"),
    (
        "{actor} clears the end of {user} of {org}",
        "PATCH /organizations/{org}/members/{user}",
        r#"{"expires_at": null}"#,
    ),
    ("{actor} removes {user} from {org}", "DELETE /organizations/{org}/members/{user}", ""),
    ("{actor} leaves {org}", "DELETE /organizations/{org}/members/{actor}", ""),
    ("{actor} dissolves {org}", "DELETE /organizations/{org}/members/{actor}?confirm={org}", ""),
    // Resources and grants.
    (
        "{actor} builds portfolio:{id} in {org}",
        "POST /organizations/{org}/portfolios",
        r#"{"id": "{id}", "name": "{id}"}"#,
    ),
    (
        "{actor} builds park:{id} of portfolio:{portfolio} in {org}",
        "POST /organizations/{org}/parks",
        r#"{"id": "{id}", "name": "{id}", "portfolio": "{portfolio}"}"#,
    ),
    (
        "{actor} builds park:{id} in {org}",
        "POST /organizations/{org}/parks",
        r#"{"id": "{id}", "name": "{id}"}"#,
    ),
    (
        "{actor} moves park:{id} into portfolio:{portfolio}",
        "PATCH /parks/{id}",
        r#"{"portfolio": "{portfolio}"}"#,
    ),
    ("{actor} moves park:{id} out of its portfolio", "PATCH /parks/{id}", r#"{"portfolio": null}"#),
    ("{actor} names park:{id} {text}", "PATCH /parks/{id}", r#"{"name": "{text}"}"#),
    ("{actor} names {org} {text}", "PATCH /organizations/{org}", r#"{"name": "{text}"}"#),
    ("{actor} deletes {resource}", "DELETE /{resource}", ""),
    (
        "{actor} grants {role} on {resource} to {user}",
        "PUT /{resource}/grants/{user}",
        r#"{"role": "{role}"}"#,
    ),
    ("{actor} takes {resource} from {user}", "DELETE /{resource}/grants/{user}", ""),
    // Cooperations.
    (
        "{actor} invites {email} to cooperate with {org}",
        "POST /organizations/{org}/cooperations",
        r#"{"partner": {"email": "{email}"}}"#,
    ),
    (
        "{actor} invites organization {partner} to cooperate with {org}",
        "POST /organizations/{org}/cooperations",
        r#"{"partner": {"organization": "{partner}"}}"#,
    ),
    ("{actor} accepts {cooperation}", "POST /cooperations/{cooperation}/accept", "{}"),
    ("{actor} declines {cooperation}", "POST /cooperations/{cooperation}/decline", ""),
    ("{actor} sends {cooperation} again", "POST /cooperations/{cooperation}/resend", ""),
    ("{actor} pauses {cooperation}", "PATCH /cooperations/{cooperation}", r#"{"paused": true}"#),
    ("{actor} resumes {cooperation}", "PATCH /cooperations/{cooperation}", r#"{"paused": false}"#),
    ("{actor} limits {cooperation}", "PATCH /cooperations/{cooperation}", "{}"),
    (
        "{actor} clears the end of {cooperation}",
        "PATCH /cooperations/{cooperation}",
        r#"{"expires_at": null}"#,
    ),
    ("{actor} removes {cooperation}", "DELETE /cooperations/{cooperation}", ""),
    // Shares and delegations.
    (
        "{actor} shares {resource} in {cooperation} as {role}",
        "PUT /cooperations/{cooperation}/shares/{resource}",
        r#"{"role": "{role}"}"#,
    ),
    (
        "{actor} takes {resource} out of {cooperation}",
        "DELETE /cooperations/{cooperation}/shares/{resource}",
        "",
    ),
    (
        "{actor} delegates {role} on {resource} in {cooperation} to {user}",
        "PUT /cooperations/{cooperation}/shares/{resource}/delegations/{user}",
        r#"{"role": "{role}"}"#,
    ),
    (
        "{actor} takes {resource} in {cooperation} from {user}",
        "DELETE /cooperations/{cooperation}/shares/{resource}/delegations/{user}",
        "",
    ),
    // Invitations.
    (
        "{actor} invites {email} to the platform",
        "POST /invitations",
        r#"{"kind": "platform", "email": "{email}"}"#,
    ),
    (
        "{actor} invites {email} into {org} as {role}",
        "POST /invitations",
        r#"{"kind": "organization", "organization": "{org}", "email": "{email}", "role": "{role}"}"#,
    ),
    (
        "{actor} accepts invitation {invitation} and founds {org}",
        "POST /invitations/{invitation}/accept",
        r#"{"user": "{actor}", "organization": {"id": "{org}", "name": "{org}"}}"#,
    ),
    (
        "{actor} accepts invitation {invitation}",
        "POST /invitations/{invitation}/accept",
        r#"{"user": "{actor}"}"#,
    ),
    ("{actor} declines invitation {invitation}", "POST /invitations/{invitation}/decline", ""),
    ("{actor} sends invitation {invitation} again", "POST /invitations/{invitation}/resend", ""),
    ("{actor} revokes invitation {invitation}", "DELETE /invitations/{invitation}", ""),
    // Whatever else there is.
    ("{actor} reads {path}", "GET {path}", ""),
    ("{actor} sends {method} {path} {body}", "{method} {path}", "{body}"),
    ("{actor} sends {method} {path}", "{method} {path}", ""),
];

/// A request, with names where the scenario knows something by a name.
#[derive(Debug)]
pub struct Request {
    /// The user who sends it; `None`: the system.
    pub actor: Option<String>,
    pub method: String,
    pub path: String,
    /// JSON, or empty.
    pub body: String,
    /// The text behind ` until `.
    pub until: Option<String>,
    /// The name behind `, called `.
    pub called: Option<String>,
}

struct Phrase {
    sentence: Regex,
    slots: Vec<&'static str>,
    request: &'static str,
    body: &'static str,
}

static COMPILED: LazyLock<Vec<Phrase>> = LazyLock::new(|| {
    let slot = Regex::new(r"\\\{([a-z]+)\\\}").unwrap();
    let compile = |&(sentence, request, body): &(&'static str, &'static str, &'static str)| {
        let escaped = regex::escape(sentence);
        let pattern = slot.replace_all(&escaped, r#"(?<$1>"[^"]*"|\{.*\}|[^ "{]+)"#);
        let slots = sentence.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
        Phrase { sentence: Regex::new(&format!("^{pattern}$")).unwrap(), slots, request, body }
    };
    PHRASES.iter().map(compile).collect()
});

/// Reads a sentence. `id` answers what the scenario knows by a name, and a name that it does not know as it is.
pub fn read(text: &str, id: impl Fn(&str) -> String) -> Result<Request, String> {
    let (text, called) = split(text, ", called ");
    let (text, until) = split(text, " until ");
    let phrase = COMPILED.iter().find(|phrase| phrase.sentence.is_match(text));
    let phrase = phrase.ok_or_else(|| format!("no sentence is like this: {text}"))?;
    let found = phrase.sentence.captures(text).unwrap();
    let (mut request, mut body) = (phrase.request.to_owned(), phrase.body.to_owned());
    let mut actor = None;
    for slot in &phrase.slots {
        let value = found[*slot].trim_matches('"');
        let value = match *slot {
            "actor" => {
                actor = Some(value).filter(|actor| *actor != "system").map(str::to_owned);
                value.to_owned()
            }
            "resource" => {
                let (kind, id) = value.split_once(':').ok_or_else(|| format!("no resource: {value}"))?;
                format!("{kind}s/{id}")
            }
            "cooperation" | "invitation" => id(value),
            "path" => path(value, &id),
            _ => value.to_owned(),
        };
        let place = format!("{{{slot}}}");
        request = request.replace(&place, &value);
        if *slot == "body" {
            body = body.replace(&place, &value);
            continue;
        }
        let quoted = serde_json::to_string(&value).unwrap();
        body = body.replace(&place, quoted.trim_matches('"'));
    }
    let (method, path) = request.split_once(' ').unwrap();
    Ok(Request {
        actor,
        method: method.to_owned(),
        path: path.to_owned(),
        body,
        until: until.map(str::to_owned),
        called: called.map(str::to_owned),
    })
}

fn split<'a>(text: &'a str, at: &str) -> (&'a str, Option<&'a str>) {
    text.rsplit_once(at).map_or((text, None), |(text, rest)| (text, Some(rest)))
}

/// A path in which `$name` stands for an id.
pub fn path(text: &str, id: &impl Fn(&str) -> String) -> String {
    let name = Regex::new(r"\$([A-Za-z.]+)").unwrap();
    name.replace_all(text, |found: &regex::Captures<'_>| id(&found[1])).into_owned()
}

#[test]
fn a_sentence_becomes_a_request() {
    let id = |name: &str| if name == "upkeep" { "01".to_owned() } else { name.to_owned() };
    let request = read("hanna shares park:deich in upkeep as viewer until +3d", id).unwrap();
    assert_eq!(request.actor.as_deref(), Some("hanna"));
    assert_eq!((&*request.method, &*request.path), ("PUT", "/cooperations/01/shares/parks/deich"));
    assert_eq!((&*request.body, request.until.as_deref()), (r#"{"role": "viewer"}"#, Some("+3d")));
    let request = read("hanna names helios \"Sun & Co\"", id).unwrap();
    assert_eq!((&*request.path, &*request.body), ("/organizations/helios", r#"{"name": "Sun & Co"}"#));
    let request = read("hanna invites a@b.c to cooperate with helios, called offer", id).unwrap();
    assert_eq!(request.called.as_deref(), Some("offer"));
    assert_eq!(read("system reads /cooperations/$upkeep", id).unwrap().path, "/cooperations/01");
    assert!(read("hanna sings", id).is_err());
}

#[test]
fn no_sentence_can_be_read_in_two_ways_that_differ() {
    // The first that fits is taken; an earlier one must not swallow a later one's own wording.
    for (index, (sentence, _, _)) in PHRASES.iter().enumerate() {
        let example = match sentence.strip_suffix("{body}") {
            Some(start) => start.replace(['{', '}'], "") + "{\"a\": 1}",
            None => sentence.replace(['{', '}'], ""),
        };
        let first = COMPILED.iter().position(|phrase| phrase.sentence.is_match(&example));
        assert_eq!(first, Some(index), "{sentence}");
    }
}

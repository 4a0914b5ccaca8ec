//! A person without a browser: cookies, redirects and one form, over raw connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use url::Url;

use super::{Answer, Wire};

const REDIRECTS_MAX: usize = 20;

/// What a browser says that it wants.
pub const HTML: &str = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n";

/// One person's cookies, and the address where every `https` name of theirs is served.
pub struct Visitor {
    edge: SocketAddr,
    /// By host, then by name: value and attributes.
    cookies: BTreeMap<String, BTreeMap<String, Cookie>>,
    /// Every URL visited, in order.
    pub trail: Vec<Url>,
}

/// A cookie as it was set.
#[derive(Debug, Clone)]
pub struct Cookie {
    pub value: String,
    /// In lower case, as they were written.
    pub attributes: Vec<String>,
}

impl Visitor {
    /// All `https` URLs go to `edge` over TLS, whatever their host and port; `http` ones go where they say.
    pub fn new(edge: SocketAddr) -> Visitor {
        Visitor { edge, cookies: BTreeMap::new(), trail: Vec::new() }
    }

    /// One GET as a browser makes it, redirects not followed.
    #[track_caller]
    pub fn get(&mut self, url: &str) -> Answer {
        self.request("GET", url, HTML, "")
    }

    /// One request with more field lines and a body.
    #[track_caller]
    pub fn request(&mut self, method: &str, url: &str, fields: &str, body: &str) -> Answer {
        let url = Url::parse(url).unwrap_or_else(|e| panic!("{url}: {e}"));
        let host = url.host_str().expect("a host").to_owned();
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let cookies = self.cookie_field(&url, &host);
        let length = if method == "GET" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{cookies}{fields}{length}\r\n{body}"
        );
        let answer = self.connect(&url, &host).send(request).answer_to(method);
        self.remember(&host, &answer);
        self.trail.push(url);
        answer
    }

    fn connect(&self, url: &Url, host: &str) -> Wire {
        if url.scheme() == "https" {
            return Wire::tls(self.edge, host);
        }
        let address = format!("{host}:{}", url.port_or_known_default().expect("a port"));
        Wire::clear(address.parse().unwrap_or_else(|_| panic!("{url} is clear text and no loopback address")))
    }

    /// GETs `url` and follows redirects, and pages that go on by themselves, until an answer is neither. The last URL ends the trail.
    #[track_caller]
    pub fn follow(&mut self, url: &str) -> Answer {
        let answer = self.get(url);
        self.follow_from(answer)
    }

    #[track_caller]
    fn follow_from(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..REDIRECTS_MAX {
            let onward = match answer.header("refresh").split_once("url=") {
                Some((_, url)) => url,
                None if answer.status / 100 == 3 => answer.header("location"),
                None => return answer,
            };
            let next = self.here().join(onward).expect("a location");
            answer = self.get(next.as_str());
        }
        panic!("more than {REDIRECTS_MAX} redirects: {:?}", self.trail.iter().map(Url::as_str).collect::<Vec<_>>());
    }

    /// Opens `url`, signs in as `who` at the provider's form and follows to wherever that leads.
    #[track_caller]
    pub fn sign_in(&mut self, url: &str, who: &str) -> Answer {
        let answer = self.follow(url);
        let page = answer.text();
        assert!(page.contains("Who are you?"), "not at the provider: {} {page}", self.here());
        self.choose(who)
    }

    /// Chooses `who` on the provider's form that is open now.
    #[track_caller]
    pub fn choose(&mut self, who: &str) -> Answer {
        let form = self.here().to_string();
        let fields = "Content-Type: application/x-www-form-urlencoded\r\n";
        let answer = self.request("POST", &form, fields, &format!("login={who}"));
        self.follow_from(answer)
    }

    /// The URL visited last.
    pub fn here(&self) -> &Url {
        self.trail.last().expect("a visit")
    }

    /// The cookie `name` of `host`.
    pub fn cookie(&self, host: &str, name: &str) -> Option<&Cookie> {
        self.cookies.get(host)?.get(name)
    }

    /// Sets a cookie as somebody else may have.
    pub fn set_cookie(&mut self, host: &str, name: &str, value: &str) {
        let cookie = Cookie { value: value.to_owned(), attributes: Vec::new() };
        self.cookies.entry(host.to_owned()).or_default().insert(name.to_owned(), cookie);
    }

    fn cookie_field(&self, url: &Url, host: &str) -> String {
        let jar = self.cookies.get(host).into_iter().flatten();
        let fits = |cookie: &Cookie| match cookie.attribute("path") {
            Some(path) => url.path().starts_with(path.as_str()),
            None => true,
        };
        let pairs: Vec<String> = jar.filter(|(_, c)| fits(c)).map(|(name, c)| format!("{name}={}", c.value)).collect();
        if pairs.is_empty() { String::new() } else { format!("Cookie: {}\r\n", pairs.join("; ")) }
    }

    fn remember(&mut self, host: &str, answer: &Answer) {
        let jar = self.cookies.entry(host.to_owned()).or_default();
        for line in answer.all("set-cookie") {
            let mut parts = line.split(';').map(str::trim);
            let (name, value) = parts.next().and_then(|p| p.split_once('=')).expect("a cookie");
            let attributes: Vec<String> = parts.map(str::to_owned).collect();
            let cookie = Cookie { value: value.to_owned(), attributes };
            let ended = value.is_empty() || cookie.attribute("max-age").is_some_and(|age| age.starts_with(['0', '-']));
            if ended || cookie.attribute("expires").is_some_and(|when| when.contains("1970")) {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), cookie);
            }
        }
    }
}

impl Cookie {
    /// The value of an attribute, empty for a mere flag; `None` when it is not there. `name` in lower case.
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.attributes.iter().find_map(|a| {
            let (key, value) = a.split_once('=').unwrap_or((a, ""));
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    }
}

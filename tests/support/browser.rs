//! A browser as far as cookies go: it keeps what it is given under its name, and sends all of it.

use std::{collections::BTreeMap, net::SocketAddr};

use super::client::{self, Reply};

/// A cookie jar with a window.
#[derive(Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Loads a page in a frame of the host page, and follows the redirect.
    pub(crate) fn load(&mut self, gateway: SocketAddr, target: &str) -> Reply {
        let first = self.get(gateway, target, FRAME);
        match first.header("location") {
            Some(location) => {
                let location = location.to_owned();
                self.get(gateway, &location, FRAME)
            }
            None => first,
        }
    }

    /// A page's own `fetch`, from an address of the site.
    pub(crate) fn fetch(&mut self, gateway: SocketAddr, target: &str, page: &str) -> Reply {
        let referer = format!("http://bi.example.com{page}");
        let headers = [
            ("Sec-Fetch-Dest", "empty"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Referer", referer.as_str()),
        ];
        self.get(gateway, target, &headers)
    }

    /// A request with these headers and all cookies.
    pub(crate) fn get(
        &mut self,
        gateway: SocketAddr,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Reply {
        let cookies = self.header();
        let mut all = headers.to_vec();
        if !cookies.is_empty() {
            all.push(("Cookie", &cookies));
        }
        let reply = client::get(gateway, target, &all);
        self.keep(&reply);
        reply
    }

    /// What it sends as `Cookie`.
    pub(crate) fn header(&self) -> String {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// Keeps the cookies of a reply, and drops those that it takes away.
    pub(crate) fn keep(&mut self, reply: &Reply) {
        for cookie in reply.all("set-cookie") {
            let mut parts = cookie.split("; ");
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            if parts.any(|part| part == "Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// What a browser says of a frame in the host page.
pub(crate) const FRAME: &[(&str, &str)] = &[
    ("Sec-Fetch-Dest", "iframe"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "cross-site"),
    ("Referer", "https://app.example.com/"),
];

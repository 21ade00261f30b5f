//! `[listen]`, `[admin]`, `[audit]`, `[revocations]`, `[log]`.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use ipnet::IpNet;

use super::{Reported, context::At, tls};
use crate::config::{
    raw,
    spec::{AdminSpec, AuditOutput, AuditSpec, ListenSpec, LogSpec, RevocationsSpec},
    units::Size,
};

/// `[listen]`.
pub(super) fn listen(raw: Option<&raw::Listen>, at: &At<'_>) -> Option<ListenSpec> {
    let raw = at.require(raw, "the table that says where browsers connect")?;
    let address = at.key("address").require(
        raw.address.as_ref(),
        "IP:port to listen on, such as \"0.0.0.0:8443\"",
    );
    let address = address.and_then(|text| socket(text, &at.key("address")));
    let tls = raw
        .tls
        .as_ref()
        .map_or(Some(Vec::new()), |pairs| tls::pairs(pairs, &at.key("tls")));
    if raw.danger_cleartext {
        at.key("danger_cleartext").danger();
    }
    if let Some(address) = address
        .filter(|address| raw.tls.is_none() && !raw.danger_cleartext && !address.ip().is_loopback())
    {
        at.key("address").report(format!(
            "{address} is not loopback and there is no `tls`: tokens would travel readable; add `tls`, or set danger_cleartext = true \
             behind a proxy that speaks TLS"
        ));
    }
    Some(ListenSpec {
        http2: raw.http2,
        tls_resumption: raw.tls_resumption,
        max_connections: connections(raw.max_connections, &at.key("max_connections")),
        head_limit: head_limit(raw.head_limit, &at.key("head_limit")),
        head_timeout: at.key("head_timeout").positive(raw.head_timeout),
        handshake_timeout: at.key("handshake_timeout").positive(raw.handshake_timeout),
        body_timeout: at.key("body_timeout").positive(raw.body_timeout),
        keep_alive: at.key("keep_alive").positive(raw.keep_alive),
        shutdown_grace: raw.shutdown_grace.0,
        trusted_proxies: proxies(&raw.trusted_proxies, &at.key("trusted_proxies")),
        workers: usize::from(raw.workers),
        address: address?,
        tls: tls?,
    })
}

/// `[admin]`, where there is one.
pub(super) fn admin(
    raw: Option<&raw::Admin>,
    at: &At<'_>,
    listen: Option<&raw::Listen>,
) -> Result<Option<AdminSpec>, Reported> {
    let Some(raw) = raw else { return Ok(None) };
    let address = socket(&raw.address, &at.key("address"));
    let token = match &raw.token {
        None => Ok(None),
        Some(source) => at
            .key("token")
            .long_secret(source, "an admin token", SHORTEST_TOKEN)
            .map(Some)
            .ok_or(Reported),
    };
    if raw.danger_public {
        at.key("danger_public").danger();
    }
    if let Some(address) = address {
        if raw.token.is_none() && !raw.danger_public && !address.ip().is_loopback() {
            at.key("address").report(format!(
                "{address} is not loopback and there is no `token`: everybody there reads metrics and policy; set `token`, so that at least \
                 writing has one, or danger_public = true"
            ));
        }
        let public = listen
            .and_then(|listen| listen.address.as_deref())
            .and_then(|text| text.parse::<SocketAddr>().ok());
        if public.is_some_and(|public| public == address && public.port() != 0) {
            at.key("address")
                .report(format!("{address} is taken by listen.address already"));
        }
    }
    Ok(Some(AdminSpec {
        address: address.ok_or(Reported)?,
        token: token?,
    }))
}

/// `[audit]`.
pub(super) fn audit(raw: &raw::Audit, at: &At<'_>) -> Option<AuditSpec> {
    let output = match raw.output.as_str() {
        "stdout" => AuditOutput::Stdout,
        "off" => AuditOutput::Off,
        "" => {
            at.key("output")
                .report("is \"stdout\", \"off\", or the path of a file");
            return None;
        }
        path => AuditOutput::File(own_file(Path::new(path), &at.key("output"))?),
    };
    if raw.required && output == AuditOutput::Off {
        at.key("required")
            .report("nothing can be required of a trail that is off");
    }
    if raw.buffer < SMALLEST_BUFFER {
        at.key("buffer").report(format!(
            "at least {SMALLEST_BUFFER}, so that one record fits"
        ));
    }
    let buffer = usize::try_from(raw.buffer.0).ok()?;
    Some(AuditSpec {
        output,
        values: raw.values,
        required: raw.required,
        buffer,
    })
}

/// `[revocations]`.
pub(super) fn revocations(raw: &raw::Revocations, at: &At<'_>) -> Option<RevocationsSpec> {
    if raw.max == 0 {
        at.key("max").report("must be at least 1");
    }
    let file = match &raw.file {
        None => None,
        Some(path) => Some(own_file(path, &at.key("file"))?),
    };
    Some(RevocationsSpec {
        file,
        max: usize::try_from(raw.max).unwrap_or(usize::MAX),
    })
}

/// `[log]`.
pub(super) fn log(raw: &raw::Log) -> LogSpec {
    LogSpec {
        level: raw.level,
        format: raw.format,
    }
}

fn socket(text: &str, at: &At<'_>) -> Option<SocketAddr> {
    at.accept(text.parse().map_err(|_| {
        format!("`{text}` is not IP:port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"")
    }))
}

fn connections(count: u32, at: &At<'_>) -> usize {
    if count == 0 {
        at.report("must be at least 1");
    }
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn head_limit(size: Size, at: &At<'_>) -> usize {
    if size < SMALLEST_HEAD || size > LARGEST_HEAD {
        at.report(format!("from {SMALLEST_HEAD} to {LARGEST_HEAD}"));
    }
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

fn proxies(texts: &[String], at: &At<'_>) -> Vec<IpNet> {
    let network = |(index, text): (usize, &String)| {
        let read = text
            .parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        at.index(index).accept(read.map_err(|_| {
            format!("`{text}` is not an IP address or network, such as \"10.0.0.0/8\"")
        }))
    };
    texts.iter().enumerate().filter_map(network).collect()
}

/// A file that we write, in a folder that exists.
fn own_file(path: &Path, at: &At<'_>) -> Option<PathBuf> {
    let file = at.resolve(path);
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if path.as_os_str().is_empty() || file.is_dir() || folder.is_some_and(|folder| !folder.is_dir())
    {
        at.report(format!(
            "`{}` cannot be a file: its folder does not exist, or it is a folder itself",
            path.display()
        ));
        return None;
    }
    Some(file)
}

const SHORTEST_TOKEN: usize = 16;
const SMALLEST_BUFFER: Size = Size::kib(64);
const SMALLEST_HEAD: Size = Size::kib(8);
const LARGEST_HEAD: Size = Size::kib(1024);

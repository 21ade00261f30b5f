//! The demo's configuration: the text that a real operator would write, and the secrets that it names.

use std::{fs, os::unix::fs::OpenOptionsExt as _, path::Path};

use super::DemoError;

/// The audit trail's file name in the scratch folder.
pub const AUDIT_TRAIL: &str = "audit.jsonl";

/// The ports that the configuration mentions; 0 lets the operating system choose.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// The host page.
    pub host: u16,
    /// The sample BI server.
    pub bi: u16,
    /// The gateway's public side.
    pub gateway: u16,
    /// The gateway's admin listener.
    pub admin: u16,
}

/// What the gateway is told.
pub fn configuration(ports: &Ports, scratch: &Path) -> String {
    TEMPLATE
        .replace("@HOST@", &ports.host.to_string())
        .replace("@BI@", &ports.bi.to_string())
        .replace("@GATEWAY@", &ports.gateway.to_string())
        .replace("@ADMIN@", &ports.admin.to_string())
        .replace("@SCRATCH@", &scratch.display().to_string())
}

/// The secrets of one run. No `Debug`: they are secrets.
pub struct Secrets {
    /// Signs viewer tokens; the host page's backend and the gateway know it.
    pub app: String,
}

impl Secrets {
    /// Makes fresh ones and writes them where the configuration expects them.
    ///
    /// # Errors
    /// No randomness, or the files cannot be written.
    pub fn make(scratch: &Path) -> Result<Self, DemoError> {
        let app = random_hex(32)?;
        write_secret(&scratch.join("app"), &app)?;
        write_secret(&scratch.join("session"), &random_hex(32)?)?;
        Ok(Self { app })
    }
}

/// Random bytes, as hexadecimal text.
///
/// # Errors
/// The operating system gives none.
pub fn random_hex(bytes: usize) -> Result<String, DemoError> {
    let mut buffer = vec![0; bytes];
    aws_lc_rs::rand::fill(&mut buffer).map_err(|_| DemoError::Randomness)?;
    let digits = buffer.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect())
}

fn write_secret(path: &Path, text: &str) -> Result<(), DemoError> {
    use std::io::Write as _;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| DemoError::Io {
            what: format!("cannot write {}", path.display()),
            source,
        })
}

const TEMPLATE: &str = r#"
[listen]
address = "127.0.0.1:@GATEWAY@"
workers = 1
shutdown_grace = "2s"

[admin]
address = "127.0.0.1:@ADMIN@"

[log]
level = "warn"

[audit]
output = "@SCRATCH@/audit.jsonl"

[session]
secret = { file = "@SCRATCH@/session" }
lifetime = "8h"

[issuer.app]
algorithm = "HS256"
secret = { file = "@SCRATCH@/app" }
issuer = "demo-app"
audience = "embedgate"
max_lifetime = "10m"

[site.demo]
hosts = ["localhost"]
upstream = "http://127.0.0.1:@BI@"
kind = "generic"
issuers = ["app"]
frame_ancestors = ["http://localhost:@HOST@"]

[site.demo.params]
tenant_id = { mode = "locked", type = "integer" }
region = { mode = "enabled" }

[site.demo.limits]
viewer = "100/min"
in_flight = 8

[[site.demo.routes]]
path = "/assets/*"
access = "public"

[[site.demo.routes]]
path = "/dashboard/{id}"
resource = "dashboard:{id}"

[[site.demo.routes]]
path = "/api/accounts"

[[site.demo.routes]]
path = "/api/accounts.csv"
scope = "download"

[[site.demo.routes]]
path = "/api/query"
methods = ["POST"]
lock = [{ param = "tenant_id", in = "json", at = "/tenant_id" }]
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_filled_in_completely() {
        let ports = Ports {
            host: 1,
            bi: 2,
            gateway: 3,
            admin: 4,
        };
        let text = configuration(&ports, Path::new("/scratch"));
        assert!(!text.contains('@'), "{text}");
        assert!(
            text.contains(r#"frame_ancestors = ["http://localhost:1"]"#),
            "{text}"
        );
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (random_hex(32).unwrap(), random_hex(32).unwrap());
        assert_eq!(one.len(), 64);
        assert_ne!(one, other);
    }
}

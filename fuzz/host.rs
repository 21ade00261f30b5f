//! A host that is read is an authority, in lower case, and reads the same again.
#![no_main]

use embedgate::gate::host::Host;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(host) = Host::parse(text) else { return };
    assert!(
        !host
            .name()
            .bytes()
            .any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii_graphic())
    );
    assert!(!host.name().contains(['@', '%', '/', '\\', '_', '*']));
    assert_ne!(host.port(), Some(0));
    let shown = match host.port() {
        Some(port) => format!("{}:{port}", host.name()),
        None => host.name().to_owned(),
    };
    assert_eq!(Host::parse(&shown), Ok(host));
    assert!(shown.parse::<http::uri::Authority>().is_ok());
});

//! The stand-in of Metabase as a server, for tests in a browser: `cargo test --test metabase_standin -- --serve 127.0.0.1:3000 --log`.
//!
//! Without `--serve` it is a test binary without tests, as test runners expect one.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

#[path = "../support/metabase/mod.rs"]
mod metabase;
#[path = "../support/wire.rs"]
mod wire;

use std::{net::SocketAddr, process::ExitCode, thread};

use metabase::{
    Behaviour, Seen, Standin, fixtures,
    store::{Clash, Failed, Store},
};
use serde_json::json;

const HELP: &str = "\
metabase_standin --serve ADDRESS [OPTION…]   serves until it is killed

  --site-url URL          the setting site-url            --embedding-off, --sharing-off
  --secret HEX            the embedding secret            --secret-unset
  --api-key KEY           one more administrator's key
  --sdk-origin ORIGIN     allowed for CORS (repeatable)   --cors-localhost-off
  --old                   about v54: all of the old ways below
  --failed-202            a failed query is a 202         --failed-late   … with `_status` in its body
  --not-found-400         what is not there is a 400      --colon-slugs   slugs in messages have a colon
  --old-tiles             columns in the path, parameters unmerged
  --no-field-endpoints    without /api/embed/…/field/…    --no-remapping
  --card-values-unlocked  values of questions ignore locked parameters
  --param-values          layouts carry whole lists of values
  --first-wins            of two values for one template tag, the first
  --batch                 with card-query-batch           --gzip          compressed answers
  --max-results N         rows of a query                 --export-filler BYTES   after a CSV export's rows
  --busy N                so many API requests are answered 503 first
  --log                   every request on a line of its own, as JSON
";

fn main() -> ExitCode {
    let all: Vec<String> = std::env::args().skip(1).collect();
    if !all.iter().any(|one| one == "--serve") {
        // `--list --format terse` and the like: no tests.
        return ExitCode::SUCCESS;
    }
    match start(all) {
        Ok(standin) => {
            println!("stand-in on http://{}", standin.address);
            loop {
                thread::park();
            }
        }
        Err(why) => {
            eprintln!("{why}\n\n{HELP}");
            ExitCode::from(64)
        }
    }
}

fn start(all: Vec<String>) -> Result<Standin, String> {
    let mut store = fixtures::store();
    let (mut address, mut log) = (None, false);
    let mut all = all.into_iter();
    while let Some(option) = all.next() {
        let mut value = || all.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--serve" => address = Some(number(&value()?)?),
            "--site-url" => store.site_url = value()?,
            "--secret" => store.secret = Some(value()?),
            "--api-key" => store.api_keys.push((value()?, true)),
            "--sdk-origin" => store.sdk_origins.push(value()?),
            "--max-results" => store.behaviour.max_results = number(&value()?)?,
            "--export-filler" => store.behaviour.export_filler = number(&value()?)?,
            "--busy" => store.behaviour.busy = number(&value()?)?,
            "--log" => log = true,
            _ if flag(&option, &mut store) => {}
            _ => return Err(format!("unknown option {option}")),
        }
    }
    let address: SocketAddr = address.ok_or("no address")?;
    let standin = Standin::serve(address, store).map_err(|why| format!("{address}: {why}"))?;
    if log {
        standin.log(tell);
    }
    Ok(standin)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("cannot read {text}"))
}

/// An option without a value. Returns whether there is such a one.
fn flag(option: &str, store: &mut Store) -> bool {
    let behaviour = &mut store.behaviour;
    match option {
        "--embedding-off" => store.embedding = false,
        "--sharing-off" => store.sharing = false,
        "--secret-unset" => store.secret = None,
        "--cors-localhost-off" => store.cors_localhost = false,
        "--old" => *behaviour = Behaviour::old(),
        "--failed-202" => behaviour.failed = Failed::Status202,
        "--failed-late" => behaviour.failed = Failed::Late,
        "--not-found-400" => behaviour.not_found_400 = true,
        "--colon-slugs" => behaviour.colon_slugs = true,
        "--old-tiles" => behaviour.old_tiles = true,
        "--no-field-endpoints" => behaviour.field_endpoints = false,
        "--no-remapping" => behaviour.remapping = false,
        "--card-values-unlocked" => behaviour.card_values_locked = false,
        "--param-values" => behaviour.param_values = true,
        "--first-wins" => behaviour.clash = Clash::First,
        "--batch" => behaviour.batch = true,
        "--gzip" => behaviour.gzip = true,
        _ => return false,
    }
    true
}

fn tell(seen: &Seen) {
    let body = String::from_utf8_lossy(&seen.body);
    println!(
        "{}",
        json!({"method": seen.method, "target": seen.target, "headers": seen.headers, "body": body})
    );
}

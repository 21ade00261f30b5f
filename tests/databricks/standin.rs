//! The stand-in of a Databricks workspace as a server, for tests in a browser: `cargo test --test databricks_standin -- --serve 127.0.0.1:3000 --log`.
//!
//! Without `--serve` it is a test binary without tests, as test runners expect one.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

#[path = "../support/databricks/mod.rs"]
mod databricks;
#[path = "../support/wire.rs"]
mod wire;

use std::{io::BufRead as _, net::SocketAddr, process::ExitCode, thread, time::Duration};

use databricks::{BROKER, Call, Fault, Payload, Standin, Step, Workspace};
use serde_json::json;

const HELP: &str = "\
databricks_standin --serve ADDRESS [--log] [OPTION…]   serves until it is killed

Every option may be given later, too: a line on standard input without the dashes, answered by `ok` or `error …` on standard output.
With --log every call is a line of JSON on standard output.

  --approve ORIGIN            may frame dashboards (repeatable)
  --host NAME                 the only Host that is answered
  --secret TEXT               one more secret of the broker      --withdraw-secret TEXT   one less
  --revoke-tokens             ends all tokens of the broker
  --access-ttl SECONDS        of a principal's token             --scoped-ttl SECONDS     of a viewer's
  --payload plain|url         whether tokens have - and _ in their payload
  --extra NAME=VALUE          one more field of tokeninfo        --forgetful              any custom claim will do
  --loads N                   loads a second                     --count STEP,…           what a load is
  --lock-after N              wrong secrets in a row             --lock-for SECONDS
  --bad-token STATUS          for a token that is wrong or over
  --unpublish DASHBOARD, --publish DASHBOARD, --withdraw DASHBOARD
  --base URL                  before the assets' paths in the page
  --latency STEP MILLISECONDS
  --fault STEP KIND TIMES     KIND: 503, 429:2 (with Retry-After), empty, garbage, hang, huge:BYTES, login, lost, moved:URL, slow:MILLISECONDS,
                              truncated, typed:TYPE                --heal                   no more faults

STEP: access, info, scoped, page, asset, data, other
";

fn main() -> ExitCode {
    let all: Vec<String> = std::env::args().skip(1).collect();
    if !all.iter().any(|one| one == "--serve") {
        // `--list --format terse` and the like: no tests.
        return ExitCode::SUCCESS;
    }
    match start(all) {
        Ok(standin) => {
            println!("stand-in on {}", standin.url());
            obey(&standin);
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
    let mut workspace = Workspace::new();
    let (mut address, mut log) = (None, false);
    let mut words = all.into_iter();
    while let Some(option) = words.next() {
        match option.strip_prefix("--") {
            Some("serve") => address = Some(number(&words.next().unwrap_or_default())?),
            Some("log") => log = true,
            Some(name) => apply(name, &mut words, &mut workspace)?,
            None => return Err(format!("unknown option {option}")),
        }
    }
    let address: SocketAddr = address.ok_or("no address")?;
    let standin = Standin::serve(address, workspace).map_err(|why| format!("{address}: {why}"))?;
    if log {
        standin.log(tell);
    }
    Ok(standin)
}

/// Options, as lines, until there are no more.
fn obey(standin: &Standin) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let mut words = line.split_whitespace().map(str::to_owned);
        let name = words.next().unwrap_or_default();
        match standin.edit(|workspace| apply(&name, &mut words, workspace)) {
            Ok(()) => println!("ok"),
            Err(why) => println!("error {why}"),
        }
    }
}

/// One option.
fn apply(
    name: &str,
    words: &mut impl Iterator<Item = String>,
    workspace: &mut Workspace,
) -> Result<(), String> {
    let mut value = || words.next().ok_or_else(|| format!("{name} needs a value"));
    let behaviour = &mut workspace.behaviour;
    match name {
        "access-ttl" => behaviour.access_ttl = number(&value()?)?,
        "approve" => workspace.approved.push(value()?),
        "bad-token" => behaviour.bad_token = number(&value()?)?,
        "base" => behaviour.paths.base = value()?,
        "count" => behaviour.counted = value()?.split(',').map(step).collect::<Result<_, _>>()?,
        "extra" => {
            let text = value()?;
            let (name, value) = text.split_once('=').ok_or("NAME=VALUE")?;
            behaviour.extra.push((name.into(), json!(value)));
        }
        "fault" => {
            let (at, kind, times) = (step(&value()?)?, value()?, number(&value()?)?);
            let fault = Fault::read(&kind).ok_or_else(|| format!("no fault {kind}"))?;
            workspace.faults.push((at, fault, times));
        }
        "forgetful" => behaviour.remembers = false,
        "heal" => workspace.faults.clear(),
        "host" => behaviour.host = Some(value()?),
        "latency" => {
            let (at, by) = (step(&value()?)?, number(&value()?)?);
            behaviour.latency.push((at, Duration::from_millis(by)));
        }
        "loads" => behaviour.loads_per_second = number(&value()?)?,
        "lock-after" => behaviour.lock_after = number(&value()?)?,
        "lock-for" => behaviour.lock_for = Duration::from_secs(number(&value()?)?),
        "payload" => {
            behaviour.payload = match value()?.as_str() {
                "plain" => Payload::Plain,
                "url" => Payload::UrlSafe,
                other => return Err(format!("no payload {other}")),
            }
        }
        "publish" => workspace.dashboard(&value()?).published = true,
        "revoke-tokens" => workspace.revoke_tokens(BROKER),
        "scoped-ttl" => behaviour.scoped_ttl = number(&value()?)?,
        "secret" => workspace.principal(BROKER).secrets.push(value()?),
        "unpublish" => workspace.dashboard(&value()?).published = false,
        "withdraw" => workspace.withdraw(&value()?),
        "withdraw-secret" => {
            let text = value()?;
            workspace
                .principal(BROKER)
                .secrets
                .retain(|one| *one != text);
        }
        _ => return Err(format!("unknown option {name}")),
    }
    Ok(())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("cannot read {text}"))
}

fn step(text: &str) -> Result<Step, String> {
    Ok(match text {
        "access" => Step::Access,
        "asset" => Step::Asset,
        "data" => Step::Data,
        "info" => Step::Info,
        "other" => Step::Other,
        "page" => Step::Page,
        "scoped" => Step::Scoped,
        other => return Err(format!("no step {other}")),
    })
}

fn tell(call: &Call) {
    let seen = &call.seen;
    let body = String::from_utf8_lossy(&seen.body);
    println!(
        "{}",
        json!({
            "step": format!("{:?}", call.step).to_lowercase(), "status": call.status, "principal": call.principal,
            "method": seen.method, "target": seen.target, "headers": seen.headers, "body": body,
        })
    );
}

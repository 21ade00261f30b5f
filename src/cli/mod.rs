//! The command line: what can be asked for, and the exit code of each answer.

mod admin;
mod check;
mod demo;
mod explain;
pub mod healthcheck;
mod revoke;
mod run;
mod schema;
mod token;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::config::ConfigErrors;

/// A reverse proxy that makes embedded BI safe to expose.
#[derive(Debug, Parser)]
#[command(name = "embedgate", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A gateway, a sample BI server and a host page in one process; prints the URL to open.
    #[command(after_help = "Example:\n  embedgate demo")]
    Demo(DemoArgs),
    /// Serve.
    #[command(after_help = "Example:\n  embedgate run --config /etc/embedgate/embedgate.toml")]
    Run(RunArgs),
    /// Compile the configuration; print every error with its line and key path; exit 78 if there is any.
    #[command(
        after_help = "Examples:\n  embedgate check --config embedgate.toml\n  embedgate check --config embedgate.toml --online --item reports=dashboard:42\n\n\
                      With --online it also asks the upstreams, as the gateway does at start: for each public link of a Metabase, which cards the locked\n\
                      parameters reach. Exit 1 if anything is not as it should be."
    )]
    Check(CheckArgs),
    /// Tell what would happen to a request, stage by stage, and what the upstream would be sent; sends nothing.
    #[command(
        after_help = "Example:\n  embedgate explain --config embedgate.toml --site reports --token \"$TOKEN\" \\\n      \
                            --header 'Sec-Fetch-Dest: iframe' GET https://bi.example.com/reports/q3"
    )]
    Explain(ExplainArgs),
    /// Sign a viewer token (development, smoke tests).
    #[command(
        after_help = "Example:\n  embedgate token --config embedgate.toml --issuer app --sub viewer-7 --tenant acme \\\n      \
                            --resource report:q3 --param tenant_id=999 --ttl 10m"
    )]
    Token(TokenArgs),
    /// Print the JSON Schema of the configuration, for editors.
    #[command(after_help = "Example:\n  embedgate schema > embedgate.schema.json")]
    Schema,
    /// Exit 0 if the running gateway is ready (container health checks).
    #[command(
        after_help = "Example:\n  embedgate healthcheck --config /etc/embedgate/embedgate.toml"
    )]
    Healthcheck(HealthcheckArgs),
    /// End access before its time: of a viewer, a tenant, a token, an issuer, a key or a session. The running gateway denies it from the next request on.
    #[command(
        after_help = "Examples:\n  embedgate revoke --config embedgate.toml --viewer viewer-7 --reason 'left the company'\n  \
                            embedgate revoke --config embedgate.toml --viewer viewer-7 --tenant acme --reason 'moved' --until 2026-01-31T12:00:00Z\n  \
                            embedgate revoke --config embedgate.toml --kid 2025-10 --reason 'the key leaked'\n\n\
                            Prints the revocation: its id, its end, the subject, the reason. Exit 1 if it is not in force, or a restart would forget it\n\
                            although there is a `revocations.file`; 64 if it names no one subject; 78 if the configuration has no [admin] with a token."
    )]
    Revoke(RevokeArgs),
    /// List the revocations in force: id, end, subject, reason.
    #[command(after_help = "Example:\n  embedgate revocations --config embedgate.toml")]
    Revocations(RevocationsArgs),
    /// Take a revocation back.
    #[command(
        after_help = "Example:\n  embedgate unrevoke --config embedgate.toml 00692480007d1f3c5ab9e24f60c8d713"
    )]
    Unrevoke(UnrevokeArgs),
}

/// `embedgate demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// The first of five ports; free ones unless given.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
}

/// `embedgate run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// `embedgate check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Ask the upstreams, too: what is served would be filtered.
    #[arg(long)]
    pub online: bool,
    /// A signed dashboard or question to look at as well (needs the site's `api_key`): `reports=dashboard:42`. May be repeated.
    #[arg(long, value_name = "SITE=KIND:ID", requires = "online")]
    pub item: Vec<String>,
}

/// `embedgate explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Name of the site.
    #[arg(long, value_name = "S")]
    pub site: String,
    /// A viewer token to send along.
    #[arg(long, value_name = "T")]
    pub token: Option<String>,
    /// A header field to send along; may be given several times.
    #[arg(long, value_name = "K: V")]
    pub header: Vec<String>,
    /// The method.
    pub method: String,
    /// The URL as a browser would ask for it.
    pub url: String,
}

/// `embedgate token`.
#[derive(Args, Debug)]
pub struct TokenArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Name of the issuer that signs.
    #[arg(long, value_name = "I")]
    pub issuer: String,
    /// The viewer.
    #[arg(long, value_name = "V")]
    pub sub: String,
    /// What the token grants, as kind:id; may be given several times.
    #[arg(long, value_name = "KIND:ID", required = true)]
    pub resource: Vec<String>,
    /// A parameter; may be given several times. JSON where the site's type asks for it, text else.
    #[arg(long, value_name = "K=V")]
    pub param: Vec<String>,
    /// The tenant.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// Life of the token; 10m, or the issuer's `max_lifetime` where that is shorter.
    #[arg(long, value_name = "DURATION")]
    pub ttl: Option<String>,
    /// Scopes, separated by spaces.
    #[arg(long, value_name = "SCOPES")]
    pub scope: Option<String>,
    /// The only origin that may embed this viewer's pages.
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,
    /// The token's own id; random unless given.
    #[arg(long, value_name = "ID")]
    pub jti: Option<String>,
    /// PEM file with the private key, for issuers whose public key alone is configured.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Which of the issuer's keys signs; the first that can unless given.
    #[arg(long, value_name = "KID")]
    pub kid: Option<String>,
}

/// `embedgate healthcheck`.
#[derive(Args, Debug)]
pub struct HealthcheckArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// `embedgate revoke`.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// The configuration of the running gateway.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The viewer (`sub`); --tenant and --issuer narrow it.
    #[arg(long, value_name = "V")]
    pub viewer: Option<String>,
    /// The tenant; --issuer narrows it.
    #[arg(long, value_name = "T")]
    pub tenant: Option<String>,
    /// The issuer, by its name in the configuration.
    #[arg(long, value_name = "I")]
    pub issuer: Option<String>,
    /// One token (`jti`) and the sessions that it opened.
    #[arg(long, value_name = "J")]
    pub jti: Option<String>,
    /// One key (`kid`): every token that it signed, every session that they opened.
    #[arg(long, value_name = "K")]
    pub kid: Option<String>,
    /// One session, by its id in the audit trail.
    #[arg(long, value_name = "S")]
    pub session: Option<String>,
    /// Why; nobody but you sees it.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Until when, as 2026-01-31T12:00:00Z or seconds since 1970. As long as anything signed before can live unless given; an issuer or a key for good.
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
}

/// `embedgate revocations`.
#[derive(Args, Debug)]
pub struct RevocationsArgs {
    /// The configuration of the running gateway.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// `embedgate unrevoke`.
#[derive(Args, Debug)]
pub struct UnrevokeArgs {
    /// The configuration of the running gateway.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The revocation's id.
    pub id: String,
}

/// Why a subcommand did not succeed; it decides the exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration has faults.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// Something went wrong while running.
    #[error("{0}")]
    Runtime(String),
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    /// The exit code: `sysexits.h` where it has a word for it.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Config(_) => 78,
            Self::Runtime(_) => 1,
            Self::Usage(_) => USAGE,
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    run_with(std::env::args_os())
}

/// Runs a command line, the program's name first.
pub fn run_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(args) {
        Ok(cli) => dispatch(&cli.command),
        Err(error) => explained(&error),
    }
}

fn dispatch(command: &Command) -> ExitCode {
    match command {
        Command::Check(args) => finish(check::run(args)),
        Command::Demo(args) => finish(demo::run(args)),
        Command::Explain(args) => finish(explain::run(args)),
        Command::Healthcheck(args) => healthcheck::run(&args.config),
        Command::Revocations(args) => finish(revoke::list(&args.config)),
        Command::Revoke(args) => finish(revoke::revoke(args)),
        Command::Run(args) => finish(run::run(args)),
        Command::Schema => finish(schema::run()),
        Command::Token(args) => finish(token::run(args)),
        Command::Unrevoke(args) => finish(revoke::unrevoke(args)),
    }
}

/// The exit code, after saying what went wrong.
fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.code())
        }
    }
}

/// Help and version are answers; everything else is a usage error.
fn explained(error: &clap::Error) -> ExitCode {
    let failed = error.use_stderr();
    if error.print().is_err() || !failed {
        return ExitCode::SUCCESS;
    }
    ExitCode::from(USAGE)
}

#[expect(clippy::print_stderr, reason = "the command line speaks to people")]
fn complain(failure: &Failure) {
    match failure {
        Failure::Config(errors) => eprintln!("{errors}"),
        Failure::Runtime(_) | Failure::Usage(_) => eprintln!("embedgate: {failure}"),
    }
}

/// Says something on standard error that is no failure.
#[expect(clippy::print_stderr, reason = "the command line speaks to people")]
fn warn(text: &str) {
    eprintln!("embedgate: warning: {text}");
}

/// Writes to standard output; a reader that hung up is a runtime failure.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;

    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Runtime(format!("standard output: {error}")))
}

/// `EX_USAGE`.
const USAGE: u8 = 64;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommand_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains(&format!("embedgate {}", command.get_name())),
                "{}",
                command.get_name()
            );
        }
    }
}

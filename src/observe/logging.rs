//! The log of the gateway itself, on standard error: events for operators. Who saw what goes to the audit trail instead.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, filter::ParseError, util::TryInitError};

/// How the log looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people; coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Pretty,
}

/// What is logged, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug`, `trace`, or per-module directives (`info,embedgate=debug`). `RUST_LOG` wins over it.
    pub level: String,
    /// How it looks.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Pretty,
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The process has a subscriber already.
    #[error("logging is set up already")]
    Again(#[source] TryInitError),
    /// The level cannot be read.
    #[error("`{level}` is not a log level (error, warn, info, debug, trace)")]
    Level {
        /// What was asked for.
        level: String,
        /// What is wrong with it.
        source: ParseError,
    },
}

/// Sets the process up to log; once.
///
/// # Errors
/// The level cannot be read, or logging is set up already.
pub fn start(settings: &LogSettings) -> Result<(), LogError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(filter(settings)?)
        .with_target(false);
    let subscriber: Box<dyn tracing::Subscriber + Send + Sync> = match settings.format {
        LogFormat::Json => Box::new(
            builder
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .finish(),
        ),
        LogFormat::Pretty => Box::new(builder.with_ansi(coloured()).finish()),
    };
    subscriber.try_init().map_err(LogError::Again)
}

/// Checks a level without setting anything up.
///
/// # Errors
/// It cannot be read.
pub fn check_level(level: &str) -> Result<(), LogError> {
    parse(level).map(drop)
}

fn filter(settings: &LogSettings) -> Result<EnvFilter, LogError> {
    match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.trim().is_empty() => parse(&directives),
        _ => parse(&settings.level),
    }
}

fn parse(level: &str) -> Result<EnvFilter, LogError> {
    // A bare unknown word would be taken for the name of a module, and silence everything else.
    let word = !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_alphabetic());
    let checked = if word {
        level
            .parse::<tracing_subscriber::filter::LevelFilter>()
            .map(|level| level.to_string())
            .ok()
    } else {
        Some(level.to_owned())
    };
    let directives = checked.unwrap_or_else(|| format!("embedgate={level}"));
    EnvFilter::try_new(&directives).map_err(|source| LogError::Level {
        level: level.to_owned(),
        source,
    })
}

/// <https://no-color.org>: any value that is not empty turns colour off.
fn coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked() {
        for good in [
            "error",
            "WARN",
            "info",
            "debug",
            "trace",
            "off",
            "info,embedgate=debug",
        ] {
            assert!(check_level(good).is_ok(), "{good}");
        }
        for bad in ["loud", "info,embedgate=loud"] {
            let error = check_level(bad).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }
}

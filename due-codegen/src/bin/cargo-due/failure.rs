//! Why a verb has no answer, and what that is as an exit code.

use std::error::Error;
use std::io;

use due_codegen::{Diagnostics, IdsError, WriteError, plain};

use crate::output;

/// Findings, or files that are not what `--check` expects.
pub(crate) const FINDINGS: u8 = 1;
/// As clap has it for wrong usage.
const UNREADABLE: u8 = 2;
/// No connection, or no answer.
const UNANSWERED: u8 = 3;

/// Why a verb could not do what it was asked.
pub(crate) enum Failure {
    /// The schema or the configuration is wrong.
    Findings(Diagnostics),
    /// A server that cannot be reached, or does not answer.
    Unanswered(Box<dyn Error>),
    /// Anything else, in one line.
    Other(Box<dyn Error>),
}

impl Failure {
    pub(crate) fn text(message: impl Into<String>) -> Self {
        Self::Other(message.into().into())
    }

    pub(crate) fn new(what: &str, err: io::Error) -> Self {
        Self::Other(format!("{what}: {err}").into())
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Findings(diagnostics) if diagnostics.iter().any(|found| found.is_unreadable()) => UNREADABLE,
            Self::Findings(_) => FINDINGS,
            Self::Unanswered(_) => UNANSWERED,
            Self::Other(error) => {
                let not_ours = matches!(error.downcast_ref(), Some(WriteError::NotOurs(_)));
                let full = matches!(error.downcast_ref(), Some(IdsError::Full(_)));
                if not_ours || full { FINDINGS } else { UNREADABLE }
            }
        }
    }

    pub(crate) fn show(&self) {
        match self {
            Self::Findings(diagnostics) => output::show(diagnostics),
            Self::Unanswered(error) | Self::Other(error) => {
                let mut text = format!("error: {error}");
                let mut cause = error.source();
                while let Some(source) = cause {
                    text.push_str(&format!(": {source}"));
                    cause = source.source();
                }
                say!("{}", plain(text));
            }
        }
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Findings(diagnostics)
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::Other(Box::new(error))
    }
}

impl From<IdsError> for Failure {
    fn from(error: IdsError) -> Self {
        Self::Other(Box::new(error))
    }
}

impl From<due_codegen::Error> for Failure {
    fn from(error: due_codegen::Error) -> Self {
        match error {
            due_codegen::Error::Schema(diagnostics) => Self::Findings(diagnostics),
            due_codegen::Error::Write(error) => error.into(),
            other => Self::Other(Box::new(other)),
        }
    }
}

//! SIGINT and SIGTERM: a command that they end says what it did, and its exit code says which it was.

use std::fmt::{Display, Formatter};
use std::process::ExitCode;

use tokio::signal::unix::{self, SignalKind};

use crate::Result;

/// A signal that asks a command to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: the machine or a service manager asks.
    Terminate,
}

impl Signal {
    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// As a shell says it of a command that the signal killed: 128 and its number.
    fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// The signals that come from now on.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Listens, in place of ending at once. Also a signal that comes before the first wait counts.
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

/// A command that a signal ended, and what it says of what it did.
#[derive(Debug)]
pub(crate) struct Stopped {
    signal: Signal,
    told: String,
}

impl Stopped {
    /// Ended by that signal.
    pub(crate) fn by(signal: Signal, told: String) -> Self {
        Self { signal, told }
    }

    /// The exit code of a command that failed so: 130 or 143 if a signal ended it, else 1.
    pub(crate) fn exit_code(error: &crate::Error) -> ExitCode {
        match error.downcast_ref::<Self>() {
            Some(stopped) => ExitCode::from(stopped.signal.exit_code()),
            None => ExitCode::FAILURE,
        }
    }
}

impl Display for Stopped {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "stopped by {}: {}", self.signal.as_str(), self.told)
    }
}

impl std::error::Error for Stopped {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_command_exits_as_one_that_the_signal_killed() {
        for (signal, code, name) in [
            (Signal::Interrupt, 130, "SIGINT"),
            (Signal::Terminate, 143, "SIGTERM"),
        ] {
            let error: crate::Error = Stopped::by(signal, "2 claims are left".to_owned()).into();
            assert_eq!(error.to_string(), format!("stopped by {name}: 2 claims are left"));
            let exit = Stopped::exit_code(&error);
            assert_eq!(format!("{exit:?}"), format!("{:?}", ExitCode::from(code)));
        }
        let exit = Stopped::exit_code(&"refused".into());
        assert_eq!(format!("{exit:?}"), format!("{:?}", ExitCode::FAILURE));
    }
}

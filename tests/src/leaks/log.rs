//! Everything that this process's components log at level debug.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The log so far.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Begins to keep what is logged, of every thread of the process. Every call gives the same log.
    pub fn capture() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let begin = || {
            let log = Self::default();
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_env_filter("debug")
                .with_ansi(false)
                .without_time()
                .with_writer(move || writer.clone())
                .init();
            log
        };
        LOG.get_or_init(begin).clone()
    }

    /// What was logged until now.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

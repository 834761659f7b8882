//! Threads that run transactions. Contracts block while they wait for the peer, so they must not use the runtime's blocking threads:
//! a peer in the same process needs those to answer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Threads at most; further transactions wait in a queue.
const LIMIT: usize = 256;
/// An idle thread ends after this time.
const IDLE: Duration = Duration::from_secs(30);

type Job = Box<dyn FnOnce() + Send>;

/// A set of threads that grows on demand. Idle threads end by themselves; the queue is still worked off after the drop.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    ready: Condvar,
    limit: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Workers {
    pub(crate) fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    fn with_limit(limit: usize) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            ready: Condvar::new(),
            limit,
        }))
    }

    /// Runs a job as soon as a thread is free. The job must not panic.
    ///
    /// Fails only where the system gives no thread and none is there.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let mut state = self.0.lock();
        state.queue.push_back(Box::new(job));
        if state.idle >= state.queue.len() || state.threads >= self.0.limit {
            drop(state);
            self.0.ready.notify_one();
            return Ok(());
        }
        let shared = Arc::clone(&self.0);
        let spawned = std::thread::Builder::new()
            .name("chaincode".to_owned())
            .spawn(move || shared.work());
        match spawned {
            Ok(_) => state.threads += 1,
            Err(_) if state.threads > 0 => {}
            Err(error) => {
                state.queue.pop_back();
                return Err(error);
            }
        }
        Ok(())
    }

    /// No further jobs: idle threads end now.
    pub(crate) fn close(&self) {
        self.0.lock().closed = true;
        self.0.ready.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (woken, wait) = self
                .ready
                .wait_timeout(state, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if wait.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }

    /// The state is whole whenever the lock is free.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn runs_as_many_at_once_as_its_limit_and_the_rest_after_them() {
        let workers = Workers::with_limit(2);
        let (started, starts) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..3 {
            let (started, gate) = (started.clone(), Arc::clone(&gate));
            workers
                .run(move || {
                    started.send(()).unwrap();
                    gate.lock().unwrap().recv().unwrap();
                })
                .unwrap();
        }
        starts.recv().unwrap();
        starts.recv().unwrap();
        assert!(starts.try_recv().is_err(), "the third waits");
        for _ in 0..3 {
            release.send(()).unwrap();
        }
        starts.recv().unwrap();
        assert_eq!(workers.0.lock().threads, 2);
    }
}

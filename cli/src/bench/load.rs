//! The load: every client acts, waits for the answer, and acts again, until time is up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use super::measure::{Recorder, Window};
use super::process;
use super::report::Usage;
use super::worker::Worker;
use crate::Result;
use crate::output::Output;

/// How long the network runs under load before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// A client's pause after a failure, lest it does nothing but fail.
const AFTER_FAILURE: Duration = Duration::from_millis(10);
/// How often progress is told.
const TELL: Duration = Duration::from_millis(500);
/// How long the last answers may take before they are given up.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs the load for `seconds` and says what the clients saw and what the process used meanwhile.
pub async fn run(workers: Vec<Worker>, seconds: u64, output: &Output) -> Result<(Recorder, Usage)> {
    let rss_before_mib = process::rss_mib();
    let window = Window::after(WARM_UP, Duration::from_secs(seconds));
    let recorder = Arc::new(Mutex::new(Recorder::new(window)));
    let mut clients = JoinSet::new();
    for worker in workers {
        clients.spawn(client(worker, window.end, Arc::clone(&recorder)));
    }

    output.doing("warming up");
    sleep_until(window.start.into()).await;
    let cpu_before = process::cpu_ms();
    loop {
        let left = window.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        sleep(left.min(TELL)).await;
        let elapsed = window.start.elapsed().as_secs_f64();
        let count = locked(&recorder).count();
        output.doing(format!("measuring: {count} done in {elapsed:.1} of {seconds} s"));
    }
    let cpu_ms = process::cpu_ms()
        .zip(cpu_before)
        .map(|(after, before)| after.saturating_sub(before));
    let usage = Usage {
        cpu_ms,
        rss_before_mib,
        rss_mib: process::rss_mib(),
    };

    output.doing("waiting for the last answers");
    let drained = timeout(DRAIN, async {
        while let Some(ended) = clients.join_next().await {
            ended?;
        }
        Result::Ok(())
    });
    if let Ok(ended) = drained.await {
        ended?;
    }
    clients.shutdown().await;
    let recorder = std::mem::replace(&mut *locked(&recorder), Recorder::new(window));
    Ok((recorder, usage))
}

async fn client(mut worker: Worker, end: Instant, recorder: Arc<Mutex<Recorder>>) {
    loop {
        let begin = Instant::now();
        if begin >= end {
            return;
        }
        let outcome = worker.act().await;
        let answered = Instant::now();
        match outcome {
            Ok(block) => locked(&recorder).answered(begin, answered, block),
            Err(failure) => {
                tracing::debug!(code = failure.code, "a transaction failed: {}", failure.text);
                locked(&recorder).failed(answered, failure);
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// A recorder is whole after every call, so one that a panic left behind still counts.
fn locked(recorder: &Mutex<Recorder>) -> MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

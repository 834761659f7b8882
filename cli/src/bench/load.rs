//! The load: every client acts, waits for the answer, and acts again, until time is up.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use super::measure::{Recorder, Window};
use super::pace::Pace;
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

/// The longest run that counts transactions: what a test machine is given for one.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// So many seconds, after a warm-up.
    Seconds(u64),
    /// So many transactions that succeed, without a warm-up.
    Transactions(u64),
}

/// Runs the load and says what the clients saw and what the process used meanwhile.
pub async fn run(workers: Vec<Worker>, extent: Extent, output: &Output) -> Result<(Recorder, Usage)> {
    let rss_before_mib = process::rss_mib();
    let (window, left) = match extent {
        Extent::Seconds(seconds) => (Window::after(WARM_UP, Duration::from_secs(seconds)), u64::MAX),
        Extent::Transactions(count) => (Window::after(Duration::ZERO, LONGEST), count),
    };
    let left = Arc::new(AtomicU64::new(left));
    let recorder = Arc::new(Mutex::new(Recorder::new(window)));
    let mut clients = JoinSet::new();
    for worker in workers {
        clients.spawn(client(
            worker,
            window.end,
            Arc::clone(&recorder),
            Arc::clone(&left),
        ));
    }

    output.doing("warming up");
    sleep_until(window.start.into()).await;
    let cpu_before = process::cpu_ms();
    let mut pace = Pace::default();
    let mut interrupted = pin!(async {
        match extent {
            // Such a run may take hours: stopped by hand, it reports how far it came.
            Extent::Transactions(_) => drop(tokio::signal::ctrl_c().await),
            Extent::Seconds(_) => std::future::pending().await,
        }
    });
    loop {
        let elapsed = window.start.elapsed().as_secs_f64();
        let count = locked(&recorder).count();
        pace.mark(elapsed, count);
        match extent {
            Extent::Seconds(seconds) => {
                output.doing(format!("measuring: {count} done in {elapsed:.1} of {seconds} s"))
            }
            Extent::Transactions(all) => {
                output.advance(count, all, format!("{count} of {all} done in {elapsed:.0} s"))
            }
        }
        let time = window.end.saturating_duration_since(Instant::now());
        if time.is_zero() || left.load(Ordering::Relaxed) == 0 {
            break;
        }
        tokio::select! {
            () = sleep(time.min(TELL)) => {}
            () = &mut interrupted => left.store(0, Ordering::Relaxed),
        }
    }
    let cpu_ms = process::cpu_ms()
        .zip(cpu_before)
        .map(|(after, before)| after.saturating_sub(before));
    let usage = Usage {
        cpu_ms,
        rss_before_mib,
        rss_mib: process::rss_mib(),
        disk_before_mib: None,
        disk_mib: None,
        setup_ms: None,
        tps_tenths: pace.tenths(),
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

/// Acts until `end`, or until nothing of `left` is left: one of it is taken before each act that counts, and given back where the act fails.
async fn client(mut worker: Worker, end: Instant, recorder: Arc<Mutex<Recorder>>, left: Arc<AtomicU64>) {
    let take = |left: u64| left.checked_sub(1);
    loop {
        let begin = Instant::now();
        let over = if worker.counts() {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_err()
        } else {
            left.load(Ordering::Relaxed) == 0
        };
        if begin >= end || over {
            return;
        }
        let outcome = worker.act().await;
        let answered = Instant::now();
        match outcome {
            Ok(block) if worker.counts() => locked(&recorder).answered(begin, answered, block),
            Ok(_) => {}
            Err(failure) => {
                tracing::debug!(code = failure.code, "a transaction failed: {}", failure.text);
                locked(&recorder).failed(answered, failure);
                if worker.counts() {
                    left.fetch_add(1, Ordering::Relaxed);
                }
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// A recorder is whole after every call, so one that a panic left behind still counts.
fn locked(recorder: &Mutex<Recorder>) -> MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Accesses that go on while something happens to the network, and what was acknowledged of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use careledger::health::{CLINIC, HOSPITAL};
use careledger_api::codes::Category;
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::sealing::KemKeyPair;
use tokio::task::JoinHandle;

use crate::hospital::Hospital;

/// Clinicians who ask for access without end.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Outcome>>,
    began: Instant,
}

/// What a load came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Ids of the transactions whose commit was acknowledged.
    pub acknowledged: Vec<String>,
    /// Calls that failed, each tried anew as another transaction: the first lines of why.
    pub failed: Vec<String>,
    /// The longest time that one client was without an acknowledgement.
    pub longest_wait: Duration,
    /// How long it went on.
    pub lasted: Duration,
}

impl Load {
    /// Starts `clients` of them, through the clinic's gateway.
    pub fn start(hospital: &Hospital, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let committed = Arc::new(AtomicUsize::new(0));
        let client = |_| {
            let request = hospital.request(&[Category::Laboratory], KemKeyPair::generate().public());
            let identity = hospital.identity(CLINIC, Role::Clinician.as_str());
            let client = hospital.client_alone(CLINIC, identity);
            let (stop, committed) = (Arc::clone(&stop), Arc::clone(&committed));
            tokio::spawn(async move {
                let mut outcome = Outcome::default();
                let mut since = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    match client.consents().access(HOSPITAL, request.clone()).send().await {
                        Ok(done) => {
                            committed.fetch_add(1, Ordering::Relaxed);
                            outcome.acknowledged.push(done.tx_id);
                            outcome.longest_wait = outcome.longest_wait.max(since.elapsed());
                            since = Instant::now();
                        }
                        Err(error) => {
                            let text = error.to_string();
                            outcome
                                .failed
                                .push(text.lines().next().unwrap_or_default().to_owned());
                            // A call that fails at once must not keep a runtime from ending.
                            tokio::task::yield_now().await;
                        }
                    }
                }
                outcome
            })
        };
        Self {
            clients: (0..clients).map(client).collect(),
            stop,
            committed,
            began: Instant::now(),
        }
    }

    /// Returns when `count` more are committed than now.
    ///
    /// # Panics
    /// When that takes more than two minutes.
    pub async fn more(&self, count: usize) {
        let until = self.committed.load(Ordering::Relaxed) + count;
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.committed.load(Ordering::Relaxed) < until {
            assert!(
                Instant::now() < deadline,
                "fewer than {count} more commits in two minutes"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it.
    pub async fn finish(mut self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Outcome::default();
        for client in std::mem::take(&mut self.clients) {
            let one = client.await.expect("a client does not panic");
            all.acknowledged.extend(one.acknowledged);
            all.failed.extend(one.failed);
            all.longest_wait = all.longest_wait.max(one.longest_wait);
        }
        all.lasted = self.began.elapsed();
        all
    }
}

impl Drop for Load {
    /// A test that fails ends its load.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Waits until `peer`, an organisation's, has each of the acknowledged transactions, and checks that it calls them valid.
pub async fn has_all(peer: &HealthClient, acknowledged: &[String]) {
    for tx_id in acknowledged {
        peer.caught_up(tx_id)
            .await
            .expect("committed and valid there, too");
    }
}

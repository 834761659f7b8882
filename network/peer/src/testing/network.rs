//! A network in which some peers do not behave.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fabric_protos::rwset::TxPvtReadWriteSet;
use futures::FutureExt;
use futures::future::{BoxFuture, pending};

use crate::{InProcessNetwork, Member, NetworkError, PrivateDataNetwork, Pull, Push};

/// How a peer, by its address, behaves towards the one that has this view of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It answers with other values than it has.
    Lies,
    /// It never answers.
    Silent,
    /// It is known, and cannot be reached.
    Unreachable,
}

/// The network as one peer sees it.
pub(crate) struct Bent {
    inner: Arc<InProcessNetwork>,
    behaviours: BTreeMap<String, Behaviour>,
    /// Whom it asked, with the collections asked for.
    pub(crate) asked: Mutex<Vec<(String, Vec<String>)>>,
}

impl Bent {
    pub(crate) fn new(inner: &Arc<InProcessNetwork>, behaviours: &[(&str, Behaviour)]) -> Arc<Self> {
        let behaviours = behaviours
            .iter()
            .map(|(address, behaviour)| ((*address).to_owned(), *behaviour));
        Arc::new(Self {
            inner: Arc::clone(inner),
            behaviours: behaviours.collect(),
            asked: Mutex::default(),
        })
    }
}

impl PrivateDataNetwork for Bent {
    fn members(&self, channel_id: &str) -> Vec<Member> {
        self.inner.members(channel_id)
    }

    fn push<'a>(&'a self, address: &'a str, push: Push) -> BoxFuture<'a, Result<(), NetworkError>> {
        match self.behaviours.get(address) {
            None | Some(Behaviour::Lies) => self.inner.push(address, push),
            Some(Behaviour::Silent) => pending().boxed(),
            Some(Behaviour::Unreachable) => async { Err(unreachable(address)) }.boxed(),
        }
    }

    fn pull<'a>(
        &'a self,
        address: &'a str,
        pull: Pull,
    ) -> BoxFuture<'a, Result<TxPvtReadWriteSet, NetworkError>> {
        let collections = pull.collections.iter().map(|(_, name)| name.clone()).collect();
        let mut asked = self.asked.lock().expect("no test panics with it");
        asked.push((address.to_owned(), collections));
        match self.behaviours.get(address) {
            None => self.inner.pull(address, pull),
            Some(Behaviour::Silent) => pending().boxed(),
            Some(Behaviour::Unreachable) => async { Err(unreachable(address)) }.boxed(),
            Some(Behaviour::Lies) => async move {
                let mut set = self.inner.pull(address, pull).await?;
                for namespace in &mut set.ns_pvt_rwset {
                    for collection in &mut namespace.collection_pvt_rwset {
                        collection
                            .rwset
                            .iter_mut()
                            .rev()
                            .take(1)
                            .for_each(|byte| *byte ^= 1);
                    }
                }
                Ok(set)
            }
            .boxed(),
        }
    }
}

fn unreachable(address: &str) -> NetworkError {
    NetworkError {
        address: address.to_owned(),
        why: "no route".to_owned(),
    }
}

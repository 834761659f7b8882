//! Looking at every transaction that a test submits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::simulation::Simulation;

/// A call that is submitted, as each of its endorsers gets it.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The function and its arguments. The block shows them.
    pub args: &'a [Vec<u8>],
    /// The transient input. The block does not show it.
    pub transient: &'a BTreeMap<String, Vec<u8>>,
}

/// What looks at submissions. A failed assertion in it fails the test that submits.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Look>);

type Look = dyn Fn(&Submission<'_>, &Simulation) + Send + Sync;

impl Watch {
    pub(crate) fn new(look: impl Fn(&Submission<'_>, &Simulation) + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    pub(crate) fn look(&self, submission: &Submission<'_>, simulation: &Simulation) {
        (self.0)(submission, simulation);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

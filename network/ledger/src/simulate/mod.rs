//! Reading committed state, and simulating transactions on it.

mod history;
mod private;
mod query;
mod rich;
mod simulator;

pub use history::{HistoryIter, KeyModification};
pub use query::{KeyValue, Page, QueryExecutor, RangeIter};
pub use simulator::{CursorId, CursorItem, SimulationResults, Simulator, WrittenKeys};

//! Raft consensus: entries that this program proposes are applied to its state machine on every node, in one order.
//!
//! ```no_run
//! use polyraft::{Entry, Failure, Server, StateMachine};
//! use std::time::Duration;
//!
//! #[derive(Default)]
//! struct Counter(u64);
//!
//! impl StateMachine for Counter {
//!     fn apply(&mut self, entry: Entry<'_>) -> Result<(), Failure> {
//!         self.0 += u64::from(entry.data[0]);
//!         Ok(())
//!     }
//!     fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
//!         Ok(self.0.to_le_bytes().to_vec())
//!     }
//!     fn restore(&mut self, data: &[u8]) -> Result<(), Failure> {
//!         self.0 = u64::from_le_bytes(data.try_into()?);
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), polyraft::Error> {
//! let config = r#"{"id": 1, "waldir": "wal", "snapdir": "snap",
//!     "peers": [{"id": 1, "url": "http://127.0.0.1:9001"}]}"#;
//! let server = Server::start(config, Counter::default())?;
//! let timeout = Duration::from_secs(10);
//! let (index, term) = server.propose(&[5], timeout)?; // applied here when it returns
//! server.read_barrier(timeout)?; // now a read of the own state is linearizable
//! println!("{} at {index}, term {term}", server.read(|counter| counter.0)?);
//! # Ok(())
//! # }
//! ```

mod builder;
mod callbacks;
mod error;
mod log;
mod outcomes;
mod server;
mod state_machine;

pub use builder::Builder;
pub use error::Error;
pub use log::{
    clear_log_callback, set_log, set_log_callback, set_log_format, set_log_level, version, Log, LogRecord,
};
pub use outcomes::{Proposal, ReadBarrier};
pub use polyraft_sys::{ErrorCode, Event, LogFormat, LogLevel, MemberChangeKind, ReadKind, Role};
pub use server::{MemberChange, Server};
pub use state_machine::{Entry, Failure, StateMachine};

/// A place in the log.
pub type Index = u64;
/// A term of leadership.
pub type Term = u64;

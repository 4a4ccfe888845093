use crate::{Index, Term};

/// Why a state machine could not do what it was asked.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A committed entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Where it stands in the log. Indexes have gaps: not all entries are the program's.
    pub index: Index,
    /// The term of the leader that proposed it.
    pub term: Term,
    /// What was proposed.
    pub data: &'a [u8],
}

/// What a program gives a server. Each method runs on a thread of the library, one at a time, in log order.
///
/// An error or a panic in `apply` or `restore` stops the server for good, since its state is not that of the others
/// any more; one in `snapshot` fails that snapshot only.
pub trait StateMachine: Send + 'static {
    /// A committed entry; each comes once, in order, and is durable on this node.
    fn apply(&mut self, entry: Entry<'_>) -> Result<(), Failure>;

    /// The whole state as it is now.
    fn snapshot(&mut self) -> Result<Vec<u8>, Failure>;

    /// Replaces the whole state by one that `snapshot` has given, maybe on another node.
    fn restore(&mut self, data: &[u8]) -> Result<(), Failure>;
}

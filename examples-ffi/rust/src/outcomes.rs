//! Proposals whose outcome is due: from submission, over commit, to the moment when this node has applied them. Reads that
//! wait for their barrier, too.
use crate::{Error, Index, Term};
use polyraft_sys::ErrorCode;
use std::collections::BTreeMap;
use std::future::Future;
use std::os::raw::{c_int, c_void};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

type Outcome = Result<(Index, Term), Error>;

/// A poisoned lock of our own holds consistent data all the same: nothing of a user's runs under it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Cell {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Slot {
    cell: Mutex<Cell>,
    settled: Condvar,
}

impl Slot {
    fn settle(&self, outcome: Outcome) {
        let waker = {
            let mut cell = lock(&self.cell);
            if cell.outcome.is_some() {
                return;
            }
            cell.outcome = Some(outcome);
            cell.waker.take()
        };
        self.settled.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wait(&self, timeout: Duration) -> Outcome {
        let end = Instant::now().checked_add(timeout);
        let mut cell = lock(&self.cell);
        loop {
            if let Some(outcome) = &cell.outcome {
                return outcome.clone();
            }
            let left = match end {
                None => Duration::MAX,
                Some(end) => end.saturating_duration_since(Instant::now()),
            };
            if left.is_zero() {
                return Err(Error::general(ErrorCode::Timeout as c_int));
            }
            let waited = self.settled.wait_timeout(cell, left);
            cell = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut cell = lock(&self.cell);
        match &cell.outcome {
            Some(outcome) => Poll::Ready(outcome.clone()),
            None => {
                cell.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A proposal under way: a future, for any executor, and something that a thread can wait for. Its outcome comes when
/// this node has applied the entry. Dropping it does not take the proposal back.
pub struct Proposal {
    slot: Arc<Slot>,
}

impl Proposal {
    /// Waits; `Timeout` when nothing is known after that time: it may still take effect, and can be waited for again.
    pub fn wait(&self, timeout: Duration) -> Result<(Index, Term), Error> {
        self.slot.wait(timeout)
    }
}

impl Future for Proposal {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        self.slot.poll(context)
    }
}

/// A read barrier under way: a future, for any executor, and something that a thread can wait for. When it is done, the
/// state machine here holds all that was committed when it was asked for, up to the index that it gives.
pub struct ReadBarrier {
    slot: Arc<Slot>,
}

impl ReadBarrier {
    /// Waits; `Timeout` when nothing is known after that time, and it can be waited for again.
    pub fn wait(&self, timeout: Duration) -> Result<Index, Error> {
        self.slot.wait(timeout).map(|(index, _)| index)
    }
}

impl Future for ReadBarrier {
    type Output = Result<Index, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Index, Error>> {
        self.slot.poll(context).map_ok(|(index, _)| index)
    }
}

#[derive(Default)]
struct Books {
    applied_index: Index,
    /// Committed, not applied here yet.
    committed: BTreeMap<Index, Vec<(Term, Arc<Slot>)>>,
    failure: Option<Error>,
}

/// All proposals of one server.
#[derive(Default)]
pub(crate) struct Outcomes {
    books: Mutex<Books>,
}

/// What the library carries from the submission to the completion.
struct Ticket {
    outcomes: Arc<Outcomes>,
    slot: Arc<Slot>,
    /// Whether the state machine is given it (an empty proposal and a read are not).
    is_applied: bool,
}

/// A proposal, and the pointer that its completion brings back.
pub(crate) struct Due {
    pub(crate) proposal: Proposal,
    pub(crate) user: *mut c_void,
}

impl Outcomes {
    pub(crate) fn due(self: &Arc<Self>, data: &[u8]) -> Due {
        let (slot, user) = self.ticket(!data.is_empty());
        Due { proposal: Proposal { slot }, user }
    }

    /// A barrier, and the pointer that its completion brings back: that comes when the entries have been applied.
    pub(crate) fn due_read(self: &Arc<Self>) -> (ReadBarrier, *mut c_void) {
        let (slot, user) = self.ticket(false);
        (ReadBarrier { slot }, user)
    }

    fn ticket(self: &Arc<Self>, is_applied: bool) -> (Arc<Slot>, *mut c_void) {
        let slot = Arc::new(Slot::default());
        let ticket = Ticket { outcomes: Arc::clone(self), slot: Arc::clone(&slot), is_applied };
        (slot, Box::into_raw(Box::new(ticket)).cast())
    }

    /// The state machine holds all entries up to `index`.
    pub(crate) fn applied(&self, index: Index) {
        let ready = {
            let mut books = lock(&self.books);
            books.applied_index = books.applied_index.max(index);
            let later = books.committed.split_off(&(index + 1));
            std::mem::replace(&mut books.committed, later)
        };
        for (index, proposals) in ready {
            for (term, slot) in proposals {
                slot.settle(Ok((index, term)));
            }
        }
    }

    /// This node applies nothing more; the first reason counts.
    pub(crate) fn fail(&self, code: ErrorCode, reason: &str) {
        let (committed, failure) = {
            let mut books = lock(&self.books);
            let text = format!("the proposal was committed, but not applied here: {reason}");
            let failure = books.failure.get_or_insert_with(|| Error::new(code, text)).clone();
            (std::mem::take(&mut books.committed), failure)
        };
        for (_, slot) in committed.into_values().flatten() {
            slot.settle(Err(failure.clone()));
        }
    }

    fn committed(&self, index: Index, term: Term, slot: Arc<Slot>, is_applied: bool) {
        let outcome = {
            let mut books = lock(&self.books);
            if !is_applied || index <= books.applied_index {
                Ok((index, term))
            } else if let Some(failure) = &books.failure {
                Err(failure.clone())
            } else {
                books.committed.entry(index).or_default().push((term, slot));
                return;
            }
        };
        slot.settle(outcome);
    }
}

/// It was not accepted: no completion comes for this pointer.
///
/// SAFETY: `user` is of `Outcomes::due` or `due_read`, and is not used again.
pub(crate) unsafe fn forget(user: *mut c_void) {
    // SAFETY: as above.
    drop(unsafe { Box::from_raw(user.cast::<Ticket>()) });
}

/// RAFT_Completion: comes once for each pointer that was accepted.
pub(crate) unsafe extern "C" fn complete(user: *mut c_void, code: c_int, index: u64, term: u64) {
    // SAFETY: the pointer is of `Outcomes::due` or `due_read`, and comes back once.
    let ticket = unsafe { Box::from_raw(user.cast::<Ticket>()) };
    // A waker is the program's: what it throws must not cross the boundary.
    let settled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        if code == ErrorCode::Ok as c_int {
            ticket.outcomes.committed(index, term, ticket.slot, ticket.is_applied);
        } else {
            ticket.slot.settle(Err(Error::general(code)));
        }
    }));
    drop(settled);
}

use crate::callbacks::Callbacks;
use crate::outcomes::{complete, forget, lock, Due};
use crate::{
    Builder, Error, ErrorCode, Index, MemberChangeKind, Proposal, ReadBarrier, ReadKind, StateMachine, Term,
};
use polyraft_sys as sys;
use std::ffi::CString;
use std::os::raw::{c_char, c_int};
use std::sync::atomic::Ordering;
use std::time::Duration;

const ANSWER_BYTES_MIN: usize = 16 * 1024;
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// One of the changes of `Server::change_members`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberChange {
    /// What is done.
    pub kind: MemberChangeKind,
    /// To whom.
    pub id: u64,
    /// Needed by `Add`, `AddLearner` and `Update`.
    pub url: Option<String>,
}

/// A server, from its start until it is stopped or dropped. All methods may be called by any thread; those that wait
/// fail with `WouldDeadlock` in a callback. `Duration::MAX` waits without limit.
pub struct Server<M: StateMachine> {
    handle: sys::RAFT_Handle,
    /// Null once the library is done with it. Owned; the library's threads use it, too, until the server has stopped.
    callbacks: *mut Callbacks<M>,
}

// SAFETY: the library takes calls from any thread, and what the callbacks hold is behind locks; the state machine,
// which is Send, is reached under its lock only.
unsafe impl<M: StateMachine> Send for Server<M> {}
// SAFETY: as above.
unsafe impl<M: StateMachine> Sync for Server<M> {}

fn milliseconds(timeout: Duration) -> c_int {
    if timeout == Duration::MAX {
        return -1;
    }
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}

fn c_string(what: &str, text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::new(ErrorCode::InvalidArgument, format!("{what} holds a NUL")))
}

impl<M: StateMachine> Server<M> {
    /// Starts a server. `config` is a JSON object; docs/CONFIGURATION.md has its keys. It takes part when this returns;
    /// the state machine is being called from then on, or a little earlier.
    pub fn start(config: &str, machine: M) -> Result<Self, Error> {
        Self::builder(config).start(machine)
    }

    /// For what `start` does not ask: events, roles, the applied index of a state machine with a disk of its own.
    pub fn builder(config: &str) -> Builder {
        Builder::new(config.to_owned())
    }

    pub(crate) fn start_with(builder: Builder, machine: M) -> Result<Self, Error> {
        let config = c_string("the configuration", &builder.config)?;
        let callbacks = Callbacks::new(machine, builder.on_event, builder.on_role);
        let callbacks = Box::into_raw(Box::new(callbacks));
        let options = sys::RAFT_Options {
            struct_size: std::mem::size_of::<sys::RAFT_Options>(),
            config: config.as_ptr(),
            callbacks: Callbacks::<M>::structure(),
            context: callbacks.cast(),
            applied_index: builder.applied_index,
        };
        let mut handle = 0;
        // SAFETY: the options live for the call, the context until the server has stopped.
        let started = Error::check(unsafe { sys::RAFT_NewRaftServerWith(&options, &mut handle) });
        if let Err(error) = started {
            // SAFETY: there is no server, so that nobody uses it any more.
            drop(unsafe { Box::from_raw(callbacks) });
            return Err(error);
        }
        Ok(Self { handle, callbacks })
    }

    fn callbacks(&self) -> &Callbacks<M> {
        // SAFETY: freed by drop only.
        unsafe { &*self.callbacks }
    }

    /// Proposes an entry, and waits until this node has applied it; where it stands in the log.
    pub fn propose(&self, data: &[u8], timeout: Duration) -> Result<(Index, Term), Error> {
        let (mut index, mut term) = (0, 0);
        // SAFETY: pointers that live for the call.
        Error::check(unsafe {
            sys::RAFT_ProposeWait(
                self.handle,
                data.as_ptr().cast(),
                data.len(),
                milliseconds(timeout),
                &mut index,
                &mut term,
            )
        })?;
        Ok((index, term))
    }

    /// Submits a proposal, without waiting for its outcome: that is the future's. `Busy` when there is no room now.
    pub fn propose_async(&self, data: &[u8]) -> Result<Proposal, Error> {
        let Due { proposal, user } = self.callbacks().outcomes.due(data);
        // SAFETY: the data is copied by the call; the pointer comes back once, unless the call fails.
        let code = unsafe {
            sys::RAFT_ProposeAsync(self.handle, data.as_ptr().cast(), data.len(), 0, Some(complete), user)
        };
        let accepted = Error::check(code);
        if accepted.is_err() {
            // SAFETY: not accepted, so that it does not come back.
            unsafe { forget(user) };
        }
        accepted.map(|()| proposal)
    }

    /// Submits proposals in this order with one call; those behind the first that found no room within `timeout` have
    /// failed with it.
    pub fn propose_batch<D: AsRef<[u8]>>(
        &self,
        proposals: &[D],
        timeout: Duration,
    ) -> Vec<Result<Proposal, Error>> {
        if proposals.is_empty() {
            return Vec::new();
        }
        let outcomes = &self.callbacks().outcomes;
        let dues: Vec<Due> = proposals.iter().map(|p| outcomes.due(p.as_ref())).collect();
        let buffers: Vec<sys::RAFT_Buffer> = proposals
            .iter()
            .map(|data| sys::RAFT_Buffer { data: data.as_ref().as_ptr().cast(), size: data.as_ref().len() })
            .collect();
        let users: Vec<_> = dues.iter().map(|due| due.user).collect();
        let mut accepted = 0;
        // SAFETY: as in propose_async, for as many as the arrays have.
        let code = unsafe {
            sys::RAFT_ProposeBatch(
                self.handle,
                buffers.as_ptr(),
                buffers.len(),
                milliseconds(timeout),
                Some(complete),
                users.as_ptr(),
                &mut accepted,
            )
        };
        let result = Error::check(code);
        let of = |(i, due): (usize, Due)| match &result {
            Err(error) if i >= accepted => {
                // SAFETY: not accepted, so that it does not come back.
                unsafe { forget(due.user) };
                Err(error.clone())
            }
            _ => Ok(due.proposal),
        };
        dues.into_iter().enumerate().map(of).collect()
    }

    /// Waits until the state machine here holds all that was committed when the call began: a `read` of it after that
    /// is linearizable. The index up to which it is.
    pub fn read_barrier(&self, timeout: Duration) -> Result<Index, Error> {
        self.read_barrier_by(ReadKind::Safe, timeout)
    }

    /// The same, with a choice of how it is made sure that the leader still leads.
    pub fn read_barrier_by(&self, kind: ReadKind, timeout: Duration) -> Result<Index, Error> {
        let timeout_ms = milliseconds(timeout);
        self.index_of(|index| {
            // SAFETY: a pointer that lives for the call.
            unsafe { sys::RAFT_ReadIndex(self.handle, kind as c_int, timeout_ms, index) }
        })
    }

    /// Asks for a barrier without waiting: that is the future's. `Busy` when there is no room now. A leader that cannot
    /// prove itself ends it with `NoLeader` or `Timeout` after some election timeouts.
    pub fn read_barrier_async(&self, kind: ReadKind) -> Result<ReadBarrier, Error> {
        let (barrier, user) = self.callbacks().outcomes.due_read();
        // SAFETY: the pointer comes back once, unless the call fails.
        let code = unsafe { sys::RAFT_ReadIndexAsync(self.handle, kind as c_int, 0, Some(complete), user) };
        let accepted = Error::check(code);
        if accepted.is_err() {
            // SAFETY: not accepted, so that it does not come back.
            unsafe { forget(user) };
        }
        accepted.map(|()| barrier)
    }

    /// Looks into the state machine here, as it is now, between two entries. `WouldDeadlock` in one of its own methods,
    /// `CallbackFailed` once its `apply` or `restore` has failed: it may hold half of an entry.
    pub fn read<T>(&self, look: impl FnOnce(&M) -> T) -> Result<T, Error> {
        let callbacks = self.callbacks();
        if callbacks.is_inside() {
            return Err(Error::general(ErrorCode::WouldDeadlock as c_int));
        }
        let machine = lock(&callbacks.machine);
        if callbacks.is_broken.load(Ordering::Acquire) {
            let reason = self.failure().unwrap_or_default();
            return Err(Error::new(ErrorCode::CallbackFailed, reason));
        }
        Ok(look(&machine))
    }

    /// Why a method of the state machine failed last, be it by error or by panic.
    pub fn failure(&self) -> Option<String> {
        lock(&self.callbacks().failure).clone()
    }

    /// Takes a snapshot now, and waits until it is on disk; the index it holds.
    pub fn save_snapshot(&self, timeout: Duration) -> Result<Index, Error> {
        let timeout_ms = milliseconds(timeout);
        self.index_of(|index| {
            // SAFETY: a pointer that lives for the call.
            unsafe { sys::RAFT_SaveSnapshot(self.handle, timeout_ms, index) }
        })
    }

    /// Hands the leadership over, and waits until that member leads.
    pub fn transfer_leadership(&self, id: u64, timeout: Duration) -> Result<(), Error> {
        // SAFETY: no pointers.
        Error::check(unsafe { sys::RAFT_TransferLeadership(self.handle, id, milliseconds(timeout)) })
    }

    /// Adds a voter; the index of the change, applied here. The new node starts with `"join": true`.
    pub fn add_member(&self, id: u64, url: &str, timeout: Duration) -> Result<Index, Error> {
        self.change(MemberChangeKind::Add, id, Some(url), timeout)
    }

    /// Adds a member without a vote.
    pub fn add_learner(&self, id: u64, url: &str, timeout: Duration) -> Result<Index, Error> {
        self.change(MemberChangeKind::AddLearner, id, Some(url), timeout)
    }

    /// Gives a learner a vote.
    pub fn promote_learner(&self, id: u64, timeout: Duration) -> Result<Index, Error> {
        self.change(MemberChangeKind::Promote, id, None, timeout)
    }

    /// Gives a member another URL.
    pub fn update_member(&self, id: u64, url: &str, timeout: Duration) -> Result<Index, Error> {
        self.change(MemberChangeKind::Update, id, Some(url), timeout)
    }

    /// Removes a member, for ever: its id is not used again.
    pub fn remove_member(&self, id: u64, timeout: Duration) -> Result<Index, Error> {
        self.change(MemberChangeKind::Remove, id, None, timeout)
    }

    fn change(
        &self,
        kind: MemberChangeKind,
        id: u64,
        url: Option<&str>,
        timeout: Duration,
    ) -> Result<Index, Error> {
        let url = url.map(|url| c_string("the URL", url)).transpose()?;
        let url = url.as_ref().map_or(std::ptr::null(), |url| url.as_ptr());
        let timeout_ms = milliseconds(timeout);
        self.index_of(|index| {
            // SAFETY: null or a string, and pointers, that live for the call.
            unsafe { sys::RAFT_ChangeMember(self.handle, kind as c_int, id, url, timeout_ms, index) }
        })
    }

    /// Changes several members in one step, through a joint configuration: none is in force without the others.
    pub fn change_members(&self, changes: &[MemberChange], timeout: Duration) -> Result<Index, Error> {
        let urls = changes
            .iter()
            .map(|change| change.url.as_deref().map(|url| c_string("the URL", url)))
            .map(Option::transpose)
            .collect::<Result<Vec<_>, _>>()?;
        let records: Vec<sys::RAFT_MemberChange> = changes
            .iter()
            .zip(&urls)
            .map(|(change, url)| sys::RAFT_MemberChange {
                change: change.kind as c_int,
                id: change.id,
                url: url.as_ref().map_or(std::ptr::null(), |url| url.as_ptr()),
            })
            .collect();
        let timeout_ms = milliseconds(timeout);
        self.index_of(|index| {
            // SAFETY: the records, and the strings that they point at, live for the call.
            unsafe {
                sys::RAFT_ChangeMembers(self.handle, records.as_ptr(), records.len(), timeout_ms, index)
            }
        })
    }

    /// The index up to which the state machine has applied.
    pub fn applied_index(&self) -> Result<Index, Error> {
        self.index_of(|index| {
            // SAFETY: a pointer that lives for the call.
            unsafe { sys::RAFT_GetAppliedIndex(self.handle, index) }
        })
    }

    fn index_of(&self, call: impl FnOnce(*mut Index) -> c_int) -> Result<Index, Error> {
        let mut index = 0;
        Error::check(call(&mut index))?;
        Ok(index)
    }

    /// Role, leader, term, members and more, as JSON; its keys stand at RAFT_GetStatus in polyraft.h.
    pub fn status(&self) -> Result<String, Error> {
        self.text_of(sys::RAFT_GetStatus)
    }

    /// The other members, as JSON: id, host, and active: seconds since the last contact, -1 never.
    pub fn peers(&self) -> Result<String, Error> {
        self.text_of(sys::RAFT_GetPeersStatus)
    }

    /// Metrics in the text form that Prometheus reads.
    pub fn metrics(&self) -> Result<String, Error> {
        self.text_of(sys::RAFT_GetMetrics)
    }

    fn text_of(
        &self,
        call: unsafe extern "C" fn(sys::RAFT_Handle, *mut c_char, usize) -> c_int,
    ) -> Result<String, Error> {
        let mut size = ANSWER_BYTES_MIN;
        loop {
            let mut buffer = vec![0u8; size];
            // SAFETY: it writes at most `size` bytes, with a NUL among them.
            let code = unsafe { call(self.handle, buffer.as_mut_ptr().cast(), size) };
            if code != ErrorCode::BufferTooSmall as c_int || size >= ANSWER_BYTES_MAX {
                Error::check(code)?;
                let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(size);
                return Ok(String::from_utf8_lossy(&buffer[..end]).into_owned());
            }
            size *= 2;
        }
    }

    /// Ends the server; safe to call again. Calls that wait in it end with `Stopped`; a running callback is waited
    /// for, and none comes after. `WouldDeadlock` in a callback.
    pub fn stop(&self) -> Result<(), Error> {
        // SAFETY: no pointers.
        self.ended(unsafe { sys::RAFT_StopServer(self.handle) })
    }

    /// Hands the leadership over first, if this server leads; waits for an election timeout at most.
    pub fn hand_over_and_stop(&self) -> Result<(), Error> {
        // SAFETY: no pointers.
        self.ended(unsafe { sys::RAFT_HandOverAndStopServer(self.handle) })
    }

    fn ended(&self, code: c_int) -> Result<(), Error> {
        // An unknown handle is that of a server that has been stopped before.
        if code != ErrorCode::UnknownHandle as c_int {
            Error::check(code)?;
        }
        let outcomes = &self.callbacks().outcomes;
        outcomes.fail(ErrorCode::Stopped, "this server has been stopped");
        Ok(())
    }
}

/// What `drop` moves to a thread that may wait.
struct Ending<M>(sys::RAFT_Handle, *mut Callbacks<M>);
// SAFETY: nobody else has the pointer any more but the library.
unsafe impl<M> Send for Ending<M> {}

impl<M> Ending<M> {
    fn stop(self) {
        // SAFETY: no pointers.
        let code = unsafe { sys::RAFT_StopServer(self.0) };
        // In a process that was forked the server is the parent's: its callbacks are left alone.
        if code == ErrorCode::Ok as c_int || code == ErrorCode::UnknownHandle as c_int {
            // SAFETY: the server has stopped, so that no callback comes.
            drop(unsafe { Box::from_raw(self.1) });
        }
    }
}

impl<M: StateMachine> Drop for Server<M> {
    fn drop(&mut self) {
        match self.stop() {
            // SAFETY: the server has stopped, so that no callback comes.
            Ok(()) => drop(unsafe { Box::from_raw(self.callbacks) }),
            Err(error) if error.code() == ErrorCode::WouldDeadlock => {
                // The last owner was in a callback, which cannot wait for its own end.
                let ending = Ending(self.handle, self.callbacks);
                std::thread::spawn(move || ending.stop());
            }
            Err(_) => {}
        }
    }
}

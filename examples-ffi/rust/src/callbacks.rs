//! What the library calls, for one server. No panic leaves a callback: it is told as a failure.
use crate::outcomes::{lock, Outcomes};
use crate::{Entry, Failure, StateMachine};
use polyraft_sys::{ErrorCode, Event, RAFT_Callbacks, Role};
use std::any::Any;
use std::cell::Cell;
use std::collections::HashMap;
use std::os::raw::{c_char, c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) type OnEvent = Box<dyn Fn(Event, u64, &str) + Send + Sync>;
pub(crate) type OnRole = Box<dyn Fn(Role) + Send + Sync>;

thread_local! {
    /// The server whose state machine this thread is in (the address of its callbacks), else 0.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Lives from before the start until the server has stopped.
pub(crate) struct Callbacks<M> {
    pub(crate) machine: Mutex<M>,
    pub(crate) outcomes: Arc<Outcomes>,
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) on_role: Option<OnRole>,
    /// Bytes that the library reads, by address, until it frees them.
    lent: Mutex<HashMap<usize, Vec<u8>>>,
    /// `apply` or `restore` has failed: the state is that of no entry.
    pub(crate) is_broken: AtomicBool,
    /// Why the state machine failed last.
    pub(crate) failure: Mutex<Option<String>>,
}

impl<M: StateMachine> Callbacks<M> {
    pub(crate) fn new(machine: M, on_event: Option<OnEvent>, on_role: Option<OnRole>) -> Self {
        Self {
            machine: Mutex::new(machine),
            outcomes: Arc::default(),
            on_event,
            on_role,
            lent: Mutex::default(),
            is_broken: AtomicBool::new(false),
            failure: Mutex::default(),
        }
    }

    /// For the library; the context is this object's address.
    pub(crate) fn structure() -> RAFT_Callbacks {
        RAFT_Callbacks {
            struct_size: std::mem::size_of::<RAFT_Callbacks>(),
            apply: Some(apply::<M>),
            restore: Some(restore::<M>),
            take_snapshot: Some(take_snapshot::<M>),
            free_memory: Some(free_memory::<M>),
            state_change: Some(state_change::<M>),
            message: None,
            event: Some(event::<M>),
        }
    }

    /// Whether this thread is in a method of this server's state machine.
    pub(crate) fn is_inside(&self) -> bool {
        INSIDE.get() == std::ptr::from_ref(self) as usize
    }

    /// Runs a method of the state machine; what it throws becomes an error, and is kept as the reason.
    fn attempt<T>(&self, what: &str, work: impl FnOnce(&mut M) -> Result<T, Failure>) -> Option<T> {
        INSIDE.set(std::ptr::from_ref(self) as usize);
        let result = {
            // Taken outside of what may panic: a snapshot that does is no reason to refuse the next entry.
            let mut machine = lock(&self.machine);
            catch_unwind(AssertUnwindSafe(|| work(&mut machine)))
        };
        INSIDE.set(0);
        let reason = match result {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(failure)) => failure.to_string(),
            Err(panic) => format!("panic: {}", message_of(panic.as_ref())),
        };
        *lock(&self.failure) = Some(format!("{what} failed: {reason}"));
        None
    }

    /// After a failure that stops the server.
    fn stop_for_good(&self) -> c_int {
        self.is_broken.store(true, Ordering::Release);
        let reason = lock(&self.failure).clone().unwrap_or_default();
        self.outcomes.fail(ErrorCode::CallbackFailed, &reason);
        ErrorCode::CallbackFailed as c_int
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

/// SAFETY: `data` has `size` bytes, or is null.
unsafe fn bytes<'a>(data: *const c_void, size: u64) -> &'a [u8] {
    if data.is_null() || size == 0 {
        return &[];
    }
    // SAFETY: as above; what the library holds in memory is below usize::MAX.
    unsafe { std::slice::from_raw_parts(data.cast(), size as usize) }
}

/// SAFETY: `context` is the address of a `Callbacks<M>` that lives until the server has stopped.
unsafe fn from_context<'a, M>(context: *mut c_void) -> &'a Callbacks<M> {
    // SAFETY: as above.
    unsafe { &*context.cast::<Callbacks<M>>() }
}

unsafe extern "C" fn apply<M: StateMachine>(
    context: *mut c_void,
    index: u64,
    term: u64,
    data: *const c_void,
    size: u64,
) -> c_int {
    // SAFETY: the context is ours, the data lives for the call.
    let (callbacks, data) = unsafe { (from_context::<M>(context), bytes(data, size)) };
    let entry = Entry { index, term, data };
    match callbacks.attempt(&format!("apply at index {index}"), |m| m.apply(entry)) {
        Some(()) => {
            callbacks.outcomes.applied(index);
            0
        }
        None => callbacks.stop_for_good(),
    }
}

unsafe extern "C" fn restore<M: StateMachine>(
    context: *mut c_void,
    index: u64,
    _term: u64,
    data: *const c_void,
    size: u64,
) -> c_int {
    // SAFETY: as in apply.
    let (callbacks, data) = unsafe { (from_context::<M>(context), bytes(data, size)) };
    match callbacks.attempt(&format!("restore at index {index}"), |m| m.restore(data)) {
        Some(()) => {
            callbacks.outcomes.applied(index);
            0
        }
        None => callbacks.stop_for_good(),
    }
}

unsafe extern "C" fn take_snapshot<M: StateMachine>(
    context: *mut c_void,
    index: u64,
    data: *mut *mut c_void,
    size: *mut u64,
) -> c_int {
    // SAFETY: as in apply.
    let callbacks = unsafe { from_context::<M>(context) };
    let Some(mut state) = callbacks.attempt(&format!("snapshot at index {index}"), M::snapshot) else {
        return ErrorCode::CallbackFailed as c_int;
    };
    let length = state.len() as u64;
    let address: *mut c_void =
        if state.is_empty() { std::ptr::null_mut() } else { state.as_mut_ptr().cast() };
    if !address.is_null() {
        lock(&callbacks.lent).insert(address as usize, state);
    }
    // SAFETY: the library has given two places to write to.
    unsafe {
        *data = address;
        *size = length;
    }
    0
}

unsafe extern "C" fn free_memory<M: StateMachine>(context: *mut c_void, data: *mut c_void) {
    // SAFETY: as in apply.
    let callbacks = unsafe { from_context::<M>(context) };
    drop(lock(&callbacks.lent).remove(&(data as usize)));
}

unsafe extern "C" fn state_change<M: StateMachine>(context: *mut c_void, role: c_int) {
    // SAFETY: as in apply.
    let callbacks = unsafe { from_context::<M>(context) };
    if let (Some(on_role), Some(role)) = (&callbacks.on_role, Role::from_value(role)) {
        // Nobody could be told of a panic here, other than by the panic's own message.
        drop(catch_unwind(AssertUnwindSafe(|| on_role(role))));
    }
}

unsafe extern "C" fn event<M: StateMachine>(
    context: *mut c_void,
    event: c_int,
    value: u64,
    text: *const c_char,
) {
    // SAFETY: as in apply; the text is never null.
    let (callbacks, text) = unsafe { (from_context::<M>(context), crate::error::text_at(text)) };
    let Some(event) = Event::from_value(event) else {
        return;
    };
    if event == Event::ServerFailed {
        callbacks.outcomes.fail(ErrorCode::Stopped, &text);
    }
    if let Some(on_event) = &callbacks.on_event {
        drop(catch_unwind(AssertUnwindSafe(|| {
            on_event(event, value, &text);
        })));
    }
}

//! The log of all servers of this process.
use crate::Error;
use polyraft_sys::{
    ErrorCode, LogFormat, LogLevel, RAFT_GetVersion, RAFT_LastError, RAFT_LogRecord, RAFT_SetLogCallback,
    RAFT_SetLogFormat, RAFT_SetLogLevel, RAFT_SetLogger,
};
use std::ffi::CString;
use std::os::raw::{c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

const VERSION_BYTES_MAX: usize = 64;

/// Where the log goes.
#[derive(Clone, Copy, Debug)]
pub enum Log<'a> {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Standard error; so it is at the start.
    Stderr,
    /// A file to append to.
    File(&'a Path),
}

/// Where the log of all servers of this process goes from now on.
pub fn set_log(log: Log<'_>) -> Result<(), Error> {
    let bytes = match log {
        Log::Off => None,
        Log::Stdout => Some(b"stdout".as_slice()),
        Log::Stderr => Some(b"stderr".as_slice()),
        Log::File(path) => Some(path.as_os_str().as_bytes()),
    };
    let text = bytes
        .map(CString::new)
        .transpose()
        .map_err(|_| Error::new(ErrorCode::InvalidArgument, "the log's path holds a NUL"))?;
    let path = text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr().cast());
    // SAFETY: null, or a string that lives for the call.
    if unsafe { RAFT_SetLogger(path, 0) } == 0 {
        return Ok(());
    }
    // SAFETY: never null.
    Err(Error::new(ErrorCode::Io, unsafe { crate::error::text_at(RAFT_LastError()) }))
}

/// What is less grave is not logged. At the start: Warning.
pub fn set_log_level(level: LogLevel) -> Result<(), Error> {
    // SAFETY: no pointers.
    Error::check(unsafe { RAFT_SetLogLevel(level as i32) })
}

/// Text for people, or JSON: one object a line.
pub fn set_log_format(format: LogFormat) -> Result<(), Error> {
    // SAFETY: no pointers.
    Error::check(unsafe { RAFT_SetLogFormat(format as i32) })
}

/// One line of the log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogRecord {
    /// When it was logged.
    pub time: SystemTime,
    /// How grave it is.
    pub level: LogLevel,
    /// The server that it is about, as cluster and node; None where it is about none.
    pub server: Option<(u64, u64)>,
    /// The part that tells it: raft, server, storage, transport, admin, engine, host.
    pub source: String,
    /// The line.
    pub message: String,
}

type LogCallback = Arc<dyn Fn(&LogRecord) + Send + Sync>;

static LOG_CALLBACK: Mutex<Option<LogCallback>> = Mutex::new(None);

unsafe extern "C" fn hand_over(_context: *mut c_void, record: *const RAFT_LogRecord) {
    let callback = LOG_CALLBACK.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(callback) = callback else { return };
    // SAFETY: the library's, valid during the call.
    let (record, source, message) = unsafe {
        let record = &*record;
        (record, crate::error::text_at(record.source), crate::error::text_at(record.message))
    };
    let record = LogRecord {
        time: SystemTime::UNIX_EPOCH + Duration::from_nanos(record.time_ns),
        level: LogLevel::from_value(record.level).unwrap_or(LogLevel::Info),
        server: (record.node_id != 0).then_some((record.cluster_id, record.node_id)),
        source,
        message,
    };
    // Nobody could be told.
    let _ = catch_unwind(AssertUnwindSafe(|| callback(&record)));
}

/// Gives lines of the log to a callback, on a thread of the library's, instead of where [`set_log`] says. It may block, and
/// call everything.
pub fn set_log_callback(callback: impl Fn(&LogRecord) + Send + Sync + 'static) -> Result<(), Error> {
    clear_log_callback()?;
    *LOG_CALLBACK.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(callback));
    // SAFETY: a function; there is no context.
    Error::check(unsafe { RAFT_SetLogCallback(Some(hand_over), std::ptr::null_mut()) })
}

/// Lines go where [`set_log`] says again. The callback of before is not called any more once this returns.
pub fn clear_log_callback() -> Result<(), Error> {
    // SAFETY: null is none.
    Error::check(unsafe { RAFT_SetLogCallback(None, std::ptr::null_mut()) })?;
    let before = LOG_CALLBACK.lock().unwrap_or_else(PoisonError::into_inner).take();
    // Not while it is locked: what it holds may have a destructor that logs.
    drop(before);
    Ok(())
}

/// The version of the library that is loaded.
pub fn version() -> String {
    let mut buffer = [0 as c_char; VERSION_BYTES_MAX];
    // SAFETY: it writes at most so many bytes, and a NUL among them.
    unsafe {
        RAFT_GetVersion(buffer.as_mut_ptr(), buffer.len());
        crate::error::text_at(buffer.as_ptr())
    }
}

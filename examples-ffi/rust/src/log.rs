//! The log of all servers of this process.
use crate::Error;
use polyraft_sys::{ErrorCode, LogLevel, RAFT_GetVersion, RAFT_LastError, RAFT_SetLogLevel, RAFT_SetLogger};
use std::ffi::CString;
use std::os::raw::c_char;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

/// The version of the library that is loaded.
pub fn version() -> String {
    let mut buffer = [0 as c_char; VERSION_BYTES_MAX];
    // SAFETY: it writes at most so many bytes, and a NUL among them.
    unsafe {
        RAFT_GetVersion(buffer.as_mut_ptr(), buffer.len());
        crate::error::text_at(buffer.as_ptr())
    }
}

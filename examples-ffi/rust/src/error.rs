use polyraft_sys::{ErrorCode, RAFT_LastError, RAFT_StrError};
use std::ffi::CStr;
use std::fmt;
use std::os::raw::{c_char, c_int};

/// A call failed, or a proposal ended otherwise than committed: a code, and a text that names what was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: ErrorCode,
    text: String,
}

impl Error {
    pub(crate) fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// A code that this version does not know becomes Internal, with its number in the text.
    pub(crate) fn of(value: c_int, text: String) -> Self {
        match ErrorCode::from_value(value) {
            Some(code) => Self { code, text },
            None => Self::new(ErrorCode::Internal, format!("code {value}: {text}")),
        }
    }

    /// With the general text of the code.
    pub(crate) fn general(value: c_int) -> Self {
        // SAFETY: the text is static, and never null.
        Self::of(value, unsafe { text_at(RAFT_StrError(value)) })
    }

    /// The result of a call that was made on this thread.
    pub(crate) fn check(value: c_int) -> Result<(), Self> {
        if value == 0 {
            return Ok(());
        }
        // SAFETY: never null, valid until this thread's next call.
        Err(Self::of(value, unsafe { text_at(RAFT_LastError()) }))
    }

    /// Which error; docs/ERRORS.md tells what to do about each.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What was wrong, in words.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether what was asked for may still happen, so that asking again may do it twice.
    pub fn may_take_effect(&self) -> bool {
        use ErrorCode::{EngineDied, LeadershipLost, Timeout, UnknownOutcome};
        matches!(self.code, Timeout | UnknownOutcome | EngineDied | LeadershipLost)
    }
}

/// SAFETY: `text` is a string ended by NUL.
pub(crate) unsafe fn text_at(text: *const c_char) -> String {
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code.name(), self.text)
    }
}

impl std::error::Error for Error {}

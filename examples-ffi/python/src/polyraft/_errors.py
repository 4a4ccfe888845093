"""Exceptions: every one carries a code of the library and a text that names what was wrong."""

from __future__ import annotations

from ._native_generated import ErrorCode


class RaftError(Exception):
    """A call failed, or a proposal ended otherwise than committed."""

    code: ErrorCode
    text: str

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"{self.code.name}: {self.text}"

    @property
    def may_take_effect(self) -> bool:
        """Whether what was asked for may still happen, so that asking again may do it twice."""
        return self.code in (ErrorCode.TIMEOUT, ErrorCode.UNKNOWN_OUTCOME, ErrorCode.ENGINE_DIED)


class RaftTimeoutError(RaftError, TimeoutError):
    """TIMEOUT, which can be caught as Python's TimeoutError, too."""


def error_of(code: int, text: str) -> RaftError:
    """The exception for a code; one that this version does not know becomes INTERNAL, with its number in the text."""
    try:
        known = ErrorCode(code)
    except ValueError:
        return RaftError(ErrorCode.INTERNAL, f"code {code}: {text}")
    return RaftTimeoutError(known, text) if known == ErrorCode.TIMEOUT else RaftError(known, text)

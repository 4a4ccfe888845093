"""Finds and loads libpolyraft, once a process."""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Optional, Union

from ._errors import error_of
from ._native_generated import FUNCTIONS, VERSION, LogCallback, LogFormat, LogLevel

_FILE_NAME = "libpolyraft.so.0"
_VERSION_BYTES_MAX = 64

_lock = threading.Lock()
_library: Optional[ctypes.CDLL] = None


class LibraryNotFoundError(OSError):
    """libpolyraft cannot be loaded; the text tells where it was looked for."""


def _candidates() -> List[str]:
    """What is tried, in this order; POLYRAFT_LIBRARY alone when it is set."""
    chosen = os.environ.get("POLYRAFT_LIBRARY")
    if chosen:
        path = Path(chosen)
        return [str(path / _FILE_NAME if path.is_dir() else path)]
    package = Path(__file__).resolve().parent
    beside = [package / _FILE_NAME, package / "lib" / _FILE_NAME]
    # A checkout: examples-ffi/python/src/polyraft, and build/lib at its top.
    checkouts = [top for top in package.parents if (top / "definitions" / "polyraft.json").exists()]
    build = [top / "build" / "lib" / _FILE_NAME for top in checkouts]
    return [str(path) for path in beside + build if path.exists()] + [_FILE_NAME]


def _load() -> ctypes.CDLL:
    failures: List[str] = []
    for candidate in _candidates():
        try:
            # CDLL, and not PyDLL: calls through it give up the GIL.
            found = ctypes.CDLL(candidate)
        except OSError as error:
            failures.append(str(error))
            continue
        try:
            for name, (result, parameters) in FUNCTIONS.items():
                function = getattr(found, name)
                function.restype = result
                function.argtypes = parameters
        except AttributeError as error:
            text = f"{candidate} is another version than this package, which is {VERSION}: {error}"
            raise LibraryNotFoundError(text) from None
        return found
    raise LibraryNotFoundError(
        "libpolyraft is not there: build it (npm run build), or set POLYRAFT_LIBRARY to its file or directory; "
        + "; ".join(failures)
    )


def library() -> Any:
    """The library with its prototypes set; loaded at the first call."""
    global _library
    if _library is None:
        with _lock:
            if _library is None:
                _library = _load()
    return _library


def check(code: int) -> None:
    """Raises the error of a call on this thread that returned `code`."""
    if code != 0:
        raise error_of(code, library().RAFT_LastError().decode("utf-8", "replace"))


def text_of(code: int) -> str:
    """The general text of a code."""
    text: bytes = library().RAFT_StrError(code)
    return text.decode("utf-8", "replace")


def version() -> str:
    """The version of the library that is loaded."""
    buffer = ctypes.create_string_buffer(_VERSION_BYTES_MAX)
    library().RAFT_GetVersion(buffer, _VERSION_BYTES_MAX)
    return buffer.value.decode("ascii")


def set_log(path: Optional[Union[str, "os.PathLike[str]"]], *, debug: bool = False) -> None:
    """Where the log of all servers goes: a file to append to, "stdout", "stderr", or None for nowhere."""
    encoded = None if path is None else os.fsencode(path)
    if library().RAFT_SetLogger(encoded, int(debug)) != 0:
        raise OSError(library().RAFT_LastError().decode("utf-8", "replace"))


def set_log_level(level: LogLevel) -> None:
    """What is less grave is not logged. At the start: WARNING, to stderr."""
    check(library().RAFT_SetLogLevel(int(level)))


def set_log_format(form: LogFormat) -> None:
    """TEXT for people, or JSON: one object a line."""
    check(library().RAFT_SetLogFormat(int(form)))


@dataclass(frozen=True)
class LogRecord:
    """One line of the log."""

    time_ns: int
    """Since 1970, UTC."""
    level: int
    """A LogLevel."""
    cluster_id: int
    node_id: int
    """The server that it is about; 0 where it is about none."""
    source: str
    """The part that tells it: raft, server, storage, transport, admin, engine, host."""
    message: str


_on_record: Optional[Callable[[LogRecord], None]] = None


def _hand_over(_context: Any, pointer: Any) -> None:
    callback = _on_record
    if callback is None:
        return
    record = pointer.contents
    callback(
        LogRecord(
            record.time_ns,
            record.level,
            record.cluster_id,
            record.node_id,
            record.source.decode("utf-8"),
            record.message.decode("utf-8"),
        )
    )


# Never freed: the library's thread may be in it.
_log_callback = LogCallback(_hand_over)


def set_log_callback(callback: Optional[Callable[[LogRecord], None]]) -> None:
    """Gives lines of the log to `callback`, on a thread of the library's, instead of where set_log says; None: no more.

    It may block, and call everything. Once this returns, the callback of before is not called any more.
    """
    global _on_record
    check(library().RAFT_SetLogCallback(LogCallback(), None))
    _on_record = callback
    if callback is not None:
        atexit.register(_end_log)
        check(library().RAFT_SetLogCallback(_log_callback, None))


def _end_log() -> None:
    # An interpreter that ends takes no calls any more.
    library().RAFT_SetLogCallback(LogCallback(), None)

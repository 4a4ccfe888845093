"""Finds and loads libpolyraft, once a process."""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import Any, List, Optional, Union

from ._errors import error_of
from ._native_generated import FUNCTIONS, VERSION, LogLevel

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

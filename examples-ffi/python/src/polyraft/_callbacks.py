"""What the library calls, for one server. No exception leaves a callback: it is logged, and told as a failure."""

from __future__ import annotations

import ctypes
import logging
import threading
from typing import Any, Callable, Dict, List, Optional, Protocol

from . import _native_generated as native
from ._native_generated import ErrorCode, Event, Role
from ._outcomes import Outcomes

_log = logging.getLogger("polyraft")


class StateMachine(Protocol):
    """What a program gives a server. Each method runs on a thread of the library, one at a time, in log order.

    An exception in `apply` or `restore` stops the server for good, since its state is not that of the others any
    more; one in `snapshot` fails that snapshot only.
    """

    def apply(self, index: int, term: int, data: bytes) -> None:
        """A committed entry; each comes once, in order."""

    def snapshot(self) -> bytes:
        """The whole state as it is now."""

    def restore(self, data: bytes) -> None:
        """Replace the whole state by one that `snapshot` has given, maybe on another node."""


class Callbacks:
    """The structure for the library, and all that must live as long as the server calls back."""

    def __init__(
        self,
        state_machine: StateMachine,
        outcomes: Outcomes,
        on_event: Optional[Callable[[Event, int, str], None]],
        on_role: Optional[Callable[[Role], None]],
    ) -> None:
        self._state_machine = state_machine
        self._outcomes = outcomes
        self._on_event = on_event
        self._on_role = on_role
        self._lock = threading.Lock()
        # Bytes that the library reads, by address, until it frees them; the same object may be lent twice.
        self._lent: Dict[int, List[bytes]] = {}
        self.completion = native.Completion(self._complete)
        self.structure = native.Callbacks(
            struct_size=ctypes.sizeof(native.Callbacks),
            apply=native.ApplyFunction(self._apply),
            restore=native.RestoreFunction(self._restore),
            take_snapshot=native.TakeSnapshotFunction(self._take_snapshot),
            free_memory=native.FreeMemoryFunction(self._free_memory),
            state_change=native.StateChangeFunction(self._state_change),
            event=native.EventFunction(self._event),
        )

    def _apply(self, _context: Any, index: int, term: int, data: Optional[int], size: int) -> int:
        try:
            self._state_machine.apply(index, term, ctypes.string_at(data, size) if data else b"")
        except BaseException:
            _log.exception("apply failed at index %d: this server stops", index)
            return int(ErrorCode.CALLBACK_FAILED)
        self._outcomes.applied(index)
        return 0

    def _restore(self, _context: Any, index: int, _term: int, data: Optional[int], size: int) -> int:
        try:
            self._state_machine.restore(ctypes.string_at(data, size) if data else b"")
        except BaseException:
            _log.exception("restore failed at index %d: this server stops", index)
            return int(ErrorCode.CALLBACK_FAILED)
        self._outcomes.applied(index)
        return 0

    def _take_snapshot(self, _context: Any, index: int, data: Any, size: Any) -> int:
        try:
            state = bytes(self._state_machine.snapshot())
        except BaseException:
            _log.exception("the snapshot at index %d failed", index)
            return int(ErrorCode.CALLBACK_FAILED)
        address = ctypes.cast(ctypes.c_char_p(state), ctypes.c_void_p).value
        if state and address is not None:
            with self._lock:
                self._lent.setdefault(address, []).append(state)
            data[0] = address
        size[0] = len(state)
        return 0

    def _free_memory(self, _context: Any, data: Optional[int]) -> None:
        with self._lock:
            lent = self._lent.get(data or 0)
            if lent is not None:
                lent.pop()
                if not lent:
                    del self._lent[data or 0]

    def _state_change(self, _context: Any, role: int) -> None:
        if self._on_role is None:
            return
        try:
            self._on_role(Role(role))
        except BaseException:
            _log.exception("on_role failed")

    def _event(self, _context: Any, event: int, value: int, text: Optional[bytes]) -> None:
        try:
            known = Event(event)
        except ValueError:
            return
        if known == Event.SERVER_FAILED:
            self._outcomes.fail(ErrorCode.STOPPED)
        if self._on_event is None:
            return
        try:
            self._on_event(known, value, (text or b"").decode("utf-8", "replace"))
        except BaseException:
            _log.exception("on_event failed")

    def _complete(self, token: Optional[int], code: int, index: int, term: int) -> None:
        self._outcomes.complete(token or 0, code, index, term)

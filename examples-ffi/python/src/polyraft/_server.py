"""One server of a cluster."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import ctypes
import json
import time
from types import TracebackType
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Type, TypeVar, Union

from ._callbacks import Callbacks, StateMachine
from ._errors import RaftError, error_of
from ._library import check, library, text_of
from ._native_generated import Buffer, ErrorCode, Event, MemberChange, Options, ReadKind, Role
from ._outcomes import Committed, Outcome, Outcomes, Resolve

__all__ = ["Committed", "Server", "StateMachine"]

Value = TypeVar("Value")
Data = Union[bytes, bytearray, memoryview]

_TIMEOUT_SECONDS = 10.0
_TIMEOUT_MS_MAX = 2**31 - 1
_ANSWER_BYTES_MIN = 16 * 1024
_ANSWER_BYTES_MAX = 256 * 1024 * 1024
_BUSY_PAUSE_SECONDS_MIN = 0.001
_BUSY_PAUSE_SECONDS_MAX = 0.1


def _payload(data: Data) -> bytes:
    # Through memoryview, so that a number is no request for that many zeros.
    return data if isinstance(data, bytes) else bytes(memoryview(data))


def _milliseconds(timeout: Optional[float]) -> int:
    if timeout is None:
        return -1
    return max(0, min(_TIMEOUT_MS_MAX, round(timeout * 1000)))


class Server:
    """A server, from its construction to `stop` or the end of its `with` block.

    config: the keys of docs/CONFIGURATION.md, or their JSON text.
    state_machine: has `apply`, `snapshot` and `restore`, called one at a time on a thread of the library.
    applied_index: the last entry whose effect the state machine's own durable state holds already.
    on_event, on_role: called on another thread of the library, one at a time.

    Timeouts are in seconds; None waits without limit. Every method may be called on every thread; one that waits
    fails with WOULD_DEADLOCK in a callback. No method holds the GIL while it waits. Errors are RaftError.
    """

    def __init__(
        self,
        config: Union[str, Mapping[str, Any]],
        state_machine: StateMachine,
        *,
        applied_index: int = 0,
        on_event: Optional[Callable[[Event, int, str], None]] = None,
        on_role: Optional[Callable[[Role], None]] = None,
    ) -> None:
        text = config if isinstance(config, str) else json.dumps(dict(config))
        self._outcomes = Outcomes()
        # The library calls these until RAFT_StopServer has returned: they must live as long.
        self._callbacks = Callbacks(state_machine, self._outcomes, on_event, on_role)
        options = Options(
            struct_size=ctypes.sizeof(Options),
            config=text.encode("utf-8"),
            callbacks=self._callbacks.structure,
            applied_index=applied_index,
        )
        handle = ctypes.c_uint64(0)
        check(library().RAFT_NewRaftServerWith(ctypes.byref(options), ctypes.byref(handle)))
        self._handle: int = handle.value
        _running.add(self)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the server; safe to call again. Calls that wait in it end with STOPPED; a running callback is waited
        for, and none comes after. Not in a callback."""
        code = library().RAFT_StopServer(self._handle)
        if code != ErrorCode.UNKNOWN_HANDLE:
            check(code)
        self._outcomes.fail(ErrorCode.STOPPED)
        _running.discard(self)

    def propose(self, data: Data, timeout: Optional[float] = _TIMEOUT_SECONDS) -> Committed:
        """Proposes an entry, and waits until this node has applied it; where it stands in the log.

        It waits in the library: Ctrl-C takes effect when the call returns. Other threads go on.
        """
        payload = _payload(data)
        index, term = ctypes.c_uint64(), ctypes.c_uint64()
        pointers = (ctypes.byref(index), ctypes.byref(term))
        check(library().RAFT_ProposeWait(self._handle, payload, len(payload), _milliseconds(timeout), *pointers))
        return Committed(index.value, term.value)

    async def propose_async(self, data: Data, timeout: Optional[float] = _TIMEOUT_SECONDS) -> Committed:
        """As `propose`, without blocking the event loop. Cancelling it does not take the proposal back."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else time.monotonic() + timeout
        future: asyncio.Future[Committed] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            if not future.done():
                _settle(future, outcome)

        def resolve(outcome: Outcome) -> None:
            try:
                loop.call_soon_threadsafe(settle, outcome)
            except RuntimeError:
                # The loop has been closed, and with it whoever waited.
                return

        await _when_there_is_room(lambda: self._submit(_payload(data), 0, resolve), deadline)
        return await _within(future, deadline)

    def propose_future(
        self, data: Data, timeout: Optional[float] = _TIMEOUT_SECONDS
    ) -> concurrent.futures.Future[Committed]:
        """Submits a proposal; the future is resolved as `propose` returns. `timeout` is for room in the queue only.

        The future's callbacks run on threads of the library.
        """
        future: concurrent.futures.Future[Committed] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        self._submit(_payload(data), _milliseconds(timeout), _settler(future))
        return future

    def propose_batch(
        self, proposals: Sequence[Data], timeout: Optional[float] = _TIMEOUT_SECONDS
    ) -> List[concurrent.futures.Future[Committed]]:
        """Submits proposals in this order with one call; one future each. Those that found no room within `timeout`
        have failed with BUSY, or with what else stopped them."""
        futures: List[concurrent.futures.Future[Committed]] = []
        payloads = [_payload(data) for data in proposals]
        count = len(payloads)
        if count == 0:
            return futures
        buffers = (Buffer * count)()
        tokens = (ctypes.c_void_p * count)()
        for i, payload in enumerate(payloads):
            future: concurrent.futures.Future[Committed] = concurrent.futures.Future()
            future.set_running_or_notify_cancel()
            futures.append(future)
            buffers[i].data = ctypes.cast(ctypes.c_char_p(payload), ctypes.c_void_p)
            buffers[i].size = len(payload)
            tokens[i] = self._outcomes.add(_settler(future), is_applied=len(payload) > 0)
        accepted = ctypes.c_size_t(0)
        code = library().RAFT_ProposeBatch(
            self._handle, buffers, count, _milliseconds(timeout), self._callbacks.completion, tokens, ctypes.byref(accepted)
        )
        if code != ErrorCode.OK:
            error = error_of(code, library().RAFT_LastError().decode("utf-8", "replace"))
            for i in range(accepted.value, count):
                self._outcomes.forget(tokens[i] or 0)
                futures[i].set_exception(error)
        return futures

    def _submit(self, payload: bytes, timeout_ms: int, resolve: Resolve) -> None:
        token = self._outcomes.add(resolve, is_applied=len(payload) > 0)
        code = library().RAFT_ProposeAsync(
            self._handle, payload, len(payload), timeout_ms, self._callbacks.completion, token
        )
        if code != ErrorCode.OK:
            self._outcomes.forget(token)
            check(code)

    def read_barrier(
        self, timeout: Optional[float] = _TIMEOUT_SECONDS, *, kind: ReadKind = ReadKind.SAFE
    ) -> int:
        """Waits until the state machine here holds all that was committed when the call began: a read of it after
        that is linearizable. The index up to which it is."""
        index = ctypes.c_uint64()
        check(library().RAFT_ReadIndex(self._handle, int(kind), _milliseconds(timeout), ctypes.byref(index)))
        return index.value

    async def read_barrier_async(
        self, timeout: Optional[float] = _TIMEOUT_SECONDS, *, kind: ReadKind = ReadKind.SAFE
    ) -> int:
        """As `read_barrier`, without blocking the event loop."""
        deadline = None if timeout is None else time.monotonic() + timeout
        future = await _when_there_is_room(lambda: self.read_barrier_future(0, kind=kind), deadline)
        return await _within(asyncio.wrap_future(future), deadline)

    def read_barrier_future(
        self, timeout: Optional[float] = _TIMEOUT_SECONDS, *, kind: ReadKind = ReadKind.SAFE
    ) -> concurrent.futures.Future[int]:
        """The future is resolved as `read_barrier` returns. `timeout` is for room in the queue only.

        The future's callbacks run on a thread of the library.
        """
        future: concurrent.futures.Future[int] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()

        def resolve(outcome: Outcome) -> None:
            if isinstance(outcome, RaftError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome.index)

        # Its completion comes after the entries have been applied.
        token = self._outcomes.add(resolve, is_applied=False)
        code = library().RAFT_ReadIndexAsync(
            self._handle, int(kind), _milliseconds(timeout), self._callbacks.completion, token
        )
        if code != ErrorCode.OK:
            self._outcomes.forget(token)
            check(code)
        return future

    def save_snapshot(self, timeout: Optional[float] = _TIMEOUT_SECONDS) -> int:
        """Takes a snapshot now, and waits until it is on disk; the index it holds."""
        index = ctypes.c_uint64()
        check(library().RAFT_SaveSnapshot(self._handle, _milliseconds(timeout), ctypes.byref(index)))
        return index.value

    def transfer_leadership(self, member_id: int, timeout: Optional[float] = _TIMEOUT_SECONDS) -> None:
        """Hands the leadership over, and waits until that member leads."""
        check(library().RAFT_TransferLeadership(self._handle, member_id, _milliseconds(timeout)))

    def add_member(self, member_id: int, url: str, timeout: Optional[float] = _TIMEOUT_SECONDS) -> int:
        """Adds a voter; the index of the change, applied here. The new node starts with "join": true."""
        return self._change(MemberChange.ADD, member_id, url, timeout)

    def add_learner(self, member_id: int, url: str, timeout: Optional[float] = _TIMEOUT_SECONDS) -> int:
        """Adds a member without a vote."""
        return self._change(MemberChange.ADD_LEARNER, member_id, url, timeout)

    def promote_learner(self, member_id: int, timeout: Optional[float] = _TIMEOUT_SECONDS) -> int:
        """Gives a learner a vote."""
        return self._change(MemberChange.PROMOTE, member_id, None, timeout)

    def update_member(self, member_id: int, url: str, timeout: Optional[float] = _TIMEOUT_SECONDS) -> int:
        """Gives a member another URL."""
        return self._change(MemberChange.UPDATE, member_id, url, timeout)

    def remove_member(self, member_id: int, timeout: Optional[float] = _TIMEOUT_SECONDS) -> int:
        """Removes a member, for ever: its id is not used again."""
        return self._change(MemberChange.REMOVE, member_id, None, timeout)

    def _change(self, change: MemberChange, member_id: int, url: Optional[str], timeout: Optional[float]) -> int:
        index = ctypes.c_uint64()
        encoded = None if url is None else url.encode("utf-8")
        check(
            library().RAFT_ChangeMember(
                self._handle, int(change), member_id, encoded, _milliseconds(timeout), ctypes.byref(index)
            )
        )
        return index.value

    @property
    def applied_index(self) -> int:
        """The index up to which the state machine has applied."""
        index = ctypes.c_uint64()
        check(library().RAFT_GetAppliedIndex(self._handle, ctypes.byref(index)))
        return index.value

    def status(self) -> Dict[str, Any]:
        """Role, leader, term, members and more; the keys stand at RAFT_GetStatus in polyraft.h."""
        answer: Dict[str, Any] = json.loads(self._text(library().RAFT_GetStatus))
        return answer

    def peers(self) -> List[Dict[str, Any]]:
        """The other members: id, host, and active: seconds since the last contact, -1 never."""
        answer: List[Dict[str, Any]] = json.loads(self._text(library().RAFT_GetPeersStatus))
        return answer

    def metrics(self) -> str:
        """Metrics in the text form that Prometheus reads."""
        return self._text(library().RAFT_GetMetrics)

    def _text(self, function: Any) -> str:
        size = _ANSWER_BYTES_MIN
        while True:
            buffer = ctypes.create_string_buffer(size)
            code = function(self._handle, buffer, size)
            if code != ErrorCode.BUFFER_TOO_SMALL or size >= _ANSWER_BYTES_MAX:
                check(code)
                return buffer.value.decode("utf-8")
            size *= 2


async def _when_there_is_room(submit: Callable[[], Value], deadline: Optional[float]) -> Value:
    pause = _BUSY_PAUSE_SECONDS_MIN
    while True:
        try:
            return submit()
        except RaftError as error:
            if error.code != ErrorCode.BUSY or (deadline is not None and time.monotonic() > deadline):
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, _BUSY_PAUSE_SECONDS_MAX)


async def _within(future: asyncio.Future[Value], deadline: Optional[float]) -> Value:
    try:
        return await asyncio.wait_for(future, None if deadline is None else max(0.0, deadline - time.monotonic()))
    except asyncio.TimeoutError as error:
        if isinstance(error, RaftError):
            raise
        raise error_of(ErrorCode.TIMEOUT, text_of(ErrorCode.TIMEOUT)) from None


def _settler(future: concurrent.futures.Future[Committed]) -> Resolve:
    return lambda outcome: _settle(future, outcome)


def _settle(future: Union[asyncio.Future[Committed], concurrent.futures.Future[Committed]], outcome: Outcome) -> None:
    if isinstance(outcome, RaftError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


# Strong references: a server that its program has lost still calls back, until it is stopped.
_running: Set[Server] = set()


def _stop_all() -> None:
    """Before the interpreter ends: a callback must not meet one that has."""
    for server in list(_running):
        try:
            server.stop()
        except RaftError:
            # Another process's servers, after a fork: they are not ours to stop.
            continue


atexit.register(_stop_all)

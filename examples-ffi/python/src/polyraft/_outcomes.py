"""Proposals whose outcome is due: from submission, over commit, to the moment when this node has applied them."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from ._errors import RaftError, error_of
from ._library import text_of
from ._native_generated import ErrorCode

_log = logging.getLogger("polyraft")


class Committed(NamedTuple):
    """Where an entry stands in the log."""

    index: int  # type: ignore[assignment]  # in the place of tuple.index
    term: int


Outcome = Union[Committed, RaftError]
Resolve = Callable[[Outcome], None]


class _Proposal(NamedTuple):
    resolve: Resolve
    is_applied: bool
    """Whether the state machine is given it (an empty proposal is not)."""


class Outcomes:
    """All proposals of one server. `resolve` is called once each, on a callback thread, never under the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens = itertools.count(1)
        self._submitted: Dict[int, _Proposal] = {}
        # Committed, not applied here yet: (index, token, term, resolve).
        self._committed: List[Tuple[int, int, int, Resolve]] = []
        self._applied_index = 0
        self._failure: Optional[RaftError] = None

    def add(self, resolve: Resolve, *, is_applied: bool) -> int:
        """A token for the library, which the completion brings back."""
        with self._lock:
            token = next(self._tokens)
            self._submitted[token] = _Proposal(resolve, is_applied)
            return token

    def forget(self, token: int) -> None:
        """The proposal was not accepted, so no completion comes."""
        with self._lock:
            del self._submitted[token]

    def complete(self, token: int, code: int, index: int, term: int) -> None:
        """The library's completion."""
        outcome: Outcome
        with self._lock:
            proposal = self._submitted.pop(token)
            if code != ErrorCode.OK:
                outcome = error_of(code, text_of(code))
            elif not proposal.is_applied or index <= self._applied_index:
                outcome = Committed(index, term)
            elif self._failure is not None:
                outcome = self._failure
            else:
                heapq.heappush(self._committed, (index, token, term, proposal.resolve))
                return
        _call(proposal.resolve, outcome)

    def applied(self, index: int) -> None:
        """The state machine holds all entries up to `index`."""
        ready: List[Tuple[Resolve, Outcome]] = []
        with self._lock:
            self._applied_index = max(self._applied_index, index)
            while self._committed and self._committed[0][0] <= self._applied_index:
                own_index, _, term, resolve = heapq.heappop(self._committed)
                ready.append((resolve, Committed(own_index, term)))
        for resolve, outcome in ready:
            _call(resolve, outcome)

    def fail(self, code: ErrorCode) -> None:
        """This node applies nothing more."""
        with self._lock:
            committed, self._committed = self._committed, []
            text = "the proposal was committed, but this server ended before it applied it"
            self._failure = error_of(code, text)
            failure = self._failure
        for _, _, _, resolve in committed:
            _call(resolve, failure)


def _call(resolve: Resolve, outcome: Outcome) -> None:
    try:
        resolve(outcome)
    except Exception:
        _log.exception("the outcome of a proposal could not be delivered")

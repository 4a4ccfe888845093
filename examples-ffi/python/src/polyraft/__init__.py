"""Raft consensus: entries that this program proposes are applied to its state machine on every node, in one order.

    from polyraft import Server

    with Server(config, state_machine) as server:
        index, term = server.propose(b"...")     # applied here when it returns
        await server.propose_async(b"...")       # the same in asyncio
        server.read_barrier()                    # now a read of the own state is linearizable
"""

from ._errors import RaftError, RaftTimeoutError
from ._library import (
    LibraryNotFoundError,
    LogRecord,
    set_log,
    set_log_callback,
    set_log_format,
    set_log_level,
    version,
)
from ._native_generated import ErrorCode, Event, LogFormat, LogLevel, ReadKind, Role
from ._server import Committed, Server, StateMachine

__all__ = [
    "Committed",
    "ErrorCode",
    "Event",
    "LibraryNotFoundError",
    "LogFormat",
    "LogLevel",
    "LogRecord",
    "RaftError",
    "RaftTimeoutError",
    "ReadKind",
    "Role",
    "Server",
    "StateMachine",
    "set_log",
    "set_log_callback",
    "set_log_format",
    "set_log_level",
    "version",
]

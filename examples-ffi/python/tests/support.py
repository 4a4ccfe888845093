"""Servers for tests: configurations, a state machine that remembers, waiting."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
import time
import unittest
from typing import Any, Callable, Dict, List, Optional

from polyraft import Committed, LogLevel, RaftError, Server, set_log_level

WAIT_SECONDS = 60.0


def free_ports(count: int) -> List[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def eventually(what: str, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {WAIT_SECONDS} s")
        time.sleep(0.01)


class Journal:
    """A state machine that is the list of all entries it was given."""

    def __init__(self) -> None:
        self.entries: List[str] = []
        self.restores = 0
        self.before_apply: Optional[Callable[[bytes], None]] = None
        self.before_snapshot: Optional[Callable[[], None]] = None

    def apply(self, index: int, term: int, data: bytes) -> None:
        if self.before_apply is not None:
            self.before_apply(data)
        self.entries.append(data.decode())

    def snapshot(self) -> bytes:
        if self.before_snapshot is not None:
            self.before_snapshot()
        return json.dumps(self.entries).encode()

    def restore(self, data: bytes) -> None:
        self.restores += 1
        self.entries = json.loads(data)


class ServerTest(unittest.TestCase):
    """Tests with servers, which are stopped at the end."""

    def setUp(self) -> None:
        set_log_level(LogLevel.CRITICAL)
        self.directory = tempfile.mkdtemp(prefix="polyraft-python-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.ports = free_ports(3)

    def config(self, node: int = 1, nodes: int = 1, **changes: Any) -> Dict[str, Any]:
        return {
            "id": node,
            "peers": [{"id": i + 1, "url": f"http://127.0.0.1:{self.ports[i]}"} for i in range(nodes)],
            "waldir": f"{self.directory}/wal{node}",
            "snapdir": f"{self.directory}/snap{node}",
            "tickms": 20,
            **changes,
        }

    def start(self, machine: Any, config: Optional[Dict[str, Any]] = None, **options: Any) -> Server:
        server = Server(config or self.config(), machine, **options)
        self.addCleanup(server.stop)
        return server

    def assert_code(self, code: str, work: Callable[[], Any], text: str = "") -> RaftError:
        with self.assertRaises(RaftError) as caught:
            work()
        self.assertEqual(caught.exception.code.name, code)
        self.assertIn(text, str(caught.exception))
        return caught.exception


def propose(server: Server, text: str) -> Committed:
    """Until there is a leader; a busy machine may need some time for one."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return server.propose(text.encode(), timeout=20)
        except RaftError as error:
            if error.code.name not in ("NO_LEADER", "REJECTED") or time.monotonic() > end:
                raise
            time.sleep(0.02)

"""The host program of test/bindings/README.md in Python."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples-ffi" / "python" / "src"))

from polyraft import Event, RaftError, Server  # noqa: E402


class Map:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pairs: Dict[str, str] = {}
        self.applied = 0
        self.restored = 0
        self.fails_snapshots = False

    def apply(self, index: int, term: int, data: bytes) -> None:
        key, _, value = data.decode().partition("=")
        if key == "throw":
            raise ValueError("asked to throw")
        with self.lock:
            self.pairs[key] = value
            self.applied += 1

    def lines(self) -> List[str]:
        with self.lock:
            return [f"{key}={value}" for key, value in sorted(self.pairs.items())]

    def snapshot(self) -> bytes:
        if self.fails_snapshots:
            raise ValueError("asked to fail snapshots")
        return "".join(f"{line}\n" for line in self.lines()).encode()

    def restore(self, data: bytes) -> None:
        with self.lock:
            self.pairs = dict(line.split("=", 1) for line in data.decode().splitlines())  # type: ignore[misc]
            self.restored += 1


class Host:
    def __init__(self) -> None:
        self.map = Map()
        self.events: List[str] = []
        self.started: Optional[Server] = None
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    @property
    def server(self) -> Server:
        if self.started is None:
            raise LookupError
        return self.started

    def on_event(self, event: Event, value: int, text: str) -> None:
        self.events.append(event.name)

    def start(self, config: str) -> str:
        self.started = Server(json.loads(config), self.map, on_event=self.on_event)
        return ""

    def propose(self, key: str, value: str, timeout_ms: str) -> str:
        return "%d %d" % self.server.propose(f"{key}={value}".encode(), int(timeout_ms) / 1000)

    def propose_async(self, key: str, value: str, timeout_ms: str) -> str:
        awaited = self.server.propose_async(f"{key}={value}".encode(), int(timeout_ms) / 1000)
        return "%d %d" % asyncio.run_coroutine_threadsafe(awaited, self.loop).result()

    def read_barrier(self, timeout_ms: str) -> str:
        return str(self.server.read_barrier(int(timeout_ms) / 1000))

    def read_barrier_async(self, timeout_ms: str) -> str:
        awaited = self.server.read_barrier_async(int(timeout_ms) / 1000)
        return str(asyncio.run_coroutine_threadsafe(awaited, self.loop).result())

    def snapshot(self, timeout_ms: str) -> str:
        return str(self.server.save_snapshot(int(timeout_ms) / 1000))

    def get(self, key: str) -> str:
        with self.map.lock:
            return self.map.pairs.get(key, "")

    def dump(self) -> str:
        return " ".join(self.map.lines())

    def status(self) -> str:
        return json.dumps(self.server.status())

    def counts(self) -> str:
        return f"{self.map.applied} {self.map.restored}"

    def fail_snapshots(self) -> str:
        self.map.fails_snapshots = True
        return ""

    def stop(self) -> str:
        self.server.stop()
        return ""

    def commands(self) -> Dict[str, Callable[..., str]]:
        named: List[Any] = [
            self.start, self.propose, self.propose_async, self.read_barrier, self.read_barrier_async,
            self.snapshot, self.get, self.dump, self.status, self.counts, self.fail_snapshots, self.stop,
        ]  # fmt: skip
        return {**{each.__name__: each for each in named}, "events": lambda: " ".join(self.events)}


def main() -> None:
    host = Host()
    commands = host.commands()
    output = threading.Lock()

    def answer(tag: str, name: str, words: List[str]) -> None:
        try:
            text = f"ok {commands[name](*words)}"
        except RaftError as error:
            text = f"error {error.code.name} {error.text}"
        except LookupError:
            text = "error STOPPED the server has not been started"
        with output:
            print(tag, text.rstrip().replace("\n", " "), flush=True)

    for line in sys.stdin:
        tag, name, rest = (line.rstrip("\n") + " ").split(" ", 2)
        words = [rest.rstrip()] if name == "start" else rest.split()
        threading.Thread(target=answer, args=(tag, name, words), daemon=True).start()
    os._exit(0)


main()

"""How the library is found, layouts, the end of the interpreter, the example."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import unittest
from pathlib import Path
from typing import List

from polyraft import LogFormat, LogLevel, LogRecord, set_log_callback, set_log_format, set_log_level
from polyraft._native_generated import STRUCTURE_BYTES

from support import Journal, ServerTest, propose

ROOT = Path(__file__).resolve().parents[1]


def python(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    paths = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment}
    return subprocess.run([sys.executable, *arguments], env=paths, capture_output=True, text=True, timeout=120)


class PackageTest(ServerTest):
    def test_structures_are_as_large_as_in_c(self) -> None:
        self.assertEqual([ctypes.sizeof(structure) for structure, _ in STRUCTURE_BYTES], [size for _, size in STRUCTURE_BYTES])

    def test_a_library_that_is_not_there(self) -> None:
        result = python("-c", "import polyraft; polyraft.version()", POLYRAFT_LIBRARY="/nowhere/libpolyraft.so")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("LibraryNotFoundError", result.stderr)
        self.assertIn("/nowhere/libpolyraft.so", result.stderr)

    def test_another_library(self) -> None:
        result = python("-c", "import polyraft; polyraft.version()", POLYRAFT_LIBRARY="libc.so.6")
        self.assertIn("another version", result.stderr)

    def test_lines_of_the_log_come_to_a_callback(self) -> None:
        seen: List[LogRecord] = []
        set_log_callback(seen.append)
        set_log_level(LogLevel.DEBUG)
        try:
            server = self.start(Journal())
            propose(server, "x")
            set_log_format(LogFormat.JSON)
        finally:
            set_log_level(LogLevel.CRITICAL)
            set_log_callback(None)
            set_log_format(LogFormat.TEXT)
        leader = [each for each in seen if "is the leader at term" in each.message]
        self.assertEqual({(each.source, each.node_id) for each in leader}, {("raft", 1)})
        self.assertGreater(leader[0].time_ns, 1_700_000_000 * 10**9)
        count = len(seen)
        server.stop()
        self.assertEqual(len(seen), count)

    def test_an_interpreter_ends_with_a_callback_for_the_log(self) -> None:
        program = "import polyraft\npolyraft.set_log_callback(print)\nprint('end')\n"
        result = python("-c", program)
        self.assertEqual((result.returncode, result.stdout), (0, "end\n"), result.stderr)

    def test_an_interpreter_ends_with_servers_running(self) -> None:
        program = (
            "import sys, json, polyraft\n"
            "class M:\n"
            "    def apply(self, index, term, data): pass\n"
            "    def snapshot(self): return b''\n"
            "    def restore(self, data): pass\n"
            "s = polyraft.Server(json.loads(sys.argv[1]), M())\n"
            "s.read_barrier(60)\n"
            "futures = s.propose_batch([b'x' * 100] * 2000)\n"
            "print('end')\n"
        )
        import json

        result = python("-c", program, json.dumps(self.config()))
        self.assertEqual((result.returncode, result.stdout), (0, "end\n"), result.stderr)

    def test_the_example(self) -> None:
        example = ROOT / "examples" / "replicated_dict.py"
        self.assertLessEqual(len(example.read_text().splitlines()), 40)
        result = python(str(example))
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 6)
        self.assertEqual(len(set(lines[3:])), 1)
        for i in range(3):
            self.assertIn(f"'key {i}': 'written on server {i + 1}'", lines[3])


if __name__ == "__main__":
    unittest.main()

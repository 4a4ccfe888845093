"""One server and its state machine."""

from __future__ import annotations

import gc
import threading
import time
import unittest
from typing import Any, List

from polyraft import Event, RaftError, Role, Server, version

from support import Journal, ServerTest, eventually, propose


class ServersTest(ServerTest):
    def test_an_entry_is_applied_when_propose_returns(self) -> None:
        machine = Journal()
        with self.start(machine) as server:
            first = propose(server, "one")
            second = server.propose(bytearray(b"two"))
            third = server.propose(memoryview(b"three"))
            self.assertEqual(machine.entries, ["one", "two", "three"])
            self.assertEqual([second.index, third.index], [first.index + 1, first.index + 2])
            self.assertEqual(server.applied_index, third.index)
            self.assertGreaterEqual(server.read_barrier(), third.index)
            self.assertGreaterEqual(first.term, 1)
            self.assertEqual(server.status()["role"], "leader")
            self.assertEqual(server.peers(), [])
        self.assertRegex(version(), r"^\d+\.\d+\.\d+")

    def test_what_is_no_bytes_is_refused(self) -> None:
        server = self.start(Journal())
        for wrong in (5, "text", None):
            with self.assertRaises(TypeError):
                server.propose(wrong)  # type: ignore[arg-type]

    def test_an_empty_proposal_has_an_index_and_no_apply(self) -> None:
        machine = Journal()
        server = self.start(machine)
        before = propose(server, "before")
        self.assertEqual(server.propose(b"").index, before.index + 1)
        self.assertEqual(server.propose_future(b"").result(60).index, before.index + 2)
        self.assertEqual(machine.entries, ["before"])

    def test_a_restart_replays_the_log_or_restores_the_snapshot(self) -> None:
        with self.start(Journal()) as server:
            last = [propose(server, f"entry {i}") for i in range(20)][-1]
        replayed = Journal()
        with self.start(replayed) as server:
            server.read_barrier(60)
            self.assertEqual(replayed.entries, [f"entry {i}" for i in range(20)])
            self.assertEqual(replayed.restores, 0)
            self.assertGreaterEqual(server.save_snapshot(), last.index)
            later = propose(server, "later")
        restored = Journal()
        with self.start(restored) as server:
            server.read_barrier(60)
            self.assertEqual(restored.restores, 1)
            self.assertEqual(restored.entries, [*replayed.entries])
        kept = Journal()
        kept.entries = list(replayed.entries)
        with self.start(kept, applied_index=later.index) as server:
            server.read_barrier(60)
            self.assertEqual(kept.entries, replayed.entries)

    def test_snapshots_of_all_sizes(self) -> None:
        class Blob:
            state = b""

            def apply(self, index: int, term: int, data: bytes) -> None:
                self.state = data * int(data)

            def snapshot(self) -> bytes:
                return self.state

            def restore(self, data: bytes) -> None:
                self.state = data

        for size in (1, 9_000_000):
            blob = Blob()
            with self.start(blob) as server:
                propose(server, str(size))
                server.save_snapshot(60)
            expected, again = blob.state, Blob()
            with self.start(again) as server:
                server.read_barrier(60)
                self.assertTrue(again.state == expected)

    def test_events_and_roles(self) -> None:
        roles: List[Role] = []
        events: List[Event] = []
        server = self.start(
            Journal(), on_role=roles.append, on_event=lambda event, value, text: events.append(event)
        )
        propose(server, "one")
        server.save_snapshot()
        eventually("the events", lambda: Event.SNAPSHOT_SAVED in events and Event.LEADER_CHANGED in events)
        eventually("the role", lambda: Role.LEADER in roles)

    def test_a_lost_reference_does_not_end_a_server(self) -> None:
        machine = Journal()
        future = self.server_that_nobody_holds(machine)
        gc.collect()
        self.assertGreater(future.result(60).index, 0)
        self.assertEqual(machine.entries, ["one"])

    def server_that_nobody_holds(self, machine: Journal) -> Any:
        server = Server(self.config(), machine)
        server.read_barrier(60)
        return server.propose_future(b"one")


class ErrorsTest(ServerTest):
    def test_a_wrong_configuration(self) -> None:
        self.assert_code("CONFIG", lambda: self.start(Journal(), self.config(tickms="fast")), "tickms")
        self.assert_code("CONFIG", lambda: Server("{", Journal()))

    def test_a_directory_in_use(self) -> None:
        self.start(Journal())
        self.assert_code("IN_USE", lambda: self.start(Journal()))

    def test_a_stopped_server(self) -> None:
        server = self.start(Journal())
        server.stop()
        server.stop()
        self.assert_code("UNKNOWN_HANDLE", lambda: server.propose(b"late"))
        self.assert_code("UNKNOWN_HANDLE", lambda: server.propose_future(b"late"))
        self.assert_code("UNKNOWN_HANDLE", server.read_barrier)
        self.assert_code("UNKNOWN_HANDLE", server.status)

    def test_a_proposal_that_is_too_large(self) -> None:
        server = self.start(Journal(), self.config(max_proposal_bytes=10))
        propose(server, "0123456789")
        error = self.assert_code("TOO_LARGE", lambda: server.propose(b"0123456789a"))
        self.assertFalse(error.may_take_effect)

    def test_stop_ends_calls_that_wait(self) -> None:
        server = self.start(Journal(), self.config(nodes=3))
        outcomes: List[RaftError] = []

        def wait() -> None:
            try:
                server.propose(b"never", timeout=None)
            except RaftError as error:
                outcomes.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.3)
        server.stop()
        thread.join(60)
        self.assertFalse(thread.is_alive())
        self.assertIn(outcomes[0].code.name, ("STOPPED", "UNKNOWN_HANDLE", "REJECTED", "NO_LEADER"))

    def test_no_majority(self) -> None:
        server = self.start(Journal(), self.config(nodes=3))
        with self.assertRaises((TimeoutError, RaftError)):
            server.propose(b"alone", timeout=0.5)
        with self.assertRaises((TimeoutError, RaftError)):
            server.read_barrier(timeout=0.5)


class CallbacksTest(ServerTest):
    def test_an_exception_in_apply_stops_the_server_and_nothing_else(self) -> None:
        machine, events = Journal(), []

        def refuse(data: bytes) -> None:
            if data == b"bad":
                raise ValueError("not with me")

        machine.before_apply = refuse
        server = self.start(machine, on_event=lambda event, value, text: events.append(event))
        propose(server, "good")
        with self.assertLogs("polyraft", "ERROR") as logs:
            future = server.propose_future(b"bad")
            with self.assertRaises(RaftError):
                future.result(60)
            eventually("the event", lambda: Event.SERVER_FAILED in events)
        self.assertIn("not with me", "\n".join(logs.output))
        self.assertEqual(machine.entries, ["good"])
        with self.assertRaises(RaftError):
            server.propose(b"late")

    def test_an_exception_in_snapshot_fails_that_snapshot_only(self) -> None:
        machine = Journal()

        def refuse() -> None:
            raise KeyError("no snapshot today")

        machine.before_snapshot = refuse
        server = self.start(machine)
        propose(server, "one")
        with self.assertLogs("polyraft", "ERROR") as logs:
            self.assert_code("CALLBACK_FAILED", server.save_snapshot)
        self.assertIn("no snapshot today", "\n".join(logs.output))
        machine.before_snapshot = None
        propose(server, "two")
        server.save_snapshot()

    def test_exceptions_in_observers_are_logged(self) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("observer fails")

        with self.assertLogs("polyraft", "ERROR") as logs:
            server = self.start(Journal(), on_event=fail, on_role=fail)
            propose(server, "one")
            eventually("both logs", lambda: len(logs.output) >= 2)
        propose(server, "two")

    def test_a_call_that_waits_is_refused_in_a_callback(self) -> None:
        machine = Journal()
        codes: List[str] = []

        def call_back(data: bytes) -> None:
            if data != b"ask":
                return
            for work in (lambda: server.propose(b"inner"), server.read_barrier, server.stop):
                try:
                    work()
                except RaftError as error:
                    codes.append(error.code.name)
            codes.append(str(server.applied_index > 0))

        machine.before_apply = call_back
        server = self.start(machine)
        propose(server, "before")
        propose(server, "ask")
        self.assertEqual(codes, ["WOULD_DEADLOCK"] * 3 + ["True"])


if __name__ == "__main__":
    unittest.main()

"""Waiting: threads, futures, asyncio; the GIL is never held meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
import unittest
from typing import Any, Callable, List

from polyraft import RaftError, RaftTimeoutError, Server

from support import Journal, ServerTest, propose


class Ticker:
    """A Python thread that counts; it stands still while another thread holds the GIL."""

    def __init__(self) -> None:
        self.ticks = 0
        self.is_over = False
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.is_over:
            self.ticks += 1
            time.sleep(0.005)

    def during(self, work: Callable[[], Any]) -> int:
        """Ticks while `work` ran."""
        self.thread.start()
        while self.ticks == 0:
            time.sleep(0.001)
        before = self.ticks
        try:
            work()
        except RaftError:
            pass
        after = self.ticks
        self.is_over = True
        self.thread.join()
        return after - before


def hold(gate: threading.Event) -> None:
    gate.wait(60)


class GilTest(ServerTest):
    def test_other_threads_run_while_propose_waits(self) -> None:
        # Without the two others there is no leader, so each of these waits to its end.
        server = self.start(Journal(), self.config(nodes=3))
        self.assertGreater(Ticker().during(lambda: server.propose(b"x", timeout=1)), 10)
        self.assertGreater(Ticker().during(lambda: server.propose_future(b"x").result(1)), 10)

    def test_other_threads_run_while_a_barrier_or_a_snapshot_waits(self) -> None:
        machine, gate = Journal(), threading.Event()
        server = self.start(machine)
        propose(server, "one")
        machine.before_apply = lambda data: hold(gate)
        blocked = server.propose_future(b"two")
        time.sleep(0.2)
        self.assertGreater(Ticker().during(lambda: server.read_barrier(timeout=1)), 10)
        self.assertGreater(Ticker().during(lambda: server.save_snapshot(timeout=1)), 10)
        self.assertFalse(blocked.done())
        stopping = threading.Timer(0.5, gate.set)
        stopping.start()
        # It waits for the callback, which needs the GIL.
        self.assertGreater(Ticker().during(server.stop), 10)
        stopping.join()


class FuturesTest(ServerTest):
    def test_futures_and_batches(self) -> None:
        machine = Journal()
        server = self.start(machine)
        propose(server, "first")
        futures = server.propose_batch([f"batch {i}".encode() for i in range(500)])
        indexes = [future.result(60).index for future in futures]
        self.assertEqual(indexes, list(range(indexes[0], indexes[0] + 500)))
        self.assertEqual(machine.entries, ["first"] + [f"batch {i}" for i in range(500)])
        self.assertEqual(server.propose_batch([]), [])
        server.stop()
        for future in server.propose_batch([b"late", b"later"]):
            with self.assertRaises(RaftError):
                future.result(60)

    def test_a_future_is_resolved_when_the_entry_is_applied_here(self) -> None:
        machine, gate = Journal(), threading.Event()
        server = self.start(machine)
        propose(server, "one")
        machine.before_apply = lambda data: hold(gate)
        future = server.propose_future(b"two")
        time.sleep(0.3)
        self.assertFalse(future.done())
        gate.set()
        future.result(60)
        self.assertEqual(machine.entries, ["one", "two"])

    def test_a_read_barrier_is_resolved_when_the_entries_are_applied_here(self) -> None:
        machine, gate, entered = Journal(), threading.Event(), threading.Event()
        server = self.start(machine)
        propose(server, "one")

        def before_apply(_: bytes) -> None:
            entered.set()
            hold(gate)

        machine.before_apply = before_apply
        proposal = server.propose_future(b"two")
        self.assertTrue(entered.wait(60))
        barrier = server.read_barrier_future()
        time.sleep(0.3)
        self.assertFalse(barrier.done())
        gate.set()
        self.assertEqual(barrier.result(60), proposal.result(60).index)
        self.assertEqual(machine.entries, ["one", "two"])

    def test_stop_ends_futures(self) -> None:
        server = self.start(Journal(), self.config(nodes=3))
        futures = [server.propose_future(b"x") for _ in range(10)]
        futures.append(server.read_barrier_future())
        server.stop()
        for future in futures:
            with self.assertRaises(RaftError):
                future.result(0)


class AsyncioTest(ServerTest):
    def test_many_awaits(self) -> None:
        machine = Journal()
        server = self.start(machine)
        propose(server, "first")

        async def work() -> List[int]:
            committed = await asyncio.gather(*(server.propose_async(f"{i}".encode()) for i in range(300)))
            await server.read_barrier_async()
            return [index for index, _ in committed]

        indexes = asyncio.run(work())
        self.assertEqual(len(set(indexes)), 300)
        self.assertEqual(sorted(machine.entries[1:], key=int), [str(i) for i in range(300)])

    def test_the_loop_runs_on_and_the_timeout_comes(self) -> None:
        server = self.start(Journal(), self.config(nodes=3))

        async def tick(ticks: List[int]) -> None:
            while True:
                ticks.append(1)
                await asyncio.sleep(0.005)

        async def work() -> int:
            ticks: List[int] = []
            ticking = asyncio.ensure_future(tick(ticks))
            with self.assertRaises(RaftError):
                await server.propose_async(b"x", timeout=1)
            with self.assertRaises(RaftError):
                await server.read_barrier_async(timeout=0.5)
            ticking.cancel()
            return len(ticks)

        self.assertGreater(asyncio.run(work()), 10)

    def test_a_timeout_is_an_error_with_a_code(self) -> None:
        machine, gate = Journal(), threading.Event()
        server = self.start(machine)
        propose(server, "one")
        machine.before_apply = lambda data: hold(gate)

        async def work() -> None:
            with self.assertRaises(RaftTimeoutError) as caught:
                await server.propose_async(b"two", timeout=0.2)
            self.assertTrue(caught.exception.may_take_effect)
            self.assertIsInstance(caught.exception, TimeoutError)

        asyncio.run(work())
        gate.set()

    def test_cancelled_and_forgotten_awaits_harm_nobody(self) -> None:
        machine = Journal()
        server = self.start(machine)
        propose(server, "one")

        async def work() -> None:
            awaited = asyncio.ensure_future(server.propose_async(b"two"))
            await asyncio.sleep(0)
            awaited.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await awaited
            # The loop ends while this one is due.
            forgotten = asyncio.ensure_future(server.propose_async(b"three"))
            await asyncio.sleep(0)
            forgotten.cancel()

        asyncio.run(work())
        propose(server, "four")
        self.assertEqual(machine.entries, ["one", "two", "three", "four"])

    def test_a_failed_proposal_raises(self) -> None:
        server: Server = self.start(Journal(), self.config(max_proposal_bytes=10))
        propose(server, "one")
        self.assert_code("TOO_LARGE", lambda: asyncio.run(server.propose_async(b"0123456789a")))


if __name__ == "__main__":
    unittest.main()

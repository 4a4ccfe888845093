"""A dict that three servers hold together. Writes go through the log, reads behind a barrier."""
import contextlib
import json
import socket
import tempfile

from polyraft import LogLevel, Server, set_log_level


class ReplicatedDict(dict):
    """Its writes are proposals; `apply` makes them, on every server alike."""

    def apply(self, index, term, data):
        self.update(json.loads(data))

    def snapshot(self):
        return json.dumps(self).encode()

    def restore(self, data):
        self.clear()
        self.update(json.loads(data))


set_log_level(LogLevel.ERROR)
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
peers = [{"id": i + 1, "url": f"http://127.0.0.1:{s.getsockname()[1]}"} for i, s in enumerate(sockets)]
for each in sockets:
    each.close()

with tempfile.TemporaryDirectory() as top, contextlib.ExitStack() as servers_end:
    nodes = []
    for peer in peers:
        place = {"waldir": f"{top}/wal{peer['id']}", "snapdir": f"{top}/snap{peer['id']}"}
        node = ReplicatedDict()
        nodes.append((node, servers_end.enter_context(Server({"id": peer["id"], "peers": peers, **place}, node))))
    for i, (_, server) in enumerate(nodes):
        print(server.propose(json.dumps({f"key {i}": f"written on server {i + 1}"}).encode()))
    for node, server in nodes:
        server.read_barrier()
        print(node)

// A counter that every node of a cluster holds alike; here the cluster is this program alone.
import { RaftServer } from 'polyraft';

class Counter {
  value = 0;

  apply({ data }) {
    this.value += Number(Buffer.from(data)); // what it throws stops this server
  }

  snapshot() {
    return Buffer.from(String(this.value));
  }

  restore(data) {
    this.value = Number(Buffer.from(data));
  }
}

const url = process.argv[2] ?? 'http://127.0.0.1:9001';
const counter = new Counter();
const config = { id: 1, waldir: 'wal', snapdir: 'snap', peers: [{ id: 1, url }] };
const server = await RaftServer.start(config, counter);
await server.propose(Buffer.from('5'));
await server.readIndex();
await server.snapshot();
console.log(counter.value);
await server.stop();

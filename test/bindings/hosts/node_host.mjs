// The host program of test/bindings/README.md in JavaScript: over the npm package, or, told `ffi`, over koffi.
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [, , kind, module] = process.argv;
const { RaftServer } = await import(pathToFileURL(module).href);

class Map_ {
  pairs = new Map();
  applied = 0;
  restored = 0;
  failsSnapshots = false;

  apply({ data }) {
    const text = Buffer.from(data).toString();
    const cut = text.indexOf('=');
    const key = text.slice(0, cut);
    if (key === 'throw') throw new Error('asked to throw');
    this.pairs.set(key, text.slice(cut + 1));
    this.applied++;
  }

  lines() {
    const keys = [...this.pairs.keys()].sort((left, right) =>
      Buffer.compare(Buffer.from(left), Buffer.from(right)),
    );
    return keys.map((key) => `${key}=${this.pairs.get(key)}`);
  }

  snapshot() {
    if (this.failsSnapshots) throw new Error('asked to fail snapshots');
    return Buffer.from(
      this.lines()
        .map((line) => `${line}\n`)
        .join(''),
    );
  }

  restore(data) {
    const lines = Buffer.from(data).toString().split('\n').slice(0, -1);
    this.pairs = new Map(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    this.restored++;
  }
}

const map = new Map_();
const events = [];
let started = null;

function server() {
  if (started === null)
    throw Object.assign(new Error('the server has not been started'), { code: 'STOPPED' });
  return started;
}

async function propose(key, value, timeoutMs) {
  const { index, term } = await server().propose(Buffer.from(`${key}=${value}`), {
    timeoutMs: Number(timeoutMs),
  });
  return `${index} ${term}`;
}

const readBarrier = (timeoutMs) => server().readIndex({ timeoutMs: Number(timeoutMs) });

const commands = {
  start: async (config) => {
    const options = { onEvent: ({ name }) => events.push(name) };
    // Through an object in one way, as text in the other: both are taken.
    started = await RaftServer.start(kind === 'ffi' ? config : JSON.parse(config), map, options);
  },
  propose,
  propose_async: propose,
  read_barrier: readBarrier,
  read_barrier_async: readBarrier,
  snapshot: (timeoutMs) => server().snapshot({ timeoutMs: Number(timeoutMs) }),
  get: (key) => map.pairs.get(key),
  dump: () => map.lines().join(' '),
  status: async () => JSON.stringify(await server().status()),
  counts: () => `${map.applied} ${map.restored}`,
  events: () => events.join(' '),
  fail_snapshots: () => {
    map.failsSnapshots = true;
  },
  stop: () => server().stop(),
};

async function answer(tag, name, words) {
  try {
    return `${tag} ok ${(await commands[name](...words)) ?? ''}`;
  } catch (error) {
    return `${tag} error ${error.code ?? 'INTERNAL'} ${error.code === undefined ? error.stack : error.message}`;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const [tag, name, rest = ''] = /^(\S+) (\S+) ?(.*)$/.exec(line).slice(1);
  const words = name === 'start' ? [rest] : rest.split(' ').filter((word) => word !== '');
  void answer(tag, name, words).then((text) => {
    process.stdout.write(`${text.trimEnd().replaceAll('\n', ' ')}\n`);
  });
}
process.exit(0);

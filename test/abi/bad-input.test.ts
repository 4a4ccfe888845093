// What is wrong with a configuration, or with what it names, is told by a code and a text, in both runtimes; the host
// lives on, and nothing was opened or made meanwhile.
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import { FIELDS } from '../../src-ts/facade/config/fields.ts';
import { runtimes } from '../scenario/figures.ts';
import { AbiHost, type Answer } from './abi-host.ts';
import { badConfigurations, jsonOf, LARGEST_ID, type ConfigText } from './bad-configurations.ts';
import { C, removeDirectory, temporaryDirectory } from './library.ts';

let directory = '';
const hosts: AbiHost[] = [];

beforeEach(() => {
  directory = temporaryDirectory();
});

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.end()));
  removeDirectory(directory);
});

function startHost(...parameters: ConstructorParameters<typeof AbiHost>): AbiHost {
  const host = new AbiHost(...parameters);
  hosts.push(host);
  return host;
}

/** A good configuration of a cluster of one. `data` is the directory that gets wal and snap. */
function good(port: number, changes: ConfigText = {}, data = join(directory, 'data')): ConfigText {
  return {
    id: '1',
    cluster_id: '7',
    waldir: JSON.stringify(join(data, 'wal')),
    snapdir: JSON.stringify(join(data, 'snap')),
    tickms: '20',
    peers: `[{"id":1,"url":"http://127.0.0.1:${port}"}]`,
    ...changes,
  };
}

/** With the id that this node shall have. */
function goodAs(id: string, port: number, changes: ConfigText = {}): ConfigText {
  return good(port, { id, peers: `[{"id":${id},"url":"http://127.0.0.1:${port}"}]`, ...changes });
}

function expectRefusal(answer: Answer, code: number, ...names: readonly string[]): void {
  expect(answer.code, answer.text).toBe(code);
  for (const name of names) expect(answer.text).toContain(name);
}

async function freePort(): Promise<number> {
  return (await freePorts(1))[0]!;
}

test('every key of the configuration has a case for its type; required ones and those with limits have more', () => {
  const cases = badConfigurations(good(9001));
  for (const [key, field] of Object.entries(FIELDS)) {
    const names = cases.map((one) => one.name).filter((name) => name.startsWith(`${key}`));
    expect(names.filter((name) => name.endsWith('(type)')).length, key).toBeGreaterThanOrEqual(5);
    if (field.default === null) expect(names).toContain(`${key} missing`);
    if (field.kind === 'integer' || field.kind === 'id' || field.kind === 'text')
      expect(names.filter((name) => name.endsWith('(range)')).length, key).toBeGreaterThanOrEqual(1);
  }
});

it('each fault of a configuration is refused through koffi, too', async () => {
  C.setLogger(null, 0);
  for (const { name, text, names } of badConfigurations(good(await freePort()))) {
    const raft = C.newServer(null, text) as number;
    const answer = { code: raft === 0 ? 1 : 0, text: C.lastError() as string };
    if (raft !== 0) C.deleteServer(raft);
    expect(answer.code, name).toBe(1);
    for (const part of names) expect(answer.text, name).toContain(part);
  }
});

describe.each(runtimes())('%s runtime', (runtime) => {
  it('each fault of a configuration gives CONFIG, or NULL, and a text that names the key', async () => {
    const host = startHost('host', directory, runtime);
    const port = await freePort();
    for (const { name, text, names } of badConfigurations(good(port))) {
      const answer = await host.with(text);
      expect(answer.code, `${name}: ${answer.text}`).toBe(ErrorCode.CONFIG);
      for (const part of names) expect(answer.text, name).toContain(part);
      expect(await host.legacy(text), name).toEqual({ code: 1, text: answer.text });
    }
    const made = readdirSync(directory).filter((name) => !name.endsWith('.json'));
    expect(made, 'made by a configuration that was refused').toEqual([]);
    expect((await host.with(jsonOf(good(port)))).code, 'the host works on').toBe(0);
  });

  it('the largest id is an id like others', async () => {
    const host = startHost('host', directory, runtime);
    const config = goodAs(LARGEST_ID, await freePort(), { cluster_id: LARGEST_ID });
    expect(await host.with(jsonOf(config))).toEqual({ code: 0, text: '' });
    const status = await host.status();
    expect(status.code).toBe(0);
    expect(JSON.parse(status.text)).toMatchObject({ id: 'f'.repeat(16) });
  });

  it('a port that is in use, by a stranger or by another process of ours', async () => {
    const stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const address = stranger.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const host = startHost('host', directory, runtime);
    const other = startHost('other', directory, runtime);
    const soon = { boostrap_timeout: '0' };
    try {
      const config = jsonOf(good(address.port, soon));
      expectRefusal(await host.with(config), ErrorCode.ADDRESS, String(address.port), 'use');
      expectRefusal(await host.legacy(config), 1, String(address.port), 'use');
    } finally {
      await new Promise((resolve) => stranger.close(resolve));
    }
    const port = await freePort();
    expect((await other.with(jsonOf(good(port, {}, join(directory, 'other'))))).code).toBe(0);
    expectRefusal(await host.with(jsonOf(good(port, soon))), ErrorCode.ADDRESS, String(port), 'use');
  });

  it('a directory in use by another process, and by another server of the own one', async () => {
    const holder = startHost('holder', directory, runtime);
    const host = startHost('host', directory, runtime);
    const [port, otherPort] = await freePorts(2);
    expect((await holder.with(jsonOf(good(port!)))).code).toBe(0);
    const free = JSON.stringify(join(directory, 'free'));
    for (const asking of [host, holder]) {
      for (const [key, freed] of [['waldir', 'snapdir'] as const, ['snapdir', 'waldir'] as const]) {
        const config = good(otherPort!, { [freed]: free });
        const used = JSON.parse(config[key]!) as string;
        expectRefusal(await asking.with(jsonOf(config)), ErrorCode.IN_USE, used, 'in use');
        expectRefusal(await asking.legacy(jsonOf(config)), 1, used, 'in use');
      }
    }
    expect((await holder.status()).code, 'who had it first goes on').toBe(0);
    await holder.end();
    expect((await host.with(jsonOf(good(port!)))).code, 'free again').toBe(0);
  });

  it('a directory that may not be written to', async () => {
    const host = startHost('host', directory, runtime, '--unprivileged');
    const closed = join(directory, 'closed');
    mkdirSync(join(closed, 'made'), { recursive: true });
    chmodSync(join(closed, 'made'), 0o500);
    chmodSync(closed, 0o500);
    const port = await freePort();
    for (const key of ['waldir', 'snapdir']) {
      for (const below of ['new', 'new/deeper', 'made']) {
        const path = join(closed, below);
        const config = jsonOf(good(port, { [key]: JSON.stringify(path) }));
        expectRefusal(await host.with(config), ErrorCode.IO, closed, 'EACCES');
        expectRefusal(await host.legacy(config), 1, closed);
      }
    }
    expect((await host.with(jsonOf(good(port)))).code, 'elsewhere it can').toBe(0);
  });

  it('a directory that is a file, lies in one, or whose name is too long', async () => {
    const host = startHost('host', directory, runtime);
    const file = join(directory, 'file');
    writeFileSync(file, 'no directory');
    const port = await freePort();
    for (const key of ['waldir', 'snapdir']) {
      for (const path of [file, join(file, 'below'), join(directory, 'x'.repeat(300))]) {
        const config = jsonOf(good(port, { [key]: JSON.stringify(path) }));
        expectRefusal(await host.with(config), ErrorCode.IO, path.slice(0, 200));
        expectRefusal(await host.legacy(config), 1, path.slice(0, 200));
      }
    }
    expect(statSync(file).size).toBe(12);
  });

  it('a log of another cluster, and one of another node', async () => {
    const first = startHost('first', directory, runtime);
    const port = await freePort();
    const own = good(port);
    const waldir = JSON.parse(own['waldir']!) as string;
    expect((await first.with(jsonOf(own))).code).toBe(0);
    await first.end();
    const host = startHost('host', directory, runtime);
    const cluster = jsonOf(good(port, { cluster_id: '8' }));
    expectRefusal(await host.with(cluster), ErrorCode.IDENTITY, waldir, 'cluster');
    expectRefusal(await host.legacy(cluster), 1, waldir, 'cluster');
    const node = jsonOf(goodAs('5', port));
    expectRefusal(await host.with(node), ErrorCode.IDENTITY, waldir, 'node');
    expectRefusal(await host.legacy(node), 1, waldir, 'node');
    expect((await host.with(jsonOf(own))).code, 'still its own').toBe(0);
  });
});

it('a node_path where no node is', async () => {
  const host = startHost('host', directory, 'process');
  const port = await freePort();
  const script = join(directory, 'script');
  writeFileSync(script, '#!/bin/sh\necho v16.0.0\n', { mode: 0o755 });
  for (const path of [join(directory, 'nothing'), directory, '/dev/null', '/bin/true', script]) {
    const config = jsonOf(good(port, { node_path: JSON.stringify(path) }));
    expectRefusal(await host.with(config), ErrorCode.RUNTIME, path);
    expectRefusal(await host.legacy(config), 1, path);
  }
  expect((await host.with(jsonOf(good(port)))).code, 'with the usual one it works').toBe(0);
});

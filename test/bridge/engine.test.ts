// The engine as the host sees it: servers come and go, requests are answered, and it sleeps when there is nothing.
import { describe, expect, it } from 'vitest';
import * as P from '../../src-ts/bridge/protocol.generated.ts';
import { BridgeError, EngineState } from '../../src-ts/bridge/region.ts';
import { ErrorCode, EventCode, LogLevel } from '../../src-ts/core/codes.generated.ts';
import { encodeEntries, proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { ServerError } from '../../src-ts/server/api.ts';
import { configOf, fields, Fixture, replyOf } from './engine-fixture.ts';
import { pattern, turn, until } from './fake-host.ts';

const { RecordFlag, RecordType } = P;

function stateOf(fixture: Fixture): number {
  return fixture.binding.words[P.REGION_ENGINE_STATE_AT >>> 2]!;
}

/** A line as the host reads it. */
function logged(payload: Uint8Array): {
  level: number;
  clusterId: bigint;
  nodeId: bigint;
  source: string;
  text: string;
} {
  const bytes = Buffer.from(payload);
  const end = 24 + bytes.readUInt32LE(4);
  return {
    level: bytes.readInt32LE(0),
    clusterId: bytes.readBigUInt64LE(8),
    nodeId: bytes.readBigUInt64LE(16),
    source: bytes.subarray(24, end).toString(),
    text: bytes.subarray(end).toString(),
  };
}

describe('the engine', () => {
  it('says that it is ready, then sleeps, and wakes by the doorbell', async () => {
    const fixture = new Fixture();
    expect(stateOf(fixture)).toBe(EngineState.Running);
    const ready = await fixture.controlEvents.next(RecordType.ENGINE_READY);
    expect(Buffer.from(ready.payload).toString()).toBe('9.9.9');
    await until(() => fixture.binding.engineIsParked, 'it parks');
    for (let i = 0; i < 20; i++) await turn();
    expect(fixture.binding.engineIsParked).toBe(true);
    expect((await fixture.create(0, configOf(1))).code).toBe(0);
    await until(() => fixture.binding.engineIsParked, 'it parks again');
  });

  it('refuses a wrong configuration with a text that names the key, and nothing is started', async () => {
    const fixture = new Fixture();
    const reply = await fixture.create(0, '{"id": 0}');
    expect(reply.code).toBe(ErrorCode.CONFIG);
    expect(reply.data.toString()).toContain('id must not be 0');
    expect(fixture.servers).toHaveLength(0);
    expect((await fixture.create(0, configOf(1))).code).toBe(0);
  });

  it('passes on why a server does not start, and the slot is free again', async () => {
    const fixture = new Fixture();
    fixture.start = () => Promise.reject(new ServerError(ErrorCode.IN_USE, 'wal1 is in use by pid 7'));
    const reply = await fixture.create(0, configOf(1));
    expect(reply).toMatchObject({ code: ErrorCode.IN_USE });
    expect(reply.data.toString()).toBe('wal1 is in use by pid 7');
    fixture.start = (server) => Promise.resolve(server);
    expect((await fixture.create(0, configOf(1))).code).toBe(0);
    const twice = await fixture.create(0, configOf(2));
    expect(twice.code).toBe(ErrorCode.INTERNAL);
    expect((await fixture.create(64, configOf(2))).code).toBe(ErrorCode.INTERNAL);
    expect(fixture.servers).toHaveLength(2);
  });

  it('hands the applied index to the server, and a text of 100 kB is cut to one record', async () => {
    const fixture = new Fixture();
    fixture.start = () => Promise.reject(new ServerError(ErrorCode.IO, 'x'.repeat(100_000)));
    expect((await fixture.create(1, configOf(1), 2 ** 40 + 5)).data).toHaveLength(64 * 1024);
    expect(fixture.servers[0]!.appliedIndex).toBe(2 ** 40 + 5);
  });

  it('logs what the host wants to see, in one line each, and nothing else', async () => {
    const fixture = new Fixture();
    const logger = fixture.engine.log.logger(2n ** 63n + 5n, 2n ** 64n - 1n);
    await fixture.controlEvents.next(RecordType.ENGINE_READY);
    logger.debug('hidden');
    logger.info('first\nsecond \u001b[31m\0 é');
    const line = await fixture.controlEvents.next(RecordType.LOG);
    expect(logged(line.payload)).toEqual({
      level: LogLevel.INFO,
      clusterId: 2n ** 63n + 5n,
      nodeId: 2n ** 64n - 1n,
      source: 'server',
      text: 'first | second \\x1b[31m\\x00 é',
    });
    await fixture.control.send(RecordType.SET_LOG, 0, fields(LogLevel.DEBUG, 1));
    await until(() => fixture.binding.engineIsParked, 'the level is set');
    logger.named?.('transport').debug('shown');
    const shown = logged((await fixture.controlEvents.next(RecordType.LOG)).payload);
    expect(shown.source).toMatch(/^transport engine\.test\.ts:\d+$/);
    expect(shown.text).toBe('shown');
    fixture.engine.log.write(LogLevel.WARNING, 'of no server');
    expect(logged((await fixture.controlEvents.next(RecordType.LOG)).payload)).toMatchObject({
      nodeId: 0n,
      source: 'engine',
    });
    await fixture.control.send(RecordType.SET_LOG, 0, fields(LogLevel.ERROR, 0));
    await until(() => fixture.binding.engineIsParked, 'the level is set');
    logger.warning('hidden');
    expect(fixture.controlEvents.readAll()).toEqual([]);
  });

  it('loses log lines, and says how many, rather than memory', async () => {
    const fixture = new Fixture();
    const logger = fixture.engine.log.logger(1n, 1n);
    const line = 'x'.repeat(8000);
    for (let i = 0; i < 200; i++) logger.info(line);
    const kept = fixture.controlEvents.readAll().filter((record) => record.type === RecordType.LOG).length;
    expect(kept).toBeLessThan(200);
    logger.info('after');
    const texts = fixture.controlEvents.readAll().map((record) => logged(record.payload).text);
    expect(texts).toEqual([expect.stringContaining(`${200 - kept} log lines were lost`), 'after']);
    await turn();
  });

  it('stops all servers when told to end', async () => {
    const fixture = new Fixture();
    await fixture.create(0, configOf(1));
    await fixture.create(1, configOf(2));
    await fixture.control.send(RecordType.STOP_ENGINE, 0, new Uint8Array(0));
    await until(() => fixture.ended, 'the end');
    expect(fixture.servers.map((server) => server.stopped)).toEqual([false, false]);
    expect(stateOf(fixture)).toBe(EngineState.Ended);
    expect(fixture.fatal).toEqual([]);
  });

  it('fails its servers in good order when memory runs out', async () => {
    const fixture = new Fixture();
    await fixture.create(0, configOf(1));
    fixture.engine.stopForMemory();
    const event = Buffer.from((await fixture.slot(0).events.next(RecordType.EVENT)).payload);
    expect(event.readUInt32LE(0)).toBe(EventCode.SERVER_FAILED);
    expect(event.readUInt32LE(8)).toBe(ErrorCode.NO_MEMORY);
    await until(() => fixture.ended, 'the end');
  });

  it.each([
    ['of an unknown type', RecordType.REPLY, new Uint8Array(8)],
    ['that is too short', RecordType.CREATE_SERVER, new Uint8Array(15)],
  ])('ends with a reason at a control record %s', async (_what, type, payload) => {
    const fixture = new Fixture();
    await fixture.control.send(type, 1, payload);
    await until(() => fixture.fatal.length > 0, 'the end');
    expect(fixture.fatal[0]).toBeInstanceOf(BridgeError);
    expect(stateOf(fixture)).toBe(EngineState.Ended);
    const line = await fixture.controlEvents.next(RecordType.LOG);
    expect(Buffer.from(line.payload).readInt32LE(0)).toBe(LogLevel.CRITICAL);
    for (let i = 0; i < 5; i++) await turn();
    expect(fixture.fatal).toHaveLength(1);
  });

  it('ends with a reason when a server ring is broken', async () => {
    const fixture = new Fixture();
    await fixture.create(0, configOf(1));
    const slot = fixture.slot(0);
    await slot.commands.send(RecordType.MEMBER_CHANGE, 1, fields(0, 0));
    await until(() => fixture.fatal.length > 0, 'the end');
    expect(fixture.fatal[0]).toBeInstanceOf(BridgeError);
  });
});

describe('a server', () => {
  it('gets proposals, and its outcomes, states and events reach the host', async () => {
    const fixture = new Fixture();
    await fixture.create(2, configOf(1));
    const slot = fixture.slot(2);
    const server = fixture.servers[0]!;
    await slot.submits.send(RecordType.PROPOSE, 5, Buffer.from('a'), RecordFlag.WANT_COMPLETION);
    await slot.submits.send(RecordType.PROPOSE, 0, Buffer.from('b'));
    await until(() => server.proposed.length === 2, 'both proposals');
    expect(server.proposed).toEqual([
      { sequence: 5, data: 'a' },
      { sequence: -1, data: 'b' },
    ]);
    server.port.stateChanged(2);
    server.port.event(EventCode.LEADER_CHANGED, 7, 'text');
    const count = 20_000;
    const outcomes = Array.from({ length: count }, (_, i) => ({
      sequence: 2 ** 33 + i,
      index: 2 ** 34 + i,
      term: 3,
      code: ErrorCode.OK,
    }));
    server.port.outcomes(outcomes);
    expect(Buffer.from((await slot.events.next(RecordType.STATE_CHANGE)).payload).readUInt32LE(0)).toBe(2);
    const event = Buffer.from((await slot.events.next(RecordType.EVENT)).payload);
    expect([event.readUInt32LE(0), event.readBigUInt64LE(8), event.subarray(16).toString()]).toEqual([
      EventCode.LEADER_CHANGED,
      7n,
      'text',
    ]);
    let got = 0;
    while (got < count) {
      const payload = Buffer.from((await slot.events.next(RecordType.COMPLETIONS)).payload);
      const here = payload.readUInt32LE(0);
      expect(payload).toHaveLength(8 + here * 32);
      for (let i = 0; i < here; i++, got++) {
        expect(Number(payload.readBigUInt64LE(8 + i * 32))).toBe(2 ** 33 + got);
        expect(Number(payload.readBigUInt64LE(16 + i * 32))).toBe(2 ** 34 + got);
      }
    }
  });

  it('is asked for room only when the host has made some', async () => {
    const fixture = new Fixture();
    await fixture.create(0, configOf(1));
    const slot = fixture.slot(0);
    const server = fixture.servers[0]!;
    let next = 1;
    const batch = () => encodeEntries(next, 1, proposalsOf([pattern(1_000_000, next)]));
    while (server.port.apply(batch()) === 1) next++;
    expect(next).toBe(9);
    await until(() => fixture.binding.engineIsParked, 'it sleeps although entries wait');
    expect(server.roomCalls).toBe(0);
    expect(slot.applies.readRecord()?.type).toBe(RecordType.COMMIT_BATCH);
    await until(() => server.roomCalls === 1, 'it hears of room');
    expect(server.port.apply(batch())).toBe(1);
    await until(() => fixture.binding.engineIsParked, 'it sleeps');
    expect(server.roomCalls).toBe(1);
  });

  it('tells what the host has applied', async () => {
    const fixture = new Fixture();
    await fixture.create(0, configOf(1));
    fixture.binding.view.setBigUint64(P.FIRST_SLOT_AT + P.SLOT_APPLIED_INDEX_AT, 2n ** 33n + 9n, true);
    expect(fixture.servers[0]!.port.appliedIndex()).toBe(2 ** 33 + 9);
  });

  it('leaves proposals in the ring while it takes none', async () => {
    const fixture = new Fixture();
    await fixture.create(0, configOf(1));
    const slot = fixture.slot(0);
    const server = fixture.servers[0]!;
    server.acceptsProposals = false;
    await slot.submits.send(RecordType.PROPOSE, 1, Buffer.from('a'));
    await until(() => fixture.binding.engineIsParked, 'it sleeps although a proposal waits');
    expect(server.proposed).toEqual([]);
    server.acceptsProposals = true;
    server.onAcceptsProposals?.();
    await until(() => server.proposed.length === 1, 'the proposal');
  });

  it('answers every request, with its data or with why not', async () => {
    const fixture = new Fixture();
    await fixture.create(0, configOf(1));
    const slot = fixture.slot(0);
    const server = fixture.servers[0]!;
    const url = 'http://127.0.0.1:1/';
    const ok = async (type: number, payload: Uint8Array): Promise<Buffer> => {
      const reply = await fixture.request(slot, type, payload);
      expect(reply.code, reply.data.toString()).toBe(ErrorCode.OK);
      return reply.data;
    };
    const forty2 = Buffer.from(BigUint64Array.of(42n).buffer);
    expect(await ok(RecordType.MEMBER_CHANGE, fields(0, 0, 9n, url))).toEqual(forty2);
    expect(await ok(RecordType.MEMBER_CHANGE, fields(1, 0, 9n))).toEqual(forty2);
    expect(await ok(RecordType.MEMBER_CHANGE, fields(2, 0, 9n, url))).toEqual(forty2);
    expect(await ok(RecordType.MEMBER_CHANGE, fields(3, 0, 9n, url))).toEqual(forty2);
    expect(await ok(RecordType.MEMBER_CHANGE, fields(4, 0, 9n))).toEqual(forty2);
    expect(await ok(RecordType.SNAPSHOT_REQUEST, new Uint8Array(0))).toEqual(forty2);
    expect((await ok(RecordType.STATUS_REQUEST, fields(0))).toString()).toBe('{"status":1}');
    expect((await ok(RecordType.STATUS_REQUEST, fields(1))).toString()).toBe('[]');
    const large = pattern(700_000, 3);
    expect((await ok(RecordType.SEND_MESSAGE, fields(9n, large))).equals(large)).toBe(true);
    expect(await ok(RecordType.TRANSFER_LEADER, fields(9n))).toHaveLength(0);
    expect(await ok(RecordType.READ_INDEX, fields(0))).toEqual(forty2);
    expect(await ok(RecordType.READ_INDEX, fields(1))).toEqual(forty2);
    await slot.commands.send(RecordType.APPLY_FAILED, 0, fields(77n, -5, 1));
    await until(() => server.calls.length >= 11, 'all calls');
    expect(server.calls).toEqual([
      'add 9 http://127.0.0.1:1',
      'remove 9 null',
      'update 9 http://127.0.0.1:1',
      'add-learner 9 http://127.0.0.1:1',
      'promote 9 null',
      'snapshot',
      'message 9 700000',
      'transfer 9',
      'read safe',
      'read lease',
      'failed restore 77 -5',
    ]);

    const refused = async (type: number, payload: Uint8Array): Promise<string> => {
      const reply = await fixture.request(slot, type, payload);
      return `${reply.code} ${reply.data.toString()}`;
    };
    expect(await refused(RecordType.MEMBER_CHANGE, fields(9, 0, 9n, url))).toContain(
      `${ErrorCode.INVALID_ARGUMENT} `,
    );
    expect(await refused(RecordType.MEMBER_CHANGE, fields(0, 0, 0n, url))).toContain('id must not be 0');
    expect(await refused(RecordType.MEMBER_CHANGE, fields(0, 0, 9n, 'nonsense'))).toContain(
      `${ErrorCode.URL} url`,
    );
    expect(await refused(RecordType.STATUS_REQUEST, fields(9))).toContain(`${ErrorCode.INVALID_ARGUMENT} `);
    server.answer = () => Promise.reject(new ServerError(ErrorCode.NO_LEADER, 'no leader now'));
    expect(await refused(RecordType.SNAPSHOT_REQUEST, new Uint8Array(0))).toBe(
      `${ErrorCode.NO_LEADER} no leader now`,
    );
    server.answer = () => Promise.reject(new TypeError('a bug'));
    expect(await refused(RecordType.READ_INDEX, fields(0))).toContain(
      `${ErrorCode.INTERNAL} TypeError: a bug`,
    );
  });

  it('passes messages to the host and its answers back', async () => {
    const fixture = new Fixture();
    await fixture.create(0, configOf(1));
    const slot = fixture.slot(0);
    const { port } = fixture.servers[0]!;
    const good = port.message(pattern(600_000, 1));
    const bad = port.message(Buffer.from('x'));
    const [first, second] = [
      await slot.events.next(RecordType.MESSAGE),
      await slot.events.next(RecordType.MESSAGE),
    ];
    expect(Buffer.from(first.payload).equals(pattern(600_000, 1))).toBe(true);
    await slot.commands.send(RecordType.MESSAGE_REPLY, second.id, fields(3, 0));
    await slot.commands.send(RecordType.MESSAGE_REPLY, first.id, fields(0, 0, pattern(400_000, 2)));
    await slot.commands.send(RecordType.MESSAGE_REPLY, 12_345, fields(0, 0));
    await expect(bad).rejects.toThrow('onMessage returned 3');
    expect(Buffer.from(await good).equals(pattern(400_000, 2))).toBe(true);
    const left = expect(port.message(Buffer.from('y'))).rejects.toMatchObject({ code: ErrorCode.STOPPED });
    const reply = await fixture.request(slot, RecordType.DELETE_SERVER, fields(0));
    expect(reply.code).toBe(0);
    await left;
    await expect(port.message(Buffer.from('z'))).rejects.toMatchObject({ code: ErrorCode.STOPPED });
  });

  it('hears of calls and failures of the host that come while it starts', async () => {
    const fixture = new Fixture();
    let started!: () => void;
    fixture.start = (server) =>
      new Promise((resolve) => {
        started = () => {
          resolve(server);
        };
      });
    const created = fixture.create(0, configOf(1));
    await until(() => fixture.servers.length === 1, 'it starts');
    const slot = fixture.slot(0);
    await slot.commands.send(RecordType.APPLY_FAILED, 0, fields(3n, 1, 0));
    const status = fixture.request(slot, RecordType.STATUS_REQUEST, fields(0));
    await until(() => fixture.binding.engineIsParked, 'both have been read');
    started();
    expect((await created).code).toBe(0);
    expect((await status).data.toString()).toBe('{"status":1}');
    expect(fixture.servers[0]!.calls).toEqual(['failed apply 3 1']);
  });

  it('that does not start answers what the host has asked of it meanwhile', async () => {
    const fixture = new Fixture();
    let fail!: () => void;
    fixture.start = () =>
      new Promise((_resolve, reject) => {
        fail = () => {
          reject(new ServerError(ErrorCode.ADDRESS, 'no'));
        };
      });
    const created = fixture.create(0, configOf(1));
    await until(() => fixture.servers.length === 1, 'it starts');
    const status = fixture.request(fixture.slot(0), RecordType.STATUS_REQUEST, fields(0));
    await until(() => fixture.binding.engineIsParked, 'it has been read');
    fail();
    expect((await status).code).toBe(ErrorCode.STOPPED);
    expect((await created).code).toBe(ErrorCode.ADDRESS);
  });

  it('that had entries refused while it started is told of room afterwards', async () => {
    const fixture = new Fixture();
    let started!: () => void;
    fixture.start = (server) =>
      new Promise((resolve) => {
        started = () => {
          resolve(server);
        };
      });
    const created = fixture.create(0, configOf(1));
    await until(() => fixture.servers.length === 1, 'it starts');
    const server = fixture.servers[0]!;
    let next = 1;
    while (server.port.apply(encodeEntries(next, 1, proposalsOf([pattern(1_000_000, next)]))) === 1) next++;
    fixture.slot(0).applies.readAll();
    await until(() => fixture.binding.engineIsParked, 'room has been noticed');
    started();
    await created;
    await until(() => server.roomCalls === 1, 'it hears of room');
  });

  it('is deleted: what it still says comes before the reply, and nothing after it; the slot can be used again', async () => {
    const fixture = new Fixture();
    await fixture.create(0, configOf(1));
    const slot = fixture.slot(0);
    const server = fixture.servers[0]!;
    let finish!: () => void;
    server.stopWaitsFor = new Promise<void>((resolve) => (finish = resolve));
    await slot.commands.send(RecordType.DELETE_SERVER, 50, fields(1));
    await until(() => fixture.binding.engineIsParked, 'it stops');
    const refused = await fixture.request(slot, RecordType.SNAPSHOT_REQUEST, new Uint8Array(0));
    expect(refused.code).toBe(ErrorCode.STOPPED);
    server.port.outcomes([{ sequence: 1, index: 0, term: 0, code: ErrorCode.UNKNOWN_OUTCOME }]);
    finish();
    await until(() => server.stopped !== null, 'it has stopped');
    await until(() => fixture.binding.engineIsParked, 'the reply');
    server.port.event(EventCode.APPLIED, 1, 'too late');
    server.port.stateChanged(0);
    expect(server.port.apply(encodeEntries(1, 1, proposalsOf([pattern(3, 1)])))).toBe(0);
    const records = slot.events.readAll();
    expect(records.map((record) => record.type)).toEqual([RecordType.COMPLETIONS, RecordType.REPLY]);
    expect(replyOf(records[1]!)).toMatchObject({ id: 50, code: 0 });
    expect(server.stopped).toBe(true);
    expect(slot.applies.isEmpty).toBe(true);
    expect((await fixture.create(0, configOf(2))).code).toBe(0);
    await slot.submits.send(RecordType.PROPOSE, 1, Buffer.from('for the second'));
    await until(() => fixture.servers[1]!.proposed.length === 1, 'the second server gets it');
    expect(server.proposed).toEqual([]);
  });

  it('is deleted although the host applies nothing and a snapshot waits for room', async () => {
    const fixture = new Fixture();
    await fixture.create(0, configOf(1));
    const slot = fixture.slot(0);
    const server = fixture.servers[0]!;
    const restore = server.port.restore(9, 1, 20_000_000, async (send) => {
      for (let i = 0; i < 20; i++) await send(pattern(1_000_000, i));
    });
    const ended = restore.then(
      () => 'done',
      (error: unknown) => (error as ServerError).code,
    );
    server.stopWaitsFor = ended;
    const reply = await fixture.request(slot, RecordType.DELETE_SERVER, fields(0));
    expect(reply.code).toBe(0);
    expect(await ended).toBe(ErrorCode.STOPPED);
  });
});

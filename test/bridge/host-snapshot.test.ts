// Snapshots from the host: streamed to a reader that may be slow, fail, or not come, with bounded memory.
import { describe, expect, it } from 'vitest';
import { RecordFlag, RecordType } from '../../src-ts/bridge/protocol.generated.ts';
import { BridgeError } from '../../src-ts/bridge/region.ts';
import { ErrorCode, EventCode } from '../../src-ts/core/codes.generated.ts';
import type { HostSnapshot } from '../../src-ts/server/api.ts';
import { configOf, fields, Fixture, type HostSlot } from './engine-fixture.ts';
import { pattern, turn, until } from './fake-host.ts';
import type { FakeServer } from './fake-server.ts';

const MEBIBYTE = 1024 * 1024;

async function parts(): Promise<{ fixture: Fixture; slot: HostSlot; server: FakeServer }> {
  const fixture = new Fixture();
  await fixture.create(0, configOf(1));
  return { fixture, slot: fixture.slot(0), server: fixture.servers[0]! };
}

/** Asks for a snapshot; the request's id, and its result. */
async function ask(
  slot: HostSlot,
  server: FakeServer,
): Promise<{ readonly id: number; readonly snapshot: Promise<HostSnapshot> }> {
  const snapshot = server.port.takeSnapshot(2 ** 33 + 1);
  snapshot.catch(() => undefined);
  const request = await slot.applies.next(RecordType.TAKE_SNAPSHOT);
  expect(Buffer.from(request.payload).readBigUInt64LE(0)).toBe(2n ** 33n + 1n);
  return { id: request.id, snapshot };
}

describe('a snapshot of the host', () => {
  it.each([0, 1, 8, 300_000, 3 * MEBIBYTE])('of %i bytes is read whole', async (size) => {
    const { slot, server } = await parts();
    const { id, snapshot } = await ask(slot, server);
    const data = pattern(size, 5);
    const sending = slot.commands.send(RecordType.SNAPSHOT_DATA, id, fields(0, 0, data));
    const { dataBytes, read } = await snapshot;
    expect(dataBytes).toBe(size);
    const pieces: Uint8Array[] = [];
    await read((bytes) => void pieces.push(bytes));
    await sending;
    expect(Buffer.concat(pieces).equals(data)).toBe(true);
  });

  it('waits in the ring, not in memory, for a slow disk; and other commands get through with it', async () => {
    const { fixture, slot, server } = await parts();
    const { id, snapshot } = await ask(slot, server);
    const data = pattern(30 * MEBIBYTE, 5);
    let sent = false;
    const sending = slot.commands
      .send(RecordType.SNAPSHOT_DATA, id, fields(0, 0, data))
      .then(() => (sent = true));
    const { read } = await snapshot;
    let release!: () => void;
    let isHeld = new Promise<void>((resolve) => (release = resolve));
    let received = 0;
    const reading = read(async (bytes) => {
      await isHeld;
      received += bytes.length;
    });
    await until(() => fixture.binding.engineIsParked, 'it sleeps while the disk is slow');
    for (let i = 0; i < 50; i++) await turn();
    expect(sent).toBe(false);
    const status = fixture.request(slot, RecordType.STATUS_REQUEST, fields(0));
    for (let i = 0; i < 50; i++) await turn();
    isHeld = Promise.resolve();
    release();
    expect((await status).code).toBe(0);
    await reading;
    await sending;
    expect(received).toBe(data.length);
  });

  it.each([
    [-1, ErrorCode.CALLBACK_FAILED, 'getSnapshot returned -1'],
    [ErrorCode.UNSUPPORTED, ErrorCode.UNSUPPORTED, 'no getSnapshot callback'],
    [ErrorCode.BUSY, ErrorCode.BUSY, 'ahead'],
  ])('that is refused with %i is an error', async (result, code, text) => {
    const { slot, server } = await parts();
    const { id, snapshot } = await ask(slot, server);
    await slot.commands.send(RecordType.SNAPSHOT_DATA, id, fields(result, 0));
    await expect(snapshot).rejects.toMatchObject({ code, message: expect.stringContaining(text) as string });
  });

  it.each(['discarded', 'failed', 'superseded', 'abandoned'])('that is %s holds nothing up', async (how) => {
    const { fixture, slot, server } = await parts();
    const { id, snapshot } = await ask(slot, server);
    const sending = slot.commands.send(RecordType.SNAPSHOT_DATA, id, fields(0, 0, pattern(30 * MEBIBYTE, 5)));
    const { read, discard } = await snapshot;
    await until(() => fixture.binding.engineIsParked, 'nobody reads it, so it stays in the ring');
    if (how === 'discarded') discard?.();
    else if (how === 'failed') {
      const failing = read(() => Promise.reject(new Error('disk full')));
      await expect(failing).rejects.toThrow('disk full');
    } else if (how === 'superseded') {
      void server.port.takeSnapshot(5).catch(() => undefined);
    } else {
      server.port.event(EventCode.SERVER_FAILED, ErrorCode.IO, 'disk full');
    }
    await sending;
    expect((await fixture.request(slot, RecordType.DELETE_SERVER, fields(0))).code).toBe(0);
    expect(fixture.fatal).toEqual([]);
  });

  it('that a deleted server asked for is given up', async () => {
    const { fixture, slot, server } = await parts();
    const { snapshot } = await ask(slot, server);
    expect((await fixture.request(slot, RecordType.DELETE_SERVER, fields(0))).code).toBe(0);
    await expect(snapshot).rejects.toMatchObject({ code: ErrorCode.STOPPED });
    await expect(server.port.takeSnapshot(9)).rejects.toMatchObject({ code: ErrorCode.STOPPED });
  });

  it('that nobody asked for is ignored', async () => {
    const { fixture, slot } = await parts();
    await slot.commands.send(RecordType.SNAPSHOT_DATA, 99, fields(0, 0, pattern(3 * MEBIBYTE, 1)));
    expect((await fixture.request(slot, RecordType.STATUS_REQUEST, fields(0))).code).toBe(0);
  });

  it.each([
    ['without its header', 0, 4, 4],
    ['with more bytes than announced', RecordFlag.MORE, 100, 90],
    ['with fewer bytes than announced', RecordFlag.MORE, 100, 9],
  ])('%s ends the engine', async (_what, flags, total, length) => {
    const { fixture, slot, server } = await parts();
    const { id } = await ask(slot, server);
    slot.commands.write(RecordType.SNAPSHOT_DATA, flags, id, total, new Uint8Array(length));
    slot.commands.write(RecordType.SNAPSHOT_DATA, RecordFlag.CONTINUATION, id, 100, new Uint8Array(90));
    await until(() => fixture.fatal.length > 0, 'the end');
    expect(fixture.fatal[0]).toBeInstanceOf(BridgeError);
  });
});

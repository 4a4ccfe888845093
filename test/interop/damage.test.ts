/**
 * Every decoder of wire and disk is given damaged bytes. The good ones, which are read first, come from a cluster of
 * etcd's own code: its streams and messages as they went over the wire, its WAL segments and snapshot files. Damage is
 * answered with an error that says what is wrong; nothing else is thrown, nothing hangs, and memory stays bounded.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { decodeMessage } from '../../src-ts/core/raftpb/message.ts';
import { DecodeError } from '../../src-ts/core/raftpb/varint.ts';
import { MessageType, type Message } from '../../src-ts/core/types.ts';
import { crc32cPortable } from '../../src-ts/storage/crc32c.ts';
import type { DiskFile } from '../../src-ts/storage/disk.ts';
import { readBody, readLayout } from '../../src-ts/storage/snapshot/snapshot-file.ts';
import { SegmentReader } from '../../src-ts/storage/wal/segment-reader.ts';
import { MessageDecoder } from '../../src-ts/transport/message-codec.ts';
import { MsgAppV2Decoder } from '../../src-ts/transport/msgappv2-decoder.ts';
import { findSnapshotData } from '../../src-ts/transport/snapshot-codec.ts';
import { figure } from '../scenario/figures.ts';
import { randomFrom } from '../storage/helpers.ts';
import { MixedCluster, PATIENCE_MS, waitUntil, type MixedMember } from './mixed-cluster.ts';
import { skipReason, titled } from './programs.ts';
import { WireTap } from './wire-tap.ts';

const INPUTS = figure(5_000, 1_000_000);
/** Longer samples are cut: damage near their start is what counts, and a million of them take their time. */
const SAMPLE_BYTES_MAX = 768;
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
const ARRAY_BYTES_MAX = 256 * 1024 * 1024;
/** Inputs between two looks at the clock of the test runner. */
const BREATH = 10_000;

interface Sample {
  readonly msgApp: Uint8Array;
  readonly messages: Uint8Array;
  readonly posts: readonly Uint8Array[];
  readonly snapshotPost: Uint8Array;
  readonly segment: Uint8Array;
  readonly snapshotFile: Uint8Array;
}

/** A disk file of bytes in memory, the same object for every input. */
class BytesFile implements Pick<DiskFile, 'path' | 'size' | 'read'> {
  readonly path = 'damaged';
  bytes: Uint8Array = new Uint8Array(0);

  size(): Promise<number> {
    return Promise.resolve(this.bytes.length);
  }

  read(into: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    const piece = this.bytes.subarray(position, position + length);
    into.set(piece, offset);
    return Promise.resolve(piece.length);
  }
}

describe.skipIf(skipReason !== null)(titled('damaged bytes of etcd'), () => {
  let sample: Sample;
  let cluster: MixedCluster | null = null;
  const taps: WireTap[] = [];

  beforeAll(async () => {
    sample = await record();
  }, PATIENCE_MS * 3);
  afterAll(async () => {
    for (const tap of taps) tap.close();
    await cluster?.end();
  });

  async function record(): Promise<Sample> {
    const config = { snap_count: 0, snapshot_entries: 5 };
    cluster = await MixedCluster.start(['etcd', 'etcd', 'etcd'], { config });
    const [first, second, third] = cluster.members as [MixedMember, MixedMember, MixedMember];
    const [toFirst, toThird] = (await freePorts(2)) as [number, number];
    const [streams, pipeline] = [new WireTap(toFirst, first.raftPort), new WireTap(toThird, third.raftPort)];
    taps.push(streams, pipeline);
    // The two know each other under the tapped addresses.
    await Promise.all([cluster.stop(first, 'SIGTERM'), cluster.stop(third, 'SIGTERM')]);
    await Promise.all([
      cluster.startMember(first, {}, [first, second, { ...third, raftPort: toThird }]),
      cluster.startMember(third, {}, [{ ...first, raftPort: toFirst }, second, third]),
    ]);
    await cluster.transferTo(first);
    await cluster.load(200, 20);
    await cluster.agreed();
    const path = (kind: string): string => `/raft/stream/${kind}/${third.id.toString(16)}`;
    const [msgApp, messages] = [streams.streamed(path('msgapp')), streams.streamed(path('message'))];

    // And a snapshot, which goes over the pipeline.
    await cluster.stop(third, 'SIGTERM');
    await cluster.load(100, 21);
    await cluster.command('snapshot');
    await cluster.load(10, 22);
    await cluster.startMember(third, {}, [{ ...first, raftPort: toFirst }, second, third]);
    const snapshotPost = (): Uint8Array | undefined =>
      pipeline.posts().find((body) => body[1] === MessageType.Snap);
    await waitUntil('a snapshot goes over the wire', () => snapshotPost() !== undefined);

    const read = (directory: string, ending: string): Uint8Array => {
      const folder = join(cluster!.directory, directory);
      const name = readdirSync(folder).find((each) => each.endsWith(ending))!;
      return Uint8Array.from(readFileSync(join(folder, name)));
    };
    return {
      msgApp,
      messages,
      posts: pipeline.posts().filter((body) => body[1] !== MessageType.Snap),
      snapshotPost: snapshotPost()!,
      segment: read('wal1', '.wal'),
      snapshotFile: read('snap1', '.snap'),
    };
  }

  /** Damages `good` in INPUTS ways. `run` gets bytes that it may keep; DecodeError is all that may come of them. */
  async function attack(good: Uint8Array, run: (bytes: Uint8Array) => void | Promise<void>): Promise<number> {
    const pristine = Uint8Array.from(good.subarray(0, SAMPLE_BYTES_MAX));
    const random = randomFrom(good.length);
    const before = process.memoryUsage().arrayBuffers;
    let refused = 0;
    for (let i = 0; i < INPUTS; i++) {
      if (i % BREATH === BREATH - 1) {
        await new Promise((resolve) => setImmediate(resolve));
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(ARRAY_BYTES_MAX);
      }
      const bytes = damaged(pristine, random);
      try {
        const done = run(bytes);
        if (done !== undefined) await done;
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        expect(error.message.length).toBeGreaterThan(8);
        refused++;
      }
    }
    return refused;
  }

  const whole = (decoder: MessageDecoder | MsgAppV2Decoder, bytes: Uint8Array): Message[] => {
    const messages: Message[] = [];
    decoder.push(bytes, 0, bytes.length, messages);
    return messages;
  };

  it(`msgapp stream: ${INPUTS} inputs`, { timeout: 3_600_000 }, async () => {
    const decode = (bytes: Uint8Array): Message[] =>
      whole(new MsgAppV2Decoder(3, 1, MESSAGE_BYTES_MAX), bytes);
    const good = decode(Uint8Array.from(sample.msgApp));
    expect(
      good.reduce((sum, { entries }) => sum + entries.reduce((all, { count }) => all + count, 0), 0),
    ).toBeGreaterThan(200);
    expect(await attack(sample.msgApp, (bytes) => void decode(bytes))).toBeGreaterThan(INPUTS / 50);
  });

  it(`message stream: ${INPUTS} inputs`, { timeout: 3_600_000 }, async () => {
    const decode = (bytes: Uint8Array): Message[] => whole(new MessageDecoder(MESSAGE_BYTES_MAX), bytes);
    expect(decode(Uint8Array.from(sample.messages)).length).toBeGreaterThan(2);
    expect(await attack(sample.messages, (bytes) => void decode(bytes))).toBeGreaterThan(INPUTS / 50);
  });

  it(`protobuf messages: ${INPUTS} inputs`, { timeout: 3_600_000 }, async () => {
    const longest = [...sample.posts].sort((a, b) => b.length - a.length)[0] ?? sample.snapshotPost;
    for (const post of sample.posts) expect(decodeMessage(Uint8Array.from(post)).from).toBe(1);
    expect(await attack(longest, (bytes) => void decodeMessage(bytes))).toBeGreaterThan(INPUTS / 50);
  });

  it(`snapshot messages: ${INPUTS} inputs`, { timeout: 3_600_000 }, async () => {
    const head = findSnapshotData(Uint8Array.from(sample.snapshotPost), true);
    expect(head!.dataBytes).toBeGreaterThan(1000);
    // Most of what follows is the state machine's, which no decoder looks at.
    const start = sample.snapshotPost.subarray(0, 128);
    const refused = await attack(start, (bytes) => void findSnapshotData(bytes, false));
    expect(refused).toBeGreaterThan(INPUTS / 50);
  });

  it(`WAL segments: ${INPUTS} inputs`, { timeout: 3_600_000 }, async () => {
    const file = new BytesFile();
    async function walk(bytes: Uint8Array, isLast: boolean): Promise<[number, string]> {
      file.bytes = bytes;
      const reader = new SegmentReader(file as unknown as DiskFile, bytes.length, isLast, 0, crc32cPortable);
      for (let records = 0; records <= bytes.length / 8;) {
        const result = reader.next();
        if (result === 'more') await reader.fill();
        else if (result === 'record') {
          records++;
          if (reader.offset > bytes.length) throw new Error('a record ends behind the file');
        } else {
          if (result !== 'end' && reader.problem.length < 8) throw new Error(`${result} without a reason`);
          return [records, result];
        }
      }
      throw new Error('more records than fit the file');
    }
    expect((await walk(sample.segment, true))[0]).toBeGreaterThan(200);
    let stopped = 0;
    await attack(sample.segment, async (bytes) => {
      const [, result] = await walk(bytes, bytes.length % 2 === 0);
      if (result !== 'end') stopped++;
    });
    expect(stopped).toBeGreaterThan(INPUTS / 50);
  });

  it(`snapshot files: ${INPUTS} inputs`, { timeout: 3_600_000 }, async () => {
    const file = new BytesFile();
    async function read(bytes: Uint8Array): Promise<number> {
      file.bytes = bytes;
      const layout = await readLayout(file as unknown as DiskFile);
      let dataBytes = 0;
      await readBody(
        file as unknown as DiskFile,
        layout,
        crc32cPortable,
        (piece) => void (dataBytes += piece.length),
      );
      return dataBytes;
    }
    expect(await read(sample.snapshotFile)).toBeGreaterThan(1000);
    expect(await attack(sample.snapshotFile, async (bytes) => void (await read(bytes)))).toBeGreaterThan(
      INPUTS / 2,
    );
  });
});

/** Cut short, or with bytes changed, repeated, dropped, or lengths blown up. Never the same array twice. */
function damaged(good: Uint8Array, random: (bound: number) => number): Uint8Array {
  const bytes = good.slice(0, random(4) === 0 ? random(good.length + 1) : good.length);
  for (let change = 1 + random(4); change > 0 && bytes.length > 0; change--) {
    const at = random(bytes.length);
    const kind = random(5);
    if (kind === 0) bytes[at] = 255;
    else if (kind === 1) bytes[at] = bytes[at]! ^ (1 << random(8));
    else if (kind === 2) bytes.copyWithin(at, random(bytes.length));
    else if (kind === 3) bytes.fill(random(2) * 255, at, at + 1 + random(12));
    else bytes[at] = random(256);
  }
  return bytes;
}

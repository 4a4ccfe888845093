/** The addon and the portable code do the same. Needs a build; skipped without one. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32cPortable, crc32cWith } from '../../src-ts/storage/crc32c.ts';
import type { NativeBinding } from '../../src-ts/storage/native-binding.ts';
import { NodeDisk } from '../../src-ts/storage/node-disk.ts';
import { openStorage } from '../../src-ts/storage/open-storage.ts';
import { LockedError } from '../../src-ts/storage/types.ts';
import { FrameBuffer } from '../../src-ts/storage/wal/frame-buffer.ts';
import { createWal, openWal } from '../../src-ts/storage/wal/open-wal.ts';
import { entriesOf, plain, storageOptions, walSettings } from './helpers.ts';

const ADDON = join(import.meta.dirname, '../../build/lib/polyraft/polyraft.node');
const present = existsSync(ADDON);
if (!present) console.log('skipped: native-binding needs npm run build');

describe.skipIf(!present)('native binding', () => {
  let binding: NativeBinding;
  let base: string;

  beforeAll(() => {
    binding = createRequire(import.meta.url)(ADDON) as NativeBinding;
    base = mkdtempSync(join(tmpdir(), 'polyraft-native-'));
  });
  afterAll(() => {
    if (base !== undefined) rmSync(base, { recursive: true, force: true });
  });

  it('computes the same checksums', () => {
    const native = crc32cWith(binding);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.uint8Array({ maxLength: 400 }),
        (seed, bytes) => {
          const start = bytes.length >> 2;
          expect(native(seed, bytes, start, bytes.length)).toBe(
            crc32cPortable(seed, bytes, start, bytes.length),
          );
          expect(binding.crc32c(seed, bytes, start, bytes.length)).toBe(
            crc32cPortable(seed, bytes, start, bytes.length),
          );
        },
      ),
    );
  });

  it('frames the same bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.nat(1000),
        (payloads, seed, skip) => {
          const whole = entriesOf(5, 3, payloads);
          const batch = whole.slice(5 + (skip % payloads.length), 5 + payloads.length);
          const [ours, theirs] = [null, binding].map((chosen) => {
            const chain = Uint32Array.of(seed);
            const frames = new FrameBuffer(chosen, crc32cWith(chosen));
            frames.addRecord(3, Uint8Array.of(1, 2, 3), chain);
            frames.addEntries(batch, chain);
            return {
              chain: chain[0],
              bytes: Buffer.from(frames.bytes.subarray(frames.start, frames.start + frames.length)).toString(
                'hex',
              ),
            };
          });
          expect(theirs).toEqual(ours);
        },
      ),
    );
  });

  it.each([0, 4096])(
    'writes a log through several segments and steps (inline up to %d bytes)',
    async (inlineBytesMax) => {
      const directory = join(base, `log-${inlineBytesMax}`);
      const settings = walSettings(new NodeDisk(binding), {
        directory,
        binding,
        segmentBytes: 200_000,
        allocateStepBytes: 32_768,
        inlineBytesMax,
      });
      const { wal } = await createWal(settings, new Uint8Array(0));
      const saves: Promise<void>[] = [];
      for (let index = 1; index <= 2000; index++) {
        const saved = wal.save(
          { term: 1, vote: 1, commit: index - 1 },
          [entriesOf(index, 1, [new Uint8Array(index % 900).fill(index)])],
          true,
        );
        if (index % 7 === 0) await saved;
        else saves.push(saved);
      }
      await Promise.all(saves);
      await wal.close();
      expect(readdirSync(directory).length).toBeGreaterThan(3);
      for (const chosen of [binding, null]) {
        const opened = await openWal(
          { ...settings, binding: chosen },
          { index: 0, term: 0 },
          () => undefined,
        );
        const entries = plain(opened.contents.batches);
        expect(entries.map(({ index }) => index)).toEqual(Array.from({ length: 2000 }, (_, i) => i + 1));
        expect(entries.every(({ index, data }) => data.length === index % 900)).toBe(true);
        await opened.wal.close();
      }
    },
  );

  it('says what failed', async () => {
    const disk = new NodeDisk(binding);
    const full = await disk.open('/dev/full', 'read-write');
    await expect(full.write(new Uint8Array(9), 0, 9, 0, true)).rejects.toMatchObject({
      name: 'DiskError',
      code: 'ENOSPC',
    });
    expect(() => full.writeInline(new Uint8Array(9), 0, 9, 0, true)).toThrow('ENOSPC');
    await full.close();
  });

  it('keeps other processes out, until they are dead', async () => {
    const options = storageOptions(new NodeDisk(binding), {
      binding,
      walDirectory: join(base, 'lock-wal'),
      snapDirectory: join(base, 'lock-snap'),
    });
    const script = `
      const { NodeDisk } = await import('${join(import.meta.dirname, '../../src-ts/storage/node-disk.ts')}');
      const { openStorage } = await import('${join(import.meta.dirname, '../../src-ts/storage/open-storage.ts')}');
      const { createRequire } = await import('node:module');
      const binding = createRequire('${ADDON}')('${ADDON}');
      const quiet = () => undefined;
      await openStorage({ disk: new NodeDisk(binding), binding, nodeId: 1, clusterId: 7n, segmentBytes: 16384,
        walDirectory: '${options.walDirectory}', snapDirectory: '${options.snapDirectory}',
        logger: { debug: quiet, info: quiet, warning: quiet, error: quiet } });
      console.log('open');
      setInterval(quiet, 1000);
    `;
    const owner = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: join(import.meta.dirname, '../..'),
    });
    try {
      await new Promise((resolve, reject) => {
        owner.stdout.once('data', resolve);
        owner.once('exit', () => reject(new Error('the owner ended')));
      });
      const refused = openStorage(options);
      await expect(refused).rejects.toThrow(LockedError);
      await expect(refused).rejects.toThrow(`in use by pid ${owner.pid}`);
      await expect(openStorage({ ...options, snapDirectory: join(base, 'lock-other') })).rejects.toThrow(
        LockedError,
      );
    } finally {
      owner.removeAllListeners('exit');
      const ended = new Promise((resolve) => owner.once('exit', resolve));
      owner.kill('SIGKILL');
      await ended;
    }
    await (await openStorage(options)).close();
    expect(readFileSync(join(options.snapDirectory, 'polyraft.lock'), 'utf8')).toBe('');
  });
});

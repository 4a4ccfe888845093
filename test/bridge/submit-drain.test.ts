// The submit ring: proposals become batches that still lie in the ring, each once and in order.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordFlag, RecordType } from '../../src-ts/bridge/protocol.generated.ts';
import { BridgeError } from '../../src-ts/bridge/region.ts';
import { RingReader } from '../../src-ts/bridge/ring-reader.ts';
import { SubmitDrain, type ProposalTarget } from '../../src-ts/bridge/submit-drain.ts';
import type { Proposals } from '../../src-ts/core/entry-batch.ts';
import { HostProducer, newRegion, pattern, patternText, textOf } from './fake-host.ts';

const AT = 4096;
const SIZE = 8192;
const LARGEST = 20_000;

class Target implements ProposalTarget {
  acceptsProposals = true;
  readonly got: { readonly sequence: number; readonly data: string }[] = [];
  calls = 0;
  buffer: ArrayBufferLike | null = null;

  propose({ count, bytes, starts, ends }: Proposals, sequences: Float64Array): void {
    this.calls++;
    this.buffer = bytes.buffer;
    expect(sequences).toHaveLength(count);
    for (let i = 0; i < count; i++)
      this.got.push({ sequence: sequences[i]!, data: textOf(bytes.subarray(starts[i], ends[i])) });
  }
}

function parts() {
  const { binding, region } = newRegion();
  const drain = new SubmitDrain(region, new RingReader(region, AT, SIZE, 'submit'), LARGEST, () => {
    throw new Error('no proposal with a deadline');
  });
  return { region, drain, host: new HostProducer(binding, AT, SIZE), target: new Target() };
}

describe('proposals', () => {
  it('are handed over all at once, where they lie, with the sequence of those that want an outcome', () => {
    const { region, drain, host, target } = parts();
    host.write(RecordType.PROPOSE, RecordFlag.WANT_COMPLETION, 7, 100, pattern(100, 1));
    host.write(RecordType.PROPOSE, 0, 0, 0, new Uint8Array(0));
    host.write(RecordType.PROPOSE, RecordFlag.WANT_COMPLETION, 2 ** 52, 3, pattern(3, 2));
    expect(drain.drain(target)).toBe(true);
    expect(target.calls).toBe(1);
    expect(target.buffer).toBe(region.bytes.buffer);
    expect(target.got).toEqual([
      { sequence: 7, data: patternText(100, 1) },
      { sequence: -1, data: '' },
      { sequence: 2 ** 52, data: patternText(3, 2) },
    ]);
    expect(drain.isEmpty).toBe(true);
    expect(drain.drain(target)).toBe(false);
  });

  it('come once and in order, whatever their sizes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: LARGEST })), {
          maxLength: 30,
        }),
        async (sizes) => {
          const { drain, host, target } = parts();
          let isDone = false;
          const sending = (async () => {
            for (const [i, size] of sizes.entries())
              await host.send(RecordType.PROPOSE, i, pattern(size, i), RecordFlag.WANT_COMPLETION);
          })().finally(() => (isDone = true));
          while (!isDone || !drain.isEmpty) {
            drain.drain(target);
            await new Promise((resolve) => setImmediate(resolve));
          }
          await sending;
          expect(target.got).toEqual(sizes.map((size, i) => ({ sequence: i, data: patternText(size, i) })));
        },
      ),
      { numRuns: 20 },
    );
  });

  it('stay in the ring while the server takes none', () => {
    const { drain, host, target } = parts();
    target.acceptsProposals = false;
    host.write(RecordType.PROPOSE, 0, 0, 5, pattern(5, 1));
    expect(drain.drain(target)).toBe(false);
    expect(drain.isEmpty).toBe(false);
    target.acceptsProposals = true;
    expect(drain.drain(target)).toBe(true);
    expect(target.got).toHaveLength(1);
  });

  it('whose sender gave up half-way are forgotten', () => {
    const { drain, host, target } = parts();
    host.write(RecordType.PROPOSE, RecordFlag.MORE, 1, 3000, pattern(1000, 1));
    host.write(RecordType.PROPOSE, 0, 2, 5, pattern(5, 2));
    host.write(RecordType.PROPOSE, RecordFlag.MORE, 3, 3000, pattern(1000, 3));
    host.write(RecordType.PROPOSE, RecordFlag.MORE, 4, 1500, pattern(1500, 4).slice(0, 1000));
    host.write(RecordType.PROPOSE, RecordFlag.CONTINUATION, 4, 1500, pattern(1500, 4).slice(1000));
    drain.drain(target);
    expect(target.got.map((proposal) => proposal.data)).toEqual([patternText(5, 2), patternText(1500, 4)]);
  });

  it.each([
    ['of another type', [RecordType.LOG, 0, 5, 5]],
    ['that are larger than the server allows', [RecordType.PROPOSE, RecordFlag.MORE, LARGEST + 1, 100]],
    ['that begin in the middle', [RecordType.PROPOSE, RecordFlag.CONTINUATION, 500, 100]],
  ])('%s end the engine', (_what, [type, flags, total, length]) => {
    const { drain, host, target } = parts();
    host.write(type!, flags!, 1, total!, pattern(length!, 1));
    expect(() => drain.drain(target)).toThrow(BridgeError);
  });

  it('whose chunks are more or fewer than announced end the engine', () => {
    for (const last of [100, 700]) {
      const { drain, host, target } = parts();
      host.write(RecordType.PROPOSE, RecordFlag.MORE, 1, 1500, pattern(1000, 1));
      host.write(RecordType.PROPOSE, RecordFlag.CONTINUATION, 1, 1500, pattern(last, 1));
      expect(() => drain.drain(target)).toThrow(BridgeError);
    }
  });
});

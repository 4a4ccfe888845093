import { describe, expect, it } from 'vitest';
import { moduleLines, phaseTimes, type CpuProfile } from '../../bench/profile/phases.ts';

const BUNDLE = [
  '"use strict";',
  '// src-ts/core/raft.ts',
  'function step() {}',
  '// node_modules/zod/index.js',
  'function parse() {}',
  '// src-ts/transport/peer.ts',
  'function send() {}',
  '// src-ts/bridge/apply-writer.ts',
  'function write() {}',
  '// src-ts/bridge/region.ts',
  'function read() {}',
  '// src-ts/storage/wal/writer.ts',
  'function append() {}',
].join('\n');

type Node = CpuProfile['nodes'][number];

function node(
  id: number,
  functionName: string,
  url: string,
  lineNumber: number,
  children: number[] = [],
): Node {
  return { id, callFrame: { functionName, url, lineNumber }, children };
}

const ENGINE = 'file:///lib/polyraft/engine.cjs';

describe('a profile by phases', () => {
  it('knows which module each line of the bundle is of', () => {
    expect(moduleLines(BUNDLE).map(({ line, path }) => `${line} ${path}`)).toEqual([
      '1 src-ts/core/raft.ts',
      '3 node_modules/zod/index.js',
      '5 src-ts/transport/peer.ts',
      '7 src-ts/bridge/apply-writer.ts',
      '9 src-ts/bridge/region.ts',
      '11 src-ts/storage/wal/writer.ts',
    ]);
  });

  it('counts for our module what it calls, and leaves out what is not in the time', () => {
    const profile: CpuProfile = {
      nodes: [
        node(1, '(root)', '', -1, [2, 3, 4, 5, 11]),
        node(2, '(idle)', '', -1),
        node(3, '(garbage collector)', '', -1),
        node(4, 'onStreamRead', 'node:internal/stream_base_commons', 100, [6]),
        node(5, 'processImmediate', 'node:internal/timers', 400, [7, 8, 9, 10]),
        node(6, 'step', ENGINE, 2, [12]),
        node(7, 'send', ENGINE, 6, [13]),
        node(8, 'write', ENGINE, 8),
        node(9, 'read', ENGINE, 10, [14]),
        node(10, 'append', ENGINE, 12),
        node(11, '(program)', '', -1),
        node(12, 'parse', ENGINE, 4),
        node(13, 'writev', 'node:net', 900),
        node(14, 'readFileSync', 'node:fs', 400),
      ],
      startTime: 1000,
      samples: [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 2],
      timeDeltas: [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 1],
    };
    const all = phaseTimes(profile, moduleLines(BUNDLE), 0, 1e9);
    expect(all).toEqual({
      idle: 11,
      'garbage collection': 20,
      network: 30 + 60 + 120,
      'Node itself': 40 + 100,
      engine: 50 + 110,
      apply: 70,
      ring: 80 + 130,
      WAL: 90,
    });
    // The clock stands at 1060 after the third sample, at 1150 after the fifth.
    const part = phaseTimes(profile, moduleLines(BUNDLE), 1061, 1150);
    expect(part).toMatchObject({ 'Node itself': 40, engine: 50, network: 0, idle: 0 });
  });
});

/** Sorts what a processor profile of V8 has seen into the phases of a proposal's way. */

export const PHASES = [
  'ring',
  'engine',
  'WAL',
  'network',
  'apply',
  'garbage collection',
  'Node itself',
  'idle',
] as const;

export type Phase = (typeof PHASES)[number];

export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      /** From 0. */
      readonly lineNumber: number;
    };
    readonly children?: readonly number[];
  }[];
  /** Microseconds of the monotonic clock. */
  readonly startTime: number;
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

/** First line, from 0, of each module in the bundle; the bundler leaves a comment with its path above it. */
export interface ModuleLine {
  readonly line: number;
  readonly path: string;
}

export function moduleLines(bundle: string): ModuleLine[] {
  return bundle.split('\n').flatMap((text, line) => {
    const match = /^\/\/ ((?:src-ts|node_modules)\/\S+)$/.exec(text);
    return match === null ? [] : [{ line, path: match[1]! }];
  });
}

function pathAt(modules: readonly ModuleLine[], line: number): string | null {
  let low = 0;
  let high = modules.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (modules[middle]!.line <= line) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : modules[low - 1]!.path;
}

/** First match counts. */
const OWN: readonly (readonly [RegExp, Phase])[] = [
  [/^src-ts\/(bridge\/(apply|event)-|server\/apply-)/, 'apply'],
  [/^src-ts\/(bridge|facade)\//, 'ring'],
  [/^src-ts\/(core|server|admin)\//, 'engine'],
  [/^src-ts\/storage\//, 'WAL'],
  [/^src-ts\/transport\//, 'network'],
];
const NODE: readonly (readonly [RegExp, Phase])[] = [
  [/^node:(net|_http|http|internal\/(streams|stream_base|http))/, 'network'],
  [/^node:(fs|internal\/fs)/, 'WAL'],
];
const SPECIAL: Readonly<Record<string, Phase>> = {
  '(garbage collector)': 'garbage collection',
  '(idle)': 'idle',
};

function phaseOfOwn(path: string): Phase | null {
  return OWN.find(([pattern]) => pattern.test(path))?.[1] ?? null;
}

/**
 * Microseconds of each phase between two times of the profile's clock. What belongs to none of our modules counts for the
 * one that has called it; what none has called, for what Node does there.
 */
export function phaseTimes(
  profile: CpuProfile,
  modules: readonly ModuleLine[],
  fromUs: number,
  toUs: number,
): Record<Phase, number> {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const phases = new Map<number, Phase>();
  const visit = (id: number, ofCaller: Phase | null): void => {
    const { callFrame, children } = nodes.get(id)!;
    const { functionName, url, lineNumber } = callFrame;
    const path = url.endsWith('engine.cjs') ? pathAt(modules, lineNumber) : null;
    const own = path === null ? null : phaseOfOwn(path);
    const phase = own ?? ofCaller;
    const ofNode = NODE.find(([pattern]) => pattern.test(url))?.[1];
    phases.set(id, SPECIAL[functionName] ?? phase ?? ofNode ?? 'Node itself');
    for (const child of children ?? []) visit(child, phase ?? ofNode ?? null);
  };
  const callees = new Set(profile.nodes.flatMap(({ children }) => children ?? []));
  for (const { id } of profile.nodes) if (!callees.has(id)) visit(id, null);

  const times = Object.fromEntries(PHASES.map((phase) => [phase, 0])) as Record<Phase, number>;
  let at = profile.startTime;
  for (const [i, id] of profile.samples.entries()) {
    const deltaUs = profile.timeDeltas[i]!;
    at += deltaUs;
    if (at >= fromUs && at <= toUs) times[phases.get(id) ?? 'Node itself'] += Math.max(0, deltaUs);
  }
  return times;
}

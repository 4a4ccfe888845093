/** Which language and which runtime each node of a scenario's cluster has. */
import type { Runtime } from '../scenario/figures.ts';
import type { Language } from './languages.ts';

interface NodeAssignment {
  readonly language: Language;
  readonly runtime: Runtime;
}

export interface ClusterAssignment {
  readonly name: string;
  /** Node 1 first. */
  readonly nodes: readonly NodeAssignment[];
}

/** The turn-th of the runtimes that both the language and this build have. */
function runtimeFor(language: Language, available: readonly Runtime[], turn: number): Runtime {
  const possible = available.filter((runtime) => language.runtimes.includes(runtime));
  const runtime = possible[turn % possible.length];
  if (runtime === undefined) throw new Error(`${language.name} has no runtime in this build`);
  return runtime;
}

function cluster(nodes: readonly NodeAssignment[]): ClusterAssignment {
  return { name: nodes.map(({ language, runtime }) => `${language.name} (${runtime})`).join(', '), nodes };
}

/** As few clusters as have each language once; what is left over in the last one is filled from the front. */
export function mixedClusters(
  languages: readonly Language[],
  available: readonly Runtime[],
  nodes: number,
  turn: number,
): ClusterAssignment[] {
  const count = Math.ceil(languages.length / nodes);
  return Array.from({ length: count }, (_, c) =>
    cluster(
      Array.from({ length: nodes }, (_, k) => {
        const language = languages[(turn + c * nodes + k) % languages.length]!;
        return { language, runtime: runtimeFor(language, available, turn + c + k) };
      }),
    ),
  );
}

/** One language alone: in each of its runtimes, and in all of them together. */
export function unmixedClusters(
  language: Language,
  available: readonly Runtime[],
  nodes: number,
): ClusterAssignment[] {
  const own = available.filter((runtime) => language.runtimes.includes(runtime));
  const alone = own.map((runtime) => cluster(Array.from({ length: nodes }, () => ({ language, runtime }))));
  if (own.length === 1 || nodes === 1) return alone;
  const together = Array.from({ length: nodes }, (_, k) => ({
    language,
    runtime: runtimeFor(language, own, k),
  }));
  return [...alone, cluster(together)];
}

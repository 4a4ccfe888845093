/** Every binding whose toolchain is here carries out every scenario; README.md tells how. */
import { describe, test } from 'vitest';
import { isFull, runtimes, type Runtime } from '../scenario/figures.ts';
import { ScenarioCluster } from './cluster.ts';
import { LANGUAGES } from './languages.ts';
import { readScenarios } from './scenario.ts';

const TIMEOUT_MS = 240_000;
const { config, scenarios } = readScenarios();
const available = runtimes();
const here = LANGUAGES.filter((language) => language.missing === null);

/** Which runtime node 1, 2, ... has. Reduced: both in each cluster; in full: one alone, too. */
function assignments(): { readonly name: string; readonly runtimeOf: (id: number) => Runtime }[] {
  const mixed = {
    name: available.join(' and '),
    runtimeOf: (id: number) => available[id % available.length]!,
  };
  if (!isFull || available.length === 1) return [mixed];
  return [mixed, ...available.map((runtime) => ({ name: runtime, runtimeOf: () => runtime }))];
}

for (const language of LANGUAGES.filter(({ missing }) => missing !== null)) {
  test.skip(`${language.name}: ${language.missing}`);
}

describe.each(here)('$name', (language) => {
  describe.each(assignments())('$name', ({ runtimeOf }) => {
    test.each(scenarios)(
      '$name',
      async (scenario) => {
        const command = language.prepare();
        await ScenarioCluster.run(scenario, config, (id) => ({ command, runtime: runtimeOf(id) }));
      },
      TIMEOUT_MS,
    );
  });
});

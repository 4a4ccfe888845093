/** Every binding whose toolchain is here carries out every scenario; README.md tells how. */
import { beforeAll, describe, test } from 'vitest';
import { isFull, runtimes } from '../scenario/figures.ts';
import { mixedClusters, unmixedClusters } from './assignments.ts';
import { ScenarioCluster } from './cluster.ts';
import { LANGUAGES, type Command } from './languages.ts';
import { readScenarios } from './scenario.ts';

const TIMEOUT_MS = 300_000;
const { config, scenarios } = readScenarios();
const available = runtimes();
const here = LANGUAGES.filter((language) => language.missing === null);
const commands = new Map<string, Command>();

beforeAll(async () => {
  for (const language of here) commands.set(language.name, await language.prepare());
}, TIMEOUT_MS);

for (const language of LANGUAGES.filter(({ missing }) => missing !== null)) {
  test.skip(`${language.name}: ${language.missing}`);
}

/**
 * Reduced, the nodes of a cluster are of different languages, each language being a node in each scenario; in full, each
 * language is also alone. Clusters run beside each other, since most of their time is waiting.
 */
describe.concurrent('scenarios', () => {
  for (const [turn, scenario] of scenarios.entries()) {
    const clusters = [
      ...mixedClusters(here, available, scenario.nodes, turn),
      ...(isFull ? here.flatMap((language) => unmixedClusters(language, available, scenario.nodes)) : []),
    ];
    for (const { name, nodes } of clusters) {
      test(
        `${scenario.name}: ${name}`,
        async () => {
          await ScenarioCluster.run(scenario, config, (id) => {
            const { language, runtime } = nodes[id - 1]!;
            return { command: commands.get(language.name)!, runtime };
          });
        },
        TIMEOUT_MS,
      );
    }
  }
});

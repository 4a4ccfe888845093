/** What docs/operating.md prints for a node that takes the place of another, as steps. */
import type { Node } from '../scenario/cluster.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import { printedLines, wordsOf } from './guide.ts';
import type { OperatedCluster } from './operated-cluster.ts';

/** As the guide has it: an address of node 4. */
const PRINTED_URL = 'http://10.0.0.4:9001';

export interface Replacement {
  /** Node 4. */
  readonly node: Node;
  readonly remove: () => Promise<void>;
  /** Node 4 gets the log, and a vote at the end. */
  readonly add: () => Promise<void>;
}

/** Node 4 in place of node 3, by commands that node `at` is asked for. */
export async function replacement(operated: OperatedCluster, at: number): Promise<Replacement> {
  const node = await operated.cluster.prepareNode(4);
  const lines = printedLines('Replacing a node');
  const carryOut = async (line: string): Promise<void> => {
    if (line.startsWith('# start node 4 with "join": true')) await operated.startNode(node, { join: true });
    else if (line === 'polyraft status') await operated.inSync(4, at);
    else {
      const words = wordsOf(line, { [PRINTED_URL]: operated.cluster.urlOf(node) });
      // It is refused as long as the node is too far behind, and under load that may be so again.
      if (words[1] === 'promote')
        await waitUntil('the promotion', 30_000, async () => (await operated.polyraft(at, words)).code === 0);
      else await operated.done(at, words);
    }
  };
  const isRemoval = (line: string): boolean => line.startsWith('polyraft members remove 3');
  const run = async (chosen: readonly string[]): Promise<void> => {
    for (const line of chosen) await carryOut(line);
  };
  return {
    node,
    remove: () => run(lines.filter(isRemoval)),
    add: () => run(lines.filter((line) => !isRemoval(line))),
  };
}

/** The words of scenarios.json. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const NodeName = z.union([
  z.int().positive(),
  z.enum(['all', 'running', 'leader', 'follower', 'killed', 'restarted']),
]);
export type NodeName = z.infer<typeof NodeName>;

const ExpectedError = z.strictObject({ codes: z.array(z.string()).nonempty(), text: z.string().optional() });
const Config = z.record(z.string(), z.json());
export type Config = z.infer<typeof Config>;

const common = {
  node: NodeName,
  timeout_ms: z.int().positive().default(20_000),
  expect_error: ExpectedError.optional(),
};

const Step = z.discriminatedUnion('do', [
  z.strictObject({ ...common, do: z.literal('start'), config: Config.default({}) }),
  z.strictObject({ ...common, do: z.enum(['propose', 'propose_async']), key: z.string(), value: z.string() }),
  z.strictObject({
    ...common,
    do: z.literal('propose_many'),
    key: z.string(),
    count: z.int().positive(),
    bytes: z.int().default(0),
  }),
  z.strictObject({
    ...common,
    do: z.enum([
      'read_barrier',
      'read_barrier_async',
      'snapshot',
      'fail_snapshots',
      'stop',
      'kill',
      'restart',
      'same',
    ]),
  }),
  z.strictObject({
    ...common,
    do: z.enum(['read', 'read_async']),
    key: z.string(),
    expect: z.string().nullable(),
  }),
  z.strictObject({ ...common, do: z.literal('restored'), at_least: z.int() }),
  z.strictObject({ ...common, do: z.literal('event'), event: z.string() }),
]);
export type Step = z.infer<typeof Step>;

const Scenario = z.strictObject({
  name: z.string(),
  proves: z.string(),
  nodes: z.int().min(1).max(9),
  steps: z.array(Step).nonempty(),
});
export type Scenario = z.infer<typeof Scenario>;

const ScenarioFile = z.strictObject({
  about: z.string(),
  config: Config,
  scenarios: z.array(Scenario).nonempty(),
});

export function readScenarios(): z.infer<typeof ScenarioFile> {
  return ScenarioFile.parse(JSON.parse(readFileSync(new URL('scenarios.json', import.meta.url), 'utf8')));
}

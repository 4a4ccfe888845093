/** The scenarios are read as README.md has them. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readScenarios } from './scenario.ts';

test('every word of the scenarios is known, and every step stands in the README', () => {
  const { scenarios } = readScenarios();
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8');
  const used = new Set(scenarios.flatMap((scenario) => scenario.steps.map((step) => step.do)));
  expect(used.size).toBeGreaterThan(8);
  expect([...used].filter((step) => !readme.includes(`\`${step}\``))).toEqual([]);
  expect(new Set(scenarios.map((scenario) => scenario.name)).size).toBe(scenarios.length);
});

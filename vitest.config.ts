import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'src-ts/**/*.test.ts'],
    pool: 'forks',
    // Most of the long tests wait for elections and for processes: one more than a small machine has cores.
    poolOptions: { forks: { maxForks: 3 } },
    testTimeout: 30_000,
  },
});

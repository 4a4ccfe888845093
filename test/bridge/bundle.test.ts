// The engine as it ships: one CommonJS file that an embedded Node 18 can run.
import { builtinModules } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

it('is one file that needs Node’s own modules and the addon only, and imports nothing at run time', async () => {
  const { outputFiles, metafile, warnings } = await build({
    entryPoints: [fileURLToPath(new URL('../../src-ts/bridge/main.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    target: 'node18',
    format: 'cjs',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  expect(warnings).toEqual([]);
  expect(outputFiles).toHaveLength(1);
  // Comments of others may speak of anything.
  const text = outputFiles[0]!.text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const output = Object.values(metafile.outputs)[0]!;
  for (const { path, kind, external } of output.imports) {
    expect(external, path).toBe(true);
    expect(kind, path).toBe('require-call');
    expect(builtinModules, path).toContain(path.replace(/^node:/, ''));
  }
  expect(/\bimport\s*\(/.test(text), 'dynamic import').toBe(false);
  expect(/\bimport\.meta\b/.test(text), 'import.meta').toBe(false);
  // An engine that starts again compiles it again.
  expect(text.length).toBeLessThan(1_000_000);
  // What is put together at run time is the addon's name, in one place.
  expect(text.match(/\brequire\b(?!\()/g) ?? []).toHaveLength(1);
  expect(text.includes('./polyraft.node')).toBe(true);
});

/** What a person types first: `npm run X -- --help`. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
const own = Object.entries(scripts).filter(([, command]) => /^(bash|node) scripts\/\S+$/.test(command));

function output(command: string): Promise<{ code: number; out: string; errors: string }> {
  return new Promise((resolve) => {
    execFile('sh', ['-c', command], { timeout: 25_000 }, (error, out, errors) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, errors });
    });
  });
}

describe('every script of package.json that is ours', () => {
  it('is among these', () => {
    expect(own.map(([name]) => name)).toEqual(
      expect.arrayContaining(['bench', 'build', 'conformance', 'demo', 'interop', 'library', 'sim', 'test']),
    );
  });

  it.concurrent.each(own)('%s --help prints its usage, and does nothing else', async (name, command) => {
    const { code, out, errors } = await output(`${command} --help`);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(out).toMatch(new RegExp(`^npm (run )?${name}\\b`));
    expect(out.split('\n').length).toBeLessThan(25);
  });

  it.concurrent.each(['conformance', 'demo', 'interop', 'test'])(
    '%s names an option that it does not have',
    async (name) => {
      const { code, out, errors } = await output(`${scripts[name]!} --nonsense`);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(errors).toContain("'--nonsense'");
    },
  );
});

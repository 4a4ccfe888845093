import { describe, expect, it } from 'vitest';
import { comparable } from './compare.ts';
import { findRaftModule } from './module-directory.ts';
import { dataFiles, runFile, type DataFile } from './suites.ts';

/** The same file, with one more line expected from its last command that expects anything. */
function spoiled(file: DataFile): DataFile {
  const commands = [...file.commands];
  const at = commands.map(({ expected }) => comparable(expected) !== '').lastIndexOf(true);
  const command = commands[at]!;
  commands[at] = { ...command, expected: `${command.expected}\nanother line` };
  return { ...file, commands };
}

const lookup = findRaftModule();

if ('missing' in lookup) {
  describe('etcd conformance', () => {
    const title = `needs the Go module cache: ${lookup.missing}`;
    // Continuous integration must not pass without them.
    if (process.env['CI'] === undefined) it.skip(title, () => undefined);
    else it(title, () => expect.fail(lookup.missing));
  });
} else {
  const files = dataFiles(lookup.directory);
  const named = files.map((file) => [file.name, file] as const);

  describe('etcd conformance', () => {
    it('reads all three folders', () => {
      const suites = new Set(files.map((file) => file.suite));
      expect([...suites].sort()).toEqual(['confchange', 'interaction', 'quorum']);
      for (const file of files) expect(file.commands.length, file.name).toBeGreaterThan(0);
    });

    it.each(named)('%s', (_name, file) => {
      const mismatch = runFile(file);
      if (mismatch === null) return;
      expect(mismatch.actual, `line ${mismatch.command.line}: ${mismatch.command.name}`).toBe(
        mismatch.expected,
      );
    });
  });

  describe('the conformance driver', () => {
    it.each(named)('notices another expectation in %s', (_name, file) => {
      expect(runFile(spoiled(file))).not.toBeNull();
    });
  });
}

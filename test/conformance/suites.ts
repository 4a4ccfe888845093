import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommands, type Execute, type Mismatch } from './compare.ts';
import { ConfChangeEnvironment } from './confchange-driver.ts';
import { parseDataDriven, type Command } from './data-driven.ts';
import { InteractionEnvironment } from './interaction.ts';
import { executeQuorum } from './quorum-driver.ts';

export type SuiteName = 'interaction' | 'quorum' | 'confchange';

export interface DataFile {
  readonly suite: SuiteName;
  /** Path within the module. */
  readonly name: string;
  readonly commands: readonly Command[];
}

const FOLDERS: Readonly<Record<SuiteName, string>> = {
  interaction: 'testdata',
  quorum: 'quorum/testdata',
  confchange: 'confchange/testdata',
};

function executorFor(suite: SuiteName): Execute {
  if (suite === 'quorum') return executeQuorum;
  const environment = suite === 'confchange' ? new ConfChangeEnvironment() : new InteractionEnvironment();
  return (command) => environment.execute(command);
}

/** Every data file that the module has, none left out. */
export function dataFiles(moduleDirectory: string): DataFile[] {
  const files: DataFile[] = [];
  for (const [suite, folder] of Object.entries(FOLDERS) as [SuiteName, string][]) {
    for (const name of readdirSync(join(moduleDirectory, folder)).sort()) {
      const path = `${folder}/${name}`;
      files.push({
        suite,
        name: path,
        commands: parseDataDriven(readFileSync(join(moduleDirectory, path), 'utf8')),
      });
    }
  }
  return files;
}

/** Runs one file in a fresh environment; null when all its commands agree. */
export function runFile(file: DataFile): Mismatch | null {
  return runCommands(file.commands, executorFor(file.suite));
}

export function describeMismatch(file: DataFile, { command, actual, expected }: Mismatch): string {
  return `${file.name}:${command.line}: ${command.name}\n--- expected\n${expected}\n--- actual\n${actual}`;
}

/** Runs etcd's data files on the core and prints what was run; exit code 1 when a file disagrees. */
import { findRaftModule } from './module-directory.ts';
import { dataFiles, describeMismatch, runFile } from './suites.ts';

const lookup = findRaftModule();
if ('missing' in lookup) {
  console.log(`skipped: ${lookup.missing}`);
  console.log('0 passed, 0 failed');
} else {
  let passed = 0;
  let failed = 0;
  const files = dataFiles(lookup.directory);
  for (const file of files) {
    const mismatch = runFile(file);
    if (mismatch === null) passed++;
    else {
      failed++;
      console.error(describeMismatch(file, mismatch));
    }
  }
  const count = (suite: string): number => files.filter((file) => file.suite === suite).length;
  const commands = files.reduce((sum, file) => sum + file.commands.length, 0);
  console.log(`quorum_files=${count('quorum')} confchange_files=${count('confchange')}`);
  console.log(`interaction_files=${count('interaction')} commands=${commands}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

import { run } from './program.ts';

// A reader that stops early (`polyraft wal dump ... | head`) is no failure.
process.stdout.on('error', () => undefined);

void run(process.argv.slice(2), {
  line: (text) => void process.stdout.write(`${text}\n`),
  problem: (text) => void process.stderr.write(`${text}\n`),
}).then((code) => {
  process.exitCode = code;
});

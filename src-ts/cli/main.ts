import { run } from './program.ts';

// A reader that stops early (`polyraft wal dump ... | head`) is no failure.
process.stdout.on('error', () => undefined);

const { stderr } = process;
const progress = (text: string): void => {
  stderr.write(`\r\u001b[K${text.slice(0, Math.max(20, stderr.columns) - 1)}`);
};

void run(process.argv.slice(2), {
  line: (text) => void process.stdout.write(`${text}\n`),
  problem: (text) => void stderr.write(`${text}\n`),
  ...(stderr.isTTY ? { progress } : {}),
}).then((code) => {
  process.exitCode = code;
});

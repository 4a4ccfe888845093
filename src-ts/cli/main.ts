import { run } from './program.ts';
import { ProgressLine } from './progress-line.ts';
import { removeTemporaryDirectories } from './temporary.ts';

const { stdout, stderr } = process;

// A reader that stops early (`polyraft wal dump ... | head`) is no failure.
stdout.on('error', () => undefined);

const progressLine = stderr.isTTY && process.env['TERM'] !== 'dumb' ? new ProgressLine(stderr) : null;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    progressLine?.clear();
    removeTemporaryDirectories();
    // As if nobody had caught it: shells look at what a program has died of.
    process.kill(process.pid, signal);
  });

void run(process.argv.slice(2), {
  line: (text) => {
    progressLine?.clear();
    stdout.write(`${text}\n`);
  },
  problem: (text) => {
    progressLine?.clear();
    stderr.write(`${text}\n`);
  },
  ...(stdout.isTTY && stdout.columns > 0 ? { columns: stdout.columns } : {}),
  ...(progressLine === null
    ? {}
    : {
        progress: (text: string, share?: number) => {
          if (text === '') progressLine.clear();
          else progressLine.show(text, share);
        },
      }),
}).then((code) => {
  process.exitCode = code;
});

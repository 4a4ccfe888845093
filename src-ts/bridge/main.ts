/**
 * The engine's entry point, bundled to one CommonJS file. It runs as the main script of a child `node`, or inside the
 * host's process, where `require('./polyraft.node')` is the linked binding and uncaught exceptions are the plugin's.
 */
import { Socket } from 'node:net';
import { LogLevel } from '../core/codes.generated.ts';
import { useEntryRuns } from '../core/entry-runs.ts';
import { NodeEnvironment } from '../facade/node-environment.ts';
import { VERSION } from '../facade/version.ts';
import { startServer } from '../server/start-server.ts';
import type { NativeBinding } from '../storage/native-binding.ts';
import { Engine } from './engine.ts';
import { setV8 } from './v8-settings.ts';

/** Exit codes of the child. */
const EXIT_ENDED = 0;
const EXIT_BROKEN = 70;

/** Not through `import`: an addon is loaded at run time, and the bundler must leave the call alone. */
function loadBinding(): NativeBinding {
  const load: (name: string) => unknown = require;
  const addon = process.env['POLYRAFT_ADDON'];
  const isChild = process.env['POLYRAFT_REGION_FD'] !== undefined && addon !== undefined;
  return load(isChild ? addon : './polyraft.node') as NativeBinding;
}

function createEngine(binding: NativeBinding, fatal: (error: unknown) => void): Engine {
  setV8();
  useEntryRuns(binding);
  const environment = new NodeEnvironment(binding, binding.runtime(), VERSION);
  const engine = new Engine(binding, {
    version: VERSION,
    startServer: (config, port, logger, appliedIndex) =>
      startServer(config, environment.for(logger), port, { appliedIndex }),
    // In the child this ends the process; in the host's process it ends this environment, which the plugin sees to.
    end: () => {
      process.exit(EXIT_ENDED);
    },
    fatal,
  });
  // Node would print them to the standard error, which is the host's.
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    engine.log.write(LogLevel.WARNING, `node: ${warning.message}`);
  });
  return engine;
}

function runEmbedded(binding: NativeBinding): void {
  // What nothing catches goes to the plugin, which ends this environment and tells the host the text.
  const engine = createEngine(binding, (error) => {
    setImmediate(() => {
      throw error;
    });
  });
  // The plugin emits this while there is still room to stop in good order.
  process.on('heapNearlyFull', () => {
    engine.stopForMemory();
  });
  engine.start();
}

function runChild(binding: NativeBinding): void {
  const engine = createEngine(binding, () => {
    process.exit(EXIT_BROKEN);
  });
  process.on('uncaughtException', (error) => {
    engine.fail(error);
  });
  // What is sent to the host's process group comes here, too, be it by a key press in a terminal; only the host
  // decides. Without a listener SIGUSR1 opens node's debugger, and says so on the host's standard error.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const)
    process.on(signal, () => undefined);
  // The host holds the other end and never writes: its hang-up is the host's end, however it came.
  const lifeline = new Socket({
    fd: Number(process.env['POLYRAFT_LIFELINE_FD']),
    readable: true,
    writable: false,
  });
  const gone = (): void => {
    process.exit(EXIT_ENDED);
  };
  lifeline.on('end', gone).on('close', gone).on('error', gone).resume();
  engine.start();
}

const binding = loadBinding();
if (binding.runtime() === 'process') runChild(binding);
else runEmbedded(binding);

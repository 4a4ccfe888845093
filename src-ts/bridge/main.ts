/**
 * The engine's entry point, bundled to one CommonJS file. It runs as the main script of a child `node`, or inside the
 * host's process, where `require('./polyraft.node')` is the linked binding and uncaught exceptions are the plugin's.
 */
import { Socket } from 'node:net';
import type { NativeBinding } from '../storage/native-binding.ts';
import { Engine } from './engine.ts';

/** Exit codes of the child. */
const EXIT_HOST_GONE = 0;
const EXIT_BROKEN = 70;

// The bundler puts the version here.
const version = process.env.POLYRAFT_ENGINE_VERSION ?? '0.0.0';

/** Not through `import`: an addon is loaded at run time, and the bundler must leave the call alone. */
function loadBinding(): NativeBinding {
  const load: (name: string) => unknown = require;
  const path = process.env['POLYRAFT_ADDON'];
  const isChild = process.env['POLYRAFT_REGION_FD'] !== undefined && path !== undefined;
  return load(isChild ? path : './polyraft.node') as NativeBinding;
}

function runEmbedded(binding: NativeBinding): void {
  const engine = new Engine(binding, version, () => {
    process.exit(0);
  });
  engine.start();
}

function runChild(binding: NativeBinding): void {
  const engine = new Engine(binding, version, () => {
    process.exit(EXIT_HOST_GONE);
  });
  process.on('uncaughtException', (error) => {
    engine.reportFatal(error);
    process.exit(EXIT_BROKEN);
  });
  // A key press in a terminal goes to the host and to this process; only the host decides.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)
    process.on(signal, () => undefined);
  const fd = Number(process.env['POLYRAFT_LIFELINE_FD']);
  const lifeline = new Socket({ fd, readable: true, writable: false });
  const gone = (): void => {
    process.exit(EXIT_HOST_GONE);
  };
  lifeline.on('close', gone).on('error', gone).on('end', gone).resume();
  engine.start();
}

const binding = loadBinding();
if (binding.runtime() === 'process') runChild(binding);
else runEmbedded(binding);

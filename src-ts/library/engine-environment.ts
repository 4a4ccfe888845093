/** What all servers of this process share: listening addresses, and the native half where it can be loaded. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NodeEnvironment } from '../facade/node-environment.ts';
import { VERSION } from '../facade/version.ts';
import { textOf } from '../server/errors.ts';
import type { StorageBinding } from '../storage/native-binding.ts';

interface Shared {
  readonly environment: NodeEnvironment;
  /** Why the native half is not used; null when it is. */
  readonly warning: string | null;
}

/** Not through `import`: an addon is loaded at run time, and the bundler must leave the call alone. */
function loadBinding(): { readonly binding: StorageBinding | null; readonly warning: string | null } {
  const file = join(__dirname, 'prebuilds', `${process.platform}-${process.arch}`, 'polyraft.node');
  const consequence = 'files are written with the means of Node, which is slower';
  if (!existsSync(file))
    return {
      binding: null,
      warning: `no native part for ${process.platform}-${process.arch}: ${consequence}`,
    };
  try {
    const load: (name: string) => unknown = require;
    return { binding: load(file) as StorageBinding, warning: null };
  } catch (error) {
    return { binding: null, warning: `${file} cannot be loaded, ${consequence}: ${textOf(error)}` };
  }
}

let shared: Shared | null = null;

export function engineEnvironment(): Shared {
  if (shared === null) {
    const { binding, warning } = loadBinding();
    shared = { environment: new NodeEnvironment(binding, 'node', VERSION), warning };
  }
  return shared;
}

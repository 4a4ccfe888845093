/** Finds and loads libpolyraft, once a process. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import { CALLBACKS, FUNCTIONS, STRUCTURES, VERSION } from './native.generated.js';

const FILE_NAME = 'libpolyraft.so.0';

/** What is tried, in this order; POLYRAFT_LIBRARY alone when it is set. */
function candidates() {
  const chosen = process.env.POLYRAFT_LIBRARY;
  if (chosen)
    return [existsSync(chosen) && statSync(chosen).isDirectory() ? join(chosen, FILE_NAME) : chosen];
  const found = [];
  let directory = dirname(fileURLToPath(import.meta.url));
  for (; dirname(directory) !== directory; directory = dirname(directory)) {
    const built = join(directory, 'build/lib', FILE_NAME);
    if (existsSync(join(directory, 'definitions/polyraft.json')) && existsSync(built)) found.push(built);
  }
  return [...found, FILE_NAME];
}

function load() {
  const failures = [];
  for (const candidate of candidates()) {
    try {
      return { file: candidate, library: koffi.load(candidate) };
    } catch (error) {
      failures.push(error.message);
    }
  }
  throw new Error(
    'libpolyraft is not there: build it (npm run build), or set POLYRAFT_LIBRARY to its file or directory; ' +
      failures.join('; '),
  );
}

function declareTypes() {
  for (const prototype of CALLBACKS) koffi.proto(prototype);
  for (const { name, members, bytes, offsets } of STRUCTURES) {
    const type = koffi.struct(name, members);
    const differs = Object.entries(offsets).find(
      ([member, offset]) => koffi.offsetof(type, member) !== offset,
    );
    if (koffi.sizeof(type) !== bytes || differs !== undefined)
      throw new Error(`struct ${name} is not laid out here as polyraft.h has it`);
  }
}

let functions = null;

/** All functions by their names in C; loaded at the first call. */
export function library() {
  if (functions !== null) return functions;
  const { file, library: loaded } = load();
  declareTypes();
  try {
    functions = Object.fromEntries(
      Object.entries(FUNCTIONS).map(([name, prototype]) => [name, loaded.func(prototype)]),
    );
  } catch (error) {
    throw new Error(`${file} is another version than this package, which is ${VERSION}: ${error.message}`);
  }
  return functions;
}

/**
 * Calls a function that waits, on a thread of Node's pool, so that callbacks can run on this one meanwhile. Resolves with
 * its code.
 */
export function waiting(name, ...parameters) {
  return new Promise((resolve, reject) => {
    library()[name].async(...parameters, (error, code) => {
      if (error) reject(error);
      else resolve(code);
    });
  });
}

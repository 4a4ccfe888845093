// The JavaScript that runs in front of the engine's bundle in the embedded runtime.
#ifndef POLYRAFT_RUNTIME_EMBEDDED_BOOTSTRAP_H_
#define POLYRAFT_RUNTIME_EMBEDDED_BOOTSTRAP_H_

namespace polyraft::runtime {

// Body of a function with the parameters process, nativeRequire, bundlePath, bundleText, reportFailure(text).
//
// The bundle sees an ordinary CommonJS module with two restrictions: `require` knows Node's own modules only,
// and
// './polyraft.node', which a child process finds beside the bundle, is the binding that is linked in. An
// exception that nothing catches is reported, not printed, and ends the engine, not the host.
inline constexpr char kEmbeddedBootstrap[] = R"js(
'use strict';
const { createRequire, isBuiltin } = nativeRequire('module');
const { dirname } = nativeRequire('path');
const { compileFunction } = nativeRequire('vm');

// Node opens the standard streams when they are first looked at, be it to compare a socket with them, and makes pipes
// non-blocking then: the host's. So there are none.
const { Readable, Writable } = nativeRequire('stream');
const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });
for (const [name, value] of [['stdin', Readable.from([])], ['stdout', nowhere()], ['stderr', nowhere()]]) {
  Object.defineProperty(process, name, { value, configurable: true, enumerable: true });
}

const fail = (error) => {
  let text = 'an exception that is no text';
  try {
    text = error instanceof Error ? String(error.stack) : `threw ${String(error)}`;
  } catch {}
  reportFailure(text);
  process.reallyExit(1);
};
process.setUncaughtExceptionCaptureCallback(fail);

const requireBuiltin = createRequire(bundlePath);
const binding = process._linkedBinding('polyraft');
const require = (name) => {
  if (name === './polyraft.node') return binding;
  if (isBuiltin(name)) return requireBuiltin(name);
  throw new Error(`the embedded engine can load Node's own modules only, not '${name}'`);
};

const module = { exports: {} };
const parameters = ['exports', 'require', 'module', '__filename', '__dirname'];
try {
  const main = compileFunction(bundleText, parameters, { filename: bundlePath });
  main.call(module.exports, module.exports, require, module, bundlePath, dirname(bundlePath));
} catch (error) {
  fail(error);
}
)js";

}  // namespace polyraft::runtime

#endif  // POLYRAFT_RUNTIME_EMBEDDED_BOOTSTRAP_H_

// The arrows of DESIGN.md "Rooms": each room may import only what stands below it.
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  comment: `${from} may import only: ${allowed.join(', ') || 'itself'}`,
  from: { path: `^src-ts/${from}/` },
  to: { path: '^src-ts/', pathNot: `^src-ts/(${[from, ...allowed].join('|')})/` },
});

module.exports = {
  forbidden: [
    only('core-imports-nothing', 'core', []),
    {
      name: 'core-is-pure',
      severity: 'error',
      from: { path: '^src-ts/core/' },
      to: { dependencyTypes: ['core', 'npm'] },
    },
    only('storage-room', 'storage', ['core']),
    only('tls-room', 'tls', ['core']),
    only('transport-room', 'transport', ['core', 'tls']),
    only('server-room', 'server', ['core', 'storage', 'tls', 'transport']),
    only('facade-room', 'facade', ['core', 'storage', 'tls', 'transport', 'server', 'admin']),
    only('admin-room', 'admin', ['core', 'server', 'tls', 'transport']),
    only('bridge-room', 'bridge', ['core', 'facade', 'server', 'storage', 'transport']),
    only('library-room', 'library', ['core', 'storage', 'tls', 'transport', 'server', 'facade', 'admin']),
    only('cli-room', 'cli', ['core', 'storage', 'tls', 'transport', 'server', 'facade', 'admin']),
    {
      name: 'nothing-uses-sim',
      severity: 'error',
      from: { path: '^src-ts/', pathNot: '^src-ts/sim/' },
      to: { path: '^src-ts/sim/' },
    },
    {
      name: 'nothing-knows-bridge',
      severity: 'error',
      from: { path: '^src-ts/', pathNot: '^src-ts/(bridge|sim)/' },
      to: { path: '^src-ts/bridge/' },
    },
    { name: 'no-cycles', severity: 'error', from: { path: '^src-ts/' }, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: { path: '^src-ts/' }, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};

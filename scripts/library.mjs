// Makes the npm package `polyraft` in build/npm: the engine as one file, its types, and the native part where it is built.
// Usage: node scripts/library.mjs [directory]
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import ts from 'typescript';

if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
  console.log(`npm run library -- [directory]
  Makes the npm package polyraft, the engine for programs in Node, in the directory (build/npm).`);
  process.exit();
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const buildDirectory = path.resolve(root, process.env.POLYRAFT_BUILD_DIR ?? 'build');
const target = path.resolve(process.argv[2] ?? path.join(buildDirectory, 'npm'));
const { version, description, license, engines } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const at = (name) => path.join(target, name);

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });

await build({
  entryPoints: [path.join(root, 'src-ts/library/index.ts')],
  outfile: at('index.cjs'),
  bundle: true,
  platform: 'node',
  target: 'node18',
  format: 'cjs',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
  define: { 'process.env.POLYRAFT_ENGINE_VERSION': JSON.stringify(version) },
});

// One engine for both ways of loading it: a process that uses both has one table of listening addresses.
const values = ['RaftError', 'RaftServer'];
writeFileSync(
  at('index.js'),
  `import library from './index.cjs';\n\nexport const { ${values.join(', ')} } = library;\n`,
);

// Types of the files that a program sees; each says all of its types itself, so that none needs the others' code.
const declarations = {
  index: 'library/index.ts',
  'raft-server': 'library/raft-server.ts',
  errors: 'library/errors.ts',
  types: 'library/types.ts',
  codes: 'core/codes.generated.ts',
};
for (const [name, file] of Object.entries(declarations)) {
  const { outputText, diagnostics } = ts.transpileDeclaration(readFileSync(path.join(root, 'src-ts', file), 'utf8'), {
    fileName: path.basename(file),
    compilerOptions: { strict: true, target: ts.ScriptTarget.ES2022, allowImportingTsExtensions: true },
  });
  for (const { messageText } of diagnostics) throw new Error(`${file}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
  const text = outputText.replace("'../core/codes.generated.ts'", "'./codes.ts'");
  for (const [kind, extension] of [['.d.ts', '.js'], ['.d.cts', '.cjs']]) {
    writeFileSync(at(`${name}${kind}`), text.replace(/(from '\.\/[\w-]+)\.ts'/g, `$1${extension}'`));
  }
}

const addon = path.join(buildDirectory, 'lib/polyraft/polyraft.node');
if (existsSync(addon)) {
  const directory = at(`prebuilds/${process.platform}-${process.arch}`);
  mkdirSync(directory, { recursive: true });
  cpSync(addon, path.join(directory, 'polyraft.node'));
} else {
  console.log(`polyraft: ${addon} is not built: the package writes files with the means of Node`);
}

cpSync(path.join(root, 'LICENSE'), at('LICENSE'));
cpSync(path.join(root, 'src-ts/library/README.md'), at('README.md'));
const manifest = {
  name: 'polyraft',
  version,
  description,
  license,
  type: 'module',
  main: './index.cjs',
  types: './index.d.ts',
  exports: {
    '.': {
      import: { types: './index.d.ts', default: './index.js' },
      require: { types: './index.d.cts', default: './index.cjs' },
    },
    './package.json': './package.json',
  },
  engines,
  sideEffects: false,
};
writeFileSync(at('package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
console.log(`polyraft: ${path.relative(process.cwd(), target) || target} is the package; npm pack makes an archive of it`);

import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      'node_modules',
      'build',
      'build-*',
      '.cache',
      '**/*.generated.ts',
      'scripts/**/*.mjs',
      '*.config.js',
      '*.cjs',
    ],
  },
  ...tseslint.configs.strict,
  {
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
      'max-lines': ['error', { max: 600 }],
    },
  },
  {
    files: ['scripts/**', 'bench/**', 'test/**', 'src-ts/cli/**', 'src-ts/sim/**'],
    rules: { 'no-console': 'off' },
  },
);

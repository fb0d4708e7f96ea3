// Type-aware lint. The restricted globals and modules keep each outside thing in its one home (see test/architecture.test.ts for the folder table).
import globals from 'globals'
import tseslint from 'typescript-eslint'

const onlyInClock = 'Time comes from shared/clock.ts, so that tests can hold it still.'

export default tseslint.config(
  { ignores: ['**/dist/', 'node_modules/', 'coverage/', '.data/'] },
  { files: ['**/*.js'], languageOptions: { globals: globals.node } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ExportDefaultDeclaration',
          message: 'Named exports only: a reader finds them by name.',
        },
        { selector: 'TSEnumDeclaration', message: 'Node runs these files directly; use a union.' },
      ],
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/**/*.ts', 'packages/*/src/**/*.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: onlyInClock },
      ],
    },
  },
  {
    files: ['src/shared/clock.ts', 'packages/resource-server/src/clock.ts'],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    files: [
      'src/cli.ts',
      'src/main.ts',
      'src/cli/**',
      'examples/**',
      'bench/**',
      'scripts/**',
      'test/**',
    ],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
)

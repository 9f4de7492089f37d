import js from '@eslint/js'
import importX from 'eslint-plugin-import-x'
import reactHooks from 'eslint-plugin-react-hooks'
import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'
import { boundaries } from './eslint.boundaries.js'

/** Files are named after their main export, in kebab-case. */
const KEBAB_CASE = /^\.?[a-z0-9]+([-.][a-z0-9]+)*\.[a-z]+$/

/** @type {import('eslint').ESLint.Plugin} */
const house = {
  rules: {
    'file-name': {
      meta: { type: 'suggestion', schema: [] },
      create: (context) => ({
        Program(node) {
          const name = context.filename.split(/[\\/]/).at(-1) ?? ''
          if (!KEBAB_CASE.test(name)) context.report({ node, message: `'${name}' is not in kebab-case.` })
        },
      }),
    },
  },
}

export default defineConfig(
  globalIgnores(['dist/', 'examples/*/dist/', '**/node_modules/', '**/coverage/', '**/.data/']),
  js.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { 'import-x': importX, house },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/naming-convention': [
        'error',
        { selector: 'typeLike', format: ['PascalCase'] },
        {
          selector: 'typeParameter',
          format: ['PascalCase'],
          prefix: ['T'],
          filter: { regex: '^(K|T)$', match: false },
        },
        { selector: 'function', format: ['camelCase', 'PascalCase'] },
      ],
      'import-x/no-default-export': 'error',
      'house/file-name': 'error',
      eqeqeq: 'error',
    },
  },
  {
    name: 'the library',
    files: ['src/**/*.{ts,tsx}'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off', // noUncheckedIndexedAccess cannot see a bounds check
      '@typescript-eslint/max-params': ['error', { max: 3, countVoidThis: false }],
      '@typescript-eslint/no-unsafe-argument': 'off', // query-core hands out `Query<any, any, any, any>`
      'no-console': ['error', { allow: ['warn'] }],
      'max-lines': ['error', { max: 350, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // `patch(filters, id, partial, options)` reads as a sentence; users write it often.
    files: ['src/core/routing/effects.ts'],
    rules: { '@typescript-eslint/max-params': ['error', { max: 4 }] },
  },
  {
    name: 'React',
    files: ['src/react/**/*.{ts,tsx}', 'examples/**/*.{ts,tsx}', 'test/react/**/*.tsx'],
    extends: [reactHooks.configs.flat.recommended],
  },
  {
    name: 'tests',
    files: ['test/**/*.{ts,tsx}', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unbound-method': 'off',
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'CallExpression > MemberExpression.callee[object.name=/^(it|test|describe)$/][property.name=/^(only|skip|todo)$/]',
          message: 'A test that is committed runs.',
        },
        {
          selector:
            'CallExpression[callee.name=/^(it|test)$/] > Literal.arguments:first-child[value=/^should /]',
          message: "Say what it does, in the present tense and without 'should'.",
        },
      ],
    },
  },
  {
    name: 'configuration and scripts',
    files: ['*.{js,ts}', '**/*.config.{js,ts}', 'scripts/**'],
    rules: { 'import-x/no-default-export': 'off' },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { 'no-undef': 'off' }, // the compiler checks these files too
  },
  boundaries,
)

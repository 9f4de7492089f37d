/**
 * The one-way import rule of the house (ARCHITECTURE.md): a stage imports only from the stages before it, and
 * each folder may use only the packages listed for it. `test/lint/boundaries.test.ts` proves that it bites.
 */
import importX from 'eslint-plugin-import-x'
import tseslint from 'typescript-eslint'

/** For everybody: what an event is, what an error is, what time it is. */
const GROUND = ['core/event.ts', 'core/errors.ts', 'core/clock.ts']

/** The pipeline, in its order. */
const STAGES = [
  'core/transport.ts',
  'core/protocol',
  'core/session',
  'core/routing',
  'core/overlay',
  'core/cache',
]

const CORE_PACKAGES = ['@tanstack/query-core', '@standard-schema/spec']

/**
 * `target` may import `imports` (paths in src; itself included) and `packages`.
 * @type {{ target: string, imports: string[], packages: string[] }[]}
 */
const RULES = [
  ...GROUND.map((target) => ({ target, imports: GROUND, packages: [] })),
  ...STAGES.map((target, index) => ({
    target,
    imports: [...GROUND, ...STAGES.slice(0, index + 1)],
    packages: CORE_PACKAGES,
  })),
  { target: 'bridge-options.ts', imports: ['core', 'bridge-options.ts'], packages: CORE_PACKAGES },
  { target: 'bridge-tap.ts', imports: ['core'], packages: CORE_PACKAGES },
  {
    target: 'bridge.ts',
    imports: ['core', 'bridge-options.ts', 'bridge-tap.ts', 'bridge.ts'],
    packages: CORE_PACKAGES,
  },
  { target: 'features.ts', imports: ['core', 'bridge.ts', 'features.ts'], packages: CORE_PACKAGES },
  {
    target: 'mutation-options.ts',
    imports: ['core', 'bridge.ts', 'features.ts', 'mutation-options.ts'],
    packages: CORE_PACKAGES,
  },
  { target: 'index.ts', imports: ['core', 'bridge.ts', 'features.ts', 'transports'], packages: [] },
  {
    target: 'react',
    imports: ['core', 'bridge.ts', 'features.ts', 'mutation-options.ts', 'react'],
    packages: ['react', '@tanstack/react-query', ...CORE_PACKAGES],
  },
  { target: 'persist', imports: ['core', 'bridge.ts', 'features.ts', 'persist'], packages: CORE_PACKAGES },
  {
    target: 'transports',
    // The name of the protocol is the WebSocket subprotocol; the codes say what a close means.
    imports: [
      ...GROUND,
      'core/transport.ts',
      'core/protocol/version.ts',
      'core/protocol/close-codes.ts',
      'core/protocol/frame-codec.ts',
      'transports',
    ],
    packages: [],
  },
  {
    target: 'cross-tab',
    imports: [...GROUND, 'core/transport.ts', 'core/protocol', 'cross-tab'],
    packages: [],
  },
  { target: 'codecs', imports: ['core/protocol/frame-codec.ts', 'codecs'], packages: [] },
  {
    target: 'server',
    imports: [...GROUND, 'core/protocol', 'server'],
    packages: ['node:'],
  },
]

/** One optional peer for one file; no other file may use it. */
const PEERS_OF_FILES = {
  'codecs/msgpack.ts': ['@msgpack/msgpack'],
  'transports/websocket.ts': ['partysocket/ws'],
  'transports/sse/connection.ts': ['eventsource-parser'],
  'transports/socket-io.ts': ['socket.io-client'],
  'server/sockets/ws.ts': ['node:', 'ws'],
  'server/sockets/ws-socket.ts': ['node:', 'ws'],
}

/** Nothing imports these, whatever else it may import. They import what they like. */
const OUTSIDE = ['testing', 'devtools']

/** @param {string} target */
const filesOf = (target) => [target.endsWith('.ts') ? `src/${target}` : `src/${target}/**/*.{ts,tsx}`]

/** @param {string} text */
const escapeRegExp = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')

/**
 * Everything but relative imports and the named packages.
 * @param {string[]} packages
 */
const otherThan = (packages) => {
  const names = packages.map((name) => (name.endsWith(':') ? escapeRegExp(name) : `${escapeRegExp(name)}$`))
  return `^(?!${['\\.\\.?/', ...names].join('|')})`
}

/**
 * @param {string} target
 * @param {string[]} packages
 * @returns {import('eslint').Linter.Config}
 */
function packageRule(target, packages) {
  const message = `src/${target} may import only these packages: ${packages.join(', ') || 'none'}.`
  return {
    name: `boundaries/packages of ${target}`,
    files: filesOf(target),
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [{ regex: otherThan(packages), message }],
        },
      ],
    },
  }
}

/** @type {import('eslint').Linter.Config[]} */
export const boundaries = [
  {
    name: 'boundaries/stages',
    files: ['src/**/*.{ts,tsx}'],
    plugins: {
      'import-x': /** @type {any} */ (importX),
      '@typescript-eslint': /** @type {any} */ (tseslint.plugin),
    },
    rules: {
      'import-x/no-restricted-paths': [
        'error',
        {
          basePath: import.meta.dirname,
          zones: [
            ...RULES.map(({ target, imports }) => ({
              target: `./src/${target}`,
              from: './src',
              except: imports.map((path) => `./${path}`),
              message: `src/${target} may import only: ${imports.join(', ')}.`,
            })),
            ...OUTSIDE.flatMap((folder) =>
              OUTSIDE.filter((other) => other !== folder).map((other) => ({
                target: `./src/${other}`,
                from: `./src/${folder}`,
                message: `Nothing imports src/${folder}.`,
              })),
            ),
          ],
        },
      ],
    },
  },
  ...RULES.map(({ target, packages }) => packageRule(target, packages)),
  ...Object.entries(PEERS_OF_FILES).map(([target, packages]) => packageRule(target, packages)),
  {
    name: 'boundaries/cache writes',
    files: ['src/**/*.{ts,tsx}'],
    ignores: ['src/core/cache/**', 'src/testing/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'CallExpression > MemberExpression.callee > Identifier.property[name=/^(setQueryData|setQueriesData|setState)$/]',
          message: 'Only src/core/cache writes the QueryCache.',
        },
      ],
    },
  },
]

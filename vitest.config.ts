import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Every other project's files: whatever is left in `test/` is a unit test. */
const elsewhere = [
  '**/node_modules/**', // test/min-peers has its own
  'test/react/**',
  'test/devtools/**/*.test.tsx',
  'test/integration/**',
  'test/server/**',
  'test/transports/**',
  'test/dist/**',
  'test/e2e/**',
  'test/lint/**',
  'test/services/**',
]

const REACT_TESTS = ['test/react/**/*.test.{ts,tsx}', 'test/devtools/**/*.test.tsx']

/** What starts a Redis or a PostgreSQL of its own; see `scripts/ensure-services.mjs`. */
const services = ['test/services/**/*.test.ts', 'test/server/logs/{redis,postgres}*.test.ts']

/** No retries anywhere: a test that passes the second time has found something. */
const shared = {
  restoreMocks: true,
  unstubGlobals: true,
  unstubEnvs: true,
  retry: 0,
  // For properties over thousands of runs on a busy machine. No test waits for a timeout to pass.
  testTimeout: 60_000,
}

const dom = { environment: 'jsdom' as const, setupFiles: ['test/support/react-setup.ts'] }

/**
 * The lowest peers that the package claims to work with are installed in `test/min-peers`. Everything that
 * imports a peer goes through Vite here (`inline`), so that the aliases hold for all of it and one copy of
 * query-core and one of React is loaded.
 */
function minPeer(name: string, test: TestProjectInlineConfiguration['test']): TestProjectInlineConfiguration {
  const lowest = createRequire(here('test/min-peers/package.json'))
  const folder = (pkg: string) => {
    const manifest = lowest.resolve(`${pkg}/package.json`)
    // Without this a missing install would quietly test the newest peers twice.
    if (!manifest.startsWith(here('test/min-peers')))
      throw new Error(`${pkg} is not in test/min-peers: run npm ci`)
    return dirname(manifest)
  }
  const reactQuery = folder('@tanstack/react-query')
  const queryCore = folder('@tanstack/query-core')
  return {
    resolve: {
      alias: [
        { find: /^@tanstack\/react-query$/, replacement: `${reactQuery}/build/modern/index.js` },
        { find: /^@tanstack\/query-core$/, replacement: `${queryCore}/build/modern/index.js` },
        // Its CommonJS build would require the other React.
        {
          find: /^@testing-library\/react$/,
          replacement: here('node_modules/@testing-library/react/dist/@testing-library/react.esm.js'),
        },
        { find: /^react(?=\/|$)/, replacement: folder('react') },
        { find: /^react-dom(?=\/|$)/, replacement: folder('react-dom') },
      ],
    },
    test: {
      ...shared,
      ...test,
      name,
      server: { deps: { inline: [/@tanstack\/(react-query|query-core)/, /@testing-library\/react/] } },
    },
  }
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          environment: 'node',
          include: ['test/**/*.test.{ts,tsx}'],
          exclude: elsewhere,
        },
      },
      {
        test: { ...shared, ...dom, name: 'react', include: REACT_TESTS },
      },
      {
        test: {
          ...shared,
          name: 'integration',
          environment: 'node',
          include: ['test/{integration,server,transports}/**/*.test.{ts,tsx}'],
          exclude: services,
          testTimeout: 20_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'services',
          environment: 'node',
          include: services,
          // Servers that are killed under load, each beside its clients: one file at a time is load enough.
          fileParallelism: false,
          hookTimeout: 60_000,
        },
      },
      minPeer('min-peer', {
        environment: 'node',
        include: [
          'test/{,core/}cache/**/*.test.ts',
          'test/bridge*.test.ts',
          'test/bridge/**/*.test.ts',
          'test/mutations/**/*.test.ts',
          'test/persist/{reload,tabs,given-up}.test.ts',
        ],
      }),
      minPeer('min-peer-react', { ...dom, include: REACT_TESTS }),
      {
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ['test/**/*.test-d.{ts,tsx}'],
            // `npm run types` checks the whole tree; here only the type tests speak.
            ignoreSourceErrors: true,
            tsconfig: 'tsconfig.json',
          },
        },
      },
      {
        test: {
          ...shared,
          name: 'lint',
          environment: 'node',
          include: ['test/lint/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'dist',
          environment: 'node',
          include: ['test/dist/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'e2e',
          environment: 'node',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})

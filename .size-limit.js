/**
 * Minified and gzipped, as an app ships it. React and TanStack Query are the app's own; everything else that a
 * subpath needs is counted, optional peers included.
 */
const HOST = /^(react|react\/jsx-runtime|@tanstack\/(query-core|react-query))$/

/**
 * As in a bundle that holds them: an import of which nothing is used is no code. size-limit would leave out every peer
 * dependency besides.
 * @type {import('esbuild').Plugin}
 */
const hostIsThere = {
  name: 'host',
  setup(build) {
    build.onResolve({ filter: HOST }, ({ path }) => ({ path, external: true, sideEffects: false }))
  },
}

/** @typedef {Record<string, string[] | '*'>} Imports by file: the names that an app imports, or all of them */

/** @param {{ name: string, imports: Imports, limit?: string, platform?: 'node' | 'neutral' | 'browser' }} line */
const line = ({ name, imports, limit, platform = 'neutral' }) => ({
  name,
  path: Object.keys(imports)[0],
  limit,
  gzip: true,
  /** @param {import('esbuild').BuildOptions} config */
  modifyEsbuildConfig: ({ entryPoints: _, ...config }) => ({
    ...config,
    stdin: {
      contents: Object.entries(imports)
        .map(
          ([file, names]) => `export ${names === '*' ? names : `{ ${names.join(', ')} }`} from './${file}'`,
        )
        .join('\n'),
      resolveDir: import.meta.dirname,
    },
    external: [],
    plugins: [hostIsThere],
    define: { 'process.env.NODE_ENV': '"production"' },
    format: 'esm',
    platform,
    mainFields: ['module', 'main'],
    logLevel: 'error',
  }),
})

const INDEX = 'dist/index.js'
const REACT = 'dist/react.js'

/** An app that only reads, with every effect, or few. */
const READS = {
  core: 'RealtimeQueryBridge defineEvents on invalidate setData update upsert patch remove drop'.split(' '),
  react: ['RealtimeQueryProvider', 'useRealtimeStatus'],
}
const FEW = 'RealtimeQueryBridge defineEvents on invalidate patch'.split(' ')
const MUTATIONS = ['useRealtimeMutation', 'usePendingMutations']

export default [
  // The goal is 8.5 kB with mutations. See ARCHITECTURE.md, "Size", for what stands in the way; the limits are what was
  // reached and 3 %.
  line({
    name: 'an app that reads',
    imports: { [INDEX]: READS.core, [REACT]: READS.react },
    limit: '24 kB',
  }),
  line({
    name: 'an app that reads, with invalidate and patch',
    imports: { [INDEX]: FEW, [REACT]: READS.react },
    limit: '22.9 kB',
  }),
  line({
    name: 'an app that reads, by positions',
    imports: { [INDEX]: [...READS.core, 'positioned'], [REACT]: READS.react },
    limit: '31.3 kB',
  }),
  line({
    name: 'an app that reads and mutates',
    imports: { [INDEX]: READS.core, [REACT]: [...READS.react, ...MUTATIONS] },
    limit: '36.4 kB',
  }),
  line({ name: 'everything of . and ./react', imports: { [INDEX]: '*', [REACT]: '*' }, limit: '42.7 kB' }),
  line({ name: './websocket, with partysocket', imports: { 'dist/websocket.js': '*' }, limit: '3.8 kB' }),
  line({ name: './sse, with eventsource-parser', imports: { 'dist/sse.js': '*' }, limit: '3.8 kB' }),
  line({
    name: './socket.io, with socket.io-client',
    imports: { 'dist/socket.io.js': '*' },
    limit: '14 kB',
    platform: 'browser', // where engine.io-client has code of its own
  }),
  line({ name: './cross-tab', imports: { 'dist/cross-tab.js': '*' }, limit: '6.9 kB' }),
  line({ name: './msgpack, with @msgpack/msgpack', imports: { 'dist/msgpack.js': '*' }, limit: '7 kB' }),
  line({
    name: './persist, with the mutations that it stores',
    imports: { 'dist/persist.js': '*' },
    limit: '18.1 kB',
  }),
  line({ name: './devtools/production', imports: { 'dist/devtools-production.js': '*' }, limit: '15 kB' }),
  line({ name: './devtools, in production', imports: { 'dist/devtools.js': '*' }, limit: '0.2 kB' }),
  line({ name: './server', imports: { 'dist/server.js': '*' }, platform: 'node' }),
  line({ name: './server/redis', imports: { 'dist/server-redis.js': '*' }, platform: 'node' }),
  line({ name: './server/postgres', imports: { 'dist/server-postgres.js': '*' }, platform: 'node' }),
]

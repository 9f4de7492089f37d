import { defineConfig } from 'tsup'

/** The ES modules and their types; `scripts/write-commonjs.mjs` makes CommonJS of both. */
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    react: 'src/react/index.ts', // begins with 'use client'
    websocket: 'src/transports/websocket.ts',
    sse: 'src/transports/sse.ts',
    'socket.io': 'src/transports/socket-io.ts',
    'cross-tab': 'src/cross-tab/index.ts',
    persist: 'src/persist/index.ts',
    server: 'src/server/index.ts',
    'server-redis': 'src/server/logs/redis.ts',
    'server-postgres': 'src/server/logs/postgres.ts',
    msgpack: 'src/codecs/msgpack.ts',
    testing: 'src/testing/index.ts',
    devtools: 'src/devtools/index.ts', // begins with 'use client'; in production it gives nothing
    'devtools-production': 'src/devtools/production.ts',
  },
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  // A class or a React context that stood in two entries would be two different ones.
  splitting: true,
  sourcemap: true,
  clean: true,
  // The schema types are an interface to copy, not a package to install.
  dts: { resolve: ['@standard-schema/spec'] },
  external: [/^node:/],
  removeNodeProtocol: false,
  // Not `process.env["NODE_ENV"]`, as the compiler wants it in the source: not every bundler replaces that.
  define: { 'process.env.NODE_ENV': 'process.env.NODE_ENV' },
})

import { defineConfig } from 'tsup'

/** What is ours is bundled with `NODE_ENV` inlined, as for the other benchmarks; what is compared comes as installed. */
export default defineConfig({
  entry: {
    run: 'bench/fan-out/run.ts',
    server: 'bench/fan-out/server.ts',
    clients: 'bench/fan-out/clients.ts',
  },
  outDir: 'node_modules/.cache/bench-fan-out',
  format: 'esm',
  target: 'node20',
  platform: 'node',
  external: ['ws', 'socket.io'],
  env: { NODE_ENV: 'production' },
  splitting: false,
  clean: true,
  config: false,
})

import { defineConfig } from 'tsup'

/**
 * One file with everything in it and `NODE_ENV` inlined: query-core, React and zod read `process.env` on hot paths,
 * which in Node costs more than what is measured; an app's bundler inlines it too.
 */
export default defineConfig({
  entry: { bench: 'bench/run.ts' },
  outDir: 'node_modules/.cache/bench',
  format: 'esm',
  target: 'node20',
  platform: 'node',
  external: ['mitata'],
  noExternal: [/^(?!mitata$)/],
  env: { NODE_ENV: 'production' },
  splitting: false,
  clean: true,
  config: false,
})

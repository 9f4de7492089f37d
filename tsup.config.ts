import { readFile, writeFile } from 'node:fs/promises'
import { defineConfig } from 'tsup'

/** Entries that only run in a client component. Each source file begins with `'use client'`. */
const CLIENT_ENTRIES = ['react']

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    react: 'src/react/index.ts',
    websocket: 'src/transports/websocket.ts',
    server: 'src/server/index.ts',
    testing: 'src/testing/index.ts',
  },
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'neutral',
  // In both formats: a class or a React context that stood in two entries would be two different ones.
  splitting: true,
  sourcemap: true,
  clean: true,
  // The schema types are an interface to copy, not a package to install.
  dts: { resolve: ['@standard-schema/spec'] },
  external: [/^node:/],
  removeNodeProtocol: false,
  async onSuccess() {
    for (const entry of CLIENT_ENTRIES) await raiseDirective(`dist/${entry}.cjs`)
  },
})

/**
 * The CommonJS step writes its own statement before the directive, and a directive counts only in front. Both
 * stand on the first line, which has no mapping, so the source map stays right.
 */
async function raiseDirective(file: string): Promise<void> {
  const directive = '"use client";'
  const code = await readFile(file, 'utf8')
  const end = code.indexOf('\n')
  const first = code.slice(0, end)
  if (!first.includes(directive)) throw new Error(`${file}: the first line has no ${directive}`)
  await writeFile(file, directive + first.replace(directive, '') + code.slice(end))
}

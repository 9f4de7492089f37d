/** Builds the library with one line of it changed, so that a simulation can be asked whether it notices. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

export interface PlantedBug {
  /** What is taken out. */
  readonly name: string
  /** Where: a file of `src`, and text that stands there exactly once. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** In which world it shows. */
  readonly configuration: string
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** Below `node_modules`, so that packages are found and no tool takes it for source. */
const OUT = join(ROOT, 'node_modules/.cache/planted-bugs')

export async function planted<T>(bug: PlantedBug | undefined): Promise<T> {
  const file = bug && join(ROOT, 'src', bug.file)
  mkdirSync(OUT, { recursive: true })
  const outfile = join(OUT, `${(bug?.name ?? 'none').replace(/\W+/g, '-')}-${process.pid}.mjs`)
  await build({
    entryPoints: [fileURLToPath(new URL('./planted-entry.ts', import.meta.url))],
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    outfile,
    logLevel: 'silent',
    plugins: [
      {
        name: 'plant',
        setup: ({ onLoad }) => {
          onLoad({ filter: /\.ts$/ }, ({ path }) => {
            if (!bug || path !== file) return undefined
            const source = readFileSync(path, 'utf8')
            const parts = source.split(bug.find)
            if (parts.length !== 2)
              throw new Error(`${bug.file} has ${parts.length - 1} times the line to change: ${bug.find}`)
            return { contents: parts.join(bug.replace), loader: 'ts' }
          })
        },
      },
    ],
  })
  return (await import(/* @vite-ignore */ pathToFileURL(outfile).href)) as T
}

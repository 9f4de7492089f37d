/** Builds the library with one line of it changed, so that a simulation can be asked whether it notices. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

/** A file of `src`, and text that stands there exactly once. */
interface Edit {
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface PlantedBug {
  /** What is taken out. */
  readonly name: string
  readonly edits: readonly Edit[]
  /** In which world it shows. */
  readonly configuration: string
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** Below `node_modules`, so that packages are found and no tool takes it for source. */
const OUT = join(ROOT, 'node_modules/.cache/planted-bugs')

export async function planted<T>(bug: PlantedBug | undefined): Promise<T> {
  const edits = new Map(bug?.edits.map((edit) => [join(ROOT, 'src', edit.file), edit]))
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
            const edit = edits.get(path)
            if (!edit) return undefined
            const parts = readFileSync(path, 'utf8').split(edit.find)
            if (parts.length !== 2)
              throw new Error(`${edit.file} has ${parts.length - 1} times the line to change: ${edit.find}`)
            return { contents: parts.join(edit.replace), loader: 'ts' }
          })
        },
      },
    ],
  })
  return (await import(/* @vite-ignore */ pathToFileURL(outfile).href)) as T
}

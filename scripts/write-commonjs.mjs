/**
 * Makes CommonJS of the ES modules in `dist`, file by file: the same chunks, so again one copy of each class. (tsup's
 * own splitting for CommonJS rewrites class fields and `?.` as well.) The types differ in file names only.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { transform } from 'esbuild'

const DIST = 'dist'
const DIRECTIVE = /^(["']use client["'];)\n/

/**
 * `./chunk.js` → `./chunk.cjs`, in code and in types.
 * @param {string} text
 */
function renameImports(text) {
  return text.replace(
    /(\bfrom |\bimport |\bimport\(|\brequire\()(["'])(\.\.?\/[^"'\n]+)\.js\2/g,
    '$1$2$3.cjs$2',
  )
}

/** @param {string} file */
async function writeTypes(file) {
  const types = await readFile(join(DIST, file), 'utf8')
  await writeFile(join(DIST, file.replace(/ts$/, 'cts')), renameImports(types))
}

/** @param {string} file */
async function writeCode(file) {
  const output = file.replace(/js$/, 'cjs')
  const esm = await readFile(join(DIST, file), 'utf8')
  const map = await readFile(join(DIST, `${file}.map`), 'base64')
  const directive = DIRECTIVE.exec(esm)?.[1] ?? ''
  // A directive counts only in front of everything, so it goes into the banner; its line stays, for the map. With the
  // first map at hand, esbuild makes one that leads to the TypeScript.
  const input = esm
    .replace(DIRECTIVE, '\n')
    .replace(/^\/\/# sourceMappingURL=.*$/m, `//# sourceMappingURL=data:application/json;base64,${map}`)
  const result = await transform(input, {
    format: 'cjs',
    target: 'es2022',
    sourcefile: file,
    sourcemap: 'external',
    banner: `${directive}"use strict";`,
  })
  await writeFile(join(DIST, output), `${renameImports(result.code)}//# sourceMappingURL=${output}.map\n`)
  await writeFile(join(DIST, `${output}.map`), result.map)
}

const files = await readdir(DIST)
await Promise.all([
  ...files.filter((name) => name.endsWith('.d.ts')).map(writeTypes),
  ...files.filter((name) => name.endsWith('.js')).map(writeCode),
])

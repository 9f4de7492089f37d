/**
 * Runs the changesets CLI on this package. The CLI takes a package with `workspaces` for a shell around the real
 * ones, and here the package at the root is the real one; so it is shown a package.json without that field.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

/** @returns {Record<string, unknown>} */
const read = () => JSON.parse(readFileSync('package.json', 'utf8'))
/** @param {Record<string, unknown>} manifest */
const write = (manifest) => writeFileSync('package.json', `${JSON.stringify(manifest, null, 2)}\n`)

const original = read()
const { workspaces: _, ...shown } = original
write(shown)
try {
  const { status } = spawnSync('npx', ['--no-install', 'changeset', ...process.argv.slice(2)], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  process.exitCode = status ?? 1
} finally {
  // `version` has changed one field; the others, and their order, are kept.
  write({ ...original, version: read()['version'] })
}

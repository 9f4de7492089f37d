/** Packs the package as npm would publish it, and checks the tarball with publint and attw. Needs a build. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'realtime-query-bridge-'))

/** @param {string[]} args */
const npx = (...args) =>
  execFileSync('npx', ['--no-install', ...args], { stdio: 'inherit', shell: process.platform === 'win32' })

try {
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    shell: process.platform === 'win32',
  })
  const [{ filename, files, size }] = JSON.parse(packed)
  console.log(`${filename}: ${files.length} files, ${(size / 1000).toFixed(1)} kB`)
  const tarball = join(folder, filename)
  const which = process.argv[2]
  if (which !== 'attw') npx('publint', tarball, '--strict')
  // node10 knows no subpaths; every Node that the package supports does.
  if (which !== 'publint') npx('attw', tarball, '--profile', 'node16')
} catch (error) {
  process.exitCode =
    typeof error === 'object' && error !== null && 'status' in error ? Number(error.status) || 1 : 1
  if (!(error instanceof Error && 'status' in error)) console.error(error)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

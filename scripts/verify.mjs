/**
 * Everything that CI checks, in order, each part under its heading. A part that fails does not stop the rest, so
 * that one run tells all. `npm run verify -- lint types` runs only the parts named.
 *
 * The last line counts tests; a part that fails without counting tests counts as one failure.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureChromium } from './ensure-chromium.mjs'
import { ensureServices } from './ensure-services.mjs'

/**
 * A command line, or the names of vitest projects. `ensure` throws when a program that the tests need is missing.
 * @typedef {{ name: string, run: string[] } | { name: string, vitest: string[], ensure?: () => string }} Part
 */

/** @type {Part[]} */
const PARTS = [
  { name: 'build', run: ['npm', 'run', '--silent', 'build'] }, // first: the example's types and lint are checked against the build
  { name: 'format', run: ['prettier', '--check', '.'] },
  { name: 'lint', run: ['eslint', '.', '--max-warnings', '0'] },
  { name: 'types', run: ['tsc', '--project', '.'] },
  { name: 'types, lowest peers', run: ['tsc', '--project', 'test/min-peers'] },
  { name: 'types, example', run: ['tsc', '--project', 'examples/task-board'] },
  { name: 'knip', run: ['knip'] },
  { name: 'import rule', vitest: ['lint'] },
  { name: 'unit', vitest: ['unit'] },
  { name: 'react', vitest: ['react'] },
  { name: 'integration', vitest: ['integration'] },
  { name: 'services', vitest: ['services'], ensure: ensureServices },
  { name: 'min-peer', vitest: ['min-peer', 'min-peer-react'] },
  { name: 'type tests', vitest: ['types'] },
  { name: 'publint', run: ['node', 'scripts/check-package.mjs', 'publint'] },
  { name: 'attw', run: ['node', 'scripts/check-package.mjs', 'attw'] },
  { name: 'size', run: ['size-limit'] },
  { name: 'dist', vitest: ['dist'] },
  { name: 'e2e', vitest: ['e2e'], ensure: ensureChromium },
]

const folder = mkdtempSync(join(tmpdir(), 'realtime-query-bridge-verify-'))
const chosen = process.argv.slice(2)
const unknown = chosen.filter((name) => !PARTS.some((part) => part.name === name))
if (unknown.length > 0) {
  console.error(`No part named ${unknown.join(', ')}. Parts: ${PARTS.map((part) => part.name).join(', ')}`)
  process.exit(2)
}

/** @param {string[]} command */
function succeeds([program = '', ...args]) {
  const isOwn = existsSync(join('node_modules/.bin', program))
  const { status, error } = spawnSync(isOwn ? join('node_modules/.bin', program) : program, args, {
    stdio: 'inherit',
    shell: process.platform === 'win32', // what npm installs there starts only by way of a shell
  })
  if (error) console.error(error.message)
  return status === 0
}

/**
 * @param {string[]} projects
 * @returns {{ ok: boolean, passed: number, failed: number, note?: string }}
 */
function runTests(projects) {
  const report = join(folder, `${projects.join('+')}.json`)
  const ok = succeeds([
    'vitest',
    'run',
    ...projects.flatMap((project) => ['--project', project]),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ])
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
      readFileSync(report, 'utf8'),
    )
    const skipped = numPendingTests + numTodoTests
    return {
      ok: ok && numPassedTests > 0,
      passed: numPassedTests,
      failed: numFailedTests,
      note: `${numPassedTests} passed, ${numFailedTests} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
    }
  } catch {
    return { ok: false, passed: 0, failed: 0, note: 'no report' }
  }
}

/** @param {Part} part */
function runPart(part) {
  if ('run' in part) return { ok: succeeds(part.run), passed: 0, failed: 0 }
  try {
    if (part.ensure) console.log(part.ensure())
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return { ok: false, passed: 0, failed: 0, note: 'a program is missing' }
  }
  return runTests(part.vitest)
}

const lines = []
let passed = 0
let failed = 0
for (const part of PARTS.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
  console.log(`\n━━━ ${part.name} ${'━'.repeat(Math.max(0, 70 - part.name.length))}\n`)
  const start = performance.now()
  const result = runPart(part)
  passed += result.passed
  failed += result.ok ? 0 : Math.max(1, result.failed)
  const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(6)
  lines.push(`${result.ok ? '✓' : '✗'} ${part.name.padEnd(20)} ${seconds} s  ${result.note ?? ''}`.trimEnd())
}
rmSync(folder, { recursive: true, force: true })

console.log(`\n━━━ summary ${'━'.repeat(63)}\n`)
console.log(lines.join('\n'))
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

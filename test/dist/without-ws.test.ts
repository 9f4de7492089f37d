import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const DIST = resolve(import.meta.dirname, '../../dist')

const CODE = `
const { createServer } = require('node:http')
async function main({ attachWebSocket, createRealtimeServer, sseHandler }) {
  const server = createRealtimeServer({ authenticate: () => ({}), authorize: () => true })
  const response = await sseHandler(server)(new Request('http://localhost/events'))
  await response.body.cancel()
  const remedy = await attachWebSocket(server, createServer()).ready.catch((error) => error.message)
  console.log(JSON.stringify({ status: response.status, remedy }))
}
`

it.each([
  ['main.cjs', `${CODE} main(require('./server.cjs'))`],
  [
    'main.mjs',
    `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url); ${CODE} main(await import('./server.js'))`,
  ],
])(
  'where no package is installed ./server serves event streams, and says what attachWebSocket needs (%s)',
  (name, code) => {
    const folder = mkdtempSync(join(tmpdir(), 'realtime-query-bridge-'))
    try {
      cpSync(DIST, folder, { recursive: true })
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
      writeFileSync(join(folder, name), code)
      const output = execFileSync(process.execPath, [join(folder, name)], { encoding: 'utf8' })
      expect(JSON.parse(output)).toEqual({ status: 200, remedy: expect.stringContaining('npm install ws') })
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

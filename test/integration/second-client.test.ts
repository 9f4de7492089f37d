import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { startServer } from '../server/support.ts'
import { FaultProxy } from '../support/fault-proxy.ts'

const SCRIPT = fileURLToPath(new URL('../../examples/second-client/client.mjs', import.meta.url))

/** The client of the example, as a process of its own, and the lines that it prints. */
function startClient(url: string, topics: string[], token = 'ada') {
  const child = spawn(process.execPath, [SCRIPT, url, ...topics], {
    env: { ...process.env, TOKEN: token },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  const lines: Record<string, unknown>[] = []
  let wake = () => {}
  createInterface(child.stdout).on('line', (line) => {
    lines.push(JSON.parse(line) as Record<string, unknown>)
    wake()
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return {
    lines,
    ended,
    async until(isThere: () => boolean): Promise<void> {
      while (!isThere()) await new Promise<void>((resolve) => (wake = resolve))
    },
    get events() {
      return lines.flatMap(({ what, data }) => (what === 'event' ? [data] : []))
    },
  }
}

it('a client that was written from PROTOCOL.md alone talks to the server, and misses nothing over cuts', async () => {
  const { server, http, url } = await startServer({ authorize: ({ topic }) => topic !== 'secret' })
  const proxy = await FaultProxy.start(Number(new URL(url).port))
  const client = startClient(proxy.url, ['a', '__proto__', 'secret'])
  await client.until(() => client.lines.length >= 3)
  expect(client.lines).toContainEqual({ what: 'fresh', topic: 'a' })
  expect(client.lines).toContainEqual({ what: 'fresh', topic: '__proto__' })
  expect(client.lines).toContainEqual({ what: 'refused', topic: 'secret', code: 'forbidden' })
  for (let n = 1; n <= 30; n++) {
    await server.publish(n % 3 === 0 ? '__proto__' : 'a', { type: 'noted', data: n })
    if (n % 10 === 0) proxy.cut(n % 20 === 0 ? 'FIN' : 'RST')
  }
  await client.until(() => client.events.length >= 30)
  const inOrder = (isOurs: (n: number) => boolean) => client.events.filter((n) => isOurs(n as number))
  const numbers = Array.from({ length: 30 }, (_, index) => index + 1)
  expect(inOrder((n) => n % 3 === 0)).toEqual(numbers.filter((n) => n % 3 === 0))
  expect(inOrder((n) => n % 3 !== 0)).toEqual(numbers.filter((n) => n % 3 !== 0))
  expect(proxy.cuts).toBeGreaterThan(0)

  // Another server, which knows nothing of the first one's history.
  const next = await startServer()
  proxy.target = Number(new URL(next.url).port)
  http.closeAllConnections()
  proxy.cut()
  await client.until(() => client.lines.some(({ what, topic }) => what === 'reset' && topic === 'a'))
  await next.server.publish('a', { type: 'noted', data: 31 })
  await client.until(() => client.events.length >= 31)
})

it('a client that was written from PROTOCOL.md alone ends when it is not let in', async () => {
  const { url } = await startServer({ authenticate: () => null })
  const client = startClient(url, ['a'])
  expect(await client.ended).toBe(1)
  expect(client.lines).toEqual([{ what: 'closed', code: 4401 }])
})

it('a client that was written from PROTOCOL.md alone asks again for topics that found no room, and for no others', async () => {
  const asked: string[] = []
  let isFull = true
  const { server, url } = await startServer({
    authorize: ({ topic }) => topic !== 'secret',
    rateLimiters: {
      subscriptions: {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a limiter rejects with its numbers
        consume: () => (isFull ? Promise.reject({ msBeforeNext: 1_000 }) : Promise.resolve()),
      },
    },
    logger: { debug: (_, { topic, code }) => asked.push(`${String(topic)} ${String(code)}`) },
  })
  const client = startClient(url, ['a', 'secret'])
  await client.until(() => asked.filter((one) => one === 'a limit').length >= 2)
  isFull = false
  await client.until(() => client.lines.some(({ what, topic }) => what === 'fresh' && topic === 'a'))
  await client.until(() => client.lines.some(({ code }) => code === 'forbidden'))
  await server.publish('a', { type: 'noted', data: 1 })
  await client.until(() => client.events.length === 1)
  expect(client.lines).toContainEqual({ what: 'refused', topic: 'a', code: 'limit' })
  expect(asked.filter((one) => one === 'secret forbidden')).toHaveLength(1)
})

it('the second client uses nothing of the package', () => {
  const imports = [...readFileSync(SCRIPT, 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(
    ([, name]) => name,
  )
  expect(imports).toEqual(['ws'])
})

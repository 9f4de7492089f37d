/** Two clients that write to the same lists over REST, each behind a network of its own that cuts and delays. */
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { EventLog } from '../../src/server/index.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { seasonedLog } from '../support/live-server.ts'
import { seededRandom } from '../support/random.ts'
import { eventually, startClient, startLiveServer } from '../support/socket-client.ts'

const LISTS = ['a', 'b']
const WRITES = 60

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

/** A log that takes its time to read, as one on a network does: events are published meanwhile. */
function slowLog(wait: () => Promise<unknown>): EventLog {
  const log = seasonedLog()
  return {
    ...log,
    async read(topic, after, limit) {
      await wait()
      const read = await log.read(topic, after, limit)
      await wait()
      return read
    },
  }
}

describe('two clients on bad networks', () => {
  it.each([1, 2, 3, 4, 5])(
    'have what the server has, every event once and in order (seed %i)',
    async (seed) => {
      const random = seededRandom(seed)
      const below = (end: number) => Math.floor(random() * end)
      const server = await startLiveServer({ log: slowLog(() => pause(below(5))) })

      const sides = await Promise.all(
        [1, 2].map(async () => {
          const proxy = await FaultProxy.start(server.port)
          proxy.delayMs = () => below(4)
          const client = startClient({
            url: proxy.url,
            origin: server.origin,
            random,
            limits: { streamLagMs: 300 },
          })
          for (const list of LISTS) {
            client.showRows(list)
            client.showSeq(list)
            client.witness(list)
          }
          await client.ready()
          return { proxy, client }
        }),
      )

      const write = async () => {
        const path = `${server.origin}/${LISTS[below(LISTS.length)]}/rows`
        const row = { id: below(12), title: `title ${below(1_000)}` }
        const response =
          random() < 0.7
            ? await fetch(path, { method: 'POST', body: JSON.stringify(row) })
            : await fetch(`${path}/${row.id}`, { method: 'DELETE' })
        expect(response.status).toBe(200)
      }
      let writers = sides.length
      const writing = sides.map(async () => {
        for (let count = 0; count < WRITES; count++) await write()
        writers--
      })
      const breaking = sides.map(async ({ proxy }) => {
        while (writers > 0) {
          if (random() < 0.5) proxy.cut(random() < 0.5 ? 'FIN' : 'RST')
          else proxy.cutAfter(below(1_500), random() < 0.5 ? 'FIN' : 'RST')
          await pause(below(40))
        }
        proxy.cancelCut()
      })
      await Promise.all([...writing, ...breaking])

      const last: Record<string, number> = {}
      for (const list of LISTS) last[list] = await server.mark(list)
      for (const { client } of sides) {
        for (const list of LISTS) {
          await client.hasSeen(list, last[list]!)
          expect(client.witnessed(list)).toEqual(upTo(last[list]!))
          expect(client.rows(list)).toEqual(server.rows(list))
          // Adding one cannot be repeated: where it is in doubt the number is fetched, and then it is right.
          await eventually(() => {
            expect(client.isStale('seq', list)).toBe(false)
            expect(client.shownSeq(list)).toBe(last[list])
          })
        }
        expect(client.bridge.status.status).toBe('live')
      }
      expect(sides.map(({ proxy }) => proxy.live)).toEqual([1, 1])
      expect(server.connections.open).toBe(2)
      expect(sides.reduce((cuts, { proxy }) => cuts + proxy.cuts, 0)).toBeGreaterThan(5)
    },
  )
})

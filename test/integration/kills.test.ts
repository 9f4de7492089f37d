/**
 * A stream of 10,000 events, while the server is killed (SIGKILL) at random points of it and started again. What it has
 * told is in its file first, as with a transactional outbox.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { DurableServer } from '../support/durable-server.ts'
import type { Row } from '../support/live-server.ts'
import { seededRandom } from '../support/random.ts'
import { eventually, startClient } from '../support/socket-client.ts'

const EVENTS = 10_000
const KILLS = 10

/** Streams, kills, restarts. Gives the client and the requests for rows that it has made. */
async function survive(seed: number, epoch?: string) {
  const random = seededRandom(seed)
  const server = await DurableServer.start(epoch)
  const client = startClient({
    url: server.url,
    origin: server.origin,
    random,
    limits: { retryBaseMs: 20, retryMaxMs: 100 },
  })
  let requests = 0
  client.queryClient.getQueryCache().subscribe((event) => {
    if (event.type === 'updated' && event.action.type === 'fetch') requests++
  })
  client.showRows('a')
  client.witness('a')
  await client.ready()
  // The first response may have been asked for before the topic was subscribed.
  const before = requests

  /** The last write that the cache shows. */
  const shown = () => {
    const rows = (client.rows('a') ?? []) as Row[]
    return Math.max(0, ...rows.map(({ title }) => Number(title.split(' ')[1])))
  }

  const killAt = Array.from({ length: KILLS }, () => Math.ceil(random() * (EVENTS - 1))).sort((a, b) => a - b)
  server.stream('a', EVENTS)
  for (const seq of killAt) {
    await eventually(() => {
      expect(shown()).toBeGreaterThanOrEqual(seq)
    })
    await pause(random() * 5)
    await server.restart()
    // More than 500 events are no replay any more, but a reset: a log that survives does not go on without its reader.
    if (epoch === undefined) server.stream('a', EVENTS)
    await eventually(() => {
      expect(client.bridge.status.status).toBe('live')
      expect(client.queryClient.isFetching()).toBe(0)
    })
    if (epoch !== undefined) server.stream('a', EVENTS)
  }
  // Where the log is lost, the last events may be over before the client is back: then a fetch tells of them.
  await eventually(() => {
    expect(shown()).toBe(EVENTS)
    expect(client.queryClient.isFetching()).toBe(0)
  })
  expect(client.rows('a')).toEqual(await server.rows('a'))
  expect(server.kills).toBe(KILLS)
  return { seen: client.witnessed('a'), requests: requests - before }
}

describe('10,000 events over a server that is killed ten times', () => {
  it('are applied once each, and nothing is requested, where the log survives', async () => {
    const { seen, requests } = await survive(1, 'kept')
    expect(seen).toEqual(Array.from({ length: EVENTS }, (_, index) => index + 1))
    expect(requests).toBe(0)
  }, 120_000)

  it('are never applied twice, and what was lost is fetched once per kill, where the log does not', async () => {
    const { seen, requests } = await survive(2)
    expect(seen.every((seq, index) => index === 0 || seq > seen[index - 1]!)).toBe(true)
    expect(requests).toBeGreaterThan(0)
    expect(requests).toBeLessThanOrEqual(KILLS)
  }, 120_000)
})

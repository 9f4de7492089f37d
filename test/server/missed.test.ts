import { describe, expect, it } from 'vitest'
import { memoryEventLog, type EventLog } from '../../src/server/index.ts'
import { startServer, TestClient } from './support.ts'

/** A memory log that can be deaf to its own events, and whose reads can be held. */
function deafLog() {
  const inner = memoryEventLog({ epoch: 'e' })
  let isDeaf = false
  let isHeld = Promise.resolve()
  let missed = () => {}
  const log: EventLog = {
    ...inner,
    read: async (...args) => {
      const answer = await inner.read(...args)
      await isHeld
      return answer
    },
    subscribe(listener, onMissed = () => {}) {
      missed = onMissed
      return inner.subscribe((entry) => {
        if (!isDeaf) listener(entry)
      })
    },
  }
  return {
    log,
    goDeaf: () => (isDeaf = true),
    hearOn: () => {
      isDeaf = false
      missed()
    },
    /** Holds reads until the function that it gives is called. */
    holdReads: () => {
      let release = () => {}
      isHeld = new Promise((resolve) => (release = resolve))
      return release
    },
  }
}

const offsets = (events: readonly { offset: number }[]) => events.map(({ offset }) => offset)

describe('a log that has told of less than there was', () => {
  it('makes every live subscription read what it has missed', async () => {
    const { log, goDeaf, hearOn } = deafLog()
    const { server, url } = await startServer({ log })
    const clients = [await TestClient.ready(url), await TestClient.ready(url)]
    for (const client of clients) {
      client.subscribe('t')
      await client.next('subscribed')
    }
    goDeaf()
    await server.publish('t', { type: 'n' })
    await server.publish('t', { type: 'n' })
    hearOn()
    await server.publish('t', { type: 'n' })
    for (const client of clients) expect(offsets(await client.events(3))).toEqual([1, 2, 3])
  })

  it('makes a read that was under way be repeated', async () => {
    const { log, goDeaf, hearOn, holdReads } = deafLog()
    const { server, url } = await startServer({ log })
    await server.publish('t', { type: 'n' })
    const client = await TestClient.ready(url)
    const release = holdReads()
    client.subscribe('t', { epoch: 'e', offset: 0 })
    // The barrier: the server has begun to read.
    await client.settled()
    goDeaf()
    await server.publish('t', { type: 'n' })
    hearOn()
    release()
    expect(offsets((await client.next('subscribed')).events ?? [])).toEqual([1, 2])
  })
})

/** The buses that nodes of a cluster talk over, for tests that hold for all of them. */
import { Redis } from 'ioredis'
import type { RealtimeError } from '../../src/core/errors.ts'
import { postgresBus } from '../../src/server/logs/postgres.ts'
import { redisBus } from '../../src/server/logs/redis.ts'
import type { ContractBus } from '../../src/testing/index.ts'
import { memoryBus } from '../server/manual.ts'
import { openPool } from './postgres-pool.ts'
import { PostgresServer } from './postgres-server.ts'
import { RedisServer } from './redis-server.ts'
import { embeddedDatabase } from './sql-databases.ts'

interface OpenedBus extends ContractBus {
  close(): Promise<void>
}

export interface BusKind {
  readonly name: string
  start(): Promise<void>
  stop(): Promise<void>
  /** A node's bus, with connections of its own. Nodes with the same name of a cluster hear each other. */
  open(cluster: string, onError?: (error: RealtimeError) => void): OpenedBus
  /** What carries it. A bus within the process has nothing that could be killed. */
  readonly service?: { kill(): Promise<void>; restart(): Promise<void>; freeze(): void; thaw(): void }
}

const ignore = () => {}

function inMemory(): BusKind {
  const buses = new Map<string, ReturnType<typeof memoryBus>>()
  return {
    name: 'memory',
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    open(cluster) {
      const bus = buses.get(cluster) ?? memoryBus()
      buses.set(cluster, bus)
      let isClosed = false
      const leave = new Set<() => void>()
      return {
        publish: (message) => (isClosed ? Promise.reject(new Error('closed')) : bus.publish(message)),
        subscribe(listener) {
          // One listener may subscribe twice.
          const stop = bus.subscribe((message) => {
            listener(message)
          })
          leave.add(stop)
          return stop
        },
        close() {
          isClosed = true
          for (const stop of leave) stop()
          return Promise.resolve()
        },
      }
    },
  }
}

function inPGlite(): BusKind {
  const database = embeddedDatabase()
  return {
    name: 'PGlite',
    start: () => database.start(),
    stop: () => database.stop(),
    open: (cluster, onError = ignore) => postgresBus({ db: database.open().db, channel: cluster, onError }),
  }
}

function inPostgres(): BusKind {
  let server: PostgresServer
  return {
    name: 'PostgreSQL',
    async start() {
      server = await PostgresServer.start()
    },
    stop: () => server.remove(),
    open(cluster, onError = ignore) {
      const pool = openPool(server.connection)
      const bus = postgresBus({ db: pool, channel: cluster, onError, checkMs: 500 })
      return {
        ...bus,
        async close() {
          await bus.close()
          if (!pool.ended) await pool.end()
        },
      }
    },
    service: {
      kill: () => server.kill(),
      restart: () => server.restart(),
      freeze: () => server.freeze(),
      thaw: () => server.thaw(),
    },
  }
}

function inRedis(): BusKind {
  let server: RedisServer
  return {
    name: 'Redis',
    async start() {
      server = await RedisServer.start()
    },
    stop: () => server.remove(),
    open(cluster, onError = ignore) {
      const client = new Redis({ ...server.connection, lazyConnect: true })
      client.on('error', ignore)
      const bus = redisBus({ client, prefix: cluster, onError })
      return {
        ...bus,
        close() {
          bus.close()
          client.disconnect()
          return Promise.resolve()
        },
      }
    },
    service: {
      kill: () => server.kill(),
      restart: () => server.restart(),
      freeze: () => server.freeze(),
      thaw: () => server.thaw(),
    },
  }
}

export const busKinds = (): BusKind[] => [inMemory(), inPGlite(), inPostgres(), inRedis()]

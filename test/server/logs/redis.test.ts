import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { redisEventLog } from '../../../src/server/logs/redis.ts'
import { eventLogContract } from '../../../src/testing/event-log-contract.ts'
import { RedisServer } from '../../support/redis-server.ts'

let redis: RedisServer
let client: Redis
let prefixes = 0

beforeAll(async () => {
  redis = await RedisServer.start()
  client = new Redis(redis.connection)
})
afterAll(async () => {
  client.disconnect()
  await redis.remove()
})

describe('redisEventLog', () => {
  describe.each([1, 2, 3])('kept to the contract, time %d', () => {
    eventLogContract(it, (options) => {
      const prefix = `contract-${++prefixes}`
      return [redisEventLog({ client, prefix, ...options }), redisEventLog({ client, prefix, ...options })]
    })
  })
})

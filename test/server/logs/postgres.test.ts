import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { postgresEventLog, type PostgresEventLogOptions } from '../../../src/server/logs/postgres.ts'
import { eventLogContract } from '../../../src/testing/event-log-contract.ts'
import { embeddedDatabase, serverDatabase } from '../../support/sql-databases.ts'

describe.each([embeddedDatabase(), serverDatabase()])('postgresEventLog on $name', (kind) => {
  beforeAll(() => kind.start())
  afterAll(() => kind.stop())
  const cleanUps: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0)) await cleanUp()
  })
  let schemas = 0

  /** Nodes over an empty log. */
  const nodes = async (count: number, options: Partial<PostgresEventLogOptions> = {}) => {
    const schema = `log_${++schemas}`
    return Promise.all(
      Array.from({ length: count }, async () => {
        const { db, close } = await kind.open()
        const log = postgresEventLog({ db, schema, ...options })
        cleanUps.push(() => log.close(), close)
        await log.migrate()
        return log
      }),
    )
  }

  for (const run of [1, 2, 3]) {
    describe(`the contract, run ${run}`, () => {
      eventLogContract(it, async (options) => {
        const [one, other] = await nodes(2, options)
        return [one!, other!]
      })
    })
  }

  it('has a head', async () => {
    const [log] = await nodes(1)
    expect((await log!.head('x')).offset).toBe(0)
  })
})

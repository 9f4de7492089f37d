import { execFileSync } from 'node:child_process'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PostgresServer } from '../support/postgres-server.ts'

/** `T`: stopped. */
const stateOf = (pid: number) =>
  execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).trim()

describe('PostgresServer', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await PostgresServer.start({ settings: { max_connections: '17' } })
  })
  afterAll(() => server.remove())

  const query = async (text: string, connection: pg.ClientConfig = server.connection) => {
    const client = new pg.Client(connection)
    await client.connect()
    try {
      return (await client.query<Record<string, unknown>>(text)).rows
    } finally {
      await client.end()
    }
  }

  it('takes connections over TCP and over its Unix socket, with the settings it was given', async () => {
    expect(await query('show max_connections')).toEqual([{ max_connections: '17' }])
    expect(await query('select 1 as one', { ...server.connection, host: server.socketFolder })).toEqual([
      { one: 1 },
    ])
  })

  it('keeps what was committed when it is killed, and breaks the connections', async () => {
    await query('create table kept (n int)')
    const client = new pg.Client(server.connection)
    await client.connect()
    const broken = new Promise<Error>((resolve) => client.on('error', resolve))
    await client.query('insert into kept values (1)')
    await client.query('begin')
    await client.query('insert into kept values (2)')
    await server.kill()
    expect((await broken).message).toMatch(/terminated|ECONNRESET/)
    await server.restart()
    expect(await query('select n from kept')).toEqual([{ n: 1 }])
  })

  it('answers nobody while it is frozen, and goes on afterwards', async () => {
    const client = new pg.Client(server.connection)
    await client.connect()
    const [{ pid }] = (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows as [
      { pid: number },
    ]
    server.freeze()
    const order: string[] = []
    const answer = client.query('select 1').then(() => order.push('answered'))
    // The kernel runs nothing of what it has stopped, so there is nothing to wait for.
    while (!stateOf(pid).startsWith('T'));
    await new Promise((resolve) => setImmediate(resolve))
    order.push('thawed')
    server.thaw()
    await answer
    await client.end()
    expect(order).toEqual(['thawed', 'answered'])
  })

  it('comes back after a stop', async () => {
    await server.stop()
    await server.restart()
    expect(await query('select 1 as one')).toEqual([{ one: 1 }])
  })
})

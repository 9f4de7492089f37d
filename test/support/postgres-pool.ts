import pg from 'pg'

/** A pool that outlives a server that is killed. */
export function openPool(connection: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({ max: 6, connectionTimeoutMillis: 5_000, ...connection })
  pool.on('error', () => {})
  return pool
}

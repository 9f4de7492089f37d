/**
 * What the log needs of a database driver: the part that `pg` (node-postgres) and PGlite have in common, so that both
 * run the same code, and the two ways to be woken.
 */

/** Runs one statement: a `pg.PoolClient` or PGlite's transaction is one, too. */
export interface SqlClient {
  query(text: string, params?: unknown[]): Promise<{ readonly rows: unknown[] }>
}

/** A `pg.Pool`. */
export interface SqlPool extends SqlClient {
  connect(): Promise<SqlPoolClient>
}

export interface SqlPoolClient extends SqlClient {
  on(event: 'notification', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  release(destroy?: boolean): void
}

/** A PGlite. */
export interface EmbeddedSql extends SqlClient {
  listen(channel: string, callback: (payload: string) => void): Promise<() => Promise<void>>
}

/** With a driver that has neither `connect` nor `listen`, other nodes are heard by polling alone. */
export type SqlDatabase = SqlPool | EmbeddedSql | SqlClient

/** The connection on which a node follows the log. */
export interface TailConnection extends SqlClient {
  /** Whether it hears notifications. */
  readonly isWoken: boolean
  /** Never rejects. */
  close(): Promise<void>
}

export interface TailConnectionHandlers {
  onWake(): void
  /** The connection is gone. */
  onLost(error: Error): void
}

export interface OpenTailConnection {
  readonly db: SqlDatabase
  readonly channel: string
  /** The statement that makes a pooled connection listen. */
  readonly listen: string
  /** Not asked to listen: a database whose events are appended without a notification. */
  readonly isPolled: boolean
}

/** Opens what a tail reads from. Events of a pooled connection after `close` are swallowed: it is being destroyed. */
export async function openTailConnection(
  { db, channel, listen, isPolled }: OpenTailConnection,
  handlers: TailConnectionHandlers,
): Promise<TailConnection> {
  if (isPolled) return polled(db)
  if ('listen' in db) {
    const stop = await db.listen(channel, () => {
      handlers.onWake()
    })
    return {
      query: (text, params) => db.query(text, params),
      isWoken: true,
      close: () => stop().catch(() => undefined),
    }
  }
  if (!('connect' in db)) return polled(db)
  const client = await db.connect()
  let isOpen = true
  const lost = (error: Error) => {
    if (isOpen) handlers.onLost(error)
  }
  client.on('error', lost)
  client.on('end', () => {
    lost(new Error('The connection has ended.'))
  })
  client.on('notification', () => {
    if (isOpen) handlers.onWake()
  })
  const close = () => {
    if (isOpen) client.release(true)
    isOpen = false
    return Promise.resolve()
  }
  try {
    await client.query(listen)
  } catch (error) {
    await close()
    throw error
  }
  return { query: (text, params) => client.query(text, params), isWoken: true, close }
}

const polled = (db: SqlClient): TailConnection => ({
  query: (text, params) => db.query(text, params),
  isWoken: false,
  close: () => Promise.resolve(),
})

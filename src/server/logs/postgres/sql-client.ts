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
  on(event: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown
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

/** A connection of a node on which it hears notifications. */
export interface ListeningConnection extends SqlClient {
  /** Whether it hears notifications. */
  readonly isWoken: boolean
  /** Never rejects. */
  close(): Promise<void>
}

export interface ListeningHandlers {
  onNotification(payload: string): void
  /** The connection is gone. */
  onLost(error: Error): void
}

export interface OpenListening {
  readonly db: SqlDatabase
  /** Lower-case letters, digits and `_`. */
  readonly channel: string
  /** Not asked to listen: a database whose events are appended without a notification. */
  readonly isPolled: boolean
}

/** Opens a connection of its own, or takes what an embedded database has. Events of a pooled connection after `close` are swallowed: it is being destroyed. */
export async function openListening(
  { db, channel, isPolled }: OpenListening,
  handlers: ListeningHandlers,
): Promise<ListeningConnection> {
  if (isPolled) return polled(db)
  if ('listen' in db) {
    const stop = await db.listen(channel, (payload) => {
      handlers.onNotification(payload)
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
  client.on('notification', ({ payload = '' }) => {
    if (isOpen) handlers.onNotification(payload)
  })
  const close = () => {
    if (isOpen) client.release(true)
    isOpen = false
    return Promise.resolve()
  }
  try {
    await client.query(`listen "${channel}"`)
  } catch (error) {
    await close()
    throw error
  }
  return { query: (text, params) => client.query(text, params), isWoken: true, close }
}

const polled = (db: SqlClient): ListeningConnection => ({
  query: (text, params) => db.query(text, params),
  isWoken: false,
  close: () => Promise.resolve(),
})

/**
 * How the nodes of a cluster tell each other what is never stored: presence, signals and revocations. Events travel by
 * the log. The port is a plain broadcast of text; what is lost on it heals by itself (presence) or was worth nothing a
 * moment later (signals). Redis' PUBLISH and PostgreSQL's NOTIFY serve it: see `redisBus` and
 * `postgresBus`.
 */
export interface ServerBus {
  /**
   * Sends to all nodes, in the order of one node's calls. Whether this node hears itself does not matter. May reject:
   * it is reported, and nothing is sent again.
   */
  publish(message: string): void | Promise<void>
  /** Hears what is sent from now on. Returns what ends it. `listener` does not throw. */
  subscribe(listener: (message: string) => void): () => void
}

/** Which connections lose what. At least one field; all that are given must fit. */
export interface RevokeFilter {
  /** The user, as `userId` gives it. */
  readonly user?: string | undefined
  readonly connectionId?: string | undefined
  /** Only this topic is taken away. Absent: the connection is closed. */
  readonly topic?: string | undefined
}

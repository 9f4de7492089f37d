import { RealtimeError } from '../core/errors.ts'
import type { RevokeFilter } from './cluster/server-bus.ts'
import type { RealtimeServerOptions } from './server-options.ts'

export const usage = (message: string) => new RealtimeError('usage', message)

/** JavaScript callers have no types to tell them. */
export function requireValid<TIdentity, TMap extends object>(
  options: RealtimeServerOptions<TIdentity, TMap>,
): void {
  const { authenticate, authorize, leaseMs = 1, leaseConcurrency = 1, presence = {} } = options
  if (typeof authenticate !== 'function' || typeof authorize !== 'function') {
    throw usage(
      'createRealtimeServer needs authenticate and authorize. To let everybody in: authenticate: () => ({}), authorize: () => true.',
    )
  }
  const { graceMs = 0, ttlMs = 1 } = presence
  if (!(leaseMs > 0)) throw usage(`leaseMs must be a number above 0. Got ${leaseMs}.`)
  if (!(leaseConcurrency >= 1))
    throw usage(`leaseConcurrency must be a number from 1. Got ${leaseConcurrency}.`)
  if (!(graceMs >= 0)) throw usage(`presence.graceMs must be a number from 0. Got ${graceMs}.`)
  if (!(ttlMs > 0)) throw usage(`presence.ttlMs must be a number above 0. Got ${ttlMs}.`)
}

/** A filter that names nobody would mean everybody. */
export function requireFilter(filter: RevokeFilter): void {
  const { user, connectionId, topic } = filter
  if ([user, connectionId, topic].every((value) => value === undefined || value === '')) {
    throw usage('revoke needs a user, a connectionId or a topic. To let go of everybody: server.close().')
  }
}

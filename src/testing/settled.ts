import { setImmediate, setTimeout as setRealTimeout, clearTimeout as clearRealTimeout } from 'node:timers'
import type { RealtimeQueryBridge } from '../bridge.ts'
import { RealtimeError } from '../core/errors.ts'
import type { EventTable } from '../core/routing/event-table.ts'
import { awaitOutsideOfAct } from './outside-of-act.ts'

export interface SettledOptions {
  /** Whether to wait for queries and mutations that have no response yet. @default true */
  readonly requests?: boolean | undefined
  /** After this it rejects, in ms of real time. @default 2_000 */
  readonly timeoutMs?: number | undefined
}

interface Waiting extends Pick<SettledOptions, 'requests'> {
  readonly isDown: () => boolean
  /** A client waits for the answer to a subscription. */
  readonly isAnswering: () => boolean
}

/** Taken now: a test runner may replace them later. */
const real = { setImmediate, setTimeout: setRealTimeout, clearTimeout: clearRealTimeout }

/** So many turns in which nothing is under way: what a turn has written is rendered in the next, and its effects run. */
const QUIET_TURNS = 4

/** One turn of the process: the network, timers of 0 ms, renders. */
const turn = () =>
  new Promise<void>((resolve) => {
    // Timers of the same delay go off in their order: those that were set before have gone off then.
    real.setTimeout(() => real.setImmediate(resolve), 1)
  })

/** The clock of fake timers, while the global ones are faked: vitest and jest take theirs from one library. */
function fakeClock(): { tickAsync(ms: number): Promise<unknown> } | undefined {
  const { clock } = globalThis.setTimeout as unknown as { clock?: { tickAsync?: unknown } }
  if (typeof clock?.tickAsync !== 'function') return undefined
  return clock as { tickAsync(ms: number): Promise<unknown> }
}

/** See `TestServer.settled`. */
export function settled(
  bridge: RealtimeQueryBridge<EventTable>,
  { timeoutMs = 2_000, ...rest }: Waiting & SettledOptions,
): Promise<void> {
  return awaitOutsideOfAct(async () => {
    let isLate = false
    const timer = real.setTimeout(() => {
      isLate = true
    }, timeoutMs)
    try {
      let quiet = 0
      while (quiet < QUIET_TURNS) {
        // Not 0: what a timer sets for 0 ms is due 1 ms later.
        await fakeClock()?.tickAsync(1)
        await turn()
        bridge.cache.flush()
        const after = underWay(bridge, rest)
        quiet = after.length === 0 ? quiet + 1 : 0
        if (isLate && after.length > 0) throw notSettled(after, timeoutMs)
      }
    } finally {
      real.clearTimeout(timer)
    }
  })
}

/** What is waited for, in words. */
function underWay(
  { status: { status }, queryClient }: RealtimeQueryBridge<EventTable>,
  { isDown, isAnswering, requests = true }: Waiting,
): string[] {
  if (status === 'idle') {
    throw usage('The bridge is not started: render it in RealtimeQueryProvider, or call bridge.start().')
  }
  const found: string[] = []
  const isOff = status === 'closed' || status === 'offline' || (status === 'waiting' && isDown())
  if (status !== 'live' && !isOff) found.push(`the connection is ${status}`)
  if (isAnswering()) found.push('a subscription has no answer')
  if (!requests) return found
  for (const query of queryClient.getQueryCache().findAll({ fetchStatus: 'fetching' })) {
    found.push(`the query ${query.queryHash} is fetching`)
  }
  for (const { state, options } of queryClient.getMutationCache().findAll({ status: 'pending' })) {
    if (state.isPaused) continue
    const key = options.mutationKey ? ` ${JSON.stringify(options.mutationKey)}` : ''
    found.push(`a mutation${key} has no response`)
  }
  return found
}

function notSettled(found: readonly string[], timeoutMs: number): RealtimeError {
  return usage(
    `Not settled after ${timeoutMs} ms: ${found.join('; ')}. To look at the screen while a response is held back: settled({ requests: false }).`,
  )
}

const usage = (message: string) => new RealtimeError('usage', message)

/**
 * What the app sends, as a pure machine: `post(outbox, input, limits)` gives the next outbox and what to do, in order.
 *
 *   send ──▶ waiting ──connection──▶ on its way ──▶ acked, refused
 *     │         │  ▲                     │
 *     │         │  └──── closed ─────────┤    sent again with the same id on the next connection,
 *     ▼         ▼                        ▼    where the server knows it
 *   full,    expired, stopped         unknown
 *   dropped
 *
 * Every send ends with one fate, once. Order is kept: what waits is sent oldest first, before anything newer, and as
 * many at a time as a server takes. Each names the one before it that has no answer yet: when a limit puts that one off,
 * the server puts off those behind it as well, and they go out again in the old order.
 */

/**
 * How a send ended:
 * - `acked`: the server has taken it;
 * - `refused`: the server will not take it;
 * - `dropped`: it is ephemeral, and there is no connection, or too much is on its way;
 * - `full`: as many as may wait are waiting;
 * - `expired`: it has waited too long, and was never on its way;
 * - `stopped`: the bridge was stopped, or another user has come, and it was never on its way;
 * - `unknown`: it was on its way, and no answer came. The server may have taken it.
 */
export type SendFate = 'acked' | 'refused' | 'dropped' | 'full' | 'expired' | 'stopped' | 'unknown'

export interface OutboxItem {
  /** Names it over all connections, so that the server takes it once. */
  readonly id: string
  /** Worth something now or never: a cursor, a typing mark. */
  readonly isEphemeral: boolean
  /** When it is given up, in ms of the clock. */
  readonly dueAt: number
  /** It was on its way over some connection. */
  readonly wasSent: boolean
  /** It is on its way over this connection. */
  readonly isOut: boolean
}

export interface OutboxState<TItem extends OutboxItem = OutboxItem> {
  /** What has no fate yet, oldest first. */
  readonly items: readonly TItem[]
  /** The connection takes messages. */
  readonly isOpen: boolean
  /** The server takes no more before this time, in ms of the clock. */
  readonly pausedUntil: number
}

export type OutboxInput<TItem extends OutboxItem = OutboxItem> =
  | { readonly type: 'posted'; readonly item: TItem }
  | { readonly type: 'opened' }
  | { readonly type: 'closed' }
  /** The server has answered. */
  | { readonly type: 'answered'; readonly id: string; readonly fate: 'acked' | 'refused' }
  /** The server has not taken it, and will later. */
  | { readonly type: 'busy'; readonly id: string; readonly retryAfterMs: number }
  | { readonly type: 'timer' }
  /** Nothing is kept for later. */
  | { readonly type: 'stopped' }

export type OutboxOutput<TItem extends OutboxItem = OutboxItem> =
  /** `after`: the one before it that is on its way. */
  | { readonly type: 'send'; readonly item: TItem; readonly after: string | undefined }
  | { readonly type: 'settle'; readonly item: TItem; readonly fate: SendFate }

export interface OutboxStep<TItem extends OutboxItem = OutboxItem> {
  readonly outbox: OutboxState<TItem>
  readonly outputs: readonly OutboxOutput<TItem>[]
}

export interface OutboxLimits {
  /** Items without a fate. */
  readonly maxQueuedSends: number
  /** Items on their way at a time. */
  readonly maxUnansweredSends: number
}

export const EMPTY_OUTBOX: OutboxState<never> = { items: [], isOpen: false, pausedUntil: 0 }

export function post<TItem extends OutboxItem>(
  outbox: OutboxState<TItem>,
  input: OutboxInput<TItem> & { readonly now: number },
  limits: OutboxLimits,
): OutboxStep<TItem> {
  let { items, isOpen, pausedUntil } = outbox
  const { now } = input
  const outputs: OutboxOutput<TItem>[] = []

  /** Lets go of the items that `fateOf` has a fate for. */
  const settle = (fateOf: (item: TItem) => SendFate | undefined) => {
    items = items.filter((item) => {
      const fate = fateOf(item)
      if (fate) outputs.push({ type: 'settle', item, fate })
      return !fate
    })
  }

  const takeBack = (isBack: (item: TItem) => boolean) => {
    items = items.map((item) => (isBack(item) ? { ...item, isOut: false } : item))
  }

  const settleTooOld = () => {
    settle(({ dueAt, wasSent }) => (dueAt > now ? undefined : wasSent ? 'unknown' : 'expired'))
  }

  const isFull = () => items.filter(({ isOut }) => isOut).length >= limits.maxUnansweredSends

  /** Sends the oldest that wait, as many as may be on their way. */
  const fill = () => {
    let after: string | undefined
    for (const item of items) {
      if (!isOpen || now < pausedUntil || isFull()) return
      if (!item.isOut) {
        const sent = { ...item, isOut: true, wasSent: true }
        items = items.map((one) => (one === item ? sent : one))
        outputs.push({ type: 'send', item: sent, after })
      }
      // What is ephemeral does not go out again, so nobody waits for it.
      if (!item.isEphemeral) after = item.id
    }
  }

  switch (input.type) {
    case 'posted': {
      const { item } = input
      const isLost = item.isEphemeral && (!isOpen || now < pausedUntil || isFull())
      const fate = isLost ? 'dropped' : items.length >= limits.maxQueuedSends ? 'full' : undefined
      if (fate) outputs.push({ type: 'settle', item, fate })
      else items = [...items, item]
      break
    }
    case 'opened':
      isOpen = true
      // After a sleep the timer may be behind the clock, and what is too old must not go out.
      settleTooOld()
      break
    case 'closed':
      isOpen = false
      pausedUntil = 0
      takeBack(() => true)
      settle(({ isEphemeral }) => (isEphemeral ? 'unknown' : undefined))
      break
    case 'answered':
      settle(({ id }) => (id === input.id ? input.fate : undefined))
      break
    case 'busy':
      pausedUntil = now + input.retryAfterMs
      takeBack(({ id }) => id === input.id)
      break
    case 'timer':
      settleTooOld()
      break
    case 'stopped':
      isOpen = false
      pausedUntil = 0
      settle(({ wasSent }) => (wasSent ? 'unknown' : 'stopped'))
  }
  fill()
  return { outbox: { items, isOpen, pausedUntil }, outputs }
}

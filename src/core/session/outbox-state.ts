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
 * Every send ends with one fate, once. Order is kept: what waits is sent oldest first, before anything newer.
 */

/**
 * How a send ended:
 * - `acked`: the server has taken it;
 * - `refused`: the server will not take it;
 * - `dropped`: it is ephemeral, and there is no connection;
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
}

export interface OutboxState<TItem extends OutboxItem = OutboxItem> {
  /** What has no fate yet, oldest first. */
  readonly items: readonly TItem[]
  /** The connection takes messages. */
  readonly isOpen: boolean
}

export type OutboxInput<TItem extends OutboxItem = OutboxItem> =
  | { readonly type: 'posted'; readonly item: TItem }
  | { readonly type: 'opened'; readonly now: number }
  | { readonly type: 'closed' }
  /** The server has answered. */
  | { readonly type: 'answered'; readonly id: string; readonly fate: 'acked' | 'refused' }
  | { readonly type: 'timer'; readonly now: number }
  /** Nothing is kept for later. */
  | { readonly type: 'stopped' }

export type OutboxOutput<TItem extends OutboxItem = OutboxItem> =
  | { readonly type: 'send'; readonly item: TItem }
  | { readonly type: 'settle'; readonly item: TItem; readonly fate: SendFate }

export interface OutboxStep<TItem extends OutboxItem = OutboxItem> {
  readonly outbox: OutboxState<TItem>
  readonly outputs: readonly OutboxOutput<TItem>[]
}

export const EMPTY_OUTBOX: OutboxState<never> = { items: [], isOpen: false }

export function post<TItem extends OutboxItem>(
  { items, isOpen }: OutboxState<TItem>,
  input: OutboxInput<TItem>,
  limits: { readonly maxQueuedSends: number },
): OutboxStep<TItem> {
  const outputs: OutboxOutput<TItem>[] = []
  const sent = (item: TItem): TItem => {
    outputs.push({ type: 'send', item })
    return { ...item, wasSent: true }
  }
  /** Keeps the items that `fateOf` has no fate for. */
  const settle = (fateOf: (item: TItem) => SendFate | undefined) =>
    items.filter((item) => {
      const fate = fateOf(item)
      if (fate) outputs.push({ type: 'settle', item, fate })
      return !fate
    })
  const tooOld =
    (now: number) =>
    ({ dueAt, wasSent }: TItem): SendFate | undefined =>
      dueAt > now ? undefined : wasSent ? 'unknown' : 'expired'
  const step = (next: readonly TItem[], isOpenNext = isOpen): OutboxStep<TItem> => ({
    outbox: { items: next, isOpen: isOpenNext },
    outputs,
  })

  switch (input.type) {
    case 'posted': {
      const { item } = input
      const fate =
        item.isEphemeral && !isOpen ? 'dropped' : items.length >= limits.maxQueuedSends ? 'full' : undefined
      if (fate === undefined) return step([...items, isOpen ? sent(item) : item])
      outputs.push({ type: 'settle', item, fate })
      return step(items)
    }
    case 'opened':
      if (isOpen) return step(items)
      // After a sleep the timer may be behind the clock, and what is too old must not go out.
      return step(settle(tooOld(input.now)).map(sent), true)
    case 'closed':
      return step(
        settle(({ isEphemeral }) => (isEphemeral ? 'unknown' : undefined)),
        false,
      )
    case 'answered':
      return step(settle(({ id }) => (id === input.id ? input.fate : undefined)))
    case 'timer':
      return step(settle(tooOld(input.now)))
    case 'stopped':
      return step(
        settle(({ wasSent }) => (wasSent ? 'unknown' : 'stopped')),
        false,
      )
  }
}

/** What may happen in a history, as plain data: a failing one shrinks, and can be pasted into a test. */
import fc from 'fast-check'
import type { WakeSignal } from '../../src/core/session/session.ts'
import type { Write } from './model-server.ts'

/** `client` and `query` count round. `query: -1` is every query. */
export type Command =
  | ({ readonly do: 'write' } & Write)
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'mount'; readonly client: number; readonly query: number; readonly enabled: boolean }
  | { readonly do: 'enable'; readonly client: number; readonly query: number; readonly enabled: boolean }
  | {
      readonly do:
        | 'unmount'
        | 'cancel'
        | 'invalidate'
        | 'reset'
        | 'remove'
        | 'prefetch'
        | 'rewrite'
        | 'refetch'
        | 'refetch-kindly'
      readonly client: number
      readonly query: number
    }
  | {
      readonly do: 'page'
      readonly client: number
      readonly query: number
      readonly isNext: boolean
      readonly kindly: boolean
    }
  | {
      readonly do: 'mutate'
      readonly client: number
      readonly query: number
      readonly row: number
      readonly title: string
      readonly latencyMs: number
      readonly fails: boolean
      readonly invalidates: boolean
    }
  | { readonly do: 'start' | 'stop'; readonly client: number }
  | { readonly do: 'cut'; readonly client: number; readonly downMs: number; readonly silently: boolean }
  | { readonly do: 'restart'; readonly downMs: number }
  | { readonly do: 'signal'; readonly client: number; readonly signal: WakeSignal }
  | { readonly do: 'network'; readonly isOnline: boolean }
  | { readonly do: 'set back'; readonly ms: number }

export interface CommandOptions {
  readonly patches: boolean
  /** Rows move from one topic's lists to another's. */
  readonly moves: boolean
  readonly mutations: boolean
  readonly restarts: boolean
  /** The time of day is set back, by minutes and hours. */
  readonly clocks?: boolean | undefined
}

const client = fc.nat(2)
const query = fc.nat(21)
const oneOrAll = fc.oneof({ weight: 4, arbitrary: query }, { weight: 1, arbitrary: fc.constant(-1) })
const duration = fc.oneof(
  { weight: 3, arbitrary: fc.nat(40) },
  { weight: 4, arbitrary: fc.nat(800) },
  { weight: 2, arbitrary: fc.nat(6_000) },
  { weight: 1, arbitrary: fc.nat(40_000) },
)

const write = ({ patches, moves }: CommandOptions): fc.Arbitrary<Write> =>
  fc.record({
    op: fc.oneof(
      {
        weight: 5,
        arbitrary: fc.constantFrom('create', 'retitle', 'finish', 'rank', moves ? 'move' : 'rank', 'delete'),
      },
      { weight: 2, arbitrary: fc.constantFrom('import', 'hit', 'settings') },
      { weight: 2, arbitrary: fc.constantFrom('hit', 'retitle') },
    ),
    style: patches
      ? fc.constantFrom('saved', 'patched', 'touched')
      : fc.constantFrom('saved', 'saved', 'touched'),
    board: fc.nat(1),
    row: fc.nat(7),
    value: fc.nat(30),
  })

const kind = <TKind extends string, TRest extends object>(
  name: TKind,
  rest: { [K in keyof TRest]: fc.Arbitrary<TRest[K]> },
) => fc.record({ do: fc.constant(name), ...rest })

export function command(kinds: CommandOptions): fc.Arbitrary<Command> {
  const options: { weight: number; arbitrary: fc.Arbitrary<unknown> }[] = [
    { weight: 26, arbitrary: write(kinds).map((one) => ({ do: 'write', ...one })) },
    { weight: 26, arbitrary: kind('pass', { ms: duration }) },
    {
      weight: 12,
      arbitrary: kind('mount', {
        client,
        query,
        enabled: fc.oneof(
          { weight: 4, arbitrary: fc.constant(true) },
          { weight: 1, arbitrary: fc.constant(false) },
        ),
      }),
    },
    { weight: 4, arbitrary: kind('unmount', { client, query }) },
    { weight: 2, arbitrary: kind('enable', { client, query, enabled: fc.boolean() }) },
    { weight: 3, arbitrary: kind('refetch', { client, query: oneOrAll }) },
    { weight: 2, arbitrary: kind('refetch-kindly', { client, query: oneOrAll }) },
    { weight: 3, arbitrary: kind('cancel', { client, query: oneOrAll }) },
    { weight: 2, arbitrary: kind('invalidate', { client, query: oneOrAll }) },
    { weight: 1, arbitrary: kind('reset', { client, query: oneOrAll }) },
    { weight: 1, arbitrary: kind('remove', { client, query: oneOrAll }) },
    { weight: 2, arbitrary: kind('prefetch', { client, query }) },
    { weight: 2, arbitrary: kind('rewrite', { client, query: oneOrAll }) },
    {
      weight: 6,
      arbitrary: kind('page', {
        client,
        query,
        isNext: fc.oneof(
          { weight: 3, arbitrary: fc.constant(true) },
          { weight: 1, arbitrary: fc.constant(false) },
        ),
        kindly: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: kind('stop', { client }) },
    { weight: 3, arbitrary: kind('start', { client }) },
    { weight: 3, arbitrary: kind('cut', { client, downMs: duration, silently: fc.boolean() }) },
    {
      weight: 1,
      arbitrary: kind('signal', {
        client,
        signal: fc.constantFrom<WakeSignal>('online', 'offline', 'woken', 'restored'),
      }),
    },
    { weight: 1, arbitrary: kind('network', { isOnline: fc.boolean() }) },
  ]
  if (kinds.restarts) options.push({ weight: 1, arbitrary: kind('restart', { downMs: duration }) })
  if (kinds.clocks) {
    options.push({ weight: 4, arbitrary: kind('set back', { ms: fc.integer({ min: 100, max: 7_200_000 }) }) })
  }
  if (kinds.mutations) {
    options.push({
      weight: 6,
      arbitrary: kind('mutate', {
        client,
        query: fc.nat(7),
        latencyMs: fc.nat(1_500),
        row: fc.nat(7),
        title: fc.constantFrom('guess 1', 'guess 2'),
        fails: fc.boolean(),
        invalidates: fc.boolean(),
      }),
    })
  }
  return fc.oneof(...options) as fc.Arbitrary<Command>
}

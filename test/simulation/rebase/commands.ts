/** What may happen in a history, as plain data: a failing one shrinks, and can be pasted into a test. */
import fc from 'fast-check'

/**
 * - `mutate`: a client begins a mutation. - `write`: somebody else writes. - `serve`: a request reaches the server.
 * - `respond`: an answer comes home. - `deliver`: a frame arrives. - `pass`: time passes.
 * - The others are what an app, a browser and a network do besides.
 */
export const KINDS = [
  'mutate',
  'write',
  'serve',
  'respond',
  'deliver',
  'pass',
  'mount',
  'unmount',
  'cancel',
  'refetch',
  'invalidate',
  'rewrite',
  'remove',
  'page',
  'cut',
  'network',
  'restart',
  'reload',
  'settle-failed',
  'save',
] as const
export type Kind = (typeof KINDS)[number]

/** All numbers count round; `luck` decides what is left open. */
export interface Command {
  readonly do: Kind
  readonly client: number
  readonly pick: number
  readonly luck: number
}

export type Regime = Readonly<Record<Kind, number>>

/** Much overlap: one command in five begins a mutation. */
export const BUSY: Regime = {
  mutate: 20,
  write: 7,
  serve: 19,
  respond: 19,
  deliver: 22,
  pass: 4,
  mount: 1.5,
  unmount: 1,
  cancel: 0.7,
  refetch: 1,
  invalidate: 0.7,
  rewrite: 0.5,
  remove: 0.3,
  page: 1,
  cut: 0.7,
  network: 0.4,
  restart: 0.1,
  reload: 0.3,
  'settle-failed': 0.5,
  save: 0,
}

/** Some save without a mutation, and write the answer into the cache. */
export const SAVING: Regime = { ...BUSY, save: 5 }

/** People who now and then change something. */
export const CALM: Regime = { ...BUSY, mutate: 5, write: 2, serve: 30, respond: 30, deliver: 40 }

const KIND_OF_WEIGHT = new Map<Regime, number[]>()

/** The kind of command at a point of [0, 1). */
function kindAt(regime: Regime, point: number): Kind {
  let sums = KIND_OF_WEIGHT.get(regime)
  if (!sums) {
    let sum = 0
    sums = KINDS.map((kind) => (sum += regime[kind]))
    KIND_OF_WEIGHT.set(regime, sums)
  }
  const at = point * sums.at(-1)!
  return KINDS[sums.findIndex((sum) => sum > at)] ?? 'pass'
}

/** A generator of numbers in [0, 1) that is quick and the same everywhere. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const LUCK = 10_000

/** A walk without fast-check: millions of commands do not have to be kept to be shrunk. */
export function commandsOf(seed: number, length: number, regime: Regime): Command[] {
  const random = randomOf(seed)
  const nat = (max: number) => Math.floor(random() * max)
  return Array.from({ length }, () => ({
    do: kindAt(regime, random()),
    client: nat(6),
    pick: nat(60),
    luck: nat(LUCK),
  }))
}

export const commandArbitrary = (regime: Regime): fc.Arbitrary<Command> =>
  fc.record({
    do: fc.oneof(
      ...KINDS.map((kind) => ({ weight: Math.ceil(regime[kind] * 10), arbitrary: fc.constant(kind) })),
    ),
    client: fc.nat(5),
    pick: fc.nat(59),
    luck: fc.nat(LUCK - 1),
  })

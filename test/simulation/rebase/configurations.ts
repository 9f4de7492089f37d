import type { Write } from './facts.ts'

/** The worlds that histories run in: what the backend offers, and what the network does to it. */
export interface Configuration {
  readonly name: string
  /**
   * What is promised. `exact`: no anomaly at all, and every base is the server's state at its position. `settled`: no
   * anomaly, without positions to check bases by. `converges`: all clients end as the server, regressions on the way
   * are counted.
   */
  readonly promise: 'exact' | 'settled' | 'converges'
  /** `rqb`: the package's own protocol. `numbered`: plain messages with positions. `plain`: plain messages. */
  readonly wire: 'rqb' | 'numbered' | 'plain'
  /** Positions on responses and acks. */
  readonly positions: boolean
  /** What events say: the new row; only that something has changed; or now one, now the other. */
  readonly events: 'rows' | 'touched' | 'mixed'
  /** Counters are told by how much they grew, or by what they are. */
  readonly counts: 'by' | 'value'
  /** The author hears of its own writes. */
  readonly echo: boolean
  readonly settle?: 'echo' | 'refetch' | undefined
  /** Effects compare the versions of rows. */
  readonly versions: boolean
  /** `chaos`: events get lost, come twice, and overtake each other. */
  readonly frames: 'fifo' | 'chaos'
  readonly ids: 'client' | 'server'
  /** Some rows are seen by one client only, so streams are linked by `prev`. */
  readonly filtered: boolean
  /** Responses may come from a replica that lags. */
  readonly stale: boolean
  /** Of 100 requests, how many are lost on either way. */
  readonly lost: number
  /** Of 100 writes, how many are carried out after their author has given up waiting for the answer. */
  readonly late: number
  /** Of 100 mutations, how many the server refuses. */
  readonly refused: number
  /** Increments are declared not idempotent. */
  readonly counters: boolean
  /** Apps save with requests of their own, and write the answer into the cache. */
  readonly saves: boolean
  /** Pages are reloaded, with what was persisted. */
  readonly reloads: boolean
  /** What is persisted says where it stands in its topics. */
  readonly travels: boolean
  /** The realtime server dies with its log, and begins another epoch. */
  readonly restarts: boolean
  /** Facts that the server can replay. */
  readonly logSize: number
}

const POSITIONED: Configuration = {
  name: 'positions',
  promise: 'exact',
  wire: 'rqb',
  positions: true,
  events: 'rows',
  counts: 'by',
  echo: true,
  versions: false,
  frames: 'fifo',
  ids: 'client',
  filtered: false,
  stale: false,
  lost: 0,
  late: 0,
  refused: 20,
  counters: true,
  saves: false,
  reloads: false,
  travels: false,
  restarts: false,
  logSize: 100,
}

const UNPOSITIONED: Configuration = {
  ...POSITIONED,
  name: 'no positions',
  promise: 'converges',
  wire: 'plain',
  positions: false,
  counts: 'value',
}

/** The hundred percent: nothing may go wrong in these. */
const POSITIONED_CONFIGURATIONS: readonly Configuration[] = [
  POSITIONED,
  { ...POSITIONED, name: 'chaos', frames: 'chaos', logSize: 5 },
  { ...POSITIONED, name: 'stale replicas', stale: true, logSize: 8, counts: 'value' },
  { ...POSITIONED, name: 'lost requests', lost: 12 },
  { ...POSITIONED, name: 'lost requests, stale replicas', lost: 12, stale: true, logSize: 8 },
  { ...POSITIONED, name: 'server ids', ids: 'server' },
  {
    ...POSITIONED,
    name: 'server ids, everything at once',
    ids: 'server',
    frames: 'chaos',
    stale: true,
    lost: 8,
    logSize: 6,
    filtered: true,
    events: 'mixed',
  },
  { ...POSITIONED, name: 'filtered streams', filtered: true, frames: 'chaos', logSize: 8 },
  { ...POSITIONED, name: 'invalidate events', events: 'touched', stale: true },
  { ...POSITIONED, name: 'mixed events', events: 'mixed', logSize: 8 },
  { ...POSITIONED, name: 'server restarts', restarts: true },
  { ...POSITIONED, name: 'reloads', reloads: true, lost: 5, logSize: 8 },
  { ...POSITIONED, name: 'reloads with positions', reloads: true, travels: true, logSize: 8 },
]

const SETTLED_CONFIGURATIONS: readonly Configuration[] = [
  { ...UNPOSITIONED, name: 'no positions, invalidate events', promise: 'settled', events: 'touched' },
]

export const CONVERGING_CONFIGURATIONS: readonly Configuration[] = [
  { ...UNPOSITIONED, name: 'no positions, row events' },
  { ...UNPOSITIONED, name: 'no positions, row events with versions', versions: true },
  { ...UNPOSITIONED, name: 'no positions, no echo', echo: false, settle: 'refetch' },
  { ...UNPOSITIONED, name: 'no positions, own writes', saves: true },
  { ...UNPOSITIONED, name: 'no positions, invalidate events, own writes', events: 'touched', saves: true },
  { ...UNPOSITIONED, name: 'no positions, late requests', late: 15 },
  { ...POSITIONED, name: 'own writes', promise: 'converges', saves: true },
  { ...POSITIONED, name: 'late requests', promise: 'converges', late: 15 },
]

export const CONFIGURATIONS: readonly Configuration[] = [
  ...POSITIONED_CONFIGURATIONS,
  ...SETTLED_CONFIGURATIONS,
  ...CONVERGING_CONFIGURATIONS,
]

export function configuration(name: string): Configuration {
  const found = CONFIGURATIONS.find((one) => one.name === name)
  if (!found)
    throw new Error(
      `No configuration "${name}". There is: ${CONFIGURATIONS.map((one) => one.name).join('; ')}.`,
    )
  return found
}

/** A row with an id of the server's own is there twice when a response has it before the answer names it. */
export const isIdempotent = (op: Write['op'], { ids }: Configuration): boolean =>
  op !== 'add' && !(op === 'insert' && ids === 'server')

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CloseCode } from '../../src/core/protocol/close-codes.ts'
import { SESSION_LIMITS } from '../../src/core/session/limits.ts'
import {
  INITIAL_STATE,
  type SessionConfig,
  type SessionEvent,
  type SessionState,
  type SessionStatus,
} from '../../src/core/session/connection/session-state.ts'
import { transition, type SessionStep } from '../../src/core/session/connection/transition.ts'
import {
  DIALLED,
  MANAGED,
  MANAGED_PLAIN,
  MANAGED_SILENT,
  PLAIN,
  PLAIN_PINGED,
  type TransitionTable,
} from './transition-table.ts'

const HEARTBEAT = { intervalMs: 25_000, timeoutMs: 5_000 }

const DIALLED_CONFIG: SessionConfig = {
  isPlain: false,
  isManaged: false,
  heartbeat: HEARTBEAT,
  limits: SESSION_LIMITS,
}
const PLAIN_CONFIG: SessionConfig = { ...DIALLED_CONFIG, isPlain: true, heartbeat: undefined }
const MANAGED_CONFIG: SessionConfig = { ...DIALLED_CONFIG, isManaged: true }

/** A machine with a clock of its own. Random numbers are 0.5 unless told. */
class Machine {
  state: SessionState = INITIAL_STATE
  commands: string[] = []
  now = 1_000_000
  random = 0.5
  readonly config: SessionConfig

  constructor(config: SessionConfig = DIALLED_CONFIG) {
    this.config = config
  }

  do(...events: SessionEvent[]): this {
    for (const event of events) {
      const step = transition(this.state, { ...event, now: this.now, random: this.random }, this.config)
      this.state = step.state
      this.commands = step.commands.map(({ type }) => type)
    }
    return this
  }

  after(ms: number): this {
    this.now += ms
    return this
  }

  /** Lets the timer fire, `lateMs` after it was due. */
  timer(lateMs = 0): this {
    this.now = this.state.timerAt! + lateMs
    return this.do({ type: 'timer' })
  }

  connect(): this {
    return this.do({ type: 'opened' }, { type: 'welcomed' }, { type: 'resynced' })
  }

  get waitMs(): number | undefined {
    return this.state.timerAt === undefined ? undefined : this.state.timerAt - this.now
  }

  get summary(): [SessionStatus, ...string[]] {
    return [this.state.status, ...this.commands]
  }
}

const START: SessionEvent = { type: 'start', isOnline: true }
const LOST: SessionEvent = { type: 'closed', code: 1006 }
const closed = (code: number): SessionEvent => ({ type: 'closed', code })

/** How each status is reached. */
const WAY: Record<SessionStatus, SessionEvent[]> = {
  idle: [],
  connecting: [START],
  handshaking: [START, { type: 'opened' }],
  resyncing: [START, { type: 'opened' }, { type: 'welcomed' }],
  live: [START, { type: 'opened' }, { type: 'welcomed' }, { type: 'resynced' }],
  waiting: [START, LOST],
  offline: [{ type: 'start', isOnline: false }],
  closed: [START, { type: 'stop' }],
}

const INPUTS: Record<SessionEvent['type'], SessionEvent> = {
  start: START,
  stop: { type: 'stop' },
  switched: { type: 'switched' },
  opened: { type: 'opened' },
  welcomed: { type: 'welcomed' },
  resynced: { type: 'resynced' },
  message: { type: 'message' },
  closed: LOST,
  failed: { type: 'failed' },
  'going-away': { type: 'going-away', retryAfterMs: 3_000 },
  timer: { type: 'timer' },
  online: { type: 'online' },
  offline: { type: 'offline' },
  woken: { type: 'woken' },
  restored: { type: 'restored' },
}

const TABLES: [string, TransitionTable, SessionConfig][] = [
  ['dialled', DIALLED, DIALLED_CONFIG],
  ['plain, without ping', PLAIN, PLAIN_CONFIG],
  ['plain, with ping', PLAIN_PINGED, { ...PLAIN_CONFIG, heartbeat: HEARTBEAT }],
  ['managed', MANAGED, MANAGED_CONFIG],
  ['managed, without ping', MANAGED_SILENT, { ...MANAGED_CONFIG, heartbeat: undefined }],
  ['managed, plain', MANAGED_PLAIN, { ...PLAIN_CONFIG, isManaged: true }],
]

for (const [name, table, config] of TABLES) {
  describe(`transition table: ${name}`, () => {
    for (const [status, row] of Object.entries(table)) {
      for (const [type, expected] of Object.entries(row)) {
        if (expected === 'never') continue
        it(`${status} + ${type} → ${typeof expected === 'string' ? expected : expected.join(', ')}`, () => {
          const machine = new Machine(config).do(...WAY[status as SessionStatus])
          machine.now =
            type === 'timer' && machine.state.timerAt ? machine.state.timerAt : machine.now + 1_000
          machine.do(INPUTS[type as SessionEvent['type']])
          const stays = { same: [status], forget: [status, 'forget'] }
          expect(machine.summary).toEqual(typeof expected === 'string' ? stays[expected] : expected)
        })
      }
    }
  })
}

describe('backoff', () => {
  const lostAfter = (liveMs: number) => new Machine().do(START).connect().after(liveMs).do(LOST)

  it('doubles the window with every failed dial, up to the longest', () => {
    const machine = new Machine().do(START)
    const waits = Array.from({ length: 8 }, () => {
      const { waitMs } = machine.do(LOST)
      machine.timer()
      return waitMs
    })
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
  })

  it('spreads over the whole window', () => {
    const machine = new Machine().do(START)
    machine.random = 0
    expect(machine.do(LOST).waitMs).toBe(0)
    machine.timer()
    machine.random = 0.999
    expect(machine.do(LOST).waitMs).toBe(999)
  })

  it('starts from a wide window when the server drops a live connection, since it drops all of them', () => {
    expect(lostAfter(60_000).waitMs).toBe(1_000)
  })

  it('starts from the first window when this side gives up a live connection', () => {
    const machine = new Machine().do(START).connect().after(60_000).do({ type: 'failed' })
    expect(machine.waitMs).toBe(250)
  })

  it('counts again from the first attempt after a connection that settled', () => {
    expect(lostAfter(SESSION_LIMITS.settleMs).state.attempt).toBe(0)
    expect(lostAfter(SESSION_LIMITS.settleMs - 1).state.attempt).toBe(1)
  })

  it('goes on growing while a server accepts and drops', () => {
    const machine = new Machine().do(START)
    const waits = Array.from({ length: 6 }, () => {
      const { waitMs } = machine.connect().after(1_000).do(LOST)
      machine.timer()
      return waitMs
    })
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
    expect(machine.state.attempt).toBe(7)
  })

  it('comes back when the server has said, spread over a window', () => {
    const machine = new Machine().do(START).connect().after(60_000)
    machine.do({ type: 'going-away', retryAfterMs: 5_000 }, closed(1001))
    expect(machine.waitMs).toBe(6_000)
  })

  it('believes no hint of more than five minutes', () => {
    const machine = new Machine().do(START).connect().after(60_000)
    machine.do({ type: 'going-away', retryAfterMs: 1e12 }, closed(1001))
    expect(machine.waitMs).toBe(301_000)
  })

  it('uses a hint once', () => {
    const machine = new Machine().do(START).connect().after(60_000)
    machine.do({ type: 'going-away', retryAfterMs: 5_000 }, closed(1001)).timer().do(LOST)
    expect(machine.waitMs).toBe(2_000)
  })

  it('waits half of the longest window at least when the server is full', () => {
    const machine = new Machine().do(START).do(closed(CloseCode.LimitExceeded))
    expect(machine.waitMs).toBe(15_000)
  })
})

describe('a crowd', () => {
  /** A small generator, so that every run sees the same crowd. */
  const generator = (seed: number) => () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  it.each([0, 500, 3_000])(
    'of 200 clients comes back spread out, to a server that was away for %i ms',
    (awayMs) => {
      const random = generator(7)
      const backAt = Array.from({ length: 200 }, () => {
        const machine = new Machine().do(START).connect().after(60_000)
        const lostAt = machine.now
        machine.random = random()
        machine.do(closed(1006)).timer()
        while (machine.now - lostAt < awayMs) {
          machine.random = random()
          machine.do(LOST).timer()
        }
        return machine.now - lostAt - awayMs
      })
      const perTenth = new Map<number, number>()
      for (const ms of backAt)
        perTenth.set(Math.floor(ms / 100), (perTenth.get(Math.floor(ms / 100)) ?? 0) + 1)
      expect(Math.max(...perTenth.values())).toBeLessThanOrEqual(20)
      expect(Math.max(...backAt)).toBeLessThan(30_000)
    },
  )
})

describe('a crowd that is sent away with one hint', () => {
  it('comes back spread over the window that follows it, and none before', () => {
    const backAt = Array.from({ length: 200 }, (_, index) => {
      const machine = new Machine().do(START).connect().after(60_000)
      machine.random = index / 200
      return machine.do({ type: 'going-away', retryAfterMs: 3_000 }, closed(1012)).waitMs ?? 0
    })
    expect([Math.min(...backAt), Math.max(...backAt)]).toEqual([3_000, 4_990])
  })
})

describe('close codes', () => {
  it.each([
    [CloseCode.Unauthorized, 'unauthorized'],
    [CloseCode.Forbidden, 'forbidden'],
    [CloseCode.BadRequest, 'rejected'],
    [1002, 'rejected'],
    [1008, 'rejected'],
  ])('%i ends the session for good: %s', (code, reason) => {
    const machine = new Machine().do(START).connect().do(closed(code))
    expect(machine.summary).toEqual(['closed', 'report'])
    expect(machine.state.reason).toBe(reason)
  })

  it('starts again when the app asks for it, as if nothing had happened', () => {
    const machine = new Machine().do(START, closed(CloseCode.Unauthorized)).after(10).do(START)
    expect(machine.summary).toEqual(['connecting', 'dial'])
    expect(machine.state).toMatchObject({ attempt: 1, step: 0, reason: undefined })
  })

  it('closes a managed source that the server has refused for good', () => {
    const machine = new Machine(MANAGED_CONFIG).do(START).connect().do(closed(CloseCode.Forbidden))
    expect(machine.summary).toEqual(['closed', 'hang-up', 'report'])
  })

  describe('an expired token', () => {
    const expired = closed(CloseCode.TokenExpired)

    it('is replaced at once', () => {
      expect(new Machine().do(START).connect().after(60_000).do(expired).summary).toEqual([
        'connecting',
        'dial',
      ])
    })

    it('is final when the new one is refused too', () => {
      const machine = new Machine().do(START).connect().after(60_000).do(expired, { type: 'opened' }, expired)
      expect(machine.summary).toEqual(['closed', 'report'])
      expect(machine.state.reason).toBe('unauthorized')
    })

    it('is replaced again after a connection that settled', () => {
      const machine = new Machine()
        .do(START)
        .connect()
        .after(60_000)
        .do(expired)
        .connect()
        .after(60_000)
        .do(expired)
      expect(machine.summary).toEqual(['connecting', 'dial'])
    })

    it('is replaced after a backoff when tokens last for less than a connection needs to settle', () => {
      const machine = new Machine().do(START).connect().do(expired).connect().after(1_000).do(expired)
      expect(machine.summary).toEqual(['waiting'])
      expect(machine.waitMs).toBe(1_000)
    })

    it('is not replaced while there is no network', () => {
      const machine = new Machine().do(START).connect().do({ type: 'offline' }, expired)
      expect(machine.summary).toEqual(['offline'])
    })
  })
})

describe('heartbeat', () => {
  const live = () => new Machine().do(START).connect()

  it('pings, and gives up when nothing comes', () => {
    const machine = live()
    expect(machine.timer().summary).toEqual(['live', 'send-ping'])
    expect(machine.waitMs).toBe(5_000)
    expect(machine.timer().summary).toEqual(['waiting', 'hang-up'])
    expect(machine.state.reason).toBe('lost')
  })

  it('takes any message for an answer', () => {
    const machine = live().timer().after(4_999).do({ type: 'message' })
    expect(machine.waitMs).toBe(25_000)
    expect(machine.timer().summary).toEqual(['live', 'send-ping'])
  })

  it('pings as well while messages come: else nobody knows whether the page still runs', () => {
    const machine = live().after(20_000).do({ type: 'message' }).timer()
    expect(machine.summary).toEqual(['live', 'send-ping'])
    expect(machine.waitMs).toBe(5_000)
  })

  it('pings once more when the deadline was noticed late: the machine slept, or the tab is throttled', () => {
    const machine = live().timer()
    expect(machine.timer(60_000).summary).toEqual(['live', 'send-ping'])
    expect(machine.timer(60_000).summary).toEqual(['waiting', 'hang-up'])
  })

  it('keeps a healthy connection whose timers are throttled to one a minute', () => {
    const machine = live()
    for (let minute = 0; minute < 10; minute++) {
      machine.timer(35_000).do({ type: 'message' })
      expect(machine.state.status).toBe('live')
    }
  })

  it('pings at once when the page wakes, and once only', () => {
    const machine = live().after(1_000).do({ type: 'woken' })
    expect(machine.commands).toEqual(['send-ping'])
    expect(machine.after(1_000).do({ type: 'woken' }, { type: 'online' }).commands).toEqual([])
    expect(machine.timer().summary).toEqual(['waiting', 'hang-up'])
  })

  it('says offline, not waiting, when a connection dies and the browser has no network', () => {
    const machine = live().do({ type: 'offline' })
    expect(machine.summary).toEqual(['live', 'send-ping'])
    expect(machine.timer().summary).toEqual(['offline', 'hang-up'])
  })

  it('keeps a connection that answers, whatever the browser says of the network', () => {
    const machine = live().do({ type: 'offline' }).after(10).do({ type: 'message' })
    expect(machine.summary).toEqual(['live'])
    expect(machine.state.isDoubted).toBe(false)
  })

  it('asks it again and again while the browser says so: what came may have been under way when the network went', () => {
    const machine = live().do({ type: 'offline' }).after(10).do({ type: 'message' })
    expect(machine.waitMs).toBe(5_000)
    expect(machine.timer().summary).toEqual(['live', 'send-ping'])
    expect(machine.timer().summary).toEqual(['offline', 'hang-up'])

    const answered = live().do({ type: 'offline' }).after(10).do({ type: 'message' }).timer()
    answered.after(10).do({ type: 'message' }, { type: 'online' }, { type: 'message' })
    expect(answered.waitMs).toBe(25_000)
  })
})

describe('signals', () => {
  it('dials at once when somebody looks at the page', () => {
    const machine = new Machine().do(START)
    for (let i = 0; i < 8; i++) machine.do(LOST).timer()
    expect(machine.do(LOST).after(3_000).do({ type: 'woken' }).waitMs).toBe(0)
  })

  it('spreads over the first window when the network comes back', () => {
    const machine = new Machine().do({ type: 'start', isOnline: false }).after(60_000).do({ type: 'online' })
    expect(machine.waitMs).toBe(250)
    expect(machine.timer().summary).toEqual(['connecting', 'dial'])
  })

  it('never moves a planned dial back', () => {
    const machine = new Machine().do(START).after(60_000).do(LOST)
    expect(machine.waitMs).toBe(250)
    machine.random = 0.9
    expect(machine.do({ type: 'online' }).waitMs).toBe(250)
  })

  it('lets flapping signals dial no faster than the first window', () => {
    const machine = new Machine().do(START)
    let dials = 0
    for (let i = 0; i < 100; i++) {
      machine.do(LOST, { type: 'offline' }, { type: 'online' }, { type: 'woken' }).after(100)
      if (machine.now >= (machine.state.timerAt ?? Infinity))
        dials += machine.do({ type: 'timer' }).commands.length
    }
    expect(dials).toBeGreaterThan(10)
    expect(dials).toBeLessThanOrEqual(20)
  })

  it('does not dial before the time that the server has set', () => {
    const machine = new Machine().do(START).connect().after(60_000)
    machine.do({ type: 'going-away', retryAfterMs: 30_000 }, closed(1001)).after(1_000)
    expect(machine.do({ type: 'woken' }).waitMs).toBe(30_000)
    expect(machine.do({ type: 'offline' }, { type: 'online' }).waitMs).toBe(30_000)
  })

  it('dials once when a page comes from the back/forward cache, which signals twice', () => {
    const machine = new Machine().do(START).connect().after(60_000).do({ type: 'restored' })
    expect(machine.summary).toEqual(['connecting', 'hang-up', 'dial'])
    expect(machine.state).toMatchObject({ attempt: 1, reason: 'lost' })
    expect(machine.do({ type: 'restored' }).summary).toEqual(['connecting'])
  })
})

describe('plain backends', () => {
  it('announce everything as fresh first, and as reset after every break', () => {
    const machine = new Machine(PLAIN_CONFIG)
    const announced = () =>
      transition(machine.state, { type: 'opened', now: machine.now, random: 0 }, PLAIN_CONFIG).commands
    expect(announced()).toEqual([])
    machine.do(START)
    expect(announced()).toEqual([{ type: 'announce', outcome: 'fresh' }])
    machine.do({ type: 'opened' }, LOST).timer()
    expect(announced()).toEqual([{ type: 'announce', outcome: 'reset' }])
    machine.do({ type: 'stop' }, START)
    expect(announced()).toEqual([{ type: 'announce', outcome: 'reset' }])
  })
})

describe('a walk over all inputs', () => {
  const event: fc.Arbitrary<SessionEvent> = fc.oneof(
    fc.constantFrom(...Object.values(INPUTS)),
    fc.record({ type: fc.constant('start' as const), isOnline: fc.boolean() }),
    fc.constantFrom(1000, 1001, 1006, 1008, 1013, 4401, 4402, 4413, 4429, 4900).map(closed),
    // Whole ways, or the walk would hardly ever be live.
    fc.constantFrom<SessionEvent['type']>('opened', 'welcomed', 'resynced').map((type) => INPUTS[type]),
  )
  const step = fc.record({
    event,
    waitMs: fc.nat(30_000),
    random: fc.double({ min: 0, max: 0.999, noNaN: true }),
  })
  const config = fc
    .record({ isPlain: fc.boolean(), isManaged: fc.boolean(), hasHeartbeat: fc.boolean() })
    .map(({ hasHeartbeat, ...rest }): SessionConfig => ({
      ...rest,
      heartbeat: hasHeartbeat ? HEARTBEAT : undefined,
      limits: SESSION_LIMITS,
    }))

  const FROM_CONNECTION = ['opened', 'welcomed', 'resynced', 'message', 'closed', 'failed', 'going-away']
  const UP: SessionStatus[] = ['connecting', 'handshaking', 'resyncing', 'live']

  it('keeps the rules', () => {
    fc.assert(
      fc.property(config, fc.array(step, { maxLength: 60 }), (config, steps) => {
        let state = INITIAL_STATE
        let now = 1_000_000
        let isConnected = false
        for (const { event, waitMs, random } of steps) {
          // Without a connection nothing comes from one.
          if (!isConnected && FROM_CONNECTION.includes(event.type)) continue
          now += waitMs
          const was = state
          const result: SessionStep = transition(was, { ...event, now, random }, config)
          state = result.state
          if (event.type === 'closed' && !config.isManaged) isConnected = false
          for (const command of result.commands) {
            if (command.type === 'dial') {
              expect(isConnected, 'two connections at once').toBe(false)
              expect(state.isOnline || config.isManaged, 'dials while offline').toBe(true)
              isConnected = true
            }
            if (command.type === 'hang-up') isConnected = false
            if (command.type.startsWith('send-')) expect(isConnected, 'sends into nothing').toBe(true)
          }
          const { status, timerAt } = state
          const hasTimer = timerAt !== undefined
          if (status === 'idle' || status === 'closed' || status === 'offline') expect(hasTimer).toBe(false)
          if (status === 'waiting' && !config.isManaged) expect(hasTimer).toBe(true)
          if (status === 'live') expect(hasTimer).toBe(config.heartbeat !== undefined || !config.isManaged)
          if (status === 'connecting') expect(hasTimer).toBe(!config.isManaged)
          if (status === 'handshaking' || status === 'resyncing') expect(hasTimer).toBe(true)
          if (!config.isManaged) expect(UP.includes(status)).toBe(isConnected)
          if (was.status === 'closed' && event.type !== 'start') expect(status).toBe('closed')
          if (status === 'offline') expect(state.isOnline).toBe(false)
          if (status !== 'live') expect(state.isDoubted).toBe(false)
          if (config.isPlain) expect(['handshaking', 'resyncing']).not.toContain(status)
          if (config.isManaged) expect(status).not.toBe('offline')
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

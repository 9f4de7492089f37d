import type {
  SessionCommand,
  SessionEvent,
  SessionStatus,
} from '../../src/core/session/connection/session-state.ts'

/**
 * The next status, and the commands. `'same'`: the status stays and nothing is done. `'forget'`: it stays, and what
 * belongs to the last user is forgotten. `'never'`: this kind of
 * transport has no such status, which the walk over all inputs proves.
 */
export type Expected = 'same' | 'forget' | 'never' | readonly [SessionStatus, ...SessionCommand['type'][]]

/** No `Partial`: a status or an input without an answer does not compile. */
export type TransitionTable = Record<SessionStatus, Record<SessionEvent['type'], Expected>>

const OVER: TransitionTable['idle'] = {
  start: ['connecting', 'dial'],
  stop: 'same',
  switched: 'forget',
  opened: 'same',
  welcomed: 'same',
  resynced: 'same',
  message: 'same',
  closed: 'same',
  failed: 'same',
  'going-away': 'same',
  timer: 'same',
  online: 'same',
  offline: 'same',
  woken: 'same',
  restored: 'same',
}

const NEVER = Object.fromEntries(Object.keys(OVER).map((type) => [type, 'never'])) as TransitionTable['idle']

const CONNECTING: TransitionTable['connecting'] = {
  start: 'same',
  stop: ['closed', 'hang-up'],
  switched: ['connecting', 'hang-up', 'forget', 'dial'],
  opened: ['handshaking', 'send-hello'],
  welcomed: 'same',
  resynced: 'same',
  message: 'same',
  closed: ['waiting'],
  failed: ['waiting', 'hang-up'],
  'going-away': 'same',
  timer: ['waiting', 'report', 'hang-up'],
  online: 'same',
  offline: ['offline', 'hang-up'],
  woken: 'same',
  restored: ['connecting', 'hang-up', 'dial'],
}

const WAITING: TransitionTable['waiting'] = {
  ...OVER,
  start: 'same',
  stop: ['closed'],
  switched: ['connecting', 'forget', 'dial'],
  timer: ['connecting', 'dial'],
  offline: ['offline'],
}

/** A transport that is dialled and speaks `rqb.v1`, with a heartbeat. The close code is 1006. */
export const DIALLED: TransitionTable = {
  idle: OVER,
  connecting: CONNECTING,
  handshaking: { ...CONNECTING, opened: 'same', welcomed: ['resyncing', 'send-subscribe'] },
  resyncing: { ...CONNECTING, opened: 'same', resynced: ['live'] },
  live: {
    ...CONNECTING,
    opened: 'same',
    timer: ['live', 'send-ping'],
    online: ['live', 'send-ping'],
    offline: ['live', 'send-ping'],
    woken: ['live', 'send-ping'],
  },
  waiting: WAITING,
  offline: {
    ...WAITING,
    switched: ['offline', 'forget'],
    timer: 'same',
    online: ['waiting'],
    offline: 'same',
  },
  closed: OVER,
}

/** A plain backend that answers no ping. */
export const PLAIN: TransitionTable = {
  ...DIALLED,
  connecting: { ...CONNECTING, opened: ['live', 'announce'] },
  handshaking: NEVER,
  resyncing: NEVER,
  live: {
    ...DIALLED.live,
    timer: 'same',
    online: 'same',
    offline: ['offline', 'hang-up'],
    woken: 'same',
  },
}

const FOLLOWED = { online: 'same', offline: 'same', woken: 'same', restored: 'same' } as const
const REOPENED = ['handshaking', 'send-hello'] as const

/** A managed transport that speaks `rqb.v1`, with a heartbeat: its network and its retry are its own. */
export const MANAGED: TransitionTable = {
  idle: OVER,
  connecting: { ...CONNECTING, ...FOLLOWED, timer: 'same' },
  handshaking: { ...DIALLED.handshaking, ...FOLLOWED, opened: REOPENED },
  resyncing: { ...DIALLED.resyncing, ...FOLLOWED, opened: REOPENED },
  live: { ...DIALLED.live, opened: REOPENED, offline: 'same', restored: ['live', 'send-ping'] },
  waiting: {
    ...WAITING,
    ...FOLLOWED,
    stop: ['closed', 'hang-up'],
    switched: CONNECTING.switched,
    opened: REOPENED,
    timer: 'same',
  },
  offline: NEVER,
  closed: OVER,
}

/** A managed transport without a heartbeat of ours: its own is believed. */
export const MANAGED_SILENT: TransitionTable = {
  ...MANAGED,
  live: { ...MANAGED.live, timer: 'same', online: 'same', woken: 'same', restored: 'same' },
}

const ANNOUNCED = ['live', 'announce'] as const

/** A plain backend with a ping of its own. */
export const PLAIN_PINGED: TransitionTable = { ...PLAIN, live: DIALLED.live }

/** A managed source of a plain backend. */
export const MANAGED_PLAIN: TransitionTable = {
  ...MANAGED_SILENT,
  connecting: { ...MANAGED.connecting, opened: ANNOUNCED },
  handshaking: NEVER,
  resyncing: NEVER,
  live: { ...MANAGED_SILENT.live, opened: ANNOUNCED },
  waiting: { ...MANAGED.waiting, opened: ANNOUNCED },
}

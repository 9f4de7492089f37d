/**
 * The session as a pure machine: `transition(state, input, config)` gives the next state and what to do. Time and
 * randomness come with the input; nothing here reads a clock, sets a timer or touches a socket.
 *
 * Rules
 * 1. A state has one timer at most, and its status says what it means: the deadline of the attempt (connecting,
 *    handshaking, resyncing), the next dial (waiting), the heartbeat (live), or where there is none the watch for a
 *    sleep. It is a part of the state, so a state that is left leaves no timer. idle, offline and closed have none.
 * 2. A transport that dials is dialled from waiting or offline, at most once at a time, never while offline.
 *    A managed transport is connected once and then followed: its own retry, its own view of the network.
 * 3. The backoff goes on growing until a connection has been live for `settleMs`.
 * 4. What a person does (looks at the tab, opens the lid) dials at once. `online` comes to a whole office at the
 *    same moment, so it is spread over the first window. Neither dials within `retryBaseMs` of the last dial, nor
 *    before a time that the server has set.
 * 5. A live connection is believed until a probe fails. The browser's `offline` is a hint (it comes for a VPN, or
 *    for one network of two, and a server on this machine is still there), and an open socket may be dead (a browser
 *    that is offline keeps it open and silent): both are settled by a ping, within `timeoutMs`. Until then people are
 *    told `offline` (`isDoubted`). Where no ping is possible, the hint is all there is and is taken at its word, and a
 *    connection that the machine has slept over is replaced.
 * 6. A timer that comes late proves nothing: the machine slept, or the tab is throttled, and the answer may lie
 *    unread. The connection gets one more ping before it is given up.
 */
import { needsDecode, remedy } from '../../errors.ts'
import { closePolicy, FORBIDDEN, HEARTBEAT_TIMEOUT, UNAUTHORIZED } from '../../protocol/close-codes.ts'
import { retryDelayMs } from './backoff.ts'
import {
  INITIAL_STATE,
  type SessionCommand,
  type SessionConfig,
  type SessionInput,
  type SessionState,
  type SessionStatus,
  type StatusReason,
} from './session-state.ts'

export interface SessionStep {
  readonly state: SessionState
  readonly commands: readonly SessionCommand[]
}

type Draft = { -readonly [K in keyof SessionState]: SessionState[K] }

/** A timer that fires this much after it was due was held up: by sleep, by a throttled tab, by a blocked thread. */
const LATE_MS = 500

/** How often it is looked whether the machine has slept, and what is no throttled timer any more but a sleep. In ms. */
const WATCH_MS = 30_000
const SLEPT_MS = 120_000

/** The step that a lost live connection starts from: all clients of a server lose it at once, so they spread. */
const LOST_STEP = 2

/** How often the time for answers doubles: from 10 s to 80 s. */
const MAX_SLOWNESS = 3

/** Windows stop doubling here: far above `retryMaxMs`. */
const MAX_STEP = 20

/** Pure: the draft that the inner functions change is a copy, and nobody else has it. */
export function transition(state: SessionState, input: SessionInput, config: SessionConfig): SessionStep {
  const { isPlain, isManaged, heartbeat, limits } = config
  const { now, random, type } = input
  const { status } = state
  const draft: Draft = { ...state }
  const commands: SessionCommand[] = []
  const isLive = status === 'live'
  const isOver = status === 'idle' || status === 'closed'
  const isUp = !isOver && status !== 'waiting' && status !== 'offline'

  /** Rule 1: a status and its timer change together. */
  const enter = (next: SessionStatus, timerAt?: number) => {
    draft.status = next
    draft.timerAt = timerAt
    draft.isDoubted = false
  }

  const hangUp = (code: number = HEARTBEAT_TIMEOUT) => {
    commands.push({ type: 'hang-up', code })
  }

  /** Rule 2: the only place a dial comes from. */
  const dial = () => {
    if (!draft.isOnline && !isManaged) return enter('offline')
    // A managed source may be away for hours: only the handshake that follows has a deadline.
    enter('connecting', isManaged ? undefined : now + limits.connectTimeoutMs)
    draft.attempt++
    draft.retryAfterMs = undefined
    draft.dialedAt = now
    commands.push({ type: 'dial' })
  }

  /** Rule 4: dials as soon after `at` as is allowed, and never later than planned before. */
  const dialBy = (at: number) => {
    const timerAt = Math.max(at, state.notBefore, state.dialedAt + limits.retryBaseMs)
    enter('waiting', Math.min(timerAt, state.timerAt ?? timerAt))
  }

  const goLive = () => {
    enter('live', isManaged && !heartbeat ? undefined : now + (heartbeat?.intervalMs ?? WATCH_MS))
    draft.reason = undefined
    draft.notBefore = draft.probes = draft.slowness = 0
    draft.liveAt = now
    if (draft.refresh !== 'none') draft.refresh = 'accepted'
  }

  /** Asks whether a live connection is alive, unless it was asked that often already. */
  const probe = (maxProbes = 1) => {
    if (!isLive || !heartbeat || state.probes >= maxProbes) return
    draft.probes++
    draft.timerAt = now + heartbeat.timeoutMs
    commands.push({ type: 'send-ping' })
  }

  const close = (reason: StatusReason) => {
    enter('closed')
    draft.reason = reason
    if (isManaged) hangUp(1000)
  }

  /** The connection is over. One that has settled begins the count anew. */
  const leave = () => {
    draft.reason = isLive ? 'lost' : 'unreachable'
    if (!isLive || now - state.liveAt < limits.settleMs) return
    draft.attempt = draft.step = 0
    draft.refresh = 'none'
  }

  /** The connection has ended: the server, or the network, has closed it with a code, or this side gave it up. */
  const lose = (code: number, isOurs = false) => {
    leave()
    const policy = closePolicy(code)
    const isExpired = policy === 'refresh-token'
    if (policy === 'final' || (isExpired && draft.refresh === 'asked')) {
      const isUnknown = isExpired || code === UNAUTHORIZED
      close(isUnknown ? 'unauthorized' : code === FORBIDDEN ? 'forbidden' : 'rejected')
      const whatToDo = remedy(' Put right what it refuses, then call start().') ?? ''
      const message = `The server ended the session (${code}).${whatToDo}`
      commands.push({ type: 'report', code: 'unauthorized', message })
      return
    }
    const isRefresh = isExpired && draft.refresh === 'none'
    if (isRefresh) draft.refresh = 'asked'
    if (isManaged && !isOurs) return enter('waiting')
    if (isRefresh) return dial()

    const { retryAfterMs } = draft
    const step = isLive && !isOurs ? Math.max(draft.step, LOST_STEP) : draft.step
    const timerAt = now + retryDelayMs({ step, policy, retryAfterMs, random }, limits)
    draft.step = Math.min(step + 1, MAX_STEP)
    draft.notBefore = policy === 'retry-slow' || retryAfterMs !== undefined ? timerAt : 0
    if (draft.isOnline || isManaged) enter('waiting', timerAt)
    else enter('offline')
  }

  /** This side ends the connection. */
  const giveUp = () => {
    if (status === 'resyncing') draft.slowness = Math.min(state.slowness + 1, MAX_SLOWNESS)
    hangUp()
    lose(HEARTBEAT_TIMEOUT, true)
  }

  /** The connection is not what it was, and nobody has said so. */
  const replace = () => {
    hangUp()
    leave()
    dial()
  }

  const onTimer = (timerAt: number) => {
    if (status === 'waiting') return dial()
    if (isLive && !heartbeat) {
      if (now - timerAt > SLEPT_MS) replace()
      else draft.timerAt = now + WATCH_MS
      return
    }
    if (isLive && heartbeat) {
      if (state.probes === 0 || (state.probes === 1 && now - timerAt > LATE_MS)) probe(2)
      else giveUp()
      return
    }
    const [what, whatToDo] = status === 'handshaking' ? ['No welcome', needsDecode()] : ['Not connected']
    const message = `${what} within ${limits.connectTimeoutMs} ms. The session dials again. ${whatToDo ?? ''}`
    commands.push({ type: 'report', code: 'transport-failed', message: message.trimEnd() })
    giveUp()
  }

  if (isOver) {
    if (type === 'start') {
      Object.assign(draft, INITIAL_STATE, { isOnline: input.isOnline, hasOpened: state.hasOpened })
      dial()
    } else if (type === 'switched') {
      draft.hasOpened = false
      commands.push({ type: 'forget' })
    }
    return { state: draft, commands }
  }

  switch (type) {
    case 'start':
      break
    case 'stop':
      if (isUp && !isManaged) hangUp(1000)
      close('stopped')
      break
    case 'switched':
      if (isUp || isManaged) hangUp(1000)
      commands.push({ type: 'forget' })
      Object.assign(draft, INITIAL_STATE, { isOnline: state.isOnline })
      dial()
      break
    case 'opened':
      // A managed source opens again by itself, sometimes without having told of the close.
      if (status !== 'connecting' && !isManaged) break
      if (isPlain) {
        commands.push({ type: 'announce', outcome: state.hasOpened ? 'reset' : 'fresh' })
        draft.hasOpened = true
        goLive()
      } else {
        enter('handshaking', isManaged ? now + limits.connectTimeoutMs : state.timerAt)
        commands.push({ type: 'send-hello' })
      }
      break
    case 'welcomed': {
      if (status !== 'handshaking') break
      const { connectTimeoutMs } = limits
      const answerMs = connectTimeoutMs * 2 ** state.slowness
      enter('resyncing', (state.timerAt ?? now) - connectTimeoutMs + answerMs)
      commands.push({ type: 'send-subscribe', answerMs })
      break
    }
    case 'resynced':
      if (status === 'resyncing') goLive()
      break
    case 'message':
      // Only an answer sets the timer again. A busy connection is asked as well: pings tell the server that somebody
      // is there, and their answers tell of topics whose events were lost.
      if (isLive && state.probes > 0 && heartbeat) {
        const { intervalMs, timeoutMs } = heartbeat
        // What came may have been under way when the network went.
        draft.timerAt = now + (state.isOnline ? intervalMs : Math.min(timeoutMs, intervalMs))
      }
      draft.probes = 0
      draft.isDoubted = false
      break
    case 'closed':
      if (isUp) lose(input.code)
      break
    case 'failed':
      if (isUp) giveUp()
      break
    case 'going-away':
      if (isUp) draft.retryAfterMs = input.retryAfterMs
      break
    case 'timer':
      if (state.timerAt !== undefined) onTimer(state.timerAt)
      break
    case 'online':
      draft.isOnline = true
      // Another network may mean another address: the socket of the old one is dead and does not know.
      if (isLive) probe()
      else if (!isUp && !isManaged) dialBy(now + random * limits.retryBaseMs)
      break
    case 'offline':
      draft.isOnline = false
      if (isManaged) break
      if (isLive && heartbeat) {
        probe() // Rule 5.
        draft.isDoubted = true
        break
      }
      if (isUp) {
        hangUp()
        leave()
      }
      enter('offline')
      break
    case 'woken':
      if (isLive) probe()
      else if (status === 'waiting' && !isManaged) dialBy(now)
      break
    case 'restored':
      if (isManaged) probe()
      else if (status === 'waiting') dialBy(now)
      // `resume` and `pageshow` come as a pair: the second finds the dial of the first.
      else if (isUp && now - state.dialedAt >= limits.retryBaseMs) replace()
  }
  return { state: draft, commands }
}

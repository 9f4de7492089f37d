/**
 * A client of `rqb.v1`, written from PROTOCOL.md and nothing else. It prints what it hears, one line of JSON each, and
 * keeps its place over reconnects: every event once, in order, or `reset`.
 *
 *   node client.mjs ws://localhost:3000/realtime tasks board:1
 *   TOKEN=ada node client.mjs …
 */
const [url = '', ...topics] = process.argv.slice(2)
if (!url || topics.length === 0) throw new Error('Say where and what: client.mjs ws://host/realtime topic …')

// Node has a WebSocket of its own from version 22 on.
const WebSocket = globalThis.WebSocket ?? (await import('ws')).WebSocket

/** @typedef {{ epoch: string, offset: number }} Position */
/** @typedef {{ type: string, data: unknown, offset: number, prev?: number }} WireEvent */

/** Where this client stands in each topic. @type {Map<string, Position>} */
const positions = new Map()
/** Topics that the server has refused for good. @type {Set<string>} */
const refused = new Set()
/** How often in a row a topic was refused for now. @type {Map<string, number>} */
const putOff = new Map()
/** Failures in a row, and what the server asked for. */
let attempt = 0
/** @type {number | undefined} */
let retryAfterMs

const SILENCE_MS = 25_000
const ANSWER_MS = 5_000
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [500, 20_000]
const FINAL = new Set([4400, 4401, 4402, 4403, 1002, 1003, 1007, 1008, 1010])
const SLOW = new Set([4429, 1009, 1013])

/** @param {string} what @param {object} [more] */
const print = (what, more) => console.log(JSON.stringify({ what, ...more }))

/** A backoff with jitter. @param {number} failures in a row */
const backoffMs = (failures) => Math.min(FIRST_WAIT_MS * 2 ** failures, LONGEST_WAIT_MS) * Math.random()

function connect() {
  const socket = new WebSocket(url, 'rqb.v1')
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  let isOver = false

  /** @param {object} message */
  const send = (message) => socket.send(JSON.stringify(message))

  /** @param {string[]} names */
  const subscribe = (names) => {
    const asked = names.map((topic) => ({ topic, position: positions.get(topic) }))
    if (asked.length > 0) send({ t: 'subscribe', topics: asked })
  }

  /** Silence is answered with a ping, and more silence with the end. */
  const heard = () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      send({ t: 'ping' })
      timer = setTimeout(() => over(4900), ANSWER_MS)
    }, SILENCE_MS)
  }

  /** @param {number} code */
  const over = (code) => {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    socket.close(code >= 4000 ? code : undefined)
    if (FINAL.has(code)) {
      print('closed', { code })
      process.exitCode = 1
      return
    }
    setTimeout(connect, retryAfterMs ?? backoffMs(SLOW.has(code) ? Infinity : attempt++))
    retryAfterMs = undefined
  }

  /** There may be room, or an answer, in a while. @param {string} topic */
  const askLater = (topic) => {
    const times = putOff.get(topic) ?? 0
    putOff.set(topic, times + 1)
    setTimeout(() => isOver || subscribe([topic]), backoffMs(times))
  }

  /** @param {string} topic @param {string} epoch @param {WireEvent[]} events */
  const apply = (topic, epoch, events) => {
    for (const { type, data, offset, prev = offset - 1 } of events) {
      const known = positions.get(topic)
      if (!known || (known.epoch === epoch && offset <= known.offset)) continue
      if (known.epoch !== epoch || prev > known.offset) return subscribe([topic]) // Ahead: something is missing.
      positions.set(topic, { epoch, offset })
      print('event', { topic, type, data })
    }
  }

  /** @param {any} message */
  const receive = (message) => {
    const { t, topic } = message
    if (t === 'welcome') {
      attempt = 0
      subscribe(topics.filter((name) => !refused.has(name)))
    } else if (t === 'subscribed') {
      if (message.outcome === 'replayed') apply(topic, message.position.epoch, message.events)
      else print(message.outcome, { topic })
      positions.set(topic, message.position)
      putOff.delete(topic)
    } else if (t === 'events') apply(topic, message.epoch, message.events)
    else if (t === 'refused' || t === 'revoked') {
      print(t, { topic, code: message.code })
      if (t === 'revoked' || message.code === 'forbidden') refused.add(topic)
      else askLater(topic)
    } else if (t === 'pong') {
      const heads = new Map(Object.entries(message.heads ?? {}))
      const behind = topics.filter((name) => {
        const [head, known] = [heads.get(name), positions.get(name)]
        return head && known && (head.epoch !== known.epoch || head.offset > known.offset)
      })
      subscribe(behind)
    } else if (t === 'going-away') retryAfterMs = message.retryAfterMs
    else if (t === 'error') print('error', { code: message.code, message: message.message })
  }

  socket.onopen = () => {
    send({ t: 'hello', token: process.env['TOKEN'] })
    heard()
  }
  socket.onmessage = ({ data }) => {
    heard()
    try {
      receive(JSON.parse(String(data)))
    } catch (error) {
      print('skipped', { reason: String(error) })
    }
  }
  socket.onclose = ({ code }) => over(code)
  socket.onerror = () => over(1006)
}

connect()

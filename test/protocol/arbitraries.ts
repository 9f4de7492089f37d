import fc from 'fast-check'
import type { ClientMessage, ServerMessage } from '../../src/core/protocol/messages.ts'

/** Names that break what looks them up in an object, among others. */
const name = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', 't', 'a:b', '\u{1F600}', '\u2028"\\'),
  fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }),
)
const offset = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(Number.MAX_SAFE_INTEGER))
const count = fc.oneof(fc.nat(9), fc.constant(Number.MAX_SAFE_INTEGER))
const epoch = fc.string({ minLength: 1, maxLength: 64 })
const position = fc.record({ epoch, offset: count })

const wireEvent = fc.record(
  { type: name, data: fc.jsonValue(), offset, prev: count, mutationId: name },
  { requiredKeys: ['type', 'data', 'offset'] },
)
const events = fc.array(wireEvent, { maxLength: 4 })

const members = fc.array(
  fc.record({ id: name, user: name, state: fc.jsonValue() }, { requiredKeys: ['id', 'state'] }),
  { maxLength: 4 },
)
const signals = fc.array(
  fc.record({ type: name, data: fc.jsonValue(), from: name, user: name }, { requiredKeys: ['type', 'from'] }),
  { maxLength: 4 },
)
const action = fc.constantFrom('subscribe' as const, 'presence' as const)

export const clientMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  fc.record(
    { t: fc.constant('hello' as const), token: fc.string(), clientId: name },
    { requiredKeys: ['t'] },
  ),
  fc.record({ t: fc.constant('auth' as const), token: fc.string() }),
  fc.record({
    t: fc.constant('subscribe' as const),
    topics: fc.array(fc.record({ topic: name, position }, { requiredKeys: ['topic'] }), { maxLength: 4 }),
  }),
  fc.record({ t: fc.constant('unsubscribe' as const), topics: fc.array(name, { maxLength: 4 }) }),
  fc.constant({ t: 'ping' as const }),
  fc.record(
    { t: fc.constant('send' as const), id: name, type: name, data: fc.jsonValue(), topic: name, after: name },
    { requiredKeys: ['t', 'id', 'type'] },
  ),
  fc.record(
    {
      t: fc.constantFrom('presence-join' as const, 'presence-update' as const),
      topic: name,
      state: fc.jsonValue(),
    },
    { requiredKeys: ['t', 'topic'] },
  ),
  fc.record({ t: fc.constant('presence-leave' as const), topic: name }),
  fc.record(
    { t: fc.constant('signal' as const), topic: name, type: name, data: fc.jsonValue() },
    { requiredKeys: ['t', 'topic', 'type'] },
  ),
)

export const serverMessage: fc.Arbitrary<ServerMessage> = fc.oneof(
  fc.record({ t: fc.constant('welcome' as const), connectionId: name }),
  fc.constant({ t: 'authed' as const }),
  fc.record({ t: fc.constant('token-expires' as const), inMs: count }),
  fc.record({
    t: fc.constant('subscribed' as const),
    topic: name,
    outcome: fc.constantFrom('fresh' as const, 'reset' as const),
    position,
  }),
  fc.record({
    t: fc.constant('subscribed' as const),
    topic: name,
    outcome: fc.constant('replayed' as const),
    position,
    events,
  }),
  fc.record(
    {
      t: fc.constant('refused' as const),
      topic: name,
      code: fc.constantFrom('forbidden' as const, 'limit' as const, 'unavailable' as const),
      message: fc.string(),
      action,
    },
    { requiredKeys: ['t', 'topic', 'code', 'message'] },
  ),
  fc.record(
    { t: fc.constant('revoked' as const), topic: name, message: fc.string(), action },
    { requiredKeys: ['t', 'topic', 'message'] },
  ),
  fc.record({ t: fc.constant('events' as const), topic: name, epoch, events }),
  fc.record(
    {
      t: fc.constant('pong' as const),
      heads: fc.array(fc.tuple(name, position), { maxLength: 4 }).map((heads) => Object.fromEntries(heads)),
    },
    { requiredKeys: ['t'] },
  ),
  fc.record({ t: fc.constant('going-away' as const), retryAfterMs: count }),
  fc.record(
    { t: fc.constant('presence-state' as const), topic: name, members, self: name },
    { requiredKeys: ['t', 'topic', 'members'] },
  ),
  fc.record({
    t: fc.constant('presence-diff' as const),
    topic: name,
    set: members,
    left: fc.array(name, { maxLength: 4 }),
  }),
  fc.record({ t: fc.constant('signals' as const), topic: name, signals }),
  fc.record(
    { t: fc.constant('ack' as const), id: name, data: fc.jsonValue() },
    { requiredKeys: ['t', 'id'] },
  ),
  fc.record(
    {
      t: fc.constant('error' as const),
      code: name,
      message: fc.string(),
      topic: name,
      id: name,
      retryAfterMs: count,
    },
    { requiredKeys: ['t', 'code', 'message'] },
  ),
)

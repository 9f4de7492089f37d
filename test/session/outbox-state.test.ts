import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EMPTY_OUTBOX,
  post,
  type OutboxInput,
  type OutboxItem,
  type OutboxState,
} from '../../src/core/session/extensions/outbox-state.ts'

const LIMITS = { maxQueuedSends: 3, maxUnansweredSends: 2 }

type TimedInput = OutboxInput & { now?: number }

const item = (id: string, more: Partial<OutboxItem> = {}): OutboxItem => ({
  id,
  isEphemeral: false,
  dueAt: 1_000,
  wasSent: false,
  isOut: false,
  ...more,
})
const posted = (id: string, more?: Partial<OutboxItem>): OutboxInput => ({
  type: 'posted',
  item: item(id, more),
})
const cursor = (id: string) => posted(id, { isEphemeral: true })
const OPENED: OutboxInput = { type: 'opened' }
const CLOSED: OutboxInput = { type: 'closed' }
const acked = (id: string): OutboxInput => ({ type: 'answered', id, fate: 'acked' })

/** What is done, in short, for each input. */
function run(...inputs: TimedInput[]): string[] {
  let state: OutboxState = EMPTY_OUTBOX
  return inputs.map((input) => {
    const { outbox, outputs } = post(state, { now: 0, ...input }, LIMITS)
    state = outbox
    return outputs
      .map((output) => `${output.type === 'send' ? 'send' : output.fate} ${output.item.id}`)
      .join(', ')
  })
}

describe('an outbox', () => {
  it('sends at once over an open connection, and ends with the ack', () => {
    expect(run(OPENED, posted('a'), acked('a'), acked('a'))).toEqual(['', 'send a', 'acked a', ''])
  })

  it('keeps what is sent while there is no connection, and sends it in order', () => {
    expect(run(posted('a'), posted('b'), OPENED, acked('a'), posted('c'))).toEqual([
      '',
      '',
      'send a, send b',
      'acked a',
      'send c',
    ])
  })

  it('sends again, in the old order, what the last connection has not answered', () => {
    expect(run(OPENED, posted('a'), posted('b'), acked('a'), CLOSED, posted('c'), OPENED)).toEqual([
      '',
      'send a',
      'send b',
      'acked a',
      '',
      '',
      'send b, send c',
    ])
  })

  it('never keeps what is ephemeral: dropped while there is no connection, and not sent twice', () => {
    expect(run(cursor('a'), OPENED, cursor('b'), CLOSED, OPENED)).toEqual([
      'dropped a',
      '',
      'send b',
      'unknown b',
      '',
    ])
  })

  it('refuses what is more than it may keep: what was there before stays, and stays in order', () => {
    expect(run(...['a', 'b', 'c', 'd'].map((id) => posted(id)), OPENED)).toEqual([
      '',
      '',
      '',
      'full d',
      'send a, send b',
    ])
  })

  it('gives up what waits too long, and says whether it was on its way', () => {
    const timer = (now: number): TimedInput => ({ type: 'timer', now })
    expect(run(posted('a'), posted('b', { dueAt: 2_000 }), timer(1_000), OPENED, timer(2_000))).toEqual([
      '',
      '',
      'expired a',
      'send b',
      'unknown b',
    ])
  })

  it('does not send what has become too old, also when its timer was late', () => {
    expect(run(posted('a'), posted('b', { dueAt: 2_000 }), { type: 'opened', now: 1_500 })).toEqual([
      '',
      '',
      'expired a, send b',
    ])
  })

  it('tells every send its end when it stops', () => {
    expect(run(OPENED, posted('a'), CLOSED, posted('b'), { type: 'stopped' }, OPENED)).toEqual([
      '',
      'send a',
      '',
      '',
      'unknown a, stopped b',
      '',
    ])
  })

  it('takes a refusal for an end', () => {
    expect(run(OPENED, posted('a'), { type: 'answered', id: 'a', fate: 'refused' }, CLOSED, OPENED)).toEqual([
      '',
      'send a',
      'refused a',
      '',
      '',
    ])
  })

  it('has only so many on their way: an answer makes room for the next', () => {
    expect(
      run(OPENED, posted('a'), posted('b'), posted('c'), cursor('d'), acked('b'), CLOSED, OPENED),
    ).toEqual(['', 'send a', 'send b', '', 'dropped d', 'acked b, send c', '', 'send a, send c'])
  })

  it('waits for as long as the server says, and goes on in the old order', () => {
    const busy: OutboxInput = { type: 'busy', id: 'a', retryAfterMs: 100 }
    const at = (now: number): TimedInput => ({ type: 'timer', now })
    expect(run(OPENED, posted('a'), busy, posted('b'), cursor('c'), at(99), at(100))).toEqual([
      '',
      'send a',
      '',
      '',
      'dropped c',
      '',
      'send a, send b',
    ])
  })

  it('names the one before that is on its way, so that none is taken before it; nobody waits for a cursor', () => {
    let state: OutboxState = EMPTY_OUTBOX
    const limits = { ...LIMITS, maxUnansweredSends: 9, maxQueuedSends: 9 }
    const told: string[] = []
    const put = (input: OutboxInput, now = 0) => {
      const { outbox, outputs } = post(state, { ...input, now }, limits)
      state = outbox
      for (const output of outputs)
        if (output.type === 'send') told.push(`${output.item.id} after ${output.after ?? 'nothing'}`)
    }
    for (const input of [OPENED, posted('a'), cursor('b'), posted('c'), posted('d')]) put(input)
    expect(told.splice(0)).toEqual(['a after nothing', 'b after a', 'c after a', 'd after c'])
    // A limit: the server takes none of them.
    for (const id of ['a', 'c', 'd']) put({ type: 'busy', id, retryAfterMs: 100 })
    put({ type: 'answered', id: 'b', fate: 'refused' })
    put({ type: 'timer' }, 100)
    expect(told).toEqual(['a after nothing', 'c after a', 'd after c'])
  })

  it('ends every send once, never sends after the end, and sends in order, whatever happens', () => {
    const input = fc.oneof(
      fc.record({ type: fc.constant('posted' as const), isEphemeral: fc.boolean(), ageMs: fc.nat(50) }),
      fc
        .constantFrom<'opened' | 'closed' | 'stopped'>('opened', 'closed', 'stopped')
        .map((type) => ({ type })),
      fc.record({ type: fc.constant('answer' as const), nth: fc.nat(10) }),
      fc.record({ type: fc.constant('timer' as const), waitMs: fc.nat(30) }),
    )
    fc.assert(
      fc.property(fc.array(input, { maxLength: 80 }), (inputs) => {
        let state: OutboxState = EMPTY_OUTBOX
        let now = 0
        let made = 0
        const ends = new Map<string, string>()
        /** Of this connection. */
        let sent: number[] = []
        for (const one of [...inputs, { type: 'stopped' as const }]) {
          const next: OutboxInput | undefined =
            one.type === 'posted'
              ? posted(String(made++), { isEphemeral: one.isEphemeral, dueAt: now + one.ageMs })
              : one.type === 'answer'
                ? made > 0
                  ? acked(String(one.nth % made))
                  : undefined
                : one
          if (one.type === 'timer') now += one.waitMs
          if (!next) continue
          if (next.type === 'opened' && !state.isOpen) sent = []
          const { outbox, outputs } = post(state, { ...next, now }, LIMITS)
          state = outbox
          for (const output of outputs) {
            const { id } = output.item
            expect(ends.has(id), `${id} after its end`).toBe(false)
            if (output.type === 'settle') ends.set(id, output.fate)
            else {
              expect(state.isOpen).toBe(true)
              expect(Number(id), 'order').toBeGreaterThan(sent.at(-1) ?? -1)
              sent.push(Number(id))
            }
          }
          expect(state.items.length).toBeLessThanOrEqual(LIMITS.maxQueuedSends)
          const out = state.items.filter(({ isOut }) => isOut).length
          expect(out).toBeLessThanOrEqual(LIMITS.maxUnansweredSends)
          if (state.isOpen) expect(out, 'idle').toBe(Math.min(state.items.length, LIMITS.maxUnansweredSends))
        }
        expect(ends.size).toBe(made)
      }),
    )
  })
})

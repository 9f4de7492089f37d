import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EMPTY_OUTBOX,
  post,
  type OutboxInput,
  type OutboxItem,
  type OutboxState,
} from '../../src/core/session/outbox-state.ts'

const LIMITS = { maxQueuedSends: 3 }

const item = (id: string, more: Partial<OutboxItem> = {}): OutboxItem => ({
  id,
  isEphemeral: false,
  dueAt: 1_000,
  wasSent: false,
  ...more,
})
const posted = (id: string, more?: Partial<OutboxItem>): OutboxInput => ({
  type: 'posted',
  item: item(id, more),
})
const cursor = (id: string) => posted(id, { isEphemeral: true })
const OPENED: OutboxInput = { type: 'opened', now: 0 }
const CLOSED: OutboxInput = { type: 'closed' }
const acked = (id: string): OutboxInput => ({ type: 'answered', id, fate: 'acked' })

/** What is done, in short, for each input. */
function run(...inputs: OutboxInput[]): string[] {
  let state: OutboxState = EMPTY_OUTBOX
  return inputs.map((input) => {
    const { outbox, outputs } = post(state, input, LIMITS)
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
    expect(run(posted('a'), posted('b'), OPENED, posted('c'))).toEqual(['', '', 'send a, send b', 'send c'])
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
      'send a, send b, send c',
    ])
  })

  it('gives up what waits too long, and says whether it was on its way', () => {
    const timer = (now: number): OutboxInput => ({ type: 'timer', now })
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
                : one.type === 'timer'
                  ? { type: 'timer', now: (now += one.waitMs) }
                  : one.type === 'opened'
                    ? { type: 'opened', now }
                    : (one as OutboxInput)
          if (!next) continue
          if (next.type === 'opened' && !state.isOpen) sent = []
          const { outbox, outputs } = post(state, next, LIMITS)
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
        }
        expect(ends.size).toBe(made)
      }),
    )
  })
})

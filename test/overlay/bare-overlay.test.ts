import { describe, expect, it } from 'vitest'
import { BareOverlay } from '../../src/core/overlay/bare-overlay.ts'
import type { Fact } from '../../src/core/overlay/fact.ts'
import { Overlay } from '../../src/core/overlay/overlay.ts'
import type { Response } from '../../src/core/overlay/take-response.ts'
import type { PatchingEffect } from '../../src/core/routing/effect.ts'
import { update, upsert } from '../../src/core/routing/effects.ts'

const QUERY = { queryKey: ['rows'] }
const at = (offset: number, epoch = 'e') => ({ epoch, offset })
const event = (offset: number) => ({ type: 'saved', data: 0, topic: 't', position: at(offset) })
const fact = (effect: PatchingEffect, tick: number): Fact => ({ effects: [effect], tick })

const response = (data: unknown, more: Partial<Response> = {}): Response => ({
  data,
  positions: undefined,
  startedAt: 0,
  page: undefined,
  arrived: [],
  undecided: new Set(),
  ...more,
})

const after = (before: BareOverlay<typeof QUERY>) =>
  new Overlay<typeof QUERY>({ touches: () => true, maxFacts: 10, before })

describe('without an overlay', () => {
  it('puts what has arrived over a response, and keeps nothing once it is shown', () => {
    const bare = new BareOverlay<typeof QUERY>()
    const arrived = [fact(upsert(['rows'], { id: 2 }), 1)]
    expect(bare.respond(QUERY, response([{ id: 1 }], { arrived })).refetchType).toBeUndefined()
    expect(bare.view(QUERY)?.data).toEqual([{ id: 1 }, { id: 2 }])
    bare.prune(QUERY)
    expect(bare.view(QUERY)).toBeUndefined()
  })

  it('asks again for a response that may have what must not be applied twice', () => {
    const bare = new BareOverlay<typeof QUERY>()
    const arrived = [
      fact(
        update(['rows'], (rows) => rows),
        1,
      ),
    ]
    expect(bare.respond(QUERY, response([], { arrived })).refetchType).toBe('active')
  })
})

describe('an overlay that comes later', () => {
  it('knows how far each topic is: what was read before that is not current', () => {
    const bare = new BareOverlay<typeof QUERY>()
    bare.log.append('t', { event: event(5), effects: [] })
    bare.log.advance('t', at(6))
    const overlay = after(bare)
    expect(overlay.respond(QUERY, response([], { positions: new Map([['t', at(4)]]) })).refetchType).toBe(
      'active',
    )
    expect(overlay.isLive(QUERY)).toBe(false)
    expect(overlay.respond(QUERY, response([], { positions: new Map([['t', at(6)]]) }))).toMatchObject({
      isRefused: false,
      refetchType: undefined,
    })
    expect(overlay.isLive(QUERY)).toBe(true)
  })

  it('tells an epoch that it has never seen from the one that it is in', () => {
    const bare = new BareOverlay<typeof QUERY>()
    bare.log.reset('t', at(5, 'new'))
    const overlay = after(bare)
    overlay.respond(QUERY, response([], { positions: new Map([['t', at(9)]]) }))
    expect(overlay.isLive(QUERY)).toBe(false)
  })

  it('counts on, and shows the responses that were about to be shown', () => {
    const bare = new BareOverlay<typeof QUERY>()
    bare.nextTick()
    bare.respond(QUERY, response([{ id: 1 }]))
    const overlay = after(bare)
    expect(overlay.nextTick()).toBe(2)
    expect(overlay.view(QUERY)?.data).toEqual([{ id: 1 }])
  })
})

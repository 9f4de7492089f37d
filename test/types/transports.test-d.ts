import { describe, expectTypeOf, it } from 'vitest'
import { crossTab, type CrossTabOptions } from '../../src/cross-tab/index.ts'
import { fallback, type Transport } from '../../src/index.ts'
import { sseTransport } from '../../src/transports/sse.ts'
import { webSocketTransport } from '../../src/transports/websocket.ts'

describe('transports of transports', () => {
  const webSocket = webSocketTransport({ url: '/realtime' })
  const sse = sseTransport({ url: '/realtime/events' })

  it('are transports, one in the other', () => {
    expectTypeOf(fallback([webSocket, sse])).toEqualTypeOf<Transport>()
    expectTypeOf(crossTab(webSocket)).toEqualTypeOf<Transport>()
    expectTypeOf(crossTab(fallback([webSocket, sse]), { identity: () => 'ada' })).toEqualTypeOf<Transport>()
  })

  it('take who is signed in as a function: another user may come', () => {
    expectTypeOf<CrossTabOptions['identity']>().toEqualTypeOf<(() => string | null | undefined) | undefined>()
    // @ts-expect-error -- a text would be that of the first user for ever
    crossTab(webSocket, { identity: 'ada' })
    // @ts-expect-error -- the transports are a list: their order counts
    fallback(webSocket, sse)
  })
})

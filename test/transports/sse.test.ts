import { describe, test } from 'vitest'
import { transportContract } from '../../src/testing/transport-contract.ts'
import { sseTransport } from '../../src/transports/sse.ts'
import { EventStreamServer } from './event-stream-server.ts'

describe('the contract', () => {
  transportContract(
    test,
    async () => {
      const server = await EventStreamServer.start()
      return {
        transport: sseTransport({ url: server.url }),
        accept: () => server.accept(),
        get acceptedCount() {
          return server.acceptedCount
        },
        refuse: () => server.stop(),
        dispose: () => server.stop(),
      }
    },
    { carriesBytes: false, carriesCloseCode: false },
  )
})

import type { CloseInfo, RawMessage, Transport, TransportConnection } from '../core/transport.ts'
import type { ContractTest } from './contract-test.ts'

/** One connection, seen from the server. */
export interface ContractPeer {
  send(data: string | Uint8Array): void
  /** The next frame that the client has sent. */
  next(): Promise<string | Uint8Array>
  /** Closes in good order. */
  end(code: number, reason: string): void
  /** Lets the connection break without a word. */
  cut(): void
  /** How the connection ended, as the server saw it. */
  readonly closed: Promise<CloseInfo>
}

/** A real server, and the transport under test, pointed at it. */
export interface TransportHarness {
  readonly transport: Transport
  /** The next connection that is open, oldest first. */
  accept(): Promise<ContractPeer>
  /** How many connections the server has seen. */
  readonly acceptedCount: number
  /** From now on nobody is there. */
  refuse(): Promise<void>
  dispose(): Promise<void>
}

/** What a wire cannot do is not asked of its transport. */
export interface TransportContractOptions {
  /** Event streams carry text only. @default true */
  readonly carriesBytes?: boolean | undefined
  /** Where a client can only hang up, the server hears no code. @default true */
  readonly carriesCloseCode?: boolean | undefined
}

/**
 * What the session relies on, for every transport that is dialled. A transport of your own passes it before it is
 * used. Needs no test runner of ours.
 *
 * @example
 * describe('my transport', () => transportContract(test, () => startServerAndTransport()))
 */
export function transportContract(
  test: ContractTest,
  setUp: () => Promise<TransportHarness>,
  { carriesBytes = true, carriesCloseCode = true }: TransportContractOptions = {},
): void {
  const check = (name: string, run: (harness: TransportHarness) => Promise<void>) => {
    test(name, async () => {
      const harness = await setUp()
      try {
        await run(harness)
      } finally {
        await harness.dispose()
      }
    })
  }

  check('opens once, and calls no handler before connect has returned', async (harness) => {
    const client = new Client(harness.transport)
    equal(client.calls, [])
    const peer = await harness.accept()
    await client.until('open')
    peer.send('barrier')
    await client.until('message')
    equal(client.names, ['open', 'message'])
    client.close()
  })

  check('carries text both ways, in order', async (harness) => {
    const { client, peer } = await connected(harness)
    for (const text of ['one', 'two', 'drei ✓']) client.send(text)
    for (const text of ['one', 'two', 'drei ✓']) equal(await peer.next(), text)
    for (const text of ['a', 'b', 'ç 🜁']) peer.send(text)
    for (const text of ['a', 'b', 'ç 🜁']) equal(await client.until('message'), text)
    client.close()
  })

  if (carriesBytes) {
    check('carries bytes both ways', async (harness) => {
      const { client, peer } = await connected(harness)
      const bytes = new Uint8Array([0, 1, 127, 128, 255])
      client.send(bytes)
      equal(list(await peer.next()), list(bytes))
      peer.send(bytes)
      equal(list(await client.until('message')), list(bytes))
      client.close()
    })
  }

  check('tells once how the server has closed', async (harness) => {
    const { client, peer } = await connected(harness)
    peer.end(4413, 'too slow')
    equal(await client.until('close'), { code: 4413, reason: 'too slow' })
    equal(client.names, ['open', 'close'])
  })

  check('tells of a connection that broke: 1006', async (harness) => {
    const { client, peer } = await connected(harness)
    peer.cut()
    equal(((await client.until('close')) as CloseInfo).code, 1006)
    equal(
      client.names.filter((name) => name !== 'error'),
      ['open', 'close'],
    )
  })

  check('tells of a dial that failed: 1006, and why', async (harness) => {
    await harness.refuse()
    const client = new Client(harness.transport)
    equal(((await client.until('close')) as CloseInfo).code, 1006)
    equal(client.names, ['error', 'close'])
  })

  check('does not dial by itself', async (harness) => {
    const { client, peer } = await connected(harness)
    peer.end(1001, '')
    await client.until('close')
    const second = await connected(harness)
    equal(harness.acceptedCount, 2)
    equal(client.names, ['open', 'close'])
    second.client.close()
  })

  const andItsCode = carriesCloseCode ? ', with its code' : ''
  check(`ends at close${andItsCode}, and calls nobody any more`, async (harness) => {
    const { client, peer } = await connected(harness)
    peer.send('on its way')
    client.close(4900, 'silent')
    client.close()
    const { code } = await peer.closed
    if (carriesCloseCode) equal(code, 4900)
    equal(client.names, ['open'])
  })

  check('gives up a dial at close', async (harness) => {
    const client = new Client(harness.transport)
    client.close()
    const second = await connected(harness)
    second.peer.send('barrier')
    await second.client.until('message')
    equal(client.calls, [])
    second.client.close()
  })
}

async function connected(harness: TransportHarness) {
  const client = new Client(harness.transport)
  const peer = await harness.accept()
  await client.until('open')
  return { client, peer }
}

type Call =
  | readonly ['open']
  | readonly ['message', RawMessage]
  | readonly ['close', CloseInfo]
  | readonly ['error', unknown]

/** Writes down what a transport calls. */
class Client {
  readonly calls: Call[] = []
  readonly #connection: TransportConnection
  /** Calls that `until` has looked at. */
  #seen = 0
  #wake = () => {}

  constructor(transport: Transport) {
    const note = (call: Call) => {
      this.calls.push(call)
      this.#wake()
    }
    this.#connection = transport.connect({
      onOpen: () => note(['open']),
      onMessage: (raw) => note(['message', raw]),
      onClose: (info) => note(['close', info]),
      onError: (error) => note(['error', error]),
    })
  }

  get names(): Call[0][] {
    return this.calls.map(([name]) => name)
  }

  /** What the next call of this name was given. */
  async until(name: Call[0]): Promise<unknown> {
    for (;;) {
      while (this.#seen < this.calls.length) {
        const call = this.calls[this.#seen++]!
        if (call[0] === name) return call[1]
      }
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.#connection.send(data)
  }

  close(code?: number, reason?: string): void {
    this.#connection.close(code, reason)
  }
}

function list(data: unknown): number[] {
  if (data instanceof Uint8Array) return [...data]
  if (data instanceof ArrayBuffer) return [...new Uint8Array(data)]
  throw new Error(`Expected bytes, got ${typeof data}.`)
}

function equal(actual: unknown, expected: unknown): void {
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (got !== wanted) throw new Error(`Expected ${wanted}, got ${got}.`)
}

/** A TCP proxy that does to a connection what networks do: it cuts, stalls and delays. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** How a connection ends: in order (FIN), or with what is under way thrown away (RST). */
export type CutBy = 'FIN' | 'RST'

interface CutPlan {
  bytesLeft: number
  readonly by: CutBy
}

interface Link {
  /** The client's side, and the server's. */
  readonly near: Socket
  readonly far: Socket
}

export class FaultProxy {
  /** Where new connections go. */
  target: number
  /** Delay of every chunk, each way, in ms. Read when the chunk comes. */
  delayMs: () => number = () => 0
  /** Called with every connection that a client has opened. */
  onLink: () => void = () => {}
  /** Connections that were ever opened, and those that a planned or a called cut has ended. */
  opened = 0
  cuts = 0
  /** Bytes that were handed on to clients. */
  bytesDown = 0
  #isDown = false
  #isSilent = false
  readonly #server: Server
  readonly #links = new Set<Link>()
  #plan: CutPlan | undefined

  private constructor(target: number) {
    this.target = target
    this.#server = createServer({ noDelay: true }, (near) => {
      this.#accept(near)
    })
  }

  /** Listens on a free port until the test has finished. */
  static async start(target: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target)
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => proxy.stop())
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/realtime`
  }

  /** Connections that are open now, stalled ones included. */
  get live(): number {
    return this.#links.size
  }

  /** Ends what is open. */
  cut(by: CutBy = 'RST'): void {
    for (const link of [...this.#links]) this.#cut(link, by)
  }

  /** Ends what is open, and resets what comes, until it is `up` again. */
  down(): void {
    this.#isDown = true
    this.cut()
  }

  /** Swallows everything, and tells nobody: what is open stalls, and what comes is accepted and not served. */
  blackhole(): void {
    this.#isSilent = true
    this.stall()
  }

  up(): void {
    this.#isDown = this.#isSilent = false
    this.resume()
  }

  /** Ends the connection that is there, or the next one, when so many bytes more have gone to the client. */
  cutAfter(bytes: number, by: CutBy): void {
    this.#plan = { bytesLeft: bytes, by }
  }

  cancelCut(): void {
    this.#plan = undefined
  }

  /** Stops forwarding on what is open, and tells neither side: a cable is pulled. New connections are well. */
  stall(): void {
    for (const { near, far } of this.#links) {
      near.pause()
      far.pause()
    }
  }

  /** The cable is back, and with it everything that was sent meanwhile. */
  resume(): void {
    for (const { near, far } of this.#links) {
      near.resume()
      far.resume()
    }
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.cut()
    await once(this.#server, 'close')
  }

  #accept(near: Socket): void {
    if (this.#isDown) {
      near.resetAndDestroy()
      return
    }
    const far = connect({ port: this.target, host: '127.0.0.1', noDelay: true })
    const link: Link = { near, far }
    this.#links.add(link)
    this.opened++
    if (this.#isSilent) {
      near.pause()
      far.pause()
    }
    this.#forward(link, near, (chunk) => far.write(chunk))
    this.#forward(link, far, (chunk) => {
      this.#down(link, chunk)
    })
    this.onLink()
  }

  #forward(link: Link, from: Socket, hand: (chunk: Buffer) => void): void {
    const to = from === link.near ? link.far : link.near
    /** What is delayed stays in order. */
    let last = Promise.resolve()
    const inTurn = (act: () => void) => {
      const delayMs = this.delayMs()
      if (delayMs === 0) last = last.then(act)
      else last = last.then(() => new Promise<void>((resolve) => setTimeout(resolve, delayMs))).then(act)
    }
    from.on('data', (chunk: Buffer) => {
      inTurn(() => {
        if (this.#links.has(link)) hand(chunk)
      })
    })
    from.on('end', () => {
      inTurn(() => to.end())
    })
    from.on('error', () => {
      // A reset goes on as a reset.
      to.resetAndDestroy()
    })
    from.on('close', () => {
      if (link.near.destroyed && link.far.destroyed) this.#links.delete(link)
    })
  }

  #down(link: Link, chunk: Buffer): void {
    const plan = this.#plan
    if (!plan || chunk.length < plan.bytesLeft) {
      if (plan) plan.bytesLeft -= chunk.length
      this.bytesDown += chunk.length
      link.near.write(chunk)
      return
    }
    this.#plan = undefined
    const rest = chunk.subarray(0, plan.bytesLeft)
    this.bytesDown += rest.length
    if (rest.length === 0) this.#cut(link, plan.by)
    else
      link.near.write(rest, () => {
        this.#cut(link, plan.by)
      })
  }

  #cut(link: Link, by: CutBy): void {
    if (!this.#links.delete(link)) return
    this.cuts++
    for (const socket of [link.near, link.far]) {
      if (by === 'RST') socket.resetAndDestroy()
      else {
        socket.end()
        socket.resume().destroySoon()
      }
    }
  }
}

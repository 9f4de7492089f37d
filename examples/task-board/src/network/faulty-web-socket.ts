/**
 * A WebSocket that the network panel can make worse: cut, held down, with messages lost or delivered twice. It
 * stands between the library and the real one, so what one sees is the library dealing with it.
 */
import { faults, takeFault } from './faults.ts'
import { tellWire } from './wire.ts'

const open = new Set<FaultyWebSocket>()

/** Cuts every connection, as a cable that is pulled out would. */
export function cutConnections(): void {
  for (const socket of [...open]) socket.cut()
}

export class FaultyWebSocket extends EventTarget {
  static readonly CONNECTING = WebSocket.CONNECTING
  static readonly OPEN = WebSocket.OPEN
  static readonly CLOSING = WebSocket.CLOSING
  static readonly CLOSED = WebSocket.CLOSED

  readonly url: string
  /** The real one; absent while the network is held down. */
  readonly #socket: WebSocket | undefined
  #binaryType: BinaryType = 'blob'
  #isCut = false

  constructor(url: string, protocols?: string[]) {
    super()
    this.url = url
    open.add(this)
    if (faults.get().isHeldDown) {
      setTimeout(() => this.cut())
      return
    }
    const socket = new WebSocket(url, protocols)
    this.#socket = socket
    socket.onopen = () => this.dispatchEvent(new Event('open'))
    socket.onerror = () => this.dispatchEvent(new Event('error'))
    socket.onclose = ({ code, reason, wasClean }) => this.#end({ code, reason, wasClean })
    socket.onmessage = ({ data }: MessageEvent<unknown>) => this.#receive(data)
  }

  get readyState(): number {
    if (this.#isCut) return WebSocket.CLOSED
    return this.#socket?.readyState ?? WebSocket.CONNECTING
  }

  get protocol(): string {
    return this.#socket?.protocol ?? ''
  }

  get extensions(): string {
    return this.#socket?.extensions ?? ''
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0
  }

  get binaryType(): BinaryType {
    return this.#binaryType
  }

  set binaryType(type: BinaryType) {
    this.#binaryType = type
    if (this.#socket !== undefined) this.#socket.binaryType = type
  }

  send(data: string): void {
    tellWire({ what: 'sent', text: data })
    this.#socket?.send(data)
  }

  close(code?: number, reason?: string): void {
    this.#socket?.close(code, reason)
  }

  cut(): void {
    if (this.#isCut) return
    this.#isCut = true
    const socket = this.#socket
    if (socket !== undefined) {
      socket.onopen = socket.onerror = socket.onclose = socket.onmessage = null
      socket.close()
      tellWire({ what: 'cut' })
    }
    this.#end({ code: 1006, reason: '', wasClean: false })
  }

  #end(init: CloseEventInit): void {
    open.delete(this)
    this.dispatchEvent(new CloseEvent('close', init))
  }

  #receive(data: unknown): void {
    const text = String(data)
    // Only events go missing or come twice: that is what there is to see.
    const isEvents = text.startsWith('{"t":"events"')
    const { losePercent, isDoubling } = faults.get()
    const isLost = isEvents && (takeFault('loseMessages') || Math.random() * 100 < losePercent)
    const isDoubled = isEvents && !isLost && isDoubling
    tellWire({ what: 'received', text, fate: isLost ? 'lost' : isDoubled ? 'doubled' : 'delivered' })
    if (isLost) return
    this.dispatchEvent(new MessageEvent('message', { data }))
    if (isDoubled) this.dispatchEvent(new MessageEvent('message', { data }))
  }
}

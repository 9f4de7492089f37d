/**
 * One connection for all tabs of an app. One tab dials the real transport; what comes goes to the others over a
 * BroadcastChannel of each. Every tab keeps its own session, with its own topics and positions, so each event is applied
 * once and in order in each of them, whoever holds the connection.
 */
import { RealtimeError } from '../core/errors.ts'
import type { Transport } from '../core/transport.ts'
import { browserPlatform, type CrossTabPlatform } from './platform.ts'
import { TabConnection, type TabMemory } from './tab-connection.ts'

export type { CrossTabChannel, CrossTabLocks, CrossTabPlatform } from './platform.ts'

export interface CrossTabOptions {
  /**
   * Who is signed in, as the server of the connection sees it: tabs share only when this is the same text. Asked on every
   * dial. `null` and `undefined`: not known, then the tab connects by itself. For a backend that is the same for
   * everybody, say `() => 'everybody'`.
   * @default by the token: tabs with the same one share, and without a token none do
   */
  readonly identity?: (() => string | null | undefined) | undefined
  /**
   * Tells several connections of one origin apart, where the addresses of their transports do not.
   * @default the address of the transport, when it is fixed, and no function
   */
  readonly name?: string | undefined
  /**
   * Tabs share only when this is the same: give the version of a build whose messages or topics others do not understand.
   * @default none
   */
  readonly version?: string | undefined
  /**
   * How many tabs share a connection. Others connect by themselves.
   * @default 32
   */
  readonly maxTabs?: number | undefined
  /** For tests. @default the browser's, where it has all that is needed */
  readonly platform?: CrossTabPlatform | undefined
}

/** Of what tabs of other versions of this library say, nothing is understood. */
const VERSION = 1

/**
 * Shares one connection between the tabs of a browser. Where that is not possible (no Web Locks, no BroadcastChannel, no
 * `identity` and no token), each tab connects by itself.
 *
 * @throws RealtimeError `usage`: the transport is managed: its connection is the app's own.
 * @example
 * crossTab(webSocketTransport({ url: '/realtime', token }), { identity: () => auth.userId() })
 */
export function crossTab(transport: Transport, options: CrossTabOptions = {}): Transport {
  if (transport.mode === 'managed') {
    throw new RealtimeError(
      'usage',
      'crossTab() shares a connection that it dials. A managed transport has one in each tab already: leave crossTab out.',
    )
  }
  const { identity, name = transport.address ?? '', version = '', maxTabs = 32 } = options
  const { platform = browserPlatform() } = options
  const memory: TabMemory = { stolenAt: -Infinity }
  /** The token that was asked for to find the others, until the session, or the dial, asks for it. */
  let freshToken: string | undefined
  let hasToldWhy = false

  return {
    /** For status and errors: what carries the frames. */
    get name() {
      return transport.name
    },
    mode: 'dialled',
    address: transport.address,
    decode: transport.decode,
    heartbeat: transport.heartbeat,
    token:
      transport.token &&
      (() => {
        const token = freshToken
        freshToken = undefined
        return token ?? transport.token?.()
      }),
    forget() {
      freshToken = undefined
      transport.forget?.()
    },
    connect(handlers) {
      if (!platform) return transport.connect(handlers)
      const group = async (): Promise<string | undefined> => {
        let who = identity?.()
        if (!identity && transport.token) {
          const token = await (handlers.askToken?.() ?? transport.token())
          freshToken = token ?? undefined
          who = token && (await platform.digest(token))
        }
        if (typeof who === 'string')
          return JSON.stringify(['realtime-query-bridge', VERSION, name, version, who])
        if (!identity && !transport.token && !hasToldWhy) {
          hasToldWhy = true
          handlers.onError(
            new RealtimeError(
              'usage',
              'crossTab() does not know who is signed in, so each tab connects by itself. Give it { identity: () => … }.',
            ),
          )
        }
        return undefined
      }
      return new TabConnection({ transport, handlers, platform, memory, maxTabs, group })
    },
  }
}

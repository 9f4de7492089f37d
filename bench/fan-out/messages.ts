/** What the processes of the fan-out bench say to each other. */
export type Contender = 'bridge' | 'ws' | 'socket.io' | 'net'

export const CONTENDERS: readonly Contender[] = ['bridge', 'ws', 'socket.io', 'net']

/** How the messages of a tick come to be published: all by one function call, or each by an HTTP request of its own. */
export type Arrival = 'one call' | 'requests'

export type ServerCommand =
  | { readonly do: 'tick'; readonly messages: number }
  /** What the process has used since it began, and what it holds now. */
  | { readonly do: 'usage' }
  | { readonly do: 'collect-garbage' }
  /** Publishes one message and tells how long nothing else could run, once `stop-watching` is said. */
  | { readonly do: 'watch-loop' }
  | { readonly do: 'stop-watching' }

export type ServerAnswer =
  | { readonly is: 'listening'; readonly port: number; readonly publishPort: number }
  | { readonly is: 'usage'; readonly cpuUs: number; readonly rss: number; readonly heap: number }
  | { readonly is: 'collected' }
  | { readonly is: 'watching' }
  | { readonly is: 'watched'; readonly blockMs: number; readonly blockCpuMs: number }

export type ClientCommand =
  | { readonly do: 'connect'; readonly contender: Contender; readonly port: number; readonly count: number }
  /** Tells when every socket has had so many messages more. */
  | { readonly do: 'expect'; readonly messages: number }
  | { readonly do: 'disconnect' }

export type ClientAnswer =
  | { readonly is: 'connected' }
  | { readonly is: 'expecting' }
  | { readonly is: 'received' }
  | { readonly is: 'disconnected' }

/** Stands in each message once, and nowhere else. */
export const MARK = '"mark":'

/** As long as `155 B` of JSON with the type: what an app sends of one changed row. */
export const row = (n: number) => ({
  id: `task-${String(n % 10_000).padStart(5, '0')}`,
  title: 'Move the ladder into the shed before it rains',
  column: 'in-progress',
  order: 1_024.5,
  mark: 1_000_000 + (n % 1_000_000),
})

export const TYPE = 'task.moved'

/** The clients subscribe to all of them (not those of bare TCP); the first is published to. */
export const TOPICS = ['board:1', 'board:2', 'user:ada', 'project:42', 'announcements'] as const

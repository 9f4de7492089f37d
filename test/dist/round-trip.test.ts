import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')

const MODULES = {
  core: 'realtime-query-bridge',
  react: 'realtime-query-bridge/react',
  server: 'realtime-query-bridge/server',
  websocket: 'realtime-query-bridge/websocket',
  sse: 'realtime-query-bridge/sse',
  http: 'node:http',
  query: '@tanstack/react-query',
  React: 'react',
  dom: 'react-dom/server',
  ws: 'ws',
}

/** How the event goes: the server's side, and the transport. */
const WAYS = {
  websocket: {
    attach: 'const attachment = server.attachWebSocket(realtime, httpServer)',
    transport: `websocket.webSocketTransport({
      url: 'ws://127.0.0.1:' + httpServer.address().port + '/realtime',
      WebSocket: ws.WebSocket,
    })`,
  },
  sse: {
    attach: `const attachment = { close() {} }
httpServer.on('request', server.nodeListener(server.sseHandler(realtime)))`,
    transport: `sse.sseTransport({ url: 'http://127.0.0.1:' + httpServer.address().port })`,
  },
}

/** One event from a real server into a real cache, and the page rendered with it. The process ends by itself (L9). */
const script = ({ attach, transport }: (typeof WAYS)['sse']) => `
const number = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
const httpServer = http.createServer()
const realtime = server.createRealtimeServer({ authenticate: () => ({}), authorize: () => true })
${attach}
httpServer.listen(0, '127.0.0.1', () => {
  const queryClient = new query.QueryClient({ defaultOptions: { queries: { gcTime: Infinity } } })
  queryClient.setQueryData(['answer'], 0)
  const bridge = new core.RealtimeQueryBridge({
    queryClient,
    topics: ['numbers'],
    events: core.defineEvents({ told: core.on(number, (value) => core.setData(['answer'], value)) }),
    transport: ${transport},
  })
  const Page = () => {
    const { data } = query.useQuery({ queryKey: ['answer'], queryFn: () => 0 })
    return react.useRealtimeBridge() === bridge ? 'answer: ' + data : 'another bridge'
  }
  bridge.subscribe(({ status }) => {
    if (status === 'live') void realtime.publish('numbers', { type: 'told', data: 42 })
  })
  queryClient.getQueryCache().subscribe(async () => {
    if (queryClient.getQueryData(['answer']) !== 42 || ended) return
    ended = true
    const page = React.createElement(react.RealtimeQueryProvider, { bridge }, React.createElement(Page))
    console.log(dom.renderToString(page))
    bridge.stop()
    await realtime.close()
    await attachment.close()
    httpServer.close()
  })
  bridge.start()
})
let ended = false
`

const IMPORTS = {
  module: (name: string, from: string) => `import * as ${name} from '${from}'`,
  commonjs: (name: string, from: string) => `const ${name} = require('${from}')`,
}

describe('the built package', () => {
  it.each([
    ['module', 'websocket'],
    ['commonjs', 'websocket'],
    ['module', 'sse'],
    ['commonjs', 'sse'],
  ] as const)('carries an event from a server to a page (%s, %s)', async (format, way) => {
    const imports = Object.entries(MODULES).map(([name, from]) => IMPORTS[format](name, from))
    const code = [...imports, script(WAYS[way])].join('\n')
    const run = promisify(execFile)(process.execPath, [`--input-type=${format}`, '--eval', code], {
      cwd: ROOT,
      timeout: 20_000,
    })
    expect(await run).toEqual({ stdout: 'answer: 42\n', stderr: '' })
  })
})

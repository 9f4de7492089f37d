/** The browser's side of `streaming.test.ts`. Bundled. */
import { hydrateRoot } from 'react-dom/client'
import { webSocketTransport } from '../../../src/transports/websocket.ts'
import { createApp, hydrateStream, type Row } from './streamed-app.tsx'

const { queryClient, bridge, page } = createApp(webSocketTransport({ url: '/realtime' }), async (list) => {
  const response = await fetch(`/${list}/rows`)
  return { rows: (await response.json()) as readonly Row[], source: response }
})
hydrateStream(queryClient)
const errors: string[] = []
const onRecoverableError = (error: unknown) => errors.push(String(error))
hydrateRoot(document.getElementById('root')!, page, { onRecoverableError })

const app = {
  status: () => bridge.status.status,
  isLive: (list: string) => bridge.isLive(['rows', list]),
  errors,
}
export type StreamedPage = typeof app
Object.assign(globalThis, { app })

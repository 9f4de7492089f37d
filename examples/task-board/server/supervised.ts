/** What the server process and its supervisor (`start.ts`) say to each other, and the panel's way to say it. */
import { Hono } from 'hono'
import { z } from 'zod'

export type ServerMessage =
  | { type: 'ready'; url: string }
  /** Stop me now and start me again after this time. */
  | { type: 'stop'; forMs: number }

/** Does nothing when nobody supervises this process. */
export function tellSupervisor(message: ServerMessage): void {
  if (process.send !== undefined) process.send(message)
  else if (message.type === 'ready') console.log(`Task board: ${message.url}`)
}

const StopQuery = z.object({ forMs: z.coerce.number().int().min(0).max(60_000).default(5_000) })

export function devRoutes() {
  const routes = new Hono()
  routes.get('/process', (c) => c.json({ pid: process.pid }))
  routes.post('/stop', (c) => {
    if (process.send === undefined) {
      return c.json({ error: { code: 'unsupervised', message: 'Start it with `npm start`.' } }, 501)
    }
    const query = StopQuery.safeParse(c.req.query())
    const forMs = query.success ? query.data.forMs : 5_000
    // After the answer has left.
    setTimeout(() => tellSupervisor({ type: 'stop', forMs }), 50)
    return c.json({ forMs })
  })
  return routes
}

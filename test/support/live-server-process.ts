/** `LiveServer` in a process of its own, which can be stopped and killed. It ends with its parent. */
import { LiveServer } from './live-server.ts'

const server = await LiveServer.start({ port: Number(process.env['PORT'] ?? 0) })
process.on('disconnect', () => process.exit())
process.send?.(server.port)

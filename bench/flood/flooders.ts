/** Sends as much as the network takes, on several connections, and dials again whenever it is cut. */
import { WebSocket } from 'ws'

const [url, count, kind] = process.argv.slice(2) as [string, string, keyof typeof FRAMES]

const FRAMES = {
  small: ['{"t":"ping"}'],
  malformed: ['{"t":"ping"', '{"t":"?"}', `{"t":"send","id":1,"data":${'['.repeat(500)}${']'.repeat(500)}}`],
  large: [JSON.stringify({ t: 'signal', topic: 'room', type: 'x', data: 'x'.repeat(60_000) })],
}
const frames = FRAMES[kind]

let sent = 0
let dials = 0

function flood(): void {
  dials++
  const socket = new WebSocket(url, 'rqb.v1')
  const fill = () => {
    if (socket.readyState !== WebSocket.OPEN) return
    for (let n = 0; n < 200 && socket.bufferedAmount < 1_000_000; n++) {
      socket.send(frames[sent % frames.length]!)
      sent++
    }
    setImmediate(fill)
  }
  socket.on('open', () => {
    socket.send('{"t":"hello"}')
  })
  socket.once('message', fill)
  socket.on('error', () => {})
  socket.on('close', () => setImmediate(flood))
}

for (let n = 0; n < Number(count); n++) flood()
process.on('disconnect', () => process.exit())
setInterval(() => process.send?.({ sent, dials }), 100)

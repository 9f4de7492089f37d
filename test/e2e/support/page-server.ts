import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'

/** Pages, and behind the same origin a `LiveServer`. */
export async function serve(port: number, pages: Record<string, string>) {
  const front = createServer((request, response) => {
    const body = pages[request.url?.split('?')[0] ?? '']
    if (body !== undefined) return void response.writeHead(200, { 'content-type': 'text/html' }).end(body)
    fetch(`http://127.0.0.1:${port}${request.url}`)
      .then(async (answer) => response.writeHead(answer.status).end(await answer.text()))
      .catch(() => response.destroy())
  })
  front.on('upgrade', (request, near: Socket) => {
    const far = connect(port, '127.0.0.1')
    const headers = Array.from({ length: request.rawHeaders.length / 2 }, (_, index) =>
      request.rawHeaders.slice(2 * index, 2 * index + 2).join(': '),
    )
    far.write([`GET ${request.url} HTTP/1.1`, ...headers, '', ''].join('\r\n'))
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
    far.on('error', () => near.destroy()).on('close', () => near.destroy())
  })
  await once(front.listen(0, '127.0.0.1'), 'listening')
  const close = () => {
    front.close()
    front.closeAllConnections()
  }
  return { origin: `http://127.0.0.1:${(front.address() as AddressInfo).port}`, close }
}

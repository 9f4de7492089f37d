import { describe, expect, it } from 'vitest'
import { Link, Port } from '../../src/cross-tab/link.ts'
import type { CrossTabChannel } from '../../src/cross-tab/platform.ts'

/** A channel whose other ends hear at once what is posted. */
function channels(count: number): CrossTabChannel[] {
  const all: (CrossTabChannel & { isClosed?: boolean })[] = Array.from({ length: count }, () => {
    const channel: (typeof all)[number] = {
      onmessage: null,
      postMessage(message) {
        if (channel.isClosed) throw new Error('closed')
        for (const other of all) if (other !== channel) other.onmessage?.({ data: structuredClone(message) })
      },
      close: () => void (channel.isClosed = true),
    }
    return channel
  })
  return all
}

function rig(ends = 2) {
  const [near, ...far] = channels(ends)
  const told: string[] = []
  const link = new Link({
    channel: near!,
    onOpen: () => told.push('open'),
    onFrame: (raw) => told.push(String(raw)),
    onClose: ({ code }) => told.push(`close ${code}`),
  })
  const time = { now: 0 }
  const port = (holder: string, index = 0) => {
    const heard: string[] = []
    const port = new Port({
      holder,
      channel: far[index]!,
      now: () => time.now,
      onFrame: (data) => heard.push(String(data)),
      onGone: (code) => heard.push(`gone ${code}`),
    })
    return { port, heard }
  }
  return { near: near!, link, told, port, time }
}

describe('a link', () => {
  it('carries frames both ways, until one end closes it', () => {
    const { link, told, port } = rig()
    const { port: end, heard } = port('one')
    end.post('down')
    link.send('up')
    link.close(4900)
    end.post('late')
    expect(told).toEqual(['open', 'down'])
    expect(heard).toEqual(['up', 'gone 4900'])
  })

  it('hears nobody but who has opened it, and speaks to nobody else', () => {
    const { link, told, port } = rig(3)
    const { port: first } = port('one')
    const { port: second, heard } = port('two', 1)
    second.post('from one that has lost its lock')
    first.post('from the holder')
    link.send('to the holder')
    second.close({ code: 1006, reason: '' })
    expect(told).toEqual(['open', 'from the holder'])
    expect(heard).toEqual([])
  })

  it('tells whether the other end has answered', () => {
    const { link, port } = rig()
    const { port: end } = port('one')
    link.ask()
    expect(link.hasHeard).toBe(true)
    end.close({ code: 1006, reason: '' })
    link.ask()
    expect(link.hasHeard).toBe(false)
  })

  it('tells how the connection was closed', () => {
    const { told, port } = rig()
    port('one').port.close({ code: 1012, reason: '' })
    expect(told).toEqual(['open', 'close 1012'])
  })
})

describe('a tab that does not read', () => {
  /** One that hears nothing: its page is frozen. */
  function frozen() {
    const it = rig()
    const end = it.port('one')
    it.near.onmessage = null
    return { ...it, ...end }
  }

  it('is let go after a thousand frames', () => {
    const { port, heard } = frozen()
    for (let n = 0; n < 1_000; n++) port.post('frame')
    expect(heard).toEqual([])
    port.post('one more')
    expect(heard).toEqual(['gone undefined'])
  })

  it('is let go after eight MiB, in whatever form', () => {
    for (const frame of ['x'.repeat(1024 * 1024), new ArrayBuffer(1024 * 1024)]) {
      const { port, heard } = frozen()
      for (let n = 0; n < 8; n++) port.post(frame)
      expect(heard).toEqual([])
      port.post('x')
      expect(heard).toEqual(['gone undefined'])
    }
  })

  it('is not one that reads', () => {
    const { told, port } = rig()
    const { port: end, heard } = port('one')
    for (let n = 0; n < 5_000; n++) end.post('x'.repeat(10_000))
    expect(told).toHaveLength(5_001)
    expect(heard).toEqual([])
  })

  it('is let go when it has said nothing for three minutes', () => {
    const { port, heard, time } = frozen()
    time.now = 180_000
    port.checkSilence()
    expect(heard).toEqual([])
    time.now++
    port.checkSilence()
    port.checkSilence()
    expect(heard).toEqual(['gone undefined'])
  })
})

import { describe, expect, it } from 'vitest'
import { browserSignals } from '../../src/core/session/connection/wake-signals.ts'

/** A window with a document, as far as signals go. */
class FakeWindow extends EventTarget {
  readonly document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  readonly navigator = { onLine: true }
}

function listen() {
  const window = new FakeWindow()
  const heard: string[] = []
  const signals = browserSignals(window)
  const unlisten = signals.listen((signal) => heard.push(signal))
  return { window, signals, heard, unlisten }
}

const pageshow = (persisted: boolean) => Object.assign(new Event('pageshow'), { persisted })

describe('browserSignals', () => {
  it('tells what the browser says of the network', () => {
    const { window, heard, signals } = listen()
    window.dispatchEvent(new Event('offline'))
    window.dispatchEvent(new Event('online'))
    expect(heard).toEqual(['offline', 'online'])
    expect(signals.isOnline()).toBe(true)
    window.navigator.onLine = false
    expect(signals.isOnline()).toBe(false)
  })

  it('tells when the page becomes visible, not when it is hidden', () => {
    const { window, heard } = listen()
    window.document.visibilityState = 'hidden'
    window.document.dispatchEvent(new Event('visibilitychange'))
    expect(heard).toEqual([])
    window.document.visibilityState = 'visible'
    window.document.dispatchEvent(new Event('visibilitychange'))
    expect(heard).toEqual(['woken', 'online'])
  })

  it('tells when the page comes back, and what the network did meanwhile', () => {
    const { window, heard } = listen()
    window.dispatchEvent(pageshow(false))
    expect(heard).toEqual([])
    window.navigator.onLine = false
    window.dispatchEvent(pageshow(true))
    window.document.dispatchEvent(new Event('resume'))
    expect(heard).toEqual(['restored', 'offline', 'restored', 'offline'])
  })

  it('is silent after unlisten', () => {
    const { window, heard, unlisten } = listen()
    unlisten()
    for (const type of ['online', 'offline', 'visibilitychange', 'resume']) {
      window.dispatchEvent(new Event(type))
      window.document.dispatchEvent(new Event(type))
    }
    window.dispatchEvent(pageshow(true))
    expect(heard).toEqual([])
  })

  it.each([
    ['Node, or a server', {}],
    ['React Native', { navigator: {}, document: undefined }],
  ])('is always online, and silent, in %s', (_, scope) => {
    const signals = browserSignals(scope)
    expect(signals.isOnline()).toBe(true)
    signals.listen(() => expect.unreachable())()
  })

  it('works on the global object of this process', () => {
    expect(browserSignals().isOnline()).toBe(true)
  })
})

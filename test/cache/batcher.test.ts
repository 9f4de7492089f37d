import { describe, expect, it } from 'vitest'
import { Batcher } from '../../src/core/cache/batcher.ts'

/** Frames that end when the test says so. */
function createFrames() {
  const frames: (() => void)[] = []
  return {
    get armed() {
      return frames.length
    },
    requestFrame: (callback: () => void) => {
      frames.push(callback)
      return () => {
        frames.splice(frames.indexOf(callback), 1)
      }
    },
    end: () => frames.shift()?.(),
  }
}

function setUp(maxQueued = 100) {
  const frames = createFrames()
  const flushed: number[][] = []
  const batcher = new Batcher<number>({
    flush: (items) => flushed.push([...items]),
    requestFrame: frames.requestFrame,
    maxQueued,
  })
  return { frames, flushed, batcher }
}

describe('Batcher', () => {
  it('flushes the first item after quiet at once, and the rest of the frame together', () => {
    const { frames, flushed, batcher } = setUp()
    batcher.push([1])
    expect(flushed).toEqual([[1]])
    batcher.push([2])
    batcher.push([3, 4])
    expect(flushed).toEqual([[1]])
    frames.end()
    expect(flushed).toEqual([[1], [2, 3, 4]])
  })

  it('is quiet again after a frame without items', () => {
    const { frames, flushed, batcher } = setUp()
    batcher.push([1])
    frames.end()
    expect(frames.armed).toBe(0)
    batcher.push([2])
    expect(flushed).toEqual([[1], [2]])
  })

  it('flushes items of one call together', () => {
    const { flushed, batcher } = setUp()
    batcher.push([1, 2, 3])
    expect(flushed).toEqual([[1, 2, 3]])
  })

  it('does not wait for the frame once the queue is full', () => {
    const { frames, flushed, batcher } = setUp(3)
    batcher.push([0])
    for (const item of [1, 2, 3, 4]) batcher.push([item])
    expect(flushed).toEqual([[0], [1, 2, 3]])
    expect(frames.armed).toBe(1)
    frames.end()
    expect(flushed).toEqual([[0], [1, 2, 3], [4]])
  })

  it('queues what is pushed during a flush', () => {
    const frames = createFrames()
    const flushed: number[][] = []
    const batcher: Batcher<number> = new Batcher<number>({
      flush: (items) => {
        flushed.push([...items])
        if (items[0] === 1) batcher.push([2])
      },
      requestFrame: frames.requestFrame,
      maxQueued: 10,
    })
    batcher.push([1])
    expect(flushed).toEqual([[1]])
    frames.end()
    expect(flushed).toEqual([[1], [2]])
  })

  it('goes on after a flush that threw', () => {
    const frames = createFrames()
    const flushed: number[][] = []
    const batcher = new Batcher<number>({
      flush: (items) => {
        if (items[0] === 1) throw new Error('once')
        flushed.push([...items])
      },
      requestFrame: frames.requestFrame,
      maxQueued: 10,
    })
    expect(() => {
      batcher.push([1])
    }).toThrow('once')
    batcher.push([2])
    frames.end()
    expect(flushed).toEqual([[2]])
  })

  it('loses nothing and leaves no frame when it stops', () => {
    const { frames, flushed, batcher } = setUp()
    batcher.push([1])
    batcher.push([2])
    batcher.stop()
    expect(flushed).toEqual([[1], [2]])
    expect(frames.armed).toBe(0)
  })
})

/** Deeper nesting than anybody writes by hand; the encoder refuses it, too. */
export const MAX_DEPTH = 512

/** Bytes that follow each type from 0xcc to 0xd3, all of them integers. */
const INTEGER_BYTES = [1, 2, 4, 8, 1, 2, 4, 8]

/**
 * Throws unless `bytes` are one whole MessagePack value that JSON could hold, too: no binary data, extensions, keys
 * that are no strings, or numbers that are not finite. Whatever a length claims is there: without this, five bytes
 * make a decoder reserve an array of four billion.
 */
export function assertJsonMsgpack(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  /** What is still to come of each open array and map; a map's keys count as well. */
  const left = [1]
  const isMap = [false]
  let at = 0

  const open = (items: number, isOfMap: boolean) => {
    if (left.length > MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH}`)
    left.push(items)
    isMap.push(isOfMap)
  }
  const readLength = (size: number) => {
    const length = size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : view.getUint32(at)
    at += size
    return length
  }

  while (left.length > 0) {
    const depth = left.length - 1
    if (left[depth] === 0) {
      left.pop()
      isMap.pop()
      continue
    }
    const isKey = isMap[depth] && left[depth]! % 2 === 0
    left[depth]! -= 1
    // Reading behind the end throws.
    const type = view.getUint8(at++)
    const isString = (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb)
    if (isKey && !isString) throw new Error('a key that is no string')

    if (type <= 0x7f || type >= 0xe0) continue // a small integer
    if (type <= 0x8f) open(2 * (type & 0x0f), true)
    else if (type <= 0x9f) open(type & 0x0f, false)
    else if (type <= 0xbf) at += type & 0x1f
    else if (type === 0xc0 || type === 0xc2 || type === 0xc3)
      continue // null, false, true
    else if (type === 0xca || type === 0xcb) {
      const value = type === 0xca ? view.getFloat32(at) : view.getFloat64(at)
      if (!Number.isFinite(value)) throw new Error('a number that is not finite')
      at += type === 0xca ? 4 : 8
    } else if (type >= 0xcc && type <= 0xd3) at += INTEGER_BYTES[type - 0xcc]!
    else if (type >= 0xd9 && type <= 0xdb) {
      // Not in one step: `at +=` takes `at` before the length is read.
      const length = readLength(2 ** (type - 0xd9))
      at += length
    } else if (type === 0xdc || type === 0xdd) open(readLength(type === 0xdc ? 2 : 4), false)
    else if (type === 0xde || type === 0xdf) open(2 * readLength(type === 0xde ? 2 : 4), true)
    else throw new Error('binary data, or an extension')
    if (at > bytes.byteLength) throw new Error('cut off')
  }
  if (at !== bytes.byteLength) throw new Error('something after the end')
}

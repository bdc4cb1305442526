import { isUtf8 } from 'node:buffer'

/** What is UTF-8 in bytes that are not all UTF-8, and the bytes that differ between windows-1252 and latin-1. */
const sequences =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\x9f]/g

/**
 * Decodes UTF-8, chunk by chunk. Bytes that are none are windows-1252, as spreadsheets save it, and `onForeign` is told of
 * the first of them; a file may have both, where somebody has joined two. Without a chunk it ends.
 */
export function utf8Decoder(onForeign: () => void = () => {}): (chunk?: Buffer) => string {
  let rest: Buffer = Buffer.alloc(0)
  let isBegun = false
  let isTold = false
  return (chunk) => {
    const bytes = rest.length > 0 && chunk ? Buffer.concat([rest, chunk]) : (chunk ?? rest)
    const end = chunk ? wholeLength(bytes) : bytes.length
    const whole = bytes.subarray(0, end)
    rest = bytes.subarray(end)
    const isClean = isUtf8(whole)
    if (!isClean && !isTold) onForeign()
    isTold ||= !isClean
    const text = isClean ? whole.toString('utf8') : mixed(whole)
    const isMarked = !isBegun && text.startsWith('\ufeff')
    isBegun ||= text !== ''
    return isMarked ? text.slice(1) : text
  }
}

function mixed(bytes: Buffer): string {
  const decoder = new TextDecoder('windows-1252')
  return bytes.toString('latin1').replace(sequences, (sequence) => {
    const some = Buffer.from(sequence, 'latin1')
    return some.length > 1 ? some.toString('utf8') : decoder.decode(some)
  })
}

/** The length without a character at the end of which bytes are still to come. */
function wholeLength(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return bytes.length
    if (byte < 0xc0) continue
    const needed = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    return needed > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

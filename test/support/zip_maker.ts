import { crc32, deflateRawSync } from 'node:zlib'

/** A file in a zip, and what the zip says of it that is not so. */
export interface ZipEntry {
  readonly name: string
  readonly text: string | Buffer
  readonly crc?: number
  /** What the directory says of its unpacked size. */
  readonly size?: number
  /** 1: it has a password. */
  readonly flags?: number
  /** The unix mode, as of a symbolic link. */
  readonly mode?: number
  /** Its bytes are those of the entry before. */
  readonly isShared?: boolean
}

/** A zip of deflated files: local headers, then the directory at the end. `count` is what it says of the number of files. */
export function makeZip(entries: readonly ZipEntry[], count = entries.length): Buffer {
  const locals: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  let at = 0
  for (const { name, text, crc = crc32(text), size, flags = 0, mode = 0, isShared = false } of entries) {
    const packed = deflateRawSync(text)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(0x0800 | flags, 2)
    common.writeUInt16LE(8, 4)
    common.writeUInt16LE((2020 - 1980) * 512 + 33, 8)
    common.writeUInt32LE(crc, 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(size ?? Buffer.byteLength(text), 18)
    common.writeUInt16LE(Buffer.byteLength(name), 22)
    if (!isShared) {
      const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed])
      locals.push(local)
      at = offset
      offset += local.length
    }
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE((mode << 16) >>> 0, 6)
    tail.writeUInt32LE(at, 10)
    directory.push(Buffer.from('PK\x01\x02\x14\x03'), common, tail, Buffer.from(name))
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(count, 8)
  end.writeUInt16LE(count, 10)
  end.writeUInt32LE(size, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, ...directory, end])
}

/** A zip of these files, as it should be. */
export function zipOf(files: Readonly<Record<string, string | Buffer>>): Buffer {
  return makeZip(Object.entries(files).map(([name, text]) => ({ name, text })))
}

/** A text to be read, as often as need be: a file, unpacked where it is packed, or one file inside a zip. */
export interface Source {
  /** As it is called in rejects and errors. */
  readonly name: string
  /** In bytes on the disk, packed as it may be. */
  readonly size: number
  /** When the file was last changed, in milliseconds. */
  readonly modifiedAt: number
  /** Its bytes, unpacked. `onBytes` is told how many bytes on the disk they took. Throws an ImportError. */
  bytes(onBytes?: (count: number) => void): AsyncIterable<Buffer>
}

/**
 * To be imported before a program (`node --import`): its clock of the day is off by so many milliseconds, from the beginning
 * (PGFIGI_TEST_CLOCK_OFFSET_MS) and from SIGUSR2 on (PGFIGI_TEST_CLOCK_JUMP_MS). The monotonic clock goes on as it does.
 */
const RealDate = Date
let offsetMs = Number(process.env.PGFIGI_TEST_CLOCK_OFFSET_MS ?? 0)
const jumpMs = Number(process.env.PGFIGI_TEST_CLOCK_JUMP_MS ?? 0)

class JumpingDate extends RealDate {
  constructor(...given: unknown[]) {
    super(...((given.length === 0 ? [RealDate.now() + offsetMs] : given) as [number]))
  }

  static override now(): number {
    return RealDate.now() + offsetMs
  }
}

globalThis.Date = JumpingDate as DateConstructor
process.on('SIGUSR2', () => {
  offsetMs += jumpMs
})

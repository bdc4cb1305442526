/** Where a program of test/support finds its argument, as JSON. */
export const argumentName = 'PGFIGI_TEST_ARGUMENT'

/** What forkProgram was given for this process. */
// biome-ignore lint/suspicious/noExplicitAny: each program knows what it is given
export const programArgument = (): any => JSON.parse(process.env[argumentName] ?? '{}')

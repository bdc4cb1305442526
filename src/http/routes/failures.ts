import { z } from 'zod'

/** What programs are told where something did not work. */
const failure = z.object({
  error: z.string().describe('What is wrong, and what to do, in a sentence'),
})

/** By status, for every operation of the API. */
export const failures = {
  400: failure.describe('What was asked is not understood'),
  401: failure.describe('Neither a bearer token nor a session'),
  403: failure.describe('Not allowed'),
  413: failure.describe('The body is larger than 64 KB'),
  415: failure.describe('The body is neither JSON nor a form'),
  500: failure.describe('Something unexpected, which the log of the process tells'),
  503: failure.describe('The database does not answer, or too many ask at once'),
}

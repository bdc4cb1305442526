import { OpenFigiResponseError } from './openfigi_response_error.ts'

/** HTTP 200 with more than is read of an answer: fewer jobs at once may do. */
export class OpenFigiAnswerTooLargeError extends OpenFigiResponseError {
  readonly jobs: number

  constructor(mostBytes: number, jobs: number) {
    super(
      `The answer of OpenFIGI to ${jobs} ${jobs === 1 ? 'job' : 'jobs'} is larger than ${mostBytes} bytes`,
    )
    this.jobs = jobs
  }
}

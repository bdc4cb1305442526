/** The wire format as the simulator speaks it, on purpose independent of what src/ takes it to be. */

export interface Job {
  idType: string
  idValue: string | number
  exchCode?: string | null
  micCode?: string | null
  marketSecDes?: string | null
  securityType?: string | null
  securityType2?: string | null
}

/** Exactly the ten keys that a recorded listing has, in their recorded order. */
export interface WireListing {
  figi: string
  name: string | null
  ticker: string | null
  exchCode: string | null
  compositeFIGI: string | null
  securityType: string | null
  marketSector: string | null
  shareClassFIGI: string | null
  securityType2: string | null
  securityDescription: string | null
}

export type WireAnswer = { data: WireListing[] } | { warning: string } | { error: string }

export const NOT_FOUND = { warning: 'No identifier found.' }
export const BAD_VALUE = { error: 'Invalid idValue format.' }
export const BAD_TYPE = { error: 'Invalid value for idType.' }

export const STATUS_TEXTS: Record<number, string> = {
  400: 'Bad request.',
  401: 'Invalid API key.',
  404: 'Invalid url.',
  405: 'Invalid HTTP method.',
  406: "Unsupported 'Accept' type.",
  413: 'Payload too large.',
  415: 'Invalid Content-Type. Should be text/json or application/json with valid charset.',
  429: 'Too many requests, please try again later.',
  500: 'Internal server error.',
  503: 'Service Unavailable.',
}

const ID_TYPES = new Set(
  `BARCLAYS_TICKER BASE_TICKER COMPOSITE_ID_BB_GLOBAL ID_BB ID_BB_8_CHR ID_BB_GLOBAL ID_BB_GLOBAL_SHARE_CLASS_LEVEL
  ID_BB_SEC_NUM_DES ID_BB_UNIQUE ID_CINS ID_COMMON ID_CUSIP ID_CUSIP_8_CHR ID_EXCH_SYMBOL ID_FULL_EXCHANGE_SYMBOL
  ID_ISIN ID_ITALY ID_SEDOL ID_SHORT_CODE ID_TRACE ID_WERTPAPIER OCC_SYMBOL OPRA_SYMBOL TICKER TRADEBOOK_TICKER
  TRADING_SYSTEM_IDENTIFIER UNIQUE_ID_FUT_OPT VENDOR_INDEX_CODE`.split(/\s+/),
)

export const isIdType = (value: string): boolean => ID_TYPES.has(value)

export const isFiltered = (job: Job): boolean => Boolean(job.exchCode ?? job.micCode)

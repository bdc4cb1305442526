import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

export interface Asset {
  readonly type: string
  readonly body: Buffer
  /** Quoted, as the header wants it. */
  readonly etag: string
}

const require = createRequire(import.meta.url)
const ours = (name: string) => fileURLToPath(new URL(`assets/${name}`, import.meta.url))

const files: Readonly<Record<string, string>> = {
  'page.css': ours('page.css'),
  'icon.svg': ours('icon.svg'),
  'theme.js': ours('theme.js'),
  'live.js': ours('live.js'),
  'charts.js': ours('charts.js'),
  'htmx.min.js': require.resolve('htmx.org/dist/htmx.min.js'),
  'uPlot.iife.min.js': require.resolve('uplot/dist/uPlot.iife.min.js'),
  'uPlot.min.css': require.resolve('uplot/dist/uPlot.min.css'),
}

const types: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

/** What the page loads besides itself, by name, for `/assets/<name>`: read once, when this module is. */
export const assets: ReadonlyMap<string, Asset> = new Map(
  Object.entries(files).map(([name, file]) => {
    const body = readFileSync(file)
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 16)}"`
    return [name, { type: types[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream', body, etag }]
  }),
)

/** Its address, which changes with its content: browsers may keep it for as long as they like. */
export function assetUrl(name: string): string {
  return `/assets/${name}?v=${assets.get(name)?.etag.slice(1, 9) ?? ''}`
}

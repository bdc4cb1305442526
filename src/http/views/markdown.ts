import { html } from 'ghtml'
import { Marked, type Tokens } from 'marked'
import { runbookPath } from './runbook_link.ts'

/** Markdown as HTML, its headings from that level on. Links go to other runbooks and to https alone; no HTML passes. */
export function markdown(text: string, { heading: highest }: { readonly heading: number }): string {
  const marked = new Marked({
    renderer: {
      html: ({ text }) => html`${text}`,
      image: ({ text }) => html`${text}`,
      heading({ tokens, depth }) {
        const level = Math.min(6, Math.max(highest, depth))
        return html`<h${level}>!${this.parser.parseInline(tokens)}</h${level}>`
      },
      link({ href, tokens }) {
        return link(this.parser.parseInline(tokens), href)
      },
      code: ({ text }) => html`<pre tabindex="0"><code>${text}</code></pre>`,
      table({ header, rows }) {
        const cells = (row: readonly Tokens.TableCell[], tag: (inner: string) => string) =>
          row.map((cell) => tag(this.parser.parseInline(cell.tokens)))
        const head = cells(header, (inner) => html`<th scope="col">!${inner}</th>`)
        const body = rows.map((row) => html`<tr>!${cells(row, (inner) => html`<td>!${inner}</td>`)}</tr>`)
        return html`<div class="scroll" role="group" aria-label="Table" tabindex="0"><table><thead><tr>!${head}</tr></thead><tbody>!${body}</tbody></table></div>`
      },
    },
  })
  return marked.parse(text, { async: false })
}

/** Another runbook is a link; what this server does not show is named, not linked. */
function link(label: string, target: string): string {
  const [, name] = /^(?:\.\/)?([a-z0-9_-]+)\.md(?:#.*)?$/i.exec(target) ?? []
  if (name !== undefined) return html`<a href="${runbookPath(name)}">!${label}</a>`
  if (/^https:\/\//.test(target)) return html`<a href="${target}" rel="noreferrer">!${label}</a>`
  return html`!${label} (<code>${target}</code>)`
}

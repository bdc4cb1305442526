import { html } from 'ghtml'
import { runbookPath } from './runbook_link.ts'

/**
 * The Markdown that our own documents are written in, as HTML: headings, paragraphs, lists, tables, code, links between
 * runbooks. Anything else is shown as it stands; no HTML passes.
 */
export function markdown(text: string, { heading }: { readonly heading: number }): string {
  const blocks: string[] = []
  const lines = text.replaceAll('\r', '').split('\n')
  while (lines.length > 0) {
    const line = lines[0] ?? ''
    if (line.trim() === '') lines.shift()
    else if (/^ *(```|~~~)/.test(line)) blocks.push(codeBlock(lines))
    else if (/^#{1,6} /.test(line)) blocks.push(headingBlock(lines.shift() ?? '', heading))
    else if (listItem.test(line)) blocks.push(list(lines, indentOf(line)))
    else if (line.trimStart().startsWith('|'))
      blocks.push(tableBlock(takeWhile(lines, (each) => /^ *\|/.test(each))))
    else blocks.push(html`<p>!${inline(takeWhile(lines, isParagraph).join('\n'))}</p>`)
  }
  return blocks.join('\n')
}

const listItem = /^( *)([-*]|\d+[.)]) +/

function isParagraph(line: string): boolean {
  return line.trim() !== '' && !/^ *(```|~~~)|^#{1,6} |^ *\|/.test(line) && !listItem.test(line)
}

/** Removes the first line, whatever it is, and those after it that pass. */
function takeWhile(lines: string[], passes: (line: string) => boolean): string[] {
  const end = lines.findIndex((line, place) => place > 0 && !passes(line))
  return lines.splice(0, end === -1 ? lines.length : end)
}

function codeBlock(lines: string[]): string {
  const indent = indentOf(lines.shift() ?? '')
  const end = lines.findIndex((line) => /^ *(```|~~~)\s*$/.test(line))
  const code = lines.splice(0, end === -1 ? lines.length : end)
  lines.shift()
  return html`<pre tabindex="0"><code>${code.map((line) => line.slice(Math.min(indent, indentOf(line)))).join('\n')}</code></pre>`
}

function headingBlock(line: string, top: number): string {
  const [, marks = '#', title = ''] = /^(#+) +(.*?) *#*$/.exec(line) ?? []
  const level = Math.min(6, Math.max(top, marks.length))
  return html`<h${level}>!${inline(title)}</h${level}>`
}

/** Its items, each with what is indented below it. */
function list(lines: string[], indent: number): string {
  const isOrdered = /^ *\d/.test(lines[0] ?? '')
  const items: string[] = []
  while (lines.length > 0) {
    const line = lines[0] ?? ''
    if (!listItem.test(line) || indentOf(line) !== indent || /^ *\d/.test(line) !== isOrdered) break
    const mark = listItem.exec(line)?.[0].length ?? 0
    const own = takeWhile(lines, (each) => each.trim() === '' || indentOf(each) > indent)
    const inner = own.map((each, place) =>
      place === 0 ? each.slice(mark) : each.slice(Math.min(mark, indentOf(each))),
    )
    items.push(html`<li>!${ofItem(inner)}</li>`)
  }
  return isOrdered ? html`<ol>!${items}</ol>` : html`<ul>!${items}</ul>`
}

/** One paragraph stands without tags around it. */
function ofItem(lines: string[]): string {
  const rest = [...lines]
  const first = takeWhile(rest, isParagraph)
  const opening = inline(first.join('\n'))
  return rest.every((line) => line.trim() === '')
    ? opening
    : `${opening}${markdown(rest.join('\n'), { heading: 3 })}`
}

function tableBlock(rows: string[]): string {
  const cells = rows.map((row) =>
    row
      .trim()
      .replace(/^\||\|$/g, '')
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('\\|', '|')),
  )
  const [head = [], , ...body] = cells
  return html`<div class="scroll" role="group" aria-label="Table" tabindex="0"><table><thead><tr>!${head.map((cell) => html`<th scope="col">!${inline(cell)}</th>`)}</tr></thead><tbody>!${body.map((row) => html`<tr>!${row.map((cell) => html`<td>!${inline(cell)}</td>`)}</tr>`)}</tbody></table></div>`
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}

/** Code, strong, emphasis and links within a line. */
function inline(text: string): string {
  return text
    .split(/(`+[^`]+`+|\*\*[^*]+\*\*|\[[^\]]+\]\([^)\s]+\))/)
    .map((part) => {
      if (/^`[\s\S]+`$/.test(part)) return html`<code>${part.replace(/^`+|`+$/g, '')}</code>`
      if (/^\*\*[\s\S]+\*\*$/.test(part)) return html`<strong>!${inline(part.slice(2, -2))}</strong>`
      const [, label, target] = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part) ?? []
      return label !== undefined && target !== undefined ? link(label, target) : html`${part}`
    })
    .join('')
}

/** Another runbook is a link; what this server does not show is named, not linked. */
function link(label: string, target: string): string {
  const [, name] = /^(?:\.\/)?([a-z0-9_-]+)\.md(?:#.*)?$/.exec(target) ?? []
  if (name !== undefined) return html`<a href="${runbookPath(name)}">!${inline(label)}</a>`
  if (/^https:\/\//.test(target)) return html`<a href="${target}" rel="noreferrer">!${inline(label)}</a>`
  return html`!${inline(label)} (<code>${target}</code>)`
}

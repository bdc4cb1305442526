import { type Expression, type MemberExpression, type Node, parseSync, Visitor } from 'oxc-parser'

/** The one file that sends SQL which is not written in it: the query of `pgfigi warm --query`, its user's own. */
const sendsUsersQuery = 'src/database/user_query.ts'

/** Files that name a table, a column or a channel by a value: of the package's own files, or random. */
const namesByValue = new Set([
  'src/database/migrate_down.ts',
  'src/database/notifications.ts',
  'scripts/schema_queries.ts',
])

/** Files that run a file of SQL: the undos of the package. */
const runsFile = 'src/database/migrate_down.ts'

/** What the project calls its connections. */
const connections = new Set([
  'sql',
  'transaction',
  'session',
  'on',
  'other',
  'second',
  'replica',
  'client',
  'database',
  's',
])

/** Tags of templates that are SQL. */
const tags = new Set(['sql', 'transaction', 'session', 'on', 'other', 'second'])

/** Words before a parenthesis that are grammar, and mean PostgreSQL's own whatever the search_path; `unnest` of several arrays is one. */
const grammar = new Set(
  'all and any array as by cast coalesce copy exists extract filter from greatest in interval lateral least not nullif on or over row select unnest using values when where with'.split(
    ' ',
  ),
)

/** Where a module could send SQL, or a command, that is put together from strings; each `path:line what to do`. */
export function builtSql(path: string, source: string): string[] {
  const found: string[] = []
  const tell = ({ start }: { start: number }, what: string) =>
    found.push(`${path}:${source.slice(0, start).split('\n').length} ${what}`)
  const { program, errors } = parseSync(path, source)
  if (errors.length > 0) tell({ start: 0 }, `cannot be read: ${errors[0]?.message}`)

  new Visitor({
    MemberExpression(node) {
      const name = nameOf(node)
      if (name === 'unsafe' && path !== sendsUsersQuery) tell(node, 'sql.unsafe: write it with the sql tag')
      if (name === null && isConnection(node.object) && !isSymbol(node.property))
        tell(node, 'a method of a connection by a computed name')
      if (isConnection(node.object) && ['call', 'apply', 'bind'].includes(name ?? ''))
        tell(node, 'the sql tag called in another way than as a tag')
    },
    ObjectPattern(node) {
      for (const property of node.properties) {
        if (property.type === 'Property' && textOf(property.key) === 'unsafe' && path !== sendsUsersQuery)
          tell(property, 'sql.unsafe: write it with the sql tag')
      }
    },
    CallExpression(node) {
      const [first] = node.arguments
      if (node.callee.type === 'Identifier') {
        if (
          node.callee.name !== 'transaction' &&
          tags.has(node.callee.name) &&
          first &&
          !isWritten(first) &&
          !namesByValue.has(path)
        )
          tell(node, 'a name in SQL that comes from a value')
        if (node.callee.name === 'eval') tell(node, 'eval')
      }
      if (node.callee.type !== 'MemberExpression' || !first) return
      const name = node.callee.property.type === 'PrivateIdentifier' ? null : nameOf(node.callee)
      if (name === 'file' && isConnection(node.callee.object) && path !== runsFile)
        tell(node, 'a file sent as SQL')
      if (name === 'query' && !isWritten(first) && !isFunction(first))
        tell(node, 'a query that is not written here')
      if (name === 'exec' && isConnection(node.callee.object) && !isWritten(first))
        tell(node, 'a query that is not written here')
      if (name === 'addJob' && !isWritten(first)) tell(node, 'a task that is not named here')
    },
    NewExpression(node) {
      if (node.callee.type === 'Identifier' && node.callee.name === 'Function') tell(node, 'new Function')
    },
    ImportDeclaration(node) {
      if (node.source.value === 'pg') tell(node, 'pg: postgres.js is the driver')
      if (!/^(node:)?child_process$/.test(node.source.value)) return
      for (const one of node.specifiers) {
        const isNamed = one.type === 'ImportSpecifier'
        if (!isNamed || /^exec(Sync)?$/.test(textOf(one.imported) ?? ''))
          tell(one, 'a shell: import spawn or execFile by its name')
      }
    },
    Property(node) {
      const isFalse = node.value.type === 'Literal' && node.value.value === false
      // Scripts start .cmd files on Windows, with arguments of their own.
      if (textOf(node.key) === 'shell' && !isFalse && !path.startsWith('scripts/')) tell(node, 'a shell')
    },
    TaggedTemplateExpression(node) {
      if (node.tag.type !== 'Identifier' || !tags.has(node.tag.name) || path.startsWith('scripts/')) return
      for (const { value, start } of node.quasi.quasis) {
        const text = (value.cooked ?? '').replace(/'[^']*'/g, (quoted) => ' '.repeat(quoted.length))
        for (const { 1: name = '', index } of text.matchAll(/(?<![\w.])([a-z_]\w*)\(/g)) {
          if (!grammar.has(name))
            tell({ start: start + index }, `${name}( is whose? Name its schema, pg_catalog or ours`)
        }
      }
    },
  }).visit(program)
  return found
}

/** The name of what is taken of an object; null where only a run would tell. */
function nameOf({ property, computed }: MemberExpression): string | null {
  if (!computed || property.type === 'Literal' || property.type === 'TemplateLiteral') return textOf(property)
  return null
}

function textOf(node: { type: string }): string | null {
  const { name, value, quasis } = node as {
    name?: string
    value?: unknown
    quasis?: { value: { cooked: string } }[]
  }
  return (
    name ?? quasis?.map((part) => part.value.cooked).join('') ?? (value === undefined ? null : String(value))
  )
}

function isConnection(node: Expression): boolean {
  return node.type === 'Identifier' && connections.has(node.name)
}

/** Symbol.asyncDispose and its like. */
function isSymbol(node: Node): boolean {
  return (
    node.type === 'MemberExpression' && node.object.type === 'Identifier' && node.object.name === 'Symbol'
  )
}

function isWritten(node: Node): boolean {
  return node.type === 'Literal' || (node.type === 'TemplateLiteral' && node.expressions.length === 0)
}

function isFunction(node: Node): boolean {
  return node.type === 'ArrowFunctionExpression' || node.type === 'FunctionExpression'
}

/* Draws each chart from the table below it, by uPlot; again when the table, the width or the colours change. */
{
  const drawn = new Map()
  const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })
  const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })

  /** Instants in seconds, then the values of each series, oldest first. */
  const read = (figure) => {
    const rows = [...figure.querySelectorAll('tbody tr')].reverse()
    const columns = [rows.map((row) => Date.parse(row.querySelector('time').dateTime) / 1000)]
    const series = figure.querySelectorAll('thead th').length - 1
    for (let place = 1; place <= series; place++) {
      columns.push(
        rows.map((row) => {
          const text = row.cells[place].textContent.replaceAll(',', '')
          return text === '–' ? null : Number(text)
        }),
      )
    }
    return columns
  }

  /** The first series lies at the bottom; what is drawn first is the sum of all, and the others cover it in turn. */
  const stack = ([at, ...series]) => {
    const sums = []
    let below = at.map(() => 0)
    for (const values of series) {
      below = below.map((sum, place) => sum + (values[place] ?? 0))
      sums.unshift(below)
    }
    return [at, ...sums]
  }

  /** Sizes differ a thousandfold: what each has gained since the beginning can be drawn together. */
  const gain = ([at, ...series]) => [
    at,
    ...series.map((values) => {
      const first = values.find((value) => value !== null) ?? 0
      return values.map((value) => (value === null ? null : value - first))
    }),
  ]

  const colourOf = (figure, place) =>
    getComputedStyle(figure.querySelectorAll('.legend .swatch')[place]).color

  const draw = (figure) => {
    const canvas = figure.querySelector('.canvas')
    if (!canvas || canvas.classList.contains('nothing')) return forget(figure.id)
    const columns = read(figure)
    const isColumns = figure.dataset.kind === 'columns'
    const data = isColumns ? stack(columns) : gain(columns)
    const places = data.slice(1).map((_, place) => (isColumns ? data.length - 2 - place : place))
    const style = getComputedStyle(canvas)
    const width = Math.floor(
      canvas.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight),
    )
    const colours = places.map((place) => colourOf(figure, place))
    const font = `12px ${getComputedStyle(figure).fontFamily}`
    const ink = getComputedStyle(figure.querySelector('.unit')).color
    const line = getComputedStyle(figure).borderTopColor
    const key = JSON.stringify([width, colours, ink, line])
    const before = drawn.get(figure.id)
    if (before?.key === key && before.plot.root.isConnected && before.plot.series.length === data.length) {
      before.columns = columns
      before.plot.setData(data)
      readout(figure, columns, pointedAt(before.plot, columns, isColumns))
      return
    }
    forget(figure.id)
    const entry = { key, columns, plot: null }
    entry.plot = new uPlot(
      {
        width,
        height: 178,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
        legend: { show: false },
        cursor: { y: false, points: { show: !isColumns }, drag: { setScale: false, x: false, y: false } },
        scales: {
          x: { range: (_, from, until) => [from, until + (isColumns ? Number(figure.dataset.bucket) : 0)] },
          y: { range: (_, low, high) => rangeOf(low, high, isColumns) },
        },
        series: [
          {},
          ...colours.map((colour) =>
            isColumns
              ? {
                  fill: colour,
                  width: 0,
                  paths: uPlot.paths.bars({ size: [0.8, 26], align: 1 }),
                  points: { show: false },
                }
              : { stroke: colour, width: 2, points: { show: false } },
          ),
        ],
        axes: [
          {
            font,
            stroke: ink,
            grid: { show: false },
            ticks: { stroke: line, width: 1, size: 4 },
            size: 28,
            values: clock,
            space: 60,
          },
          {
            font,
            stroke: ink,
            grid: { stroke: line, width: 1 },
            ticks: { show: false },
            size: 46,
            space: 34,
            incrs: [
              1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6,
              1e7, 1e8,
            ],
            values: (_, splits) =>
              splits.map((split) => (isColumns || split <= 0 ? '' : '+') + short.format(split)),
          },
        ],
        hooks: {
          setCursor: [(plot) => readout(figure, entry.columns, pointedAt(plot, entry.columns, isColumns))],
        },
      },
      data,
      canvas,
    )
    drawn.set(figure.id, entry)
  }

  const rangeOf = (low, high, isColumns) => {
    if (isColumns) return [0, Math.max(high ?? 0, 4) * 1.05]
    const room = Math.max(((high ?? 0) - (low ?? 0)) * 0.06, 1)
    return [Math.min(low ?? 0, 0) - room, Math.max(high ?? 0, 0) + room]
  }

  const clock = (_, splits, __, ___, step) =>
    splits.map((split) => {
      const text = new Date(split * 1000).toISOString()
      return step >= 86_400 ? text.slice(5, 10) : text.slice(11, 16)
    })

  /** The bucket under the pointer, -1 where it is elsewhere: a column begins at its time, a point lies on it. */
  const pointedAt = ({ cursor, posToVal }, [at], isColumns) => {
    if (cursor.idx === null || cursor.idx === undefined || cursor.left < 0) return -1
    if (!isColumns) return cursor.idx
    const pointed = posToVal(cursor.left, 'x')
    return at.findLastIndex((begin) => begin <= pointed)
  }

  /** Below the title: the figures of the bucket that is pointed at, else those of the whole time. */
  const readout = (figure, columns, place) => {
    const unit = figure.querySelector('.unit')
    const figures = [...figure.querySelectorAll('.legend b')]
    unit.dataset.words ??= unit.textContent
    if (place < 0) {
      unit.textContent = unit.dataset.words
      for (const each of figures) if (each.dataset.words) each.textContent = each.dataset.words
      return
    }
    unit.textContent = `${new Date(columns[0][place] * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`
    figures.forEach((each, series) => {
      each.dataset.words ??= each.textContent
      const value = columns[series + 1]?.[place]
      each.textContent = value === null || value === undefined ? '–' : grouped.format(value)
    })
  }

  const forget = (id) => {
    drawn.get(id)?.plot.destroy()
    drawn.delete(id)
  }

  const drawAll = () => {
    for (const figure of document.querySelectorAll('.chart')) draw(figure)
  }

  let waiting = 0
  const drawSoon = () => {
    cancelAnimationFrame(waiting)
    waiting = requestAnimationFrame(drawAll)
  }
  drawAll()
  addEventListener('pgfigi:fresh', drawAll)
  addEventListener('pgfigi:colours', drawSoon)
  addEventListener('resize', drawSoon)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawSoon)
}

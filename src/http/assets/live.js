/* Fetches the main part of the page anew every few seconds and lets htmx change what has changed, unless that is paused. */
{
  const everyMs = 5000
  const live = document.querySelector('.live')
  const state = document.getElementById('live-state')
  const pause = document.getElementById('pause')
  const announcer = document.getElementById('announcer')
  let isPaused = false
  let isFetching = false
  let timer = 0

  const show = (name, words) => {
    live.dataset.state = name
    state.textContent = words
  }

  const healthNow = () =>
    new Map(
      [...document.querySelectorAll('[data-check]')].map(({ dataset }) => [dataset.check, { ...dataset }]),
    )

  const announce = (before) => {
    const words = { ok: 'is well again', warn: 'now warns', fail: 'now fails' }
    const news = [...healthNow()].filter(
      ([check, { status }]) => before.has(check) && before.get(check).status !== status,
    )
    if (news.length === 0) return
    announcer.textContent = news
      .map(([check, { status, sentence }]) => `${check} ${words[status]}: ${sentence}`)
      .join('. ')
  }

  const refresh = async () => {
    if (isFetching) return
    isFetching = true
    const before = healthNow()
    let isAnswered = false
    const answered = ({ detail }) => {
      const { raw } = detail.ctx.response
      if (raw.redirected) location.reload() // to the login, as a rule
      isAnswered = raw.ok
    }
    document.body.addEventListener('htmx:before:response', answered, { once: true })
    try {
      await htmx.ajax('GET', location.pathname + location.search, {
        target: '#main',
        select: '#main',
        swap: 'outerMorph',
      })
    } finally {
      document.body.removeEventListener('htmx:before:response', answered)
      isFetching = false
    }
    if (isPaused) return
    if (isAnswered) show('live', 'Live')
    else show('lost', 'No answer')
    announce(before)
    dispatchEvent(new Event('pgfigi:fresh'))
  }

  const schedule = () => {
    clearInterval(timer)
    timer = isPaused || document.hidden ? 0 : setInterval(refresh, everyMs)
  }

  pause.addEventListener('click', () => {
    isPaused = !isPaused
    pause.firstChild.nodeValue = isPaused ? 'Go on' : 'Pause'
    show(isPaused ? 'paused' : 'live', isPaused ? 'Paused' : 'Live')
    schedule()
    if (!isPaused) refresh()
  })
  document.addEventListener('visibilitychange', () => {
    schedule()
    if (!isPaused && !document.hidden) refresh()
  })
  schedule()
}

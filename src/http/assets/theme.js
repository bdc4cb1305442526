/* Before anything is shown: the colours that somebody has chosen on this machine. */
{
  const kept = 'pgfigi-theme'
  const root = document.documentElement
  const apply = (theme) => {
    if (theme) root.dataset.theme = theme
    else delete root.dataset.theme
  }
  const read = () => {
    try {
      return localStorage.getItem(kept) ?? ''
    } catch {
      return '' // storage is closed to us: the system's colours
    }
  }
  apply(read())
  addEventListener('DOMContentLoaded', () => {
    const select = document.getElementById('theme')
    if (!select) return
    select.value = read()
    select.addEventListener('change', () => {
      apply(select.value)
      try {
        localStorage.setItem(kept, select.value)
      } catch {
        // it holds for this page, then
      }
      dispatchEvent(new Event('pgfigi:colours'))
    })
  })
}

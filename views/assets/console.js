// What makes the pages of the console more comfortable; all of them work without it. Copies what is
// to be copied, narrows long lists, and writes times in the reader's time zone.
'use strict'

for (const element of document.querySelectorAll('[data-needs-script]')) element.hidden = false

const said = document.createElement('p')
said.className = 'hidden-visually'
said.setAttribute('role', 'status')
document.body.append(said)

/** Selects the text of an element, so that it can be copied by hand where the browser does not let us. */
function select(element) {
  const range = document.createRange()
  range.selectNodeContents(element)
  const selection = window.getSelection()
  selection.removeAllRanges()
  selection.addRange(range)
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy)
  if (source === null) return
  const label = button.firstChild
  const words = button.dataset.words ?? label.textContent
  button.dataset.words = words
  try {
    await navigator.clipboard.writeText(source.textContent)
    label.textContent = 'Copied'
    said.textContent = 'Copied'
  } catch {
    select(source)
    label.textContent = 'Selected'
    said.textContent = 'Selected: copy it with your keyboard'
  }
  setTimeout(() => {
    label.textContent = words
    said.textContent = ''
  }, 4000)
}

document.addEventListener('click', (event) => {
  const button = event.target.closest?.('[data-copy]')
  if (button !== null && button !== undefined) void copy(button)
})

for (const input of document.querySelectorAll('[data-filter]')) {
  const list = document.getElementById(input.dataset.filter)
  input.addEventListener('input', () => {
    const wanted = input.value.trim().toLowerCase()
    for (const choice of list.querySelectorAll('[data-words]'))
      choice.hidden = !choice.dataset.words.includes(wanted)
    for (const group of list.querySelectorAll('.choice-group'))
      group.hidden = group.querySelector('[data-words]:not([hidden])') === null
  })
  // Enter narrows the list; it does not send the form around it.
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') event.preventDefault()
  })
}

// The last part of an address that a name decides.
for (const address of document.querySelectorAll('[data-follows]')) {
  const input = document.getElementById(address.dataset.follows)
  const before = address.textContent.replace(/[^/]*$/, '')
  const placeholder = address.textContent
  input?.addEventListener('input', () => {
    const typed = input.value.trim()
    address.textContent = typed === '' ? placeholder : before + encodeURIComponent(typed)
  })
}

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone

/** Writes a time in the reader's zone, and leaves how it was written as its title. */
function writeLocally(time) {
  const at = new Date(time.dateTime)
  const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
  const form =
    time.dataset.local === 'clock'
      ? { ...clock, second: '2-digit' }
      : { ...clock, year: 'numeric', month: 'short', day: 'numeric', timeZoneName: 'short' }
  time.title = time.dataset.local === 'clock' ? `${time.textContent} UTC` : time.textContent
  time.textContent = new Intl.DateTimeFormat('en', form).format(at)
}

/** Puts the lines of a table below the days that they are on for the reader. */
function groupByDay(table) {
  const inWords = new Intl.DateTimeFormat('en', { dateStyle: 'full' })
  const rows = [...table.tBodies].flatMap((body) => [...body.rows])
  const heading = rows.find((row) => row.className === 'day')
  let day, group
  for (const body of [...table.tBodies]) body.remove()
  for (const row of rows) {
    if (row.className === 'day') continue
    const time = row.querySelector('[data-local]')
    const its = time === null ? day : inWords.format(new Date(time.dateTime))
    if (its !== day) {
      day = its
      group = table.createTBody()
      group.append(heading.cloneNode(true))
      group.querySelector('h3').textContent = day
    }
    group.append(row)
  }
}

if (zone !== undefined && zone !== 'UTC') {
  for (const table of document.querySelectorAll('[data-days]')) groupByDay(table)
  for (const time of document.querySelectorAll('[data-local]')) writeLocally(time)
  for (const words of document.querySelectorAll('[data-zone]'))
    words.textContent = `Times are in your time zone, ${zone}.`
  for (const field of document.querySelectorAll('[data-zone-field]')) field.value = zone
  for (const words of document.querySelectorAll('[data-zone-dates]'))
    words.textContent = `Dates are in your time zone, ${zone}.`
}

// The bars of links scroll on narrow screens: where one is, is in view.
function showCurrentLinks() {
  for (const link of document.querySelectorAll('.rail [aria-current], .tabs [aria-current]')) {
    const bar = link.closest('ul')
    const at = link.getBoundingClientRect().left - bar.getBoundingClientRect().left
    bar.scrollLeft += at - (bar.clientWidth - link.offsetWidth) / 2
  }
}
showCurrentLinks()
window.addEventListener('resize', showCurrentLinks)

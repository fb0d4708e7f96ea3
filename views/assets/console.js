// What makes the pages of the console more comfortable; all of them work without it. Copies what is to be copied, and narrows long lists.
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

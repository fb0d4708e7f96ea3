// The look of the demo's app: its own, so that one sees at a glance whose page one is on.
export const DASHBOARD_CSS = `:root {
  color-scheme: light dark;
  --ground: light-dark(#f6f5fa, #131218);
  --card: light-dark(#ffffff, #1c1a24);
  --line: light-dark(#dedbe8, #34313f);
  --ink: light-dark(#1b1726, #eceaf2);
  --soft: light-dark(#5d5870, #aaa5ba);
  --brand: light-dark(#5b3bd1, #b9a8ff);
  --on-brand: light-dark(#ffffff, #1a1038);
  --good: light-dark(#047857, #4ade80);
  --bad: light-dark(#b42318, #fca5a5);
  --good-ground: light-dark(#e8f6f0, #12291f);
  --bad-ground: light-dark(#fdeeec, #321a18);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
header, main, footer { max-width: 60rem; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; align-items: center; gap: 1rem; padding-block: 1.1rem; flex-wrap: wrap; }
.brand { display: flex; align-items: center; gap: .65rem; font-weight: 650; color: inherit; text-decoration: none; }
.hint, footer, small { color: var(--soft); font-size: .875rem; }
footer { padding-block: 2rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; }
a { color: var(--brand); }
code, pre { font: .875em/1.5 ui-monospace, monospace; }
code { background: var(--ground); padding: .1em .35em; border-radius: .3em; overflow-wrap: anywhere; }
pre { margin: .75rem 0 0; padding: .7rem .9rem; border-radius: .5rem; background: var(--card); white-space: pre-wrap; overflow-wrap: anywhere; }
.card, .notice { background: var(--card); border: 1px solid var(--line); border-radius: .9rem; padding: 1.25rem; margin-bottom: 1.1rem; min-width: 0; }
.hero { text-align: center; padding: 2.5rem 0 2.25rem; }
.hero h1 { font-size: clamp(1.9rem, 6vw, 2.9rem); margin-bottom: .8rem; text-wrap: balance; }
.lead { max-width: 38rem; margin: 0 auto 1.6rem; color: var(--soft); font-size: 1.1rem; text-wrap: pretty; }
.two, .three { display: grid; gap: 1.1rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }
.three h2 span { display: inline-grid; place-items: center; width: 1.7em; height: 1.7em; margin-right: .3em; border-radius: 50%; background: var(--good-ground); color: var(--good); }
.three p { margin: 0; color: var(--soft); }
.button, button { display: inline-block; font: inherit; font-weight: 600; cursor: pointer; text-decoration: none; padding: .6rem 1.1rem; border-radius: .6rem; border: 1px solid var(--brand); background: var(--brand); color: var(--on-brand); }
.big { font-size: 1.1rem; padding: .8rem 1.6rem; }
.actions button { width: 100%; margin-bottom: .6rem; background: transparent; color: var(--brand); }
.actions .danger { border-color: var(--bad); color: var(--bad); margin-bottom: 0; }
.line { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin-bottom: .6rem; }
.line label { flex: 1 1 10rem; font-size: .875rem; color: var(--soft); }
.line input { display: block; width: 100%; font: inherit; padding: .55rem .7rem; border-radius: .6rem; border: 1px solid var(--line); background: var(--ground); color: var(--ink); }
h3 { font-size: 1rem; margin: 0 0 .5rem; }
.small { padding: .25rem .7rem; font-size: .875rem; background: transparent; color: var(--soft); border-color: var(--line); }
.button:hover, button:hover { filter: brightness(1.08); }
:focus-visible { outline: 3px solid var(--brand); outline-offset: 2px; }
.notice { border-left: .35rem solid var(--soft); }
.notice p { margin: 0; }
.notice p + p { margin-top: .9rem; }
.notice.good { border-left-color: var(--good); background: var(--good-ground); }
.notice.bad { border-left-color: var(--bad); background: var(--bad-ground); }
.notice .button { margin-top: .9rem; }
.pill { font-size: .8rem; font-weight: 600; vertical-align: middle; padding: .2rem .6rem; margin-left: .4rem; border-radius: 1rem; background: var(--good-ground); color: var(--good); }
.scroll { position: relative; overflow-x: auto; margin: 0 -1.25rem -.5rem; padding: 0 1.25rem; }
table { width: 100%; border-collapse: collapse; min-width: 36rem; }
th { text-align: left; font-size: .8rem; color: var(--soft); font-weight: 600; }
th, td { padding: .55rem .6rem .55rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; padding-right: 1.2rem; white-space: nowrap; }
.cancelled td { text-decoration: line-through; color: var(--soft); }
.scopes { list-style: none; padding: 0; margin: 0 0 .8rem; }
.scopes li { padding: .2rem 0 .2rem 1.6rem; position: relative; }
.scopes li::before { position: absolute; left: 0; font-weight: 700; }
.yes::before { content: "✓"; color: var(--good); }
.no { color: var(--soft); }
.no::before { content: "–"; }
.wire summary { cursor: pointer; font-weight: 600; }
.wire ol { margin: .8rem 0 0; padding-left: 1.6rem; }
.wire li { margin: .25rem 0; }
.wire b { margin: 0 .35rem; font-weight: 650; }
.wire span, .wire .away { color: var(--soft); }
b.good { color: var(--good); }
b.bad { color: var(--bad); }
@media (max-width: 40rem) {
  table { min-width: 0; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { display: grid; grid-template-columns: 1fr auto; padding: .6rem 0; border-bottom: 1px solid var(--line); }
  tr:last-child { border-bottom: 0; }
  td { border: 0; padding: .1rem 0; }
  td:nth-child(2) { grid-row: 1; font-weight: 600; }
  td:nth-child(4) { display: none; }
  .number { padding-right: 0; }
}
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
`

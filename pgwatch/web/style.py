"""The look of the pages: one style sheet without external parts, light and dark."""

STYLE = """
:root { color-scheme: light dark;
  --back: #f6f7f9; --card: #fff; --text: #1c2430; --quiet: #5d6877; --line: #dfe3e9;
  --pass: #1a7f4b; --warn: #a66300; --fail: #c2273a; --unknown: #5a5fa8; --code: #eef1f5; }
@media (prefers-color-scheme: dark) { :root {
  --back: #12161c; --card: #1a2028; --text: #e3e8ee; --quiet: #98a3b1; --line: #2c343f;
  --pass: #4cc38a; --warn: #f0b429; --fail: #ff6b7a; --unknown: #9aa2ff; --code: #232b35; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.25rem 1.25rem 4rem; background: var(--back);
  color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; }
.row b { overflow-wrap: anywhere; }
header h1 { font-size: 1.25rem; margin: 0; }
header nav { margin-left: auto; }
a { color: inherit; }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
.quiet { color: var(--quiet); }
.small { font-size: .87rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .75rem 1rem; margin: .5rem 0; }
.headline { border-left: .4rem solid var(--level); margin-top: 1rem; font-size: 1.1rem; }
.headline b { color: var(--level); text-transform: uppercase; letter-spacing: .04em; margin-right: .75rem; }
.pass { --level: var(--pass); } .warn { --level: var(--warn); }
.fail { --level: var(--fail); } .unknown { --level: var(--unknown); }
.mark { color: var(--level); font-weight: 600; white-space: nowrap; }
.alert { border-left: .4rem solid var(--level); }
.alert.pending { opacity: .75; border-left-style: dashed; }
.row { display: flex; flex-wrap: wrap; gap: .1rem .75rem; align-items: baseline; }
.row .end { margin-left: auto; }
.alert p { margin: .25rem 0; }
code, pre { font: .87rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; background: var(--code);
  border-radius: .25rem; padding: .1rem .35rem; overflow-wrap: anywhere; }
pre { margin: .4rem 0 0; padding: .4rem .6rem; white-space: pre-wrap; }
.labels { display: flex; flex-wrap: wrap; gap: .3rem; margin-top: .4rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--quiet); }
th, td { padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line); vertical-align: top; }
tr:first-child > th { border-top: 0; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
summary, button { cursor: pointer; }
button { justify-self: start; padding: .3rem .9rem; font: inherit; color: inherit; background: var(--code);
  border: 1px solid var(--line); border-radius: .25rem; }
"""

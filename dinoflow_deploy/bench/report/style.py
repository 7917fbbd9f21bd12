"""The page's style sheet: light or dark as the reader's system is, readable on a laptop and in print."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6678; --line: #d7dce4; --back: #fff;
  --panel: #f6f7f9; --c0: #1f6feb; --c1: #d9480f; --c2: #2b8a3e; --c3: #ae3ec9; --c4: #0b7285; --c5: #b08900 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #9aa5b5; --line: #343c4a;
  --back: #12161d; --panel: #1a202a; --c0: #6ea8fe; --c1: #ff922b; --c2: #69db7c; --c3: #da77f2;
  --c4: #3bc9db; --c5: #ffd43b } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1160px; margin: 0 auto; padding: 24px }
h1 { font-size: 26px; margin: 0 0 4px }
h2 { font-size: 20px; margin: 40px 0 4px; padding-top: 12px; border-top: 2px solid var(--line) }
h3 { font-size: 15px; margin: 24px 0 8px; overflow-wrap: anywhere }
.where, .note { color: var(--soft) }
.note { font-size: 13px; margin: 6px 0; max-width: 900px }
.partial { background: #ffe066; color: #402c00; padding: 8px 14px; border-radius: 6px; font-weight: 600 }
.engines { padding-left: 20px }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: 5px 10px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th { background: var(--panel) }
th:first-child, td:first-child { text-align: left }
figure { margin: 0 }
svg { display: block; width: 100%; max-width: 760px; background: var(--panel); border-radius: 6px }
svg text { fill: var(--soft); font-size: 12px; text-anchor: middle }
svg .tick.left { text-anchor: end }
.grid { stroke: var(--line) }
.line { fill: none; stroke-width: 2 }
/* What coincides with an earlier line leaves it visible. */
.line.c1 { stroke-dasharray: 7 5 } .line.c2 { stroke-dasharray: 3 4 } .line.c3 { stroke-dasharray: 9 3 2 3 }
.c0 { stroke: var(--c0) } .c1 { stroke: var(--c1) } .c2 { stroke: var(--c2) }
.c3 { stroke: var(--c3) } .c4 { stroke: var(--c4) } .c5 { stroke: var(--c5) }
.dot { fill: var(--panel); stroke-width: 2 }
.legend { list-style: none; padding: 0; margin: 6px 0; display: flex; flex-wrap: wrap; gap: 4px 18px;
  font-size: 13px }
.key { display: inline-block; width: 14px; height: 4px; margin-right: 6px; vertical-align: middle }
.k0 { background: var(--c0) } .k1 { background: var(--c1) } .k2 { background: var(--c2) }
.k3 { background: var(--c3) } .k4 { background: var(--c4) } .k5 { background: var(--c5) }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 10px }
.pictures img { width: 100%; height: auto; display: block; border-radius: 4px; image-rendering: auto }
figcaption { font-size: 13px; color: var(--soft) }
.scale { display: inline-block; width: 90px; height: 10px; border-radius: 2px;
  background: linear-gradient(to right, ERROR_COLORS) }
details { margin: 6px 0 }
summary { cursor: pointer }
pre { background: var(--panel); padding: 12px; border-radius: 6px; overflow-x: auto; font-size: 12px }
"""

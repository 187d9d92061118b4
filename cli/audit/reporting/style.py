"""The report's style sheet, for screen and paper. System fonts only: nothing is fetched."""

STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #c9d1d9; --shade: #f4f6f8;
  --good: #11602d; --warning: #7a4b00; --bad: #a40e1c; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 62rem; color: var(--ink); background: #fff;
  font: 15px/1.6 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC",
  "Source Han Sans SC", "WenQuanYi Micro Hei", sans-serif; font-variant-numeric: tabular-nums; }
h1, h2 { line-height: 1.3; font-weight: 650; break-after: avoid; }
h1 { font-size: 1.9rem; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .8rem; padding-bottom: .3rem; border-bottom: 2px solid var(--ink); }
h1 [lang=en], h2 [lang=en] { font-weight: 450; color: var(--soft); margin-left: .4em; }
th [lang=en], td [lang=en], caption [lang=en], figcaption [lang=en], li [lang=en] { color: var(--soft); }
p { margin: .5rem 0; }
.network { font-size: 1.1rem; margin: 0 0 1.2rem; color: var(--soft); }
.none, .note, .unit { color: var(--soft); }
.unit { margin-left: .8em; font-size: .85em; font-weight: 400; }
code { font: .86em/1.5 ui-monospace, "SF Mono", Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace; }
code.hash { overflow-wrap: anywhere; font-size: .78em; }
time, .short { white-space: nowrap; }
code.name { overflow-wrap: break-word; }
pre { margin: .6rem 0; padding: .7rem .9rem; background: var(--shade); border: 1px solid var(--line);
  white-space: pre-wrap; overflow-wrap: anywhere; }
.verdict { margin: 1rem 0 1.5rem; padding: 1rem 1.2rem; border: 2px solid; border-left-width: 12px;
  break-inside: avoid; }
.verdict .headline { margin: 0 0 .4rem; font-size: 1.45rem; font-weight: 700; line-height: 1.35; }
.verdict p, .verdict table { color: var(--ink); }
.verdict .headline, .verdict .headline [lang=en] { color: inherit; }
.verdict.holds { color: var(--good); background: #f0f8f2; }
.verdict.attention { color: var(--warning); background: #fff8e8; }
.verdict.fails { color: var(--bad); background: #fdf0f0; }
.verdict.fails .headline { text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: 4px; }
table { width: 100%; margin: .8rem 0 1.4rem; border-collapse: collapse; font-size: .9rem; }
caption { break-after: avoid; padding: .2rem 0 .4rem; text-align: left; font-weight: 650; }
th, td { padding: .35rem .6rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
[lang=zh-Hans], [lang=en] { overflow-wrap: normal; }
.given [lang] { overflow-wrap: anywhere; }
th { font-weight: 550; }
small { display: block; }
thead th { border-bottom: 1.5px solid var(--ink); font-size: .85em; }
thead th [lang] { display: block; }
td [lang=zh-Hans] + [lang=en], tbody th [lang=zh-Hans] + [lang=en] { display: block; font-size: .92em; }
table.facts th [lang=zh-Hans] + [lang=en] { display: inline; font-weight: 400; }
table.facts td [lang=zh-Hans] + [lang=en] { display: inline; }
.number { text-align: right; white-space: nowrap; padding-right: 1rem; }
table.facts th { width: 40%; }
.part-1 { padding-left: 1.5em; }
.part-2 { padding-left: 3em; }
tr, p, pre, figure, li, table.facts, #recheck { break-inside: avoid; }
section > p { break-after: avoid; }
.badge { font-weight: 650; }
.badge.good { color: var(--good); }
.badge.warning, .badge.warning [lang] { color: var(--warning); }
.badge.bad, .badge.bad [lang] { color: var(--bad); text-decoration: underline; }
figure { margin: 1rem 0 1.6rem; }
figcaption { font-weight: 650; margin-bottom: .3rem; }
figure > svg { display: block; width: 100%; height: auto; }
svg text { font-size: 11px; fill: var(--soft); }
svg .grid { stroke: #dfe4e8; }
svg .tick { stroke: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: .4rem 0 0; padding: 0; list-style: none;
  font-size: .88rem; }
.legend svg { vertical-align: -2px; }
footer { margin-top: 3rem; padding-top: .6rem; border-top: 1px solid var(--line); font-size: .85rem;
  color: var(--soft); }
@page { size: A4; margin: 16mm 14mm 18mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 9.5pt; line-height: 1.45; }
  h1 { font-size: 17pt; } h2 { font-size: 12pt; margin-top: 8mm; }
  .verdict .headline { font-size: 14pt; }
  table, .legend, footer { font-size: 8pt; } thead { display: table-header-group; }
  .verdict, pre, figure svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

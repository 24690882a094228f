# SPDX-License-Identifier: Apache-2.0
"""How the page looks, on screens light and dark and on paper."""

STYLE = """
:root{color-scheme:light dark;--ink:#16181d;--paper:#fff;--line:#d9dce2;--faint:#5c6470;
--card:#f6f7f9;--good:#00609c;--bad:#b83e00}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ec;--paper:#14161a;--line:#343941;
--faint:#9aa3b0;--card:#1c1f25;--good:#6bb8ea;--bad:#ff8a4a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:30px;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:20px;margin:40px 0 12px;padding-top:16px;border-top:1px solid var(--line)}
h3{font-size:16px;margin:20px 0 6px}
p{margin:6px 0}
small,.faint{color:var(--faint);font-weight:400}
.faint{font-size:14px}
.verdict{font-size:22px;font-weight:600;margin:4px 0 12px}
.verdict.good{color:var(--good)}
.verdict.bad{color:var(--bad)}
.maps{display:grid;gap:24px}
.maps.two{grid-template-columns:1fr 1fr}
.maps.one{max-width:480px}
figure{margin:0}
figure svg{display:block;width:100%;height:auto}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums;width:100%}
th,td{text-align:left;vertical-align:top;padding:5px 14px 5px 0;border-bottom:1px solid var(--line)}
th{color:var(--faint);font-weight:500;white-space:nowrap}
td{overflow-wrap:anywhere}
.r{text-align:right}
.dot{display:inline-block;width:10px;height:10px;border-radius:50%;margin-right:7px;
border:1px solid var(--faint)}
code,pre{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:8px 12px;
margin:8px 0;white-space:pre-wrap}
ol li{margin-bottom:14px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 24px;margin:0}
dt{color:var(--faint)}
dd{margin:0;overflow-wrap:anywhere}
summary{cursor:pointer;margin:8px 0}
@media(max-width:720px){.maps.two{grid-template-columns:1fr}dl{grid-template-columns:1fr}}
@media print{body{font-size:11pt}section{break-inside:avoid-page}}
"""
